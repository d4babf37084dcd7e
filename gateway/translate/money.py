"""Money as whole micro-dollars: what the vendor says it took, what a plan is going to cost.

Owns: the arithmetic. Must not know: where prices or bills come from. Standard library only.
"""

from collections.abc import Mapping
from decimal import Decimal

from gateway.translate.model import Plan, Quality, Tier

MICRO = 1_000_000
_MOST = 1_000_000 * MICRO  # of one task: what is beyond that is no amount

Prices = Mapping[tuple[str, Tier, Quality], int]
"""Micro-dollars of one picture, by the model's own name, tier and quality."""


def micro_dollars(told: str | None, otherwise: int) -> int:
    """A decimal amount in dollars as whole micro-dollars; ``otherwise`` if it is none."""
    try:
        amount = Decimal(told or "") * MICRO
    except ArithmeticError:  # no number, or one beyond all bounds
        return otherwise
    if not amount.is_finite() or not 0 <= amount <= _MOST:
        return otherwise
    return round(amount)


def reservations(plan: Plan, prices: Prices) -> tuple[int, ...]:
    """What each task of a plan will cost; 0 where there is no price."""
    price = prices.get((plan.model, plan.tier, plan.quality), 0)
    return tuple(task.n * price for task in plan.tasks)
