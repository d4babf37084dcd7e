"""How much may be repeated: a share of what is sent anyway.

Owns: the count of calls and of repetitions. Must not know: which calls, or whether repeating one is
safe. Repetitions help against single failures; against a vendor who is down they multiply the load
he has to recover under. Three tries for every call would be three times the load: with a budget it
is the calls, a share of them, and a few more so that little traffic can be repeated at all.
"""

from gateway.clock import Clock
from gateway.upstream.tallies import Tally

SECONDS = 10.0
FLOOR = 10


class RetryBudget:
    """Allows ``share`` repetitions per call of the last ten seconds, and ten besides."""

    def __init__(self, share: float, clock: Clock) -> None:
        self._share = share
        self._calls = Tally(SECONDS, clock)
        self._repeated = Tally(SECONDS, clock)

    def called(self) -> None:
        """Count a call; its repetitions are not counted here."""
        self._calls.add()

    @property
    def left(self) -> float:
        """What share of the repetitions allowed may still be made, from 0 to 1."""
        return max(0.0, 1 - self._repeated.total() / self._allowed())

    def take(self) -> bool:
        """Take leave for one repetition; False where there have been enough."""
        if self._repeated.total() + 1 > self._allowed():
            return False
        self._repeated.add()
        return True

    def _allowed(self) -> float:
        return FLOOR + self._share * self._calls.total()

    def __repr__(self) -> str:
        return f"RetryBudget({self._repeated.total()} of {self._calls.total()} repeated)"
