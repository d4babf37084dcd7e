"""The account's allowance at the vendor, shared by all who call.

Owns: two token buckets, for submits and for queries, kept on this side so that the vendor's own
limiter is not met; turns are given in the order they are asked for. Must not know: what is sent.
"""

from gateway.clock import Clock


class Allowance:
    """A rate with a burst of one second's worth; seconds and calls per second."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._gap = 1 / per_second
        self._burst = max(self._gap, 1.0)
        self._clock = clock
        self._next = 0.0

    def __repr__(self) -> str:
        ahead = max(0.0, self._next - self._clock.monotonic())
        return f"Allowance({1 / self._gap:g}/s, {ahead:.1f} s taken)"

    def wait(self) -> float:
        """Seconds until a turn taken now would come; takes nothing."""
        now = self._clock.monotonic()
        return max(0.0, max(now, self._next) + self._gap - self._burst - now)

    async def turn(self, within: float | None = None) -> bool:
        """Wait for a turn, and take it; False at once if it would not come ``within`` seconds."""
        wait = self.wait()
        if within is not None and wait > within:
            return False
        self._next = max(self._clock.monotonic(), self._next) + self._gap
        if wait > 0:
            await self._clock.sleep(wait)
        return True

    def pause(self, seconds: float) -> None:
        """The vendor asked for patience: no turn before ``seconds`` have passed."""
        self._next = max(self._next, self._clock.monotonic() + seconds + self._burst - self._gap)


class Governor:
    """The submit and query allowances of one account."""

    def __init__(self, submit_per_second: float, query_per_second: float, clock: Clock) -> None:
        self.submits = Allowance(submit_per_second, clock)
        self.queries = Allowance(query_per_second, clock)

    def __repr__(self) -> str:
        return f"Governor(submits={self.submits!r}, queries={self.queries!r})"
