import asyncio
import itertools

import pytest

from gateway.upstream.governor import Allowance, Governor
from tests.clocks import FakeClock


async def moments(allowance: Allowance, clock: FakeClock, count: int) -> list[float]:
    """When each of so many turns, asked for at once, came."""
    came: list[float] = []

    async def one() -> None:
        assert await allowance.turn()
        came.append(clock.monotonic())

    await clock.drive(asyncio.gather(*(one() for _ in range(count))))
    return came


async def test_a_second_of_burst_then_the_rate() -> None:
    clock = FakeClock()
    came = await moments(Allowance(5, clock), clock, 20)
    start = came[0]
    assert came == sorted(came)
    assert came[4] == pytest.approx(start)
    for place, moment in enumerate(came[5:], start=1):
        assert moment == pytest.approx(start + place * 0.2)


async def test_what_is_left_is_what_could_be_taken_at_once() -> None:
    for rate in (0.5, 5, 50):
        clock = FakeClock()
        allowance = Allowance(rate, clock)
        for pause in (0.0, 0.05, 0.21, 1.0, 5.0):
            clock.now += pause
            left = allowance.left
            taken = 0
            while allowance.take():
                taken += 1
            assert taken <= left + 1e-6 < taken + 1 + 1e-6 * 2
            assert allowance.left == 0
        allowance.pause(3)
        clock.now += 2.9
        assert allowance.left == 0


async def test_no_window_of_ten_seconds_holds_more_than_the_vendor_allows() -> None:
    clock = FakeClock()
    came = await moments(Allowance(5, clock), clock, 200)
    for start in came:
        assert sum(start <= moment < start + 10 for moment in came) <= 55


async def test_a_rate_below_one_a_second_has_a_burst_of_one() -> None:
    clock = FakeClock()
    came = await moments(Allowance(0.5, clock), clock, 3)
    assert [moment - came[0] for moment in came] == pytest.approx([0.0, 2.0, 4.0])


async def test_a_turn_that_would_come_too_late_is_not_taken() -> None:
    clock = FakeClock()
    allowance = Allowance(1, clock)
    assert await allowance.turn(within=0)
    assert not await allowance.turn(within=0.5)
    assert allowance.wait() == pytest.approx(1.0)


async def test_a_pause_holds_back_everyone() -> None:
    clock = FakeClock()
    governor = Governor(5, 50, clock)
    governor.submits.pause(7)
    assert (governor.submits.held, governor.queries.held) == (True, False)
    assert governor.submits.wait() == pytest.approx(7.0)
    assert governor.queries.wait() == 0.0
    governor.submits.pause(1)
    assert governor.submits.wait() == pytest.approx(7.0)


async def test_a_pause_voids_the_turns_that_are_being_waited_for() -> None:
    clock = FakeClock()
    allowance = Allowance(5, clock)
    start = clock.monotonic()
    came: list[float] = []

    async def one() -> None:
        assert await allowance.turn()
        came.append(clock.monotonic() - start)

    turns = asyncio.gather(*(one() for _ in range(20)))
    await clock.advance(1.0)
    before = len(came)
    allowance.pause(60)
    await clock.drive(turns)
    assert before < 20
    assert all(moment >= 61 for moment in came[before:])
    gaps = [later - earlier for earlier, later in itertools.pairwise(came[before:])]
    assert min(gaps) >= 0.19


async def test_a_voided_turn_is_given_up_if_the_next_comes_too_late() -> None:
    clock = FakeClock()
    allowance = Allowance(1, clock)
    assert await allowance.turn()
    waiting = asyncio.ensure_future(allowance.turn(within=10))
    await clock.advance(0.5)
    allowance.pause(30)
    assert await clock.drive(waiting) is False


async def test_idle_time_is_not_saved_up() -> None:
    clock = FakeClock()
    allowance = Allowance(5, clock)
    await clock.advance(3600)
    came = await moments(allowance, clock, 6)
    assert came[5] > came[0]
