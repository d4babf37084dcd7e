"""A rate with a burst, exact to the nanosecond: the generic cell rate algorithm, as a debt.

Owns: the arithmetic, and the undoing of a take as though it had never been. Must not know: whose
rate it is, what is counted, any clock. Whole numbers only, so nothing is rounded.

A bucket owes a debt. Every take adds to it, and time pays it back. What would raise it above the
burst has to wait; but when nothing is owed, one take may be larger than the burst, and is then paid
back all the longer. So in any t seconds at most ``burst + t * limit / 60`` are taken, or that one.
"""

from collections import deque
from dataclasses import dataclass

# One token in units of debt: so many nanoseconds are a minute, and each pays ``limit`` units back.
TOKEN = 60_000_000_000
_MOST_TAKES = 4_096


@dataclass(slots=True, eq=False)
class Take:
    """A take that may still be given back, until it is settled; ``at`` in nanoseconds."""

    at: int
    debt: int
    open: bool = True


class Bucket:
    """The debt of one rate of ``limit`` per minute. Times are nanoseconds that never go back."""

    def __init__(self, limit: int, *, debt: int = 0, at: int = 0) -> None:
        self.limit = limit
        self._debt = self._base_debt = debt
        self._at = self._base_at = at
        self._takes: deque[Take] = deque()  # since the base, the oldest open one first

    def __repr__(self) -> str:
        return f"Bucket({self.limit} a minute, {self._debt / TOKEN:.2f} owed)"

    def debt(self, now: int) -> int:
        """What is owed now."""
        return max(0, self._debt - (now - self._at) * self.limit)

    def wait(self, now: int, count: int, burst: int) -> int:
        """Nanoseconds until ``count`` may be taken; 0 if they may be now."""
        too_much = self.debt(now) - max(0, burst - count) * TOKEN
        return -(-too_much // self.limit) if too_much > 0 else 0

    def left(self, now: int, burst: int) -> int:
        """How many single ones may be taken now."""
        return max(0, burst * TOKEN - self.debt(now)) // TOKEN

    def empty_in(self, now: int) -> int:
        """Nanoseconds until nothing is owed."""
        return -(-self.debt(now) // self.limit)

    def take(self, now: int, count: int) -> Take:
        """Take ``count``, whether or not they may be taken."""
        take = Take(now, count * TOKEN)
        self._debt, self._at = self.debt(now) + take.debt, now
        self._takes.append(take)
        if len(self._takes) > _MOST_TAKES:
            self._takes[0].open = False
        self._fold()
        return take

    def settle(self, take: Take) -> None:
        """The take stands: it can not be given back any more."""
        take.open = False
        self._fold()

    def give_back(self, take: Take) -> None:
        """Undo a take: what is owed is what it would be if it had never been."""
        if not take.open:
            return
        take.open, take.debt = False, 0
        debt, at = self._base_debt, self._base_at
        for one in self._takes:
            debt, at = max(0, debt - (one.at - at) * self.limit) + one.debt, one.at
        self._debt, self._at = debt, at
        self._fold()

    def change(self, limit: int, now: int) -> None:
        """From now on another limit holds; what was taken before stands."""
        if limit == self.limit:
            return
        self._debt, self._at = self.debt(now), now
        for take in self._takes:
            take.open = False
        self._takes.clear()
        self._base_debt, self._base_at = self._debt, self._at
        self.limit = limit

    def _fold(self) -> None:
        while self._takes and not self._takes[0].open:
            one = self._takes.popleft()
            paid = max(0, self._base_debt - (one.at - self._base_at) * self.limit)
            self._base_debt, self._base_at = paid + one.debt, one.at
