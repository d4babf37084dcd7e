"""What one round of second looks makes of silence and of faults: every lost job gets its look."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.events import State
from gateway.notices import ChoreFailed
from gateway.upstream import base
from tests.jobs.fakes import FakeVendor, House
from tests.jobs.test_recovery import lost, over, row_of


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, durable=True) as house:
        yield house


async def lost_jobs(house: House, number: int) -> list[str]:
    """Jobs with one LOST task each, the oldest first; the vendor has them all."""
    names = []
    for _ in range(number):
        names.append(await lost(house))
        await house.clock.advance(400)  # or it would be a failure that is remembered
    return names


def silent_about(house: House, *names: str) -> list[str]:
    """The vendor answers HTTP 500 for these jobs alone; every question, by job, comes in here."""
    status, asked = house.vendor.status, []

    async def answer(task_id: str) -> base.TaskStatus:
        row = await house.store.job(task_id)
        assert row is not None
        asked.append(row.job_id)
        if row.job_id in names:
            raise base.StatusUnavailable("HTTP 500", kind="http_5xx")
        return await status(task_id)

    house.vendor.status = answer  # type: ignore[method-assign]
    return asked


async def round_of_looks(house: House) -> int:
    await house.clock.advance(60)
    return await house.clock.drive(house.look.look())


def chores_failed(house: House) -> list[BaseException]:
    return [fact.error for fact in house.facts if isinstance(fact, ChoreFailed)]


async def test_what_the_vendor_cannot_say_of_one_lost_task_costs_the_others_nothing(
    house: House,
) -> None:
    first, second, third = await lost_jobs(house, 3)
    asked = silent_about(house, first)
    assert await round_of_looks(house) == 2
    await over(house)
    assert asked[:3] == [first, second, third]
    for name in (second, third):
        assert (await row_of(house, name)).failure is None
    assert chores_failed(house) == []


async def test_a_look_in_vain_is_no_look(house: House) -> None:
    (name,) = await lost_jobs(house, 1)
    asked = silent_about(house, name)
    for _ in range(12):
        assert await round_of_looks(house) == 0
    assert len(asked) == 12
    house.vendor.status = FakeVendor.status.__get__(house.vendor)  # type: ignore[method-assign]
    assert await round_of_looks(house) == 1
    await over(house)


async def test_a_vendor_that_is_away_is_asked_little_and_who_was_asked_in_vain_comes_last(
    house: House,
) -> None:
    names = await lost_jobs(house, 5)
    asked = silent_about(house, *names)
    for _ in range(4):
        assert await round_of_looks(house) == 0
    a, b, c, d, e = names
    assert asked == [a, b, c, d, e, a, b, c, d, e, a, b]


async def test_an_answer_between_silences_keeps_the_round_going(house: House) -> None:
    names = await lost_jobs(house, 6)
    asked = silent_about(house, *names[:2], *names[3:5])
    house.vendor.tasks.clear()
    assert await round_of_looks(house) == 0
    assert asked == names


async def test_a_fault_in_taking_one_job_up_is_told_and_leaves_the_others(house: House) -> None:
    first, second = await lost_jobs(house, 2)
    revive, broken = house.recovery.revive, [True, True]

    async def breaks(name: str, *rest: Any) -> bool:
        if name == first and broken:
            broken.pop()
            raise ValueError("not what anybody thought of")
        return await revive(name, *rest)

    house.recovery.revive = breaks  # type: ignore[method-assign, assignment]
    assert await round_of_looks(house) == 1
    assert await round_of_looks(house) == 0
    assert [type(error) for error in chores_failed(house)] == [ValueError] * 2
    assert await round_of_looks(house) == 1  # what was found and not saved is no look either
    await over(house)
    for name in (first, second):
        assert (await row_of(house, name)).failure is None


async def test_a_job_that_could_not_be_taken_up_whole_ends_and_gets_another_look(
    house: House,
) -> None:
    (name,) = await lost_jobs(house, 1)
    found, broken = house.creator.found, [True]

    async def breaks(*given: Any) -> None:
        if broken:
            broken.pop()
            raise ValueError("not what anybody thought of")
        await found(*given)

    house.creator.found = breaks  # type: ignore[method-assign, assignment]
    assert await round_of_looks(house) == 0
    await over(house)
    assert (await row_of(house, name)).tasks[0].state is State.LOST
    assert await round_of_looks(house) == 1
    await over(house)
    assert (await row_of(house, name)).failure is None
