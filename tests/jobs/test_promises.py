"""What was promised by a 202: who waits elsewhere, over restarts too, and when asking helps."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import Draining, LedgerUnavailable, UpstreamRefused
from gateway.events import Dropped, JobDelivered, JobEnded, JobPromised, State
from gateway.jobs.board import Job
from gateway.jobs.reception import CallerLeft, Glance, Visit
from gateway.jobs.wish import Wish
from gateway.state.base import JobRow
from gateway.state.trouble import unavailable
from gateway.translate.model import Picture
from gateway.upstream import base
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan
from tests.jobs.test_recovery import dies

PICTURE = Picture("a.png", "digest", "image/png", 8, 8, 80, alpha=False)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, durable=True) as house:
        yield house


def nobody_gone() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def promised(
    house: House, wish: Wish | None = None, *, keep: bool = True, retry: bool = False
) -> Visit:
    """A whole request that is answered by a promise; without ``keep`` that gets lost."""
    async with house.visit(wish or house.wish(a_plan(1)), retry=retry) as visit:
        await house.clock.drive(house.promises.begun(visit, nobody_gone()))
        if keep:
            await house.promises.keep(visit)
    return visit


async def row_of(house: House, job_id: str) -> JobRow:
    row = await house.store.job(job_id)
    assert row is not None
    return row


async def over(house: House) -> None:
    await house.clock.until(lambda: len(house.board) == 0)


def held_up(house: House) -> None:
    """Other tasks have all the slots: nothing gets its turn."""
    house.queue._most = 0


# Somebody waits who is not there


async def test_a_promised_job_is_made_though_its_caller_has_hung_up(house: House) -> None:
    held_up(house)
    visit = await promised(house)
    job = visit.job
    assert isinstance(job, Job)
    assert (house.board.visits(visit.job_id), job.deserted, job.promised) == (1, False, True)
    house.queue._most = 100
    house.queue._advance()
    await over(house)
    assert len(house.vendor.purchases) == 1
    assert house.board.visits(visit.job_id) == 0
    row = await row_of(house, visit.job_id)
    assert (row.failure, row.promised_at is not None) == (None, True)


async def test_what_was_not_promised_in_the_end_is_not_bought(house: House) -> None:
    held_up(house)
    visit = await promised(house, keep=False)
    house.queue._most = 100
    house.queue._advance()
    await over(house)
    assert house.vendor.purchases == []
    assert not any(isinstance(fact, JobPromised) for fact in house.facts)
    assert (await row_of(house, visit.job_id)).promised_at is None


async def test_another_caller_who_leaves_takes_no_promise_along(house: House) -> None:
    visit = await promised(house)
    async with house.visit(house.wish(a_plan(1)), retry=True) as other:
        assert (other.job_id, other.how) == (visit.job_id, "sdk_retry")
        assert house.board.visits(visit.job_id) == 2
    assert isinstance(visit.job, Job)
    assert not visit.job.deserted
    await over(house)


async def test_a_promised_job_keeps_its_place_when_the_queue_is_full(tmp_path: Path) -> None:
    async with House(tmp_path, queue=2) as house:
        held_up(house)
        visit = await promised(house)
        left = house.wish(a_plan(1), fingerprint=b"left")
        async with house.visit(left):
            await house.clock.advance(0.1)
        newest = replace(house.wish(a_plan(1), fingerprint=b"new"), key_name="press")
        async with house.visit(newest):
            await house.clock.advance(0.1)
            dropped = [event.job_id for event in house.events() if isinstance(event, Dropped)]
            assert len(dropped) == 1
            assert visit.job_id not in dropped


async def test_an_equal_request_without_a_retry_s_header_is_another_wish(house: House) -> None:
    visit = await promised(house)
    running = await promised(house)
    assert (running.how, running.job_id == visit.job_id) == (None, False)
    await over(house)
    third = await promised(house)
    assert third.how is None
    await over(house)
    assert len(house.vendor.purchases) == 3


async def test_what_was_promised_to_nobody_is_an_orphan_like_any_other(house: House) -> None:
    visit = await promised(house, keep=False)
    await over(house)
    again = await promised(house)
    assert (again.job_id, again.how) == (visit.job_id, "orphan")
    assert (await row_of(house, visit.job_id)).promised_at is not None
    assert (await promised(house)).job_id != visit.job_id
    await over(house)


async def test_an_sdk_s_own_retry_gets_what_it_was_promised(house: House) -> None:
    visit = await promised(house)
    running = await promised(house, retry=True)
    await over(house)
    done = await promised(house, retry=True)
    assert [(one.job_id, one.how) for one in (running, done)] == [(visit.job_id, "sdk_retry")] * 2
    assert len(house.vendor.purchases) == 1


async def test_a_retry_of_another_wish_gets_its_own_job_first(house: House) -> None:
    first = await promised(house)
    await over(house)
    async with house.visit(house.wish(a_plan(1))) as own:
        await house.clock.advance(1.0)
    again = await promised(house, keep=False, retry=True)
    assert again.job_id == own.job_id != first.job_id
    await over(house)
    assert (await promised(house, keep=False, retry=True)).job_id == own.job_id


async def test_an_idempotency_key_finds_what_was_promised(house: House) -> None:
    def keyed() -> Wish:
        return house.wish(a_plan(1), idempotency_key="k")

    visit = await promised(house, keyed())
    assert (await promised(house, keyed())).job_id == visit.job_id
    await over(house)
    assert (await promised(house, keyed())).how == "idempotency_key"
    assert len(house.vendor.purchases) == 1


async def test_who_asks_at_the_door_has_the_pictures(house: House) -> None:
    visit = await promised(house)
    glance = await house.reception.look("studio", visit.job_id)
    assert glance.outcome is None
    await over(house)
    glance = await house.reception.look("studio", visit.job_id)
    assert glance.outcome is not None
    assert len(glance.outcome.images) == 1
    await house.reception.delivered(visit.job_id)
    assert any(isinstance(fact, JobDelivered) for fact in house.facts)


async def test_a_failed_job_that_another_takes_over_is_promised_no_more(house: House) -> None:
    house.vendor.creates = [base.CreateRefused("no", UpstreamRefused("no"))]
    wish = house.wish(a_plan(9))
    visit = await promised(house, wish)
    await over(house)
    row = await row_of(house, visit.job_id)
    assert row.failure is not None
    assert row.promised_at is not None
    await house.clock.advance(400.0)
    async with house.visit(house.wish(a_plan(9))) as other:
        assert other.job_id == visit.job_id
    await over(house)
    assert (await row_of(house, visit.job_id)).promised_at is None
    found = await promised(house, house.wish(a_plan(9)), keep=False)
    assert (found.job_id, found.how) == (visit.job_id, "orphan")


# When a job counts as begun


async def test_a_promise_waits_until_the_ledger_has_the_job(house: House) -> None:
    add, writing = house.store.add_job, asyncio.Event()

    async def slowly(*what: object, **how: object) -> None:
        await writing.wait()
        await add(*what, **how)  # type: ignore[arg-type]

    house.store.add_job = slowly  # type: ignore[method-assign]
    first = asyncio.ensure_future(promised(house))
    await house.clock.advance(0.1)
    joined = asyncio.ensure_future(promised(house, retry=True))
    await house.clock.advance(0.5)
    assert not first.done()
    assert not joined.done()
    writing.set()
    await house.clock.advance(0.1)
    assert (await joined).job_id == (await first).job_id
    await over(house)


async def test_who_joined_what_could_not_be_written_is_told_why(house: House) -> None:
    writing = asyncio.Event()

    async def never(*_: object, **__: object) -> None:
        await writing.wait()
        raise unavailable()

    house.store.add_job = never  # type: ignore[method-assign]
    first = asyncio.ensure_future(promised(house))
    await house.clock.advance(0.1)
    joined = asyncio.ensure_future(promised(house, retry=True))
    await house.clock.advance(0.1)
    writing.set()
    for one in (first, joined):
        with pytest.raises(LedgerUnavailable):
            await house.clock.drive(one)


async def test_who_hangs_up_before_a_job_is_written_is_promised_nothing(house: House) -> None:
    async def never(*_: object, **__: object) -> None:
        await house.buried.wait()

    house.store.add_job = never  # type: ignore[method-assign]
    writing = asyncio.ensure_future(promised(house))
    await house.clock.advance(0.1)
    gone = nobody_gone()
    gone.set_result(None)
    async with house.visit(house.wish(a_plan(1)), retry=True) as visit:
        with pytest.raises(CallerLeft):
            await house.promises.begun(visit, gone)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def test_a_job_that_goes_on_in_another_process_is_not_promised_by_this_one(
    house: House,
) -> None:
    async with house.visit(house.wish(a_plan(1))) as visit:
        await house.clock.advance(1.0)
        await house.clock.drive(house.runner.stop())
        with pytest.raises(Draining) as told:
            await house.promises.begun(visit, nobody_gone())
        assert told.value.come_back


async def test_a_job_that_is_over_is_shown_with_its_outcome(house: House) -> None:
    await promised(house, keep=False)
    await over(house)
    async with house.visit(house.wish(a_plan(1))) as visit:
        glance = await house.promises.begun(visit, nobody_gone())
    assert glance.outcome is not None
    assert glance.outcome.error is None


async def test_where_no_webhook_can_be_written_down_coming_back_gets_what_is_bought(
    house: House,
) -> None:
    async def refuse(*_: object) -> None:
        raise unavailable()

    house.store.add_hook = refuse  # type: ignore[method-assign, assignment]
    async with house.visit(house.wish(a_plan(1))) as visit:
        await house.clock.advance(1.0)
        with pytest.raises(LedgerUnavailable) as live:
            await house.promises.tell(visit, "https://a", "http://here")
    await over(house)
    async with house.visit(house.wish(a_plan(1))) as visit:
        assert visit.how == "orphan"
        with pytest.raises(LedgerUnavailable) as done:
            await house.promises.tell(visit, "https://a", "http://here")
    for told in (live, done):
        assert told.value.come_back
        assert told.value.bought is not None
        assert told.value.bought.upstream_ids == visit.upstream_ids


# When asking helps


async def test_it_is_said_when_asking_again_is_likely_to_help(house: House) -> None:
    async def in_seconds(visit: Visit) -> float:
        glance = await house.reception.look("studio", visit.job_id)
        return house.promises.ask_again(glance)

    visit = await promised(house)
    typical = house.poller.experience.typical("1k", "high")
    await house.clock.advance(1.0)
    assert await in_seconds(visit) == pytest.approx(typical - 0.8)
    await house.clock.advance(typical - 1.3)
    assert await in_seconds(visit) == 1.0
    house.vendor.seconds = 1e6
    await house.clock.advance(60.0)
    assert await in_seconds(visit) == 2.0  # it takes longer than most: nobody can say
    assert house.promises.ask_again(Glance(await row_of(house, visit.job_id), None)) == 2.0


async def test_nobody_is_asked_to_come_again_later_than_in_a_minute(house: House) -> None:
    for seconds in range(10):
        house.poller.experience.observe("1k", "high", 200.0 + seconds)
    visit = await promised(house)
    assert house.promises.ask_again(await house.reception.look("studio", visit.job_id)) == 60.0


# Over restarts


async def restarted(tmp_path: Path, house: House) -> House:
    dies(house)
    return House(tmp_path, durable=True, before=house)


async def test_a_promised_job_that_was_not_sent_is_bought_by_the_next_process(
    house: House, tmp_path: Path
) -> None:
    held_up(house)
    visit = await promised(house)
    async with await restarted(tmp_path, house) as after:
        assert await after.recovery.recover() == 1
        job = after.board.live(visit.job_id)
        assert job is not None
        assert (job.promised, job.deserted) == (True, False)
        await over(after)
        row = await row_of(after, visit.job_id)
        assert (row.failure, [task.state for task in row.tasks]) == (None, [State.DONE])
        assert len(after.vendor.purchases) == 1
        assert (await promised(after)).how is None  # it is kept for who was promised it
        await over(after)


async def test_a_promise_that_was_not_written_dies_with_its_process(
    house: House, tmp_path: Path
) -> None:
    """Killed between the 202 and the mark: what was not sent is dropped, and the door says so."""
    held_up(house)
    visit = await promised(house, keep=False)
    async with await restarted(tmp_path, house) as after:
        assert await after.recovery.recover() == 0
        glance = await after.reception.look("studio", visit.job_id)
        assert glance.outcome is not None
        error = glance.outcome.error
        assert isinstance(error, Draining)
        assert "ask again" in error.message
        assert after.vendor.purchases == []


async def test_a_promised_job_is_not_sent_after_its_deadline(house: House, tmp_path: Path) -> None:
    held_up(house)
    visit = await promised(house)
    dies(house)
    house.clock.now += 301.0
    async with House(tmp_path, durable=True, before=house) as after:
        assert await after.recovery.recover() == 0
        ended = [fact for fact in after.facts if isinstance(fact, JobEnded)]
        assert [fact.code for fact in ended] == ["server_is_draining"]
        row = await row_of(after, visit.job_id)
        assert row.failure is not None
        assert "too late" in row.failure.message
        assert after.vendor.purchases == []


async def test_a_promised_edit_whose_pictures_are_gone_fails_and_says_so(
    house: House, tmp_path: Path
) -> None:
    held_up(house)
    uploads: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def upload(_: Picture) -> str:
        return await uploads

    keep, house.vendor.upload = house.vendor.upload, upload  # type: ignore[method-assign, assignment]
    plan = a_plan(1)
    plan = replace(plan, tasks=(replace(plan.tasks[0], references=(PICTURE,)),))
    visit = await promised(house, house.wish(plan))
    dies(house)
    house.vendor.upload = keep  # type: ignore[method-assign]
    async with House(tmp_path, durable=True, before=house) as after:
        assert await after.recovery.recover() == 0
        row = await row_of(after, visit.job_id)
        assert row.failure is not None
        assert "pictures that had come with the request" in row.failure.message
        assert after.vendor.purchases == []
    uploads.cancel()


async def test_a_stop_leaves_a_promised_job_to_the_next_process(
    house: House, tmp_path: Path
) -> None:
    held_up(house)
    visit = await promised(house)
    await house.clock.drive(house.runner.stop())
    assert house.vendor.purchases == []
    async with House(tmp_path, durable=True, before=house) as after:
        assert await after.recovery.recover() == 1
        await over(after)
        assert (await row_of(after, visit.job_id)).failure is None
        assert len(after.vendor.purchases) == 1


async def test_a_retry_of_a_lost_promise_gets_its_job_and_not_anothers_failure(
    house: House,
) -> None:
    house.vendor.seconds = 100.0
    own = await promised(house)
    other = await promised(house)
    await house.clock.advance(1.0)
    assert isinstance(other.job, Job)
    (task,) = other.job.tasks
    begun, _ = house.vendor.tasks[task.entry.task_id]
    house.vendor.tasks[task.entry.task_id] = (begun - 1000, 0)  # done, and nothing came of it
    await house.clock.until(lambda: house.board.live(other.job_id) is None)
    assert (await row_of(house, other.job_id)).failure is not None
    again = await promised(house, retry=True)
    assert (again.job_id, again.how) == (own.job_id, "sdk_retry")
    await over(house)
    assert len(house.vendor.purchases) == 2
