"""Time as an argument.

Owns: the ``Clock`` protocol and the one that asks the system. Every part that needs the time is
given a clock; nothing else calls ``time`` or ``asyncio.sleep``, so a test can turn hours into
microseconds. Must not know: anything about jobs, requests or the vendor.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What a part may ask of time; all values are seconds."""

    def wall(self) -> float:
        """Seconds since the Unix epoch; may jump when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never jumps. All deadlines are in this time."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``; a value of zero or less yields once."""
        ...


class SystemClock:
    """The machine's own clock."""

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task."""
        await asyncio.sleep(max(0.0, seconds))

    def __repr__(self) -> str:
        return "SystemClock()"
