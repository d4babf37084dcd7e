"""What holds creates back: turns, the account's allowance, the breaker, the budget of repetitions.

Owns: these as one thing, and for how long the vendor's "not now" holds everybody back. Must not
know: tasks, what is made of a refusal.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.jobs.queue import Queue
from gateway.translate.model import Quality, Tier
from gateway.upstream.breaker import Breaker
from gateway.upstream.budget import RetryBudget
from gateway.upstream.governor import Governor

LONGEST_HINT = 60.0
_LEAST_PAUSE = 0.1
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Restraint:
    """``least`` is how many seconds a task of a tier and quality takes at the least."""

    governor: Governor
    queue: Queue
    least: Callable[[Tier, Quality], float]
    breaker: Breaker
    budget: RetryBudget

    def hold_back(self, hint: float | None) -> float:
        """Hold back all submits for as long as the vendor asks; how many seconds it asks for."""
        pause = _PAUSE if hint is None else max(hint, _LEAST_PAUSE)
        self.governor.submits.pause(min(pause, LONGEST_HINT))
        return pause
