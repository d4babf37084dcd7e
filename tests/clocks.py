"""A clock that goes when it is told to, and jumps ahead when everybody waits for it; and a loop
whose own time jumps, which is faster still.
"""

import asyncio
import heapq
import itertools
from collections import deque
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


class Endless(RuntimeError):
    """What runs would not come to its end by itself."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop without sockets: whenever nothing is ready, its time jumps to the next timer.

    What it runs, and in which order, is a matter of the program alone. ``gate`` may keep a handle
    from being run. ``complaints`` are what an ordinary loop would have logged. After ``most`` steps
    it raises Endless, and so it does once nobody has anything to wait for: what goes on for ever
    would otherwise do so at once.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self, now: float = 1_000.0, most: int = 1_000_000) -> None:
        super().__init__()
        self.now = now
        self.most = most
        self.steps = 0
        self.gate: Callable[[asyncio.Handle], bool] | None = None
        self.complaints: list[dict[str, Any]] = []

    def time(self) -> float:
        return self.now

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.complaints.append(context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run what belongs into a thread where it stands."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except BaseException as error:  # noqa: BLE001 - told to whoever waits, as executors do
            future.set_exception(error)
        return future

    def settle(self) -> None:
        """Run all that is ready, and let no time pass."""
        asyncio._set_running_loop(self)
        try:
            while self._ready:
                self._run_once()
        finally:
            asyncio._set_running_loop(None)

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        if not ready:
            while scheduled and scheduled[0].cancelled():
                heapq.heappop(scheduled)
            if not scheduled:
                raise Endless("everybody waits for something that never comes")
            timer = heapq.heappop(scheduled)
            self.now = max(self.now, timer.when())
            ready.append(timer)
        gate = self.gate
        while ready and not self._stopping:
            handle = ready.popleft()
            if not handle._cancelled and (gate is None or gate(handle)):
                if self.steps >= self.most:  # also where no time passes any more
                    raise Endless(f"not over after {self.steps} steps")
                self.steps += 1
                handle._run()

    def _write_to_self(self) -> None:
        """Nobody has to be woken: there is one thread."""


class VirtualClock:
    """A virtual loop's time; the wall clock may be set (``jump``) without it."""

    def __init__(self, loop: VirtualLoop, epoch: float = 1_790_000_000.0) -> None:
        self._loop = loop
        self._offset = epoch - loop.now

    def wall(self) -> float:
        return self._loop.now + self._offset

    def monotonic(self) -> float:
        return self._loop.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def jump(self, seconds: float) -> None:
        self._offset += seconds


async def _settle() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
