"""Budgets: of what a day or a month allows each key, the share that is used.

Owns: which limits are budgets (rates free themselves within a minute, these do not), and the share.
Must not know: where limits and uses are kept, when they are asked for, how a share is shown.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, get_args

from gateway.config.sections import Key, Limits
from gateway.state.base import Standing

Budget = Literal["images_per_day", "cost_per_day", "cost_per_month"]
"""By the names that the configuration has for them."""

Used = tuple[int, int, int]
"""What a key has used of each, in that order. It is kept of thousands of keys, as plain tuples:
those of numbers are none of the garbage collector's business, objects are."""

Shares = Mapping[tuple[str, Budget], float]
"""What is used of a budget, by its key's name: 0 for nothing, 1 for all of it, or more."""

BUDGETS: tuple[Budget, ...] = get_args(Budget)

_NOTHING: Used = (0, 0, 0)


def with_budgets(keys: Iterable[Key]) -> Iterator[Key]:
    """Those of the keys that have any."""
    return (key for key in keys if any(_allowed(key.limits)))


def used(standing: Standing) -> Used:
    """What of a standing is held against budgets."""
    return standing.images_today, standing.cost_today, standing.cost_this_month


def shares(keys: Iterable[Key], uses: Mapping[str, Used]) -> Shares:
    """The share of every budget of every key; of what is not among ``uses`` nothing is used.

    A budget of nothing is no budget, but a key that is to buy nothing: there is no share of it.
    What a picture costs is known when it is billed, so a share may be more than 1.
    """
    return {
        (key.name, budget): part / limit
        for key in keys
        for budget, limit, part in zip(
            BUDGETS, _allowed(key.limits), uses.get(key.name, _NOTHING), strict=True
        )
        if limit
    }


def _allowed(limits: Limits) -> tuple[int | None, int | None, int | None]:
    return limits.images_per_day, limits.cost_per_day, limits.cost_per_month
