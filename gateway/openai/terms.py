"""The terms that requests are served on: who may ask, and by which rules.

Owns: one immutable set of terms, and the place where the current one lies. Must not know: files,
signals, who changes it. A request takes the current terms once, at its start, and keeps them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.access.keys import Keys
from gateway.jobs.board import Outcome
from gateway.translate.model import note
from gateway.translate.money import Prices
from gateway.translate.plan import Rules


@dataclass(frozen=True, slots=True)
class Terms:
    """What may change while the gateway runs; each change makes a new one.

    ``webhook_secrets`` are what webhooks are signed with, by the key's name, where there are any.
    """

    keys: Keys
    rules: Rules
    prices: Prices
    partial_results: bool = False
    webhook_secrets: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)

    def served(self, outcome: Outcome, asked: int) -> Outcome:
        """What a caller who ``asked`` for so many pictures is given of what a job came to.

        Where partial results are wanted, what was made is no failure.
        """
        if outcome.error is None or not (self.partial_results and outcome.images):
            return outcome
        told = note("partial-result", made=len(outcome.images), asked=asked)
        return Outcome(outcome.images, (*outcome.notes, told))


class CurrentTerms:
    """Holds the terms for requests that begin now."""

    def __init__(self, terms: Terms) -> None:
        self.now = terms

    def __repr__(self) -> str:
        return f"CurrentTerms({self.now.keys!r})"
