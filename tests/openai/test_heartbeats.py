import asyncio

import pytest

from gateway.openai.heartbeats import begun, interval, is_done_within, kept_alive
from tests.clocks import FakeClock


async def after(clock: FakeClock, seconds: float) -> str:
    await clock.sleep(seconds)
    return "made"


async def test_signs_are_given_until_it_is_done() -> None:
    clock, beats = FakeClock(now=0.0), list[float]()

    async def beat() -> None:
        beats.append(clock.now)

    async def waiting() -> str:
        async with begun(after(clock, 35)) as task:
            return await kept_alive(task, beat, 10, clock)

    assert await clock.drive(waiting()) == "made"
    assert beats == [10, 20, 30]


async def test_what_it_raises_is_raised() -> None:
    clock = FakeClock()

    async def fails() -> str:
        await clock.sleep(1)
        raise ValueError("no")

    async def waiting() -> str:
        async with begun(fails()) as task:
            return await kept_alive(task, never, 10, clock)

    with pytest.raises(ValueError, match="no"):
        await clock.drive(waiting())


async def never() -> None:
    raise AssertionError("no sign was due")


async def test_whoever_waits_no_more_has_ended_what_was_waited_for() -> None:
    clock, ended = FakeClock(), list[str]()

    async def work() -> None:
        try:
            await clock.sleep(100)
        finally:
            ended.append("in order")

    async def waiting() -> None:
        async with begun(work()) as task:
            await kept_alive(task, never, 1_000, clock)

    request = asyncio.ensure_future(waiting())
    await clock.advance(1)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert ended == ["in order"]


@pytest.mark.parametrize(("seconds", "done"), [(5, True), (1, False), (-3, False)])
async def test_a_wait_is_no_longer_than_it_may_be(seconds: float, *, done: bool) -> None:
    clock = FakeClock(now=0.0)

    async def waiting() -> tuple[bool, float]:
        async with begun(after(clock, 3)) as task:
            return await is_done_within(seconds, task, clock), clock.now

    assert await clock.drive(waiting()) == (done, min(3, max(0, seconds)))


@pytest.mark.parametrize(
    ("declared", "seconds"),
    [(None, 10), ("600", 10), ("25", 10), ("10", 4), ("2", 0.8), ("0.1", 0.5), ("soon", 10)],
)
def test_who_declares_a_short_patience_is_given_two_signs_in_it(
    declared: str | None, seconds: float
) -> None:
    headers = {"x-stainless-read-timeout": declared} if declared else {}
    assert interval(headers, 10) == seconds
