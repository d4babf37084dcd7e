"""What the next process makes of what the last one left."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    Draining,
    LedgerUnavailable,
    UpstreamOutcomeUnknown,
    UpstreamRefused,
)
from gateway.events import JobEnded, JobRecovered, JobReopened, JobSuspended, State, TaskEvent
from gateway.jobs.housekeeping import Housekeeping
from gateway.jobs.memory import Memory
from gateway.state.base import JobRow
from gateway.translate.model import Picture
from gateway.upstream import base
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan

MOMENTS = [0.0, 0.1, 0.3, 5.0, 15.0, 20.05, 20.3, 25.0]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, durable=True) as house:
        yield house


def dies(house: House) -> None:
    """From here on nothing of this process reaches the ledger or the vendor any more."""

    async def never(*_: object, **__: object) -> None:
        await house.buried.wait()

    remembered = house.store
    house.journal._store = type("Dead", (), {"durable": True, "record": never, "remark": never})()
    house.creator._upstream = type("Gone", (), {"create": never, "status": never})()
    house.creator._seeker = replace(house.creator._seeker, upstream=house.creator._upstream)
    house.poller._upstream = house.creator._upstream
    house.store = remembered


async def killed(house: House, after: float, n: int = 1) -> str:
    """A request whose process is killed; the id of its job."""
    wish = house.wish(a_plan(n))
    asyncio.ensure_future(house.served(wish))  # noqa: RUF006 - it dies with its process
    await house.clock.advance(after)
    ids = list(house.store._jobs)
    dies(house)
    return ids[0] if ids else ""


async def killed_while_sending(house: House) -> None:
    """The create was marked as sent, and never got there."""

    async def never(*_: object) -> None:
        await house.buried.wait()

    create = house.vendor.create
    house.vendor.create = never  # type: ignore[method-assign, assignment]
    await killed(house, 0.1)
    house.vendor.create = create  # type: ignore[method-assign]


async def never_fetched(*_: object) -> None:
    await asyncio.get_running_loop().create_future()


async def over(house: House) -> None:
    await house.clock.until(lambda: len(house.board) == 0)


async def row_of(house: House, job_id: str) -> JobRow:
    row = await house.store.job(job_id)
    assert row is not None
    return row


@pytest.mark.parametrize("n", [1, 10])
@pytest.mark.parametrize("after", MOMENTS)
async def test_killed_at_any_moment_a_retry_gets_its_pictures_and_nothing_is_bought_twice(
    house: House, tmp_path: Path, after: float, n: int
) -> None:
    await killed(house, after, n)
    async with House(tmp_path, before=house) as heir:
        await heir.recovery.recover()
        visit, outcome = await heir.clock.drive(heir.served(heir.wish(a_plan(n)), retry=True))
        assert outcome.error is None
        assert len(outcome.images) == n
        assert len(heir.vendor.purchases) == len(set(heir.vendor.purchases)) == len(a_plan(n).tasks)
        row = await row_of(heir, visit.job_id)
        assert {task.state for task in row.tasks} == {State.DONE}
        assert row.delivered_at is not None


async def test_who_never_comes_back_has_its_pictures_kept(house: House, tmp_path: Path) -> None:
    job_id = await killed(house, 5.0)
    async with House(tmp_path, before=house) as heir:
        assert await heir.recovery.recover() == 1
        await over(heir)
        glance = await heir.reception.look("studio", job_id)
        assert glance.outcome is not None
        assert len(glance.outcome.images) == 1
        (told,) = [fact for fact in heir.facts if isinstance(fact, JobRecovered)]
        assert told.states == ("running",)


async def test_what_was_only_intended_is_not_bought(house: House, tmp_path: Path) -> None:
    house.governor.submits.pause(60.0)
    job_id = await killed(house, 1.0)
    async with House(tmp_path, before=house) as heir:
        assert await heir.recovery.recover() == 0
        assert heir.names() == ["Dropped"]
        assert (await row_of(heir, job_id)).ended_at is not None
        assert heir.vendor.purchases == []


async def test_of_what_was_bought_in_part_the_rest_is_bought(house: House, tmp_path: Path) -> None:
    house.governor.submits._slack = 0.0
    house.governor.submits._gap = 20.0
    house.governor.submits._next = house.clock.monotonic()
    job_id = await killed(house, 5.0, n=10)
    assert len(house.vendor.purchases) == 1
    async with House(tmp_path, before=house) as heir:
        await heir.recovery.recover()
        await over(heir)
        assert len(heir.vendor.purchases) == 3
        row = await row_of(heir, job_id)
        assert len(row.pictures) == 10


async def test_a_create_that_was_sent_is_looked_up_and_never_sent_again(
    house: House, tmp_path: Path
) -> None:
    await killed_while_sending(house)
    async with House(tmp_path, before=house) as heir:
        await heir.recovery.recover()
        _, outcome = await heir.clock.drive(heir.served(heir.wish(a_plan()), retry=True))
        assert isinstance(outcome.error, UpstreamOutcomeUnknown)
        assert heir.names() == ["CreateLost", "NotFound"]
        assert heir.vendor.purchases == []


async def test_the_operator_may_allow_it_to_be_sent_again(house: House, tmp_path: Path) -> None:
    await killed_while_sending(house)
    async with House(tmp_path, before=house, on_unknown="recreate") as heir:
        await heir.recovery.recover()
        _, outcome = await heir.clock.drive(heir.served(heir.wish(a_plan()), retry=True))
        assert outcome.error is None
        assert heir.names()[:4] == ["CreateLost", "RecreateAllowed", "CreateSent", "Created"]


async def test_a_job_that_failed_in_part_before_fails_when_the_rest_is_done(
    house: House, tmp_path: Path
) -> None:
    def second_fails(_: object) -> Exception | None:
        return None if not house.vendor.purchases else base.CreateLost("reset")

    house.vendor.refuse = second_fails
    house.vendor.bought_though_lost = False
    house.vendor.seconds = 200.0
    job_id = await killed(house, 120.0, n=5)
    async with House(tmp_path, before=house) as heir:
        await heir.recovery.recover()
        await over(heir)
        row = await row_of(heir, job_id)
        assert [task.state for task in row.tasks] == [State.DONE, State.LOST]
        assert row.failure is not None
        assert row.failure.code == "upstream_outcome_unknown"
        assert len(row.pictures) == 4


async def test_stopping_suspends_and_the_next_process_goes_on(house: House, tmp_path: Path) -> None:
    waiting = asyncio.ensure_future(house.served(house.wish(a_plan())))
    await house.clock.advance(5)
    await house.clock.drive(house.runner.stop())
    _, outcome = await waiting
    assert isinstance(outcome.error, Draining)
    assert outcome.error.come_back
    assert outcome.error.retry_after == 1
    assert [fact.states for fact in house.facts if isinstance(fact, JobSuspended)] == [("running",)]
    assert not [fact for fact in house.facts if isinstance(fact, JobEnded)]
    async with House(tmp_path, before=house) as heir:
        await heir.recovery.recover()
        visit, made = await heir.clock.drive(heir.served(heir.wish(a_plan()), retry=True))
        assert (visit.how, len(made.images)) == ("sdk_retry", 1)
        assert len(heir.vendor.purchases) == 1


async def test_stopping_waits_for_creates_under_way(house: House) -> None:
    waiting = asyncio.ensure_future(house.served(house.wish(a_plan())))
    await house.clock.advance(0.1)
    assert house.names() == ["CreateSent"]
    await house.clock.drive(house.runner.stop())
    await waiting
    assert house.names() == ["CreateSent", "Created"]


async def test_stopping_waits_for_creates_no_longer_than_it_may(
    house: House, tmp_path: Path
) -> None:
    async def never(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    house.vendor.create = never  # type: ignore[method-assign, assignment]
    waiting = asyncio.ensure_future(house.served(house.wish(a_plan())))
    await house.clock.advance(0.1)
    began = house.clock.monotonic()
    await house.clock.drive(house.runner.stop())
    assert 5.0 <= house.clock.monotonic() - began < 5.2
    await waiting
    async with House(tmp_path, before=house) as heir:
        await heir.recovery.recover()
        assert heir.names() == ["CreateLost"]


async def test_what_waits_for_its_turn_at_the_stop_is_not_sent(house: House) -> None:
    house.governor.submits.pause(2.0)
    async with house.visit(house.wish(a_plan())) as visit:
        await house.clock.advance(1)
        house.creator.closed = True
        await house.clock.advance(2)
        assert house.vendor.purchases == []
        outcome = await visit.outcome
        assert isinstance(outcome.error, Draining)


async def test_a_picture_that_was_being_fetched_is_fetched_again(
    house: House, tmp_path: Path
) -> None:
    house.fetcher.fetch = never_fetched  # type: ignore[method-assign, assignment]
    job_id = await killed(house, 30.0)
    assert (await row_of(house, job_id)).tasks[0].state is State.COLLECTING
    async with House(tmp_path, before=house) as heir:
        heir.vendor.statuses = [
            base.StatusUnavailable("x", kind="network"),
            base.TaskUnknown("404"),
        ]
        await heir.recovery.recover()
        await over(heir)
        assert heir.names() == ["Collected"]


async def test_a_picture_whose_links_are_gone_is_told_as_dead(house: House, tmp_path: Path) -> None:
    house.fetcher.fetch = never_fetched  # type: ignore[method-assign, assignment]
    job_id = await killed(house, 30.0)
    async with House(tmp_path, before=house) as heir:
        heir.vendor.tasks.clear()
        await heir.recovery.recover()
        await over(heir)
        row = await row_of(heir, job_id)
        assert row.failure is not None
        assert row.failure.code == "upstream_result_unusable"


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
async def test_a_clock_that_was_set_between_two_processes_ends_nothing_early(
    house: House, tmp_path: Path, jump: float
) -> None:
    await killed(house, 5.0)
    house.clock._epoch += jump
    async with House(tmp_path, before=house) as heir:
        await heir.recovery.recover()
        await over(heir)
        assert heir.names()[-1] == "Collected"


# ── a second look ──


async def lost(house: House) -> str:
    house.vendor.creates = [base.CreateLost("timeout")]
    house.vendor.statuses = [base.TaskUnknown("404")] * 20
    visit, outcome = await house.clock.drive(house.served(house.wish(a_plan())))
    assert isinstance(outcome.error, UpstreamOutcomeUnknown)
    house.vendor.statuses.clear()
    return visit.job_id


async def test_a_lost_task_that_turns_up_late_runs_on(house: House) -> None:
    job_id = await lost(house)
    await house.clock.advance(61)
    assert await house.clock.drive(house.look.look()) == 1
    await over(house)
    visit, made = await house.clock.drive(house.served(house.wish(a_plan())))
    assert (visit.job_id, visit.how) == (job_id, "orphan")
    assert made.images
    assert len(house.vendor.purchases) == 1
    assert [fact.missing for fact in house.facts if isinstance(fact, JobReopened)] == [0]


async def test_lost_tasks_are_asked_for_seldom(house: House) -> None:
    await lost(house)
    house.vendor.tasks.clear()
    asked = house.vendor.asked
    for _ in range(120):
        await house.clock.advance(60)
        assert await house.clock.drive(house.look.look()) == 0
    assert house.vendor.asked == asked + 5


async def test_a_lost_task_is_asked_for_again_by_the_next_process(
    house: House, tmp_path: Path
) -> None:
    await lost(house)
    await house.clock.advance(7_200)
    async with House(tmp_path, before=house) as heir:
        assert await heir.clock.drive(heir.look.look()) == 1
        await over(heir)
        assert heir.names()[-1] == "Collected"


async def test_a_job_somebody_has_taken_up_meanwhile_is_left_alone(house: House) -> None:
    job_id = await lost(house)
    status = await house.clock.drive(house.vendor.status(house.vendor.purchases[0]))
    found = {house.vendor.purchases[0]: status}
    await house.recovery.revive(job_id, found, house.creator)
    await house.recovery.revive(job_id, found, house.creator)
    await house.recovery.revive("job_unknown", found, house.creator)
    assert house.names().count("Found") == 1
    await over(house)


async def test_a_ledger_that_takes_no_entries_puts_a_second_look_off(house: House) -> None:
    job_id = await lost(house)

    async def no(_: JobRow, **__: Any) -> None:
        raise LedgerUnavailable("full")

    reopen, house.store.reopen = house.store.reopen, no  # type: ignore[method-assign, assignment]
    await house.clock.advance(61)
    with pytest.raises(LedgerUnavailable):
        await house.clock.drive(house.look.look())
    assert len(house.board) == 0
    house.store.reopen = reopen  # type: ignore[method-assign]
    await house.clock.advance(300)
    assert await house.clock.drive(house.look.look()) == 1
    await over(house)
    assert (await row_of(house, job_id)).failure is None


async def test_rounds_forget_what_is_old_and_survive_a_ledger_in_trouble(house: House) -> None:
    await house.clock.drive(house.served(house.wish(a_plan())))
    memory = Memory(house.store, house.journal, house.board, house.shelf, house.clock)
    rounds = asyncio.ensure_future(Housekeeping(memory, house.look, keep=86_400).run())
    await house.clock.advance(60)
    assert len(house.store._jobs) == 1
    await house.clock.advance(86_400 + 3_600)
    assert len(house.store._jobs) == 0

    async def no(_: float) -> int:
        raise LedgerUnavailable("full")

    house.store.prune = no  # type: ignore[method-assign, assignment]
    await house.clock.advance(7_200)
    assert not rounds.done()
    rounds.cancel()


# ── a ledger that cannot be written ──


class Full:
    """A store that takes no entry that precedes a purchase."""

    def __init__(self, house: House, *names: str) -> None:
        self.house, self.names = house, names
        self.record, self.add = house.store.record, house.store.add_job
        house.store.record = self._record  # type: ignore[method-assign, assignment]
        house.store.add_job = self._add  # type: ignore[method-assign]

    async def _record(self, event: TaskEvent, *rest: object) -> None:
        if type(event).__name__ in self.names:
            raise LedgerUnavailable("full", code="journal_unavailable")
        await self.record(event, *rest)  # type: ignore[arg-type]

    async def _add(self, job: JobRow, **how: Any) -> None:
        if "intent" in self.names:
            raise LedgerUnavailable("full", code="journal_unavailable")
        await self.add(job, **how)


async def test_without_an_intent_nothing_is_begun(house: House) -> None:
    Full(house, "intent")
    with pytest.raises(LedgerUnavailable):
        await house.clock.drive(house.served(house.wish(a_plan())))
    assert (len(house.board), house.vendor.purchases, house.released) == (0, [], 1)


async def test_what_cannot_be_marked_as_sent_is_not_sent(house: House) -> None:
    Full(house, "CreateSent")
    _, outcome = await house.clock.drive(house.served(house.wish(a_plan())))
    assert isinstance(outcome.error, LedgerUnavailable)
    assert house.vendor.purchases == []
    assert house.names() == ["Dropped"]


async def test_what_cannot_be_marked_is_not_created_again(tmp_path: Path) -> None:
    async with House(tmp_path, on_unknown="recreate") as house:
        Full(house, "RecreateAllowed")
        house.vendor.creates = [base.CreateLost("timeout")]
        house.vendor.bought_though_lost = False
        _, outcome = await house.clock.drive(house.served(house.wish(a_plan())))
        assert isinstance(outcome.error, UpstreamOutcomeUnknown)
        assert house.vendor.purchases == []


async def test_what_was_written_of_a_job_is_what_it_is(house: House) -> None:
    visit, _ = await house.clock.drive(house.served(house.wish(a_plan(2), idempotency_key="k")))
    row = await row_of(house, visit.job_id)
    assert (row.key_name, row.fingerprint, row.idempotency_key) == ("studio", b"same", "k")
    assert row.plan.tasks[0].prompt == ""
    assert replace(row.plan, text_tokens=None).n == 2
    assert row.seconds == 300
    assert row.give_up == row.created_at + 300 + 1800


async def test_a_wish_taken_up_again_whose_files_went_with_its_process_is_made_by_the_next_try(
    house: House, tmp_path: Path
) -> None:
    picture = Picture("p", "digest", "image/png", 64, 64, 10, alpha=False)
    plan = a_plan(8, kind="edit", references=(picture,))

    def second_fails(_: object) -> Exception | None:
        refused = base.CreateRefused("x", UpstreamRefused("no"))
        return refused if len(house.vendor.purchases) == 1 else None

    house.vendor.refuse = second_fails
    await house.clock.drive(house.served(house.wish(plan)))
    house.vendor.refuse = lambda _: None
    await house.clock.advance(3_700)

    async def never(_: Picture) -> str:
        await house.buried.wait()
        return ""

    upload = house.vendor.upload
    house.vendor.upload = never  # type: ignore[method-assign, assignment]
    asyncio.ensure_future(house.served(house.wish(plan)))  # noqa: RUF006 - it dies
    await house.clock.advance(1)
    assert len(house.board) == 1
    dies(house)
    house.vendor.upload = upload  # type: ignore[method-assign]
    async with House(tmp_path, before=house) as heir:
        assert await heir.recovery.recover() == 0
        visit, outcome = await heir.clock.drive(heir.served(heir.wish(plan), retry=True))
        assert (visit.how, outcome.error) == (None, None)
        assert len(outcome.images) == 8
        assert len(heir.vendor.purchases) == 2
