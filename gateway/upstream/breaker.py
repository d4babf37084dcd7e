"""When to stop asking: a vendor who fails nearly everybody is left alone for a while.

Owns: the count of outcomes, and who may go on. Must not know: what is called, which outcome counts
as the vendor's failure, how a caller waits. Nothing here awaits: between two calls of a method
nothing changes but the time.

    CLOSED      everything goes on; enough failures among the outcomes of the window open it
    OPEN        nothing goes on until the pause is over, and then it is
    HALF_OPEN   one call goes on, as a probe: its success closes, its failure opens again

An outcome counts only in the period its call was admitted in: what was sent before an opening may
end long after it, and says nothing of the vendor's health by then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.clock import Clock
from gateway.config.sections import Breaker as Section
from gateway.notices import (
    BreakerClosed,
    BreakerOpened,
)
from gateway.upstream.tallies import Tally

PROBING = 1.0  # seconds until asking again is worth it: a probe may end at any moment


class State(StrEnum):
    """Whether calls go on."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Admitted:
    """Leave to call once; to be given back with how it ended, whatever happened."""

    period: int


class Breaker:
    """Admits calls, is told how each ended, and tells when it opens and closes."""

    def __init__(self, section: Section, clock: Clock, tell: Callable[[object], None]) -> None:
        self._section = section
        self._clock = clock
        self._tell = tell
        self._successes = Tally(section.window, clock)
        self._failures = Tally(section.window, clock)
        self._period = 0
        self._until: float | None = None  # the pause's end, until a probe has succeeded
        self._probing = False

    @property
    def state(self) -> State:
        """Whether calls go on, now."""
        if self._until is None:
            return State.CLOSED
        return State.OPEN if self._clock.monotonic() < self._until else State.HALF_OPEN

    def admit(self) -> Admitted | float:
        """Give leave to call, or the seconds until asking again is worth it."""
        if self._until is None:
            return Admitted(self._period)
        wait = self._until - self._clock.monotonic()
        if wait > 0:
            return wait
        if self._probing:
            return PROBING
        self._probing = True
        return Admitted(self._period)

    def succeeded(self, call: Admitted) -> None:
        """The vendor did what the call asked for, or had a good reason not to."""
        if call.period != self._period:
            return
        if self._probing:
            self._close()
        else:
            self._successes.add()
            self._judge()

    def failed(self, call: Admitted) -> None:
        """The vendor failed."""
        if call.period != self._period:
            return
        if self._probing:
            self._open(failures=1, of=1)
        else:
            self._failures.add()
            self._judge()

    def void(self, call: Admitted) -> None:
        """The call ended without saying anything about the vendor: another may be the probe."""
        if call.period == self._period and self._probing:
            self._begin()

    def _judge(self) -> None:
        failures = self._failures.total()
        outcomes = failures + self._successes.total()
        if outcomes >= self._section.least and failures / outcomes >= self._section.share:
            self._open(failures, outcomes)

    def _open(self, failures: int, of: int) -> None:
        self._begin()
        self._until = self._clock.monotonic() + self._section.pause
        self._tell(BreakerOpened(failures=failures, of=of, seconds=self._section.pause))

    def _close(self) -> None:
        self._begin()
        self._until = None
        self._tell(BreakerClosed())

    def _begin(self) -> None:
        """Begin a period: whatever is still under way no longer counts."""
        self._period += 1
        self._probing = False
        self._successes.clear()
        self._failures.clear()

    def __repr__(self) -> str:
        counted = f"{self._failures.total()} of {self._failures.total() + self._successes.total()}"
        return f"<Breaker {self.state} failures={counted}>"
