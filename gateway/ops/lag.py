"""How late the loop does what was due.

Owns: the sampling. Must not know: what is made of a sample. Whatever holds the loop up, a large
decode, a blocked disk, a machine that is short of time, makes the sampler late by as much; what is
shorter than its pause may go unseen.
"""

from collections.abc import Callable

from gateway.clock import Clock

EVERY = 0.25


class LagSampler:
    """Tells by how many seconds it was woken too late, four times a second."""

    def __init__(self, clock: Clock, tell: Callable[[float], None]) -> None:
        self._clock = clock
        self._tell = tell

    def __repr__(self) -> str:
        return f"<LagSampler every {EVERY} s>"

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            due = self._clock.monotonic() + EVERY
            await self._clock.sleep(EVERY)
            self._tell(max(0.0, self._clock.monotonic() - due))
