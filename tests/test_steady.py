import asyncio
import selectors
import sys
import time
from typing import Any

import pytest

from tests.steady import SteadyClock, SteadyLoop


class Overslept(selectors.SelectSelector):
    """Wakes up long after it was to, as on a machine that let the process stand."""

    late = 0.0

    def select(self, timeout: float | None = None) -> Any:
        time.sleep(self.late)
        return super().select(timeout)


async def test_what_the_machine_takes_is_no_time() -> None:
    loop, clock = asyncio.get_running_loop(), SteadyClock()
    assert type(loop) is SteadyLoop
    before = clock.monotonic()
    async with asyncio.timeout(0.5):
        time.sleep(0.7)  # noqa: ASYNC251 - the machine is busy
        await asyncio.sleep(0.1)
    assert 0.1 <= clock.monotonic() - before < 0.5
    assert clock.monotonic() >= loop.time() - 0.01


def test_waiting_counts_as_long_as_it_was_to_last() -> None:
    selector = Overslept()
    with asyncio.Runner(loop_factory=lambda: SteadyLoop(selector)) as runner:

        async def patient() -> float:
            clock = SteadyClock()
            before = clock.monotonic()
            selector.late = 0.6
            async with asyncio.timeout(0.5):
                await asyncio.sleep(0.1)
            selector.late = 0
            return clock.monotonic() - before

        assert 0.1 <= runner.run(patient()) < 0.4


async def test_a_time_out_that_is_due_strikes() -> None:
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await asyncio.sleep(10)
    assert time.monotonic() - before >= 0.3


async def test_what_the_loop_itself_computes_is_time() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)
    before = loop.time()
    until = time.thread_time() + 0.5
    while time.thread_time() < until:
        pass
    await asyncio.sleep(0)
    assert loop.time() - before >= 0.45


async def test_for_other_threads_it_never_goes_back() -> None:
    loop, seen = asyncio.get_running_loop(), list[float]()

    def look() -> None:
        until = time.thread_time() + 0.3
        while time.thread_time() < until:
            seen.append(loop.time())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        looking = loop.run_in_executor(None, look)
        while not looking.done():  # noqa: ASYNC110 - it is the turns of the loop that matter
            await asyncio.sleep(0)
    finally:
        sys.setswitchinterval(interval)
    assert seen == sorted(seen)


async def test_it_goes_as_fast_as_it_is_told_to_and_never_back() -> None:
    clock = SteadyClock(pace=50)
    seen = [clock.monotonic()]
    for _ in range(20):
        await clock.sleep(1)
        seen += [clock.monotonic(), clock.monotonic()]
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] >= 20
