"""The terms that requests are served on: who may ask, and by which rules.

Owns: one immutable set of terms, and the place where the current one lies. Must not know: files,
signals, who changes it. A request takes the current terms once, at its start, and keeps them.
"""

from dataclasses import dataclass

from gateway.access.keys import Keys
from gateway.translate.money import Prices
from gateway.translate.plan import Rules


@dataclass(frozen=True, slots=True)
class Terms:
    """What may change while the gateway runs; each change makes a new one."""

    keys: Keys
    rules: Rules
    prices: Prices
    partial_results: bool = False


class CurrentTerms:
    """Holds the terms for requests that begin now."""

    def __init__(self, terms: Terms) -> None:
        self.now = terms

    def __repr__(self) -> str:
        return f"CurrentTerms({self.now.keys!r})"
