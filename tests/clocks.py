"""A clock that goes when it is told to, and jumps ahead when everybody waits for it; and one that
runs faster than the wall's.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

# Enough turns of the loop for whatever a fake can set going.
_TURNS = 60


class FakeClock:
    def __init__(self, now: float = 1_000.0, epoch: float = 1_790_000_000.0) -> None:
        self.now = now
        self._epoch = epoch - now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def wall(self) -> float:
        return self._epoch + self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let this much time pass, and everything happen that happens in it."""
        until = self.now + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            await self._wake()
        self.now = until
        await _settle()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Jump from sleeper to sleeper until something is true."""
        await _settle()
        for _ in range(100_000):
            if reached():
                return
            if self._sleepers:
                await self._wake()
            else:
                await asyncio.sleep(0.001)
        raise AssertionError("it never came true")

    async def drive(self, awaitable: Awaitable[T]) -> T:
        """Await something, jumping whenever it waits for time."""
        task = asyncio.ensure_future(awaitable)
        await self.until(task.done)
        return await task

    async def _wake(self) -> None:
        at, _, future = heapq.heappop(self._sleepers)
        self.now = max(self.now, at)
        if not future.done():
            future.set_result(None)
        await _settle()


class AtOnce(ThreadPoolExecutor):
    """Runs what belongs into a thread where it stands: made-up time must not jump meanwhile."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - told to whoever waits, as executors do
            done.set_exception(error)
        return done


class QuickClock:
    """The system's time, ``pace`` times as fast: real sockets, but no long pauses between calls."""

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._start = time.monotonic()

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return self._start + (time.monotonic() - self._start) * self._pace

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self._pace)


async def _settle() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
