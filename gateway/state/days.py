"""Which day it is, for budgets: UTC's calendar, by a clock that does not follow jumps at once.

Owns: days as numbers, their months, when the next one begins, and how far a wall clock is believed.
Must not know: what is counted by them.
"""

from datetime import date

from gateway.clock import Clock

DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_STEP = 10.0  # seconds; what a clock is off by less is an adjustment
_BELIEVED = 3_600.0  # seconds after which what was taken for a jump is the time


class SteadyDays:
    """The wall clock's day; a jump of it counts after an hour, so that none renews a budget."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.wall() - clock.monotonic()
        self._jumped: tuple[float, float] | None = None  # when, and to which offset

    def wall(self) -> float:
        """Seconds since the epoch, as far as they are believed."""
        now = self._clock.monotonic()
        offset = self._clock.wall() - now
        if abs(offset - self._offset) <= _STEP:
            self._offset, self._jumped = offset, None
        elif self._jumped is None or abs(offset - self._jumped[1]) > _STEP:
            self._jumped = (now, offset)  # another jump waits for an hour of its own
        elif now - self._jumped[0] >= _BELIEVED:
            self._offset, self._jumped = offset, None
        return now + self._offset

    def today(self) -> int:
        """The day's number since the epoch."""
        return int(self.wall() // DAY)


def month_of(day: int) -> tuple[int, int]:
    """A day's first day of the month, and the next month's."""
    first = date.fromordinal(day + _EPOCH).replace(day=1)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return first.toordinal() - _EPOCH, following.toordinal() - _EPOCH
