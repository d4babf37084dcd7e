import asyncio
import contextlib

from gateway.ops.lag import EVERY, LagSampler
from tests.clocks import FakeClock


class LateClock(FakeClock):
    """Wakes sleepers so many seconds after they were due, one after the other."""

    def __init__(self, *late: float) -> None:
        super().__init__()
        self._late = list(late)

    async def sleep(self, seconds: float) -> None:
        if not self._late:
            raise asyncio.CancelledError
        self.now += seconds + self._late.pop(0)
        await super().sleep(0)


async def test_it_tells_by_how_much_it_was_woken_too_late() -> None:
    told: list[float] = []
    sampler = LagSampler(LateClock(0.0, 0.3, -0.01, 2.0), told.append)
    with contextlib.suppress(asyncio.CancelledError):
        await sampler.run()
    assert [round(seconds, 6) for seconds in told] == [0, 0.3, 0, 2]
    assert repr(sampler) == "<LagSampler every 0.25 s>"


async def test_it_samples_four_times_a_second() -> None:
    told: list[float] = []
    clock = FakeClock()
    running = asyncio.create_task(LagSampler(clock, told.append).run())
    await clock.advance(10 * EVERY)
    running.cancel()
    assert len(told) == 10
