"""That a task should be asked about now, and not when its time comes.

Owns: whether the vendor has hinted at a task, and how soon after one such question another may be
put. Must not know: who asks, or how. A hint is never more than that: it changes when a question is
put, and nothing of what is made of the answer.
"""

import asyncio
import math
from collections.abc import Coroutine
from typing import TypeVar

from gateway.clock import Clock

T = TypeVar("T")

APART = 5.0
"""Seconds between two questions about one task that are put because of hints."""


class Nudge:
    """One task's. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._come = asyncio.Event()
        self._free = -math.inf

    def __repr__(self) -> str:
        return f"Nudge(given={self.given})"

    @property
    def given(self) -> bool:
        """Whether there was a hint since the last question."""
        return self._come.is_set()

    @property
    def due(self) -> float:
        """From when on a question may be put because of it."""
        return self._free

    def give(self) -> None:
        """There was a hint; one or many are the same."""
        self._come.set()

    def take(self, now: float) -> None:
        """A question is about to be put, which is all that a hint asks for."""
        if self._come.is_set():
            self._come.clear()
            self._free = now + APART

    async def within(self, seconds: float, clock: Clock) -> bool:
        """Wait so long, or until there is a hint to be acted on; whether it was that.

        It is taken then.
        """
        waiting = asyncio.ensure_future(clock.sleep(seconds))
        hinted = asyncio.ensure_future(self._acceptable(clock))
        both = {waiting, hinted}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            came = hinted.done()
        finally:
            for one in both:
                one.cancel()
        if came:
            self.take(clock.monotonic())
        return came

    async def unless(self, doing: Coroutine[object, object, T]) -> T | None:
        """What something comes to; None if there is a hint before, and then it is left off.

        The hint is not taken.
        """
        done = asyncio.ensure_future(doing)
        hinted = asyncio.ensure_future(self._come.wait())
        try:
            await asyncio.wait({done, hinted}, return_when=asyncio.FIRST_COMPLETED)
            return done.result() if done.done() else None
        finally:
            done.cancel()
            hinted.cancel()
            await asyncio.gather(done, hinted, return_exceptions=True)

    async def _acceptable(self, clock: Clock) -> None:
        await self._come.wait()
        await clock.sleep(max(0.0, self._free - clock.monotonic()))
