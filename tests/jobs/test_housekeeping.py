"""What is told of pictures that died before anybody had them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import LedgerUnavailable
from gateway.events import JobClaimed, Stepped
from gateway.jobs.housekeeping import Housekeeping
from gateway.jobs.memory import Memory
from gateway.notices import ChoreFailed, PurchaseUnclaimed
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan

DAY = 86_400.0
TOLD = 100_000  # what the fake vendor says that a task cost


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, durable=True) as house:
        yield house


@contextlib.asynccontextmanager
async def kept_up(house: House) -> AsyncIterator[None]:
    """Rounds are done and the shelf is swept, as in a gateway."""
    memory = Memory(house.store, house.journal, house.board, house.shelf, house.clock)
    loops = [
        asyncio.ensure_future(work)
        for work in (
            Housekeeping(memory, house.look, keep=30 * DAY).run(),
            house.shelf.keep_swept(60.0),
        )
    ]
    try:
        yield
    finally:
        assert not any(loop.done() for loop in loops)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def made(house: House, n: int = 1, **wish: Any) -> str:
    """A job whose caller never came for its pictures."""
    job = await house.runner.start(house.wish(a_plan(n), **wish))
    await house.finished(job)
    house.board.leave(job.job_id)
    return job.job_id


def told(house: House) -> list[PurchaseUnclaimed]:
    return [fact for fact in house.facts if isinstance(fact, PurchaseUnclaimed)]


async def test_pictures_that_nobody_came_for_are_told_once_when_they_are_gone(
    house: House,
) -> None:
    job_id = await made(house, 6)
    async with kept_up(house):
        await house.clock.advance(DAY - 60.0)
        assert told(house) == []
        await house.clock.advance(300.0)
        assert told(house) == [
            PurchaseUnclaimed(job_id=job_id, key_name="studio", images=6, cost=2 * TOLD)
        ]
        assert len(house.shelf) == 0
        await house.clock.advance(DAY)
        assert len(told(house)) == 1


async def test_of_a_task_that_failed_in_part_every_picture_is_one_loss(house: House) -> None:
    job = await house.runner.start(house.wish(a_plan(4)))
    house.fetcher.dead = {f"https://files/{job.tasks[0].entry.task_id}/2": 9}
    await house.finished(job)
    house.board.leave(job.job_id)
    steps = [fact for fact in house.facts if isinstance(fact, Stepped)]
    assert sum(one.charged for one in steps) == TOLD
    assert sum(one.unserved for one in steps) == TOLD // 4
    async with kept_up(house):
        await house.clock.advance(DAY + 600.0)
    assert [(one.images, one.cost) for one in told(house)] == [(3, TOLD * 3 // 4)]


async def test_what_was_delivered_fetched_or_claimed_is_not_told(house: House) -> None:
    await house.clock.drive(house.served(house.wish(a_plan(), fingerprint=b"1")))
    fetched = await made(house, fingerprint=b"2")
    row = await house.store.job(fetched)
    assert row is not None
    await house.reception.fetched(row.pictures[0].token)
    claimed = await made(house, fingerprint=b"3")
    await house.journal.remark(JobClaimed(job_id=claimed, at=house.clock.wall()))
    async with kept_up(house):
        await house.clock.advance(2 * DAY)
    assert told(house) == []


async def test_what_the_next_process_finds_dead_it_tells_and_what_was_told_it_does_not(
    house: House, tmp_path: Path
) -> None:
    first = await made(house, fingerprint=b"1")
    async with kept_up(house):
        await house.clock.advance(DAY + 120.0)
    assert [one.job_id for one in told(house)] == [first]
    second = await made(house, fingerprint=b"2")
    await house.clock.advance(DAY + 120.0)
    async with House(tmp_path, before=house) as heir, kept_up(heir):
        await heir.clock.advance(1.0)
        assert [one.job_id for one in told(heir)] == [second]
        await heir.clock.advance(300.0)
        assert len(told(heir)) == 1


async def test_a_clock_that_was_set_ahead_makes_no_loss(house: House) -> None:
    await made(house)
    house.clock._epoch += 2 * DAY
    async with kept_up(house):
        await house.clock.advance(600.0)
        assert told(house) == []
        await house.clock.advance(DAY)
        assert len(told(house)) == 1


async def test_what_cannot_be_written_now_is_told_when_it_can(house: House) -> None:
    job_id = await made(house)
    writing, refused = house.store.write_off, [True] * 3

    async def refuses(job_ids: Sequence[str]) -> None:
        if refused:
            refused.pop()
            raise LedgerUnavailable("not now")
        await writing(job_ids)

    house.store.write_off = refuses  # type: ignore[method-assign]
    async with kept_up(house):
        await house.clock.advance(DAY + 600.0)
    assert refused == []
    assert [one.job_id for one in told(house)] == [job_id]


async def test_a_ledger_that_cannot_be_asked_holds_nothing_up(house: House) -> None:
    async def silent() -> None:
        raise LedgerUnavailable("not now")

    house.store.unclaimed = silent  # type: ignore[method-assign, assignment]
    await made(house)
    async with kept_up(house):
        await house.clock.advance(DAY + 600.0)
    assert told(house) == []


async def test_a_fault_in_one_chore_is_told_and_leaves_the_others(house: House) -> None:
    async def broken() -> None:
        raise ValueError("not what anybody thought of")

    whole, house.store.unclaimed = house.store.unclaimed, broken  # type: ignore[method-assign, assignment]
    job_id = await made(house)
    async with kept_up(house):
        await house.clock.advance(DAY + 600.0)
        faults = [fact for fact in house.facts if isinstance(fact, ChoreFailed)]
        assert {(one.chore, type(one.error)) for one in faults} == {("write_off", ValueError)}
        house.store.unclaimed = whole  # type: ignore[method-assign]
        await house.clock.advance(120.0)
    assert [one.job_id for one in told(house)] == [job_id]
