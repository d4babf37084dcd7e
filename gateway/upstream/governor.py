"""The account's allowance at the vendor, shared by all who call.

Owns: two token buckets, for submits and for queries, kept on this side so that the vendor's own
limiter is not met; turns are given in the order they are asked for. Must not know: what is sent.
"""

from gateway.clock import Clock


class Allowance:
    """A rate with a burst of one second's worth; seconds and calls per second."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._gap = 1 / per_second
        self._slack = max(0.0, 1.0 - self._gap)
        self._clock = clock
        self._next = clock.monotonic() - self._slack
        self._held = self._next
        self._pauses = 0

    def __repr__(self) -> str:
        return f"Allowance({1 / self._gap:g}/s, next in {self.wait():.1f} s)"

    @property
    def held(self) -> bool:
        """Whether the vendor's asking for patience still holds."""
        return self._clock.monotonic() < self._held

    def wait(self) -> float:
        """Seconds until a turn taken now would come; takes nothing."""
        return max(0.0, self._next - self._clock.monotonic())

    @property
    def gap(self) -> float:
        """Seconds between two turns."""
        return self._gap

    @property
    def left(self) -> float:
        """Turns that could be taken at once."""
        saved = self._clock.monotonic() - self._next
        return 0.0 if saved < 0 else min(saved, self._slack) / self._gap + 1

    def take(self) -> bool:
        """Take a turn if it is there now; otherwise nothing."""
        now = self._clock.monotonic()
        if now < self._next:
            return False
        self._next = max(self._next, now - self._slack) + self._gap
        return True

    async def turn(self, within: float | None = None) -> bool:
        """Wait for a turn, and take it; False as soon as it would not come ``within`` seconds.

        A pause that comes meanwhile voids the turn that was waited for; a later one is taken.
        """
        until = None if within is None else self._clock.monotonic() + within
        while True:
            now = self._clock.monotonic()
            wait = self.wait()
            if until is not None and now + wait > until:
                return False
            self._next = max(self._next, now - self._slack) + self._gap
            pauses = self._pauses
            if wait > 0:
                await self._clock.sleep(wait)
            if pauses == self._pauses:
                return True

    def pause(self, seconds: float) -> None:
        """The vendor asked for patience: no turn before ``seconds`` have passed."""
        until = self._clock.monotonic() + seconds
        if until > self._held:
            self._held = until
            self._pauses += 1
            # Turns that were given out are void, so the count starts again from here.
            self._next = until


class Governor:
    """The submit and query allowances of one account."""

    def __init__(self, submit_per_second: float, query_per_second: float, clock: Clock) -> None:
        self.submits = Allowance(submit_per_second, clock)
        self.queries = Allowance(query_per_second, clock)

    def __repr__(self) -> str:
        return f"Governor(submits={self.submits!r}, queries={self.queries!r})"
