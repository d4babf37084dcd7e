"""Narrow moments: what happens while something else is being written, uploaded or looked for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.clock import SystemClock
from gateway.config.sections import State as StateSection
from gateway.errors import (
    ContentRefused,
    Draining,
    LedgerUnavailable,
    ResultUnusable,
    UpstreamOutcomeUnknown,
    UpstreamRefused,
)
from gateway.events import CreateSent, Dropped, State, TaskEvent
from gateway.failpoints import arm
from gateway.jobs.board import Outcome
from gateway.jobs.reception import CallerLeft, Visit
from gateway.jobs.schedule import Experience
from gateway.state.base import PictureRow
from gateway.state.sqlite import SqliteStore
from gateway.translate.model import Picture, TaskSpec
from gateway.upstream import base
from gateway.upstream.base import StatusUnavailable, TaskStatus, TaskUnknown
from gateway.upstream.download import LinkDead
from tests.jobs.fakes import FakeVendor, House
from tests.jobs.plans import a_plan

Stay = tuple[Visit, Outcome]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as house:
        yield house


def nobody_leaves() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def writing_slowly(house: House, kind: type[TaskEvent], seconds: float, times: int = 1) -> None:
    """The first few events of a kind are on the disk, and it takes a while until that is known."""
    record, left = house.store.record, [None] * times

    async def slow(event: TaskEvent, state: State, pictures: Sequence[PictureRow] = ()) -> None:
        await record(event, state, pictures)
        if isinstance(event, kind) and left:
            left.pop()
            await house.clock.sleep(seconds)

    house.store.record = slow  # type: ignore[method-assign]


def second_is(house: House, outcome: Exception) -> None:
    """The second create of several ends like this."""

    def refuse(_: TaskSpec) -> Exception | None:
        return outcome if len(house.vendor.purchases) == 1 else None

    house.vendor.refuse = refuse


def one_turn_every(house: House, seconds: float) -> None:
    submits = house.governor.submits
    submits._gap, submits._slack = seconds, 0.0
    submits._next = house.clock.monotonic() + seconds / 2


async def hangs_up(house: House, after: float, n: int = 1, **wish: Any) -> None:
    gone = nobody_leaves()
    stay = asyncio.ensure_future(house.served(house.wish(a_plan(n), **wish), gone=gone))
    await house.clock.advance(after)
    gone.set_result(None)
    with pytest.raises(CallerLeft):
        await stay


async def test_who_hangs_up_while_the_first_create_is_marked_comes_back_to_the_whole(
    house: House,
) -> None:
    writing_slowly(house, CreateSent, 0.02)
    one_turn_every(house, 0.01)
    await hangs_up(house, 0.006, n=8)
    await house.clock.advance(1)
    _, outcome = await house.clock.drive(house.served(house.wish(a_plan(8)), retry=True))
    assert len(outcome.images) == 8
    assert len(house.vendor.purchases) == 2


async def test_a_job_that_gives_up_hides_nobody_who_took_its_key_over(house: House) -> None:
    one_turn_every(house, 20.0)
    writing_slowly(house, Dropped, 10.0, times=3)
    await hangs_up(house, 5.0, n=10, idempotency_key="k")
    await house.clock.advance(6)
    (old,) = house.board.jobs()
    assert old.closing
    house.governor.submits._next = house.clock.monotonic()
    house.governor.submits._gap = 0.01
    both = [
        asyncio.ensure_future(house.served(house.wish(a_plan(), idempotency_key="k")))
        for _ in range(2)
    ]
    await house.clock.advance(3)
    assert len(house.vendor.purchases) == 1
    (first, _), (second, _) = await house.clock.drive(asyncio.gather(*both))
    assert (first.how, second.how) == (None, "idempotency_key")
    third, _ = await house.clock.drive(house.served(house.wish(a_plan(), idempotency_key="k")))
    assert third.job_id == first.job_id


async def test_a_create_that_is_being_marked_at_the_stop_is_sent(tmp_path: Path) -> None:
    async with House(tmp_path, durable=True) as house:
        writing_slowly(house, CreateSent, 0.05)
        stay = asyncio.ensure_future(house.served(house.wish(a_plan())))
        await house.clock.advance(0.01)
        await house.clock.drive(house.runner.stop())
        await stay
        assert house.names() == ["CreateSent", "Created"]
        assert len(house.vendor.purchases) == 1


async def test_a_job_that_had_not_even_begun_at_the_stop_is_told_of(tmp_path: Path) -> None:
    async with House(tmp_path, durable=True) as house:
        job = await house.start(a_plan())
        await house.runner.abort()  # before the loop has come to the job
        outcome = job.outcome.result()
        assert isinstance(outcome.error, Draining)
        assert outcome.error.come_back
        assert len(house.board) == 0
        assert "0 reserved" in repr(house.shelf)


async def test_a_failed_wish_of_no_key_is_not_finished_under_one(house: House) -> None:
    second_is(house, base.CreateRefused("x", ContentRefused("no")))
    await house.clock.drive(house.served(house.wish(a_plan(8))))
    house.vendor.refuse = lambda _: None
    await house.clock.advance(301)
    stays = [
        await house.clock.drive(house.served(house.wish(a_plan(8), idempotency_key="k")))
        for _ in range(2)
    ]
    assert [visit.how for visit, _ in stays] == [None, "idempotency_key"]
    assert stays[0][0].job_id == stays[1][0].job_id


async def test_of_very_many_equal_pictures_none_is_forgotten(house: House) -> None:
    house.governor.submits._gap = 0.001
    gone = nobody_leaves()
    stays = [
        asyncio.ensure_future(house.served(house.wish(a_plan()), gone=gone)) for _ in range(60)
    ]
    await house.clock.advance(3)
    gone.set_result(None)
    await asyncio.gather(*stays, return_exceptions=True)
    await house.clock.until(lambda: len(house.board) == 0)
    for _ in range(60):
        await house.clock.drive(house.served(house.wish(a_plan())))
    assert len(house.vendor.purchases) == 60


# ── the way to a picture ──


async def test_a_network_that_is_away_for_a_while_costs_no_picture(house: House) -> None:
    house.fetcher.crashes = [LinkDead("ConnectError", fleeting=True, away=True)] * 5
    asked = house.vendor.status

    async def status(task_id: str) -> TaskStatus:
        if house.fetcher.crashes and house.fetcher.fetched:
            raise StatusUnavailable("ConnectError", kind="network")
        return await asked(task_id)

    house.vendor.status = status  # type: ignore[method-assign]
    _, outcome = await house.clock.drive(house.served(house.wish(a_plan())))
    assert outcome.error is None
    assert len(outcome.images) == 1


async def test_a_way_that_stays_closed_is_tried_for_as_long_as_the_task_is_followed(
    tmp_path: Path,
) -> None:
    async with House(tmp_path, follow=300.0) as house:
        house.fetcher.crashes = [LinkDead("HTTP 503", fleeting=True, away=True)] * 1_000
        job = await house.start(a_plan())
        await house.clock.advance(500)
        assert job.states == ("collecting",)
        await house.clock.advance(120)
        assert isinstance(job.outcome.result().error, ResultUnusable)


async def test_a_task_found_done_a_moment_before_its_picture_is_named_is_asked_again(
    house: House,
) -> None:
    house.vendor.creates = [base.CreateLost("timeout")]
    unnamed = ResultUnusable("none", code="upstream_no_result")
    asked = house.vendor.status
    told = 0

    async def status(task_id: str) -> TaskStatus:
        nonlocal told
        found = await asked(task_id)
        told += 1
        if told == 1:
            return TaskStatus(found.upstream_id, "failed", "completed", failure=unnamed)
        return found

    house.vendor.status = status  # type: ignore[method-assign]
    _, outcome = await house.clock.drive(house.served(house.wish(a_plan())))
    assert outcome.error is None


async def test_after_a_restart_a_vendor_that_lags_costs_no_picture(tmp_path: Path) -> None:
    async def never(*_: object) -> None:
        await nobody_leaves()

    async with House(tmp_path, durable=True) as house:
        house.fetcher.fetch = never  # type: ignore[method-assign, assignment]
        job = await house.start(a_plan())
        await house.clock.advance(40)
        assert job.states == ("collecting",)
        await house.runner.abort()
        async with House(tmp_path, before=house) as heir:
            lagging = TaskStatus("v", "running", "in_progress")
            heir.vendor.statuses = [lagging] * 9
            heir.vendor.statuses += [TaskUnknown("404")] * 3
            await heir.recovery.recover()
            await heir.clock.until(lambda: len(heir.board) == 0)
            assert heir.names() == ["Collected"]


# ── whose it is ──


async def test_an_error_that_two_jobs_share_tells_each_of_its_own_purchases(house: House) -> None:
    picture = Picture("p", "digest", "image/png", 64, 64, 10, alpha=False)
    plan = a_plan(n=8, kind="edit", references=(picture,))
    second_is(house, base.CreateRefused("x", UpstreamRefused("no")))
    await house.clock.drive(house.served(house.wish(plan)))
    house.vendor.refuse = lambda _: None
    await house.clock.advance(3_700)  # the upload's address is forgotten

    async def upload(_: Picture) -> str:
        await house.clock.sleep(0.1)
        raise UpstreamRefused("the vendor takes no such picture")

    house.vendor.upload = upload  # type: ignore[method-assign, assignment]
    stranger = replace(house.wish(plan), key_name="stranger", fingerprint=b"other")
    theirs = asyncio.ensure_future(house.served(stranger))
    await house.clock.advance(0.01)
    mine = asyncio.ensure_future(house.served(house.wish(plan)))
    stays: tuple[Stay, Stay] = await house.clock.drive(asyncio.gather(mine, theirs))
    (_, own), (_, other) = stays
    assert own.error is not None
    assert own.error.bought is not None
    assert own.error.bought.kept
    assert other.error is not None
    assert other.error.bought is None


async def test_an_answer_that_names_anothers_task_is_not_believed(house: House) -> None:
    create, ids = house.vendor.create, []

    async def twice(*asked: Any) -> TaskStatus:
        ids.append((await create(*asked)).upstream_id)
        return TaskStatus(ids[0], "queued", "queued")

    house.vendor.create = twice  # type: ignore[method-assign, assignment]
    wishes = [house.wish(a_plan(), fingerprint=print_) for print_ in (b"a", b"b")]
    stays = asyncio.gather(*(house.served(wish) for wish in wishes))
    outcomes = [outcome for _, outcome in await house.clock.drive(stays)]
    assert all(outcome.images for outcome in outcomes)
    assert len(set(house.fetcher.fetched)) == 2


async def test_nothing_was_bought_is_said_only_where_it_is_true(house: House) -> None:
    house.vendor.refuse = lambda _: base.CreateNotSent("down") if house.vendor.purchases else None
    _, outcome = await house.clock.drive(house.served(house.wish(a_plan(8))))
    assert outcome.error is not None
    assert outcome.error.bought is not None
    assert "othing was bought" not in outcome.error.message


async def test_before_a_lost_task_is_bought_again_it_is_asked_for_once_more(house: House) -> None:
    asked, hidden = house.vendor.status, True

    async def lagging(task_id: str) -> TaskStatus:
        if hidden and task_id == house.vendor.purchases[1]:
            raise TaskUnknown("404")
        return await asked(task_id)

    house.vendor.status = lagging  # type: ignore[method-assign]
    second_is(house, base.CreateLost("timeout"))
    first, told = await house.clock.drive(house.served(house.wish(a_plan(8))))
    assert isinstance(told.error, UpstreamOutcomeUnknown)
    await house.clock.advance(301)
    hidden = False
    again, made = await house.clock.drive(house.served(house.wish(a_plan(8))))
    assert (again.job_id, len(made.images)) == (first.job_id, 8)
    assert len(house.vendor.purchases) == 2


# ── a real ledger that cannot be written for a while ──


@pytest.mark.parametrize(("key", "retry"), [("k", False), (None, True), (None, False)])
async def test_a_job_whose_end_could_not_be_written_yet_is_not_bought_again(
    tmp_path: Path, key: str | None, retry: bool
) -> None:
    clock = SystemClock()
    store = SqliteStore(str(tmp_path / "state.db"), StateSection(), clock, lambda _: None)
    await store.open()
    before = SimpleNamespace(clock=clock, vendor=FakeVendor(cast("Any", clock), 0.5), store=store)
    try:
        async with House(tmp_path / "shelf", before=cast("Any", before)) as house:
            house.poller.experience = Experience(0.01)
            gone = nobody_leaves()
            wish = house.wish(a_plan(), idempotency_key=key)
            stay = asyncio.ensure_future(house.served(wish, gone=gone))
            while not house.vendor.purchases:
                await clock.sleep(0.01)
            await clock.sleep(0.1)
            gone.set_result(None)
            with pytest.raises(CallerLeft):
                await stay
            arm("ledger.commit=enospc")
            while len(house.board):
                await clock.sleep(0.01)
            assert store.trouble is not None
            arm("")
            for _ in range(200):
                try:
                    visit, outcome = await house.served(wish, retry=retry)
                except LedgerUnavailable:
                    await clock.sleep(0.05)
                else:
                    break
            assert visit.how is not None
            assert outcome.images
            assert len(house.vendor.purchases) == 1
    finally:
        arm("")
        await store.close()


async def test_whoever_joins_a_wish_that_cannot_be_written_is_told_the_same(tmp_path: Path) -> None:
    clock = SystemClock()
    store = SqliteStore(str(tmp_path / "state.db"), StateSection(), clock, lambda _: None)
    await store.open()
    before = SimpleNamespace(clock=clock, vendor=FakeVendor(cast("Any", clock)), store=store)
    try:
        async with House(tmp_path / "shelf", before=cast("Any", before)) as house:
            arm("ledger.commit=enospc")
            wish = house.wish(a_plan(), idempotency_key="k")
            told = await asyncio.gather(
                house.served(wish), house.served(wish), return_exceptions=True
            )
            assert isinstance(told[0], LedgerUnavailable)
            assert isinstance(told[1], tuple)
            assert isinstance(told[1][1].error, LedgerUnavailable)
            assert house.vendor.purchases == []
    finally:
        arm("")
        await store.close()
