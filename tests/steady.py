"""Real time as far as a test has part in it: a loop that does not count what the machine takes.

A machine with much else to do may let a process stand for a second. Its callers, its gateway and
its vendor stand together then, yet each one's time-out goes on, and strikes for no reason that a
test could mean. Here what a turn of the loop takes beyond what it was to take is no time at all.
"""

import asyncio
import selectors
import threading
import time
from typing import Any

# Far more than a turn takes, or the kernel needs to wake a sleeper, on a machine with nothing else
# to do; far less than any time-out that is not to strike.
_TURN = 0.1
_WAKING = 0.05


class SteadyLoop(asyncio.SelectorEventLoop):
    """Its time, seconds as ever, goes on by no more than its callbacks may take and it was to wait.

    What the loop itself computes counts, so that one that is blocked by work is seen; one that is
    blocked by waiting is not. Another process's pace is not known here: what waits for one, waits
    as long as it takes.
    """

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        self._lock = threading.Lock()
        self._steady = self._marked = time.monotonic()
        self._worked = time.thread_time()
        self._most = _TURN
        super().__init__(_Marking(selector or selectors.DefaultSelector(), self))

    def time(self) -> float:
        with self._lock:  # other threads read it, too
            return self._steady + min(time.monotonic() - self._marked, self._most)

    def mark(self, most: float) -> None:
        """From now on, until the next mark, time goes on by no more than ``most`` seconds.

        What the loop's own thread worked since the last one counts, however long that was.
        """
        with self._lock:
            now, worked = time.monotonic(), time.thread_time()
            counted = max(self._most, worked - self._worked)
            self._steady += min(now - self._marked, counted)
            self._marked, self._worked, self._most = now, worked, most


class SteadyClock:
    """The running loop's time, ``pace`` times as fast; the wall's is the machine's own."""

    def __init__(self, pace: float = 1.0) -> None:
        self._loop = asyncio.get_running_loop()
        self._pace = pace
        self._start = self._loop.time()

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return self._start + (self._loop.time() - self._start) * self._pace

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self._pace)


class _Marking(selectors.BaseSelector):
    """Another selector; tells the loop when it begins to wait, for how long, and when it ends."""

    def __init__(self, inner: selectors.BaseSelector, loop: SteadyLoop) -> None:
        self._inner = inner
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        self._loop.mark(float("inf") if timeout is None else max(timeout, 0.0) + _WAKING)
        try:
            return self._inner.select(timeout)
        finally:
            self._loop.mark(_TURN)

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> Any:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> Any:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Any:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()
