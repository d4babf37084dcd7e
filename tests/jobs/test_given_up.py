"""What becomes of a task whose create was lost, was to be created again, and is given up instead.

It is perhaps bought: so it is LOST and looked for, and no equal request buys it anew meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import (
    ContentRefused,
    GatewayError,
    UpstreamOutcomeUnknown,
)
from gateway.events import State, Stepped
from gateway.jobs.board import Job
from gateway.jobs.reception import CallerLeft, Visit
from gateway.state.base import JobRow
from gateway.translate.model import Picture
from gateway.upstream import base
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan
from tests.jobs.test_joins import nobody_leaves, served
from tests.jobs.test_promises import promised
from tests.jobs.test_recovery import dies, over, row_of

PRICE = 40_000
DENIALS = ("nothing was bought", "before anything")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """The vendor has the task, but the create's answer is lost, and he denies it for a while."""
    async with House(tmp_path, durable=True, on_unknown="recreate") as house:
        house.vendor.creates = [base.CreateLost("reset")]
        house.vendor.statuses = [base.TaskUnknown("404")] * 20
        yield house


async def waits(house: House, n: int = 1) -> Job:
    """A job whose create may be sent again, and that waits for its turn to do so."""
    wish = house.wish(a_plan(n), reserved=(PRICE,) * len(a_plan(n).tasks))
    job = await house.runner.start(wish)
    await house.clock.until(lambda: "CreateLost" in house.names())
    house.governor.submits.pause(200.0)
    await house.clock.until(lambda: "RecreateAllowed" in house.names())
    return job


def money(house: House) -> tuple[int, int]:
    """All that was told as spent, and as bought for nobody."""
    steps = [fact for fact in house.facts if isinstance(fact, Stepped)]
    return sum(one.charged for one in steps), sum(one.unserved for one in steps)


def says_perhaps(error: GatewayError | None, job_id: str) -> None:
    """It is the truth: perhaps bought."""
    assert isinstance(error, UpstreamOutcomeUnknown)
    assert error.code == "upstream_outcome_unknown"
    assert error.bought is not None
    assert error.bought.job_id == job_id
    assert not any(word in error.message.lower() for word in DENIALS)


async def is_looked_for(house: House, job_id: str) -> JobRow:
    """It is LOST, an equal request gets its failure, and once found its picture; one purchase."""
    (row,) = await house.store.lost(0.0)
    assert row.job_id == job_id
    assert [task.state for task in row.tasks] == [State.LOST]
    assert await house.store.ended("studio", b"same") == (row,)
    again, repeated = await served(house)
    assert (again.how, again.job_id) == ("replay", job_id)
    says_perhaps(repeated.error, job_id)
    house.vendor.statuses.clear()
    await house.clock.advance(60)
    assert await house.clock.drive(house.look.look()) == 1
    await over(house)
    at_last, made = await served(house)
    assert (at_last.job_id, made.error, len(made.images)) == (job_id, None, 1)
    assert len(house.vendor.purchases) == 1
    return row


async def test_a_caller_who_leaves_while_it_is_looked_up_leaves_a_lost_task(house: House) -> None:
    gone = nobody_leaves()
    wish = house.wish(a_plan(), reserved=(PRICE,))
    waiting = asyncio.ensure_future(house.served(wish, gone=gone))
    await house.clock.until(lambda: "CreateLost" in house.names())
    (job,) = house.board.jobs()
    gone.set_result(None)
    with pytest.raises(CallerLeft):
        await waiting
    await over(house)
    assert house.names() == ["CreateSent", "CreateLost", "RecreateAllowed", "NotFound"]
    assert money(house) == (PRICE, PRICE)
    says_perhaps(job.outcome.result().error, job.job_id)
    await is_looked_for(house, job.job_id)


async def test_what_a_dead_process_was_to_create_again_is_lost_for_the_next(
    house: House, tmp_path: Path
) -> None:
    job = await waits(house)
    dies(house)
    async with House(tmp_path, before=house, on_unknown="recreate") as heir:
        assert await heir.recovery.recover() == 0
        assert heir.names() == ["NotFound"]
        assert money(heir) == (PRICE, PRICE)
        row = await is_looked_for(heir, job.job_id)
        assert row.failure is not None
        assert row.failure.code == "upstream_outcome_unknown"


async def test_what_a_stop_interrupted_is_lost_for_the_next(house: House, tmp_path: Path) -> None:
    job = await waits(house)
    await house.clock.drive(house.runner.stop())
    assert house.names()[-1] == "RecreateAllowed"
    dies(house)
    async with House(tmp_path, before=house, on_unknown="recreate") as heir:
        await heir.recovery.recover()
        await is_looked_for(heir, job.job_id)


@pytest.mark.parametrize("on_unknown", ["recreate", "fail"])
async def test_what_was_promised_is_looked_up_once_more_before_it_is_created_again(
    house: House, tmp_path: Path, on_unknown: str
) -> None:
    visit = await promised(house, house.wish(a_plan(), reserved=(PRICE,)))
    await house.clock.until(lambda: "CreateLost" in house.names())
    house.governor.submits.pause(200.0)
    await house.clock.until(lambda: "RecreateAllowed" in house.names())
    await house.clock.drive(house.runner.stop())
    dies(house)
    house.vendor.statuses.clear()
    async with House(tmp_path, before=house, on_unknown=on_unknown) as heir:
        assert await heir.recovery.recover() == 1
        await over(heir)
        assert heir.names() == ["Found", "Succeeded", "Collected"]
        assert len(heir.vendor.purchases) == 1
        row = await row_of(heir, visit.job_id)
        assert (row.failure, [task.charged for task in row.tasks]) == (None, [100_000])


@pytest.mark.parametrize(
    ("on_unknown", "names", "purchases"),
    [
        ("recreate", ["RecreateAllowed", "CreateSent", "Created", "Succeeded", "Collected"], 2),
        ("fail", ["NotFound"], 1),
    ],
)
async def test_denied_once_more_it_is_created_again_only_where_the_new_process_may(
    house: House, tmp_path: Path, on_unknown: str, names: list[str], purchases: int
) -> None:
    await promised(house, house.wish(a_plan(), reserved=(PRICE,)))
    await house.clock.until(lambda: "CreateLost" in house.names())
    house.governor.submits.pause(200.0)
    await house.clock.until(lambda: "RecreateAllowed" in house.names())
    dies(house)
    house.vendor.statuses = [base.TaskUnknown("404")] * 15
    async with House(tmp_path, before=house, on_unknown=on_unknown) as heir:
        await heir.recovery.recover()
        await heir.clock.until(lambda: len(heir.names()) > 0)
        assert heir.vendor.statuses != [base.TaskUnknown("404")] * 15
        heir.vendor.statuses.clear()
        await over(heir)
        assert heir.names() == names
        assert len(heir.vendor.purchases) == purchases


async def test_one_beside_a_task_that_goes_on_is_looked_up_as_well(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.vendor.statuses.clear()
    known = house.vendor.status

    async def status(task_id: str) -> base.TaskStatus:
        if not task_id.startswith("v-"):  # as long as the create's answer is looked for
            raise base.TaskUnknown("404")
        return await known(task_id)

    monkeypatch.setattr(house.vendor, "status", status)
    house.vendor.seconds = 300.0
    await waits(house, 5)
    monkeypatch.undo()
    assert sorted(task.entry.state for task in next(iter(house.board.jobs())).tasks) == [
        State.INTENT,
        State.RUNNING,
    ]
    dies(house)
    async with House(tmp_path, before=house, on_unknown="fail") as heir:
        assert await heir.recovery.recover() == 1
        await over(heir)
        assert "Found" in heir.names()
        assert "CreateSent" not in heir.names()


async def test_a_refusal_of_the_second_create_says_nothing_of_the_first(house: House) -> None:
    house.vendor.creates.append(base.CreateRefused("400", ContentRefused("no")))
    visit, outcome = await house.clock.drive(house.served(house.wish(a_plan(), reserved=(PRICE,))))
    assert house.names()[-4:] == ["RecreateAllowed", "CreateSent", "Refused", "NotFound"]
    assert money(house) == (PRICE, PRICE)
    says_perhaps(outcome.error, visit.job_id)
    await is_looked_for(house, visit.job_id)


async def test_one_refused_whose_process_ends_at_once_is_looked_up_by_the_next(
    house: House, tmp_path: Path
) -> None:
    house.vendor.creates.append(base.CreateRefused("400", ContentRefused("no")))
    job = await house.runner.start(house.wish(a_plan()))
    tell = house.journal.tell

    async def last(entry: object, event: object, *rest: object) -> None:
        await tell(entry, event, *rest)  # type: ignore[arg-type]
        if type(event).__name__ == "Refused":
            await asyncio.Event().wait()  # its process stands still here

    house.journal.tell = last  # type: ignore[method-assign, assignment]
    await house.clock.until(lambda: house.names()[-1:] == ["Refused"])
    dies(house)
    house.vendor.statuses.clear()
    async with House(tmp_path, before=house, on_unknown="recreate") as heir:
        assert await heir.recovery.recover() == 1
        await over(heir)
        assert heir.names() == ["Found", "Succeeded", "Collected"]
        row = await row_of(heir, job.job_id)
        assert row.failure is None
        assert len(heir.vendor.purchases) == 1


@pytest.mark.parametrize(
    "outcomes",
    [
        [base.CreateNotSent("refused")] * 5,
        [base.CreateThrottled("429", 1_000.0)],
    ],
)
async def test_whatever_keeps_the_second_create_from_being_sent_it_is_lost(
    house: House, outcomes: list[Exception]
) -> None:
    house.vendor.creates.extend(outcomes)
    visit, outcome = await house.clock.drive(house.served(house.wish(a_plan())))
    assert house.names()[-1] == "NotFound"
    says_perhaps(outcome.error, visit.job_id)
    await is_looked_for(house, visit.job_id)


async def test_one_that_gets_no_turn_before_its_deadline_is_lost(house: House) -> None:
    job = await waits(house)
    house.governor.submits.pause(10_000.0)
    await house.finished(job)
    says_perhaps(job.outcome.result().error, job.job_id)
    house.board.leave(job.job_id)
    await is_looked_for(house, job.job_id)


async def test_an_equal_request_joins_it_while_it_waits_to_be_created_again(house: House) -> None:
    job = await waits(house)
    assert job.bought() is not None
    house.board.leave(job.job_id)
    house.vendor.statuses.clear()
    visit, outcome = await served(house)
    assert isinstance(visit, Visit)
    assert (visit.how, visit.job_id) == ("orphan", job.job_id)
    assert outcome.error is None
    assert "NotFound" not in house.names()


async def test_nothing_is_denied_of_a_job_of_which_one_task_may_be_bought(house: House) -> None:
    """The caller leaves, and neither task had a turn since then."""
    house.vendor.bought_though_lost = False
    house.vendor.statuses.clear()
    house.vendor.creates.extend([base.CreateThrottled("429", 60.0)] * 9)
    job = await house.start(a_plan(8))
    await house.clock.until(lambda: "Throttled" in house.names())
    house.board.leave(job.job_id)
    await house.finished(job)
    assert set(house.names()) >= {"RecreateAllowed", "Dropped", "NotFound"}
    assert sorted(task.entry.state for task in job.tasks) == [State.DROPPED, State.LOST]
    error = job.outcome.result().error
    assert error is not None
    assert error.bought is not None
    assert not any(word in error.message.lower() for word in DENIALS)
    assert house.vendor.purchases == []


async def test_one_whose_files_went_with_its_process_is_lost_beside_what_is_seen_through(
    house: House, tmp_path: Path
) -> None:
    house.vendor.bought_though_lost = False
    house.vendor.statuses.clear()
    house.vendor.seconds = 250.0
    picture = Picture("p", "digest", "image/png", 64, 64, 10, alpha=False)
    job = await house.start(a_plan(8, kind="edit", references=(picture,)))
    await house.clock.advance(50.0)
    house.governor.submits.pause(200.0)
    await house.clock.advance(60.0)
    assert house.names()[-1] == "RecreateAllowed"
    dies(house)
    (row,) = await house.store.unfinished()
    row.links.clear()  # type: ignore[attr-defined]
    async with House(tmp_path, before=house, on_unknown="recreate") as heir:
        assert await heir.recovery.recover() == 1
        await over(heir)
        row = await row_of(heir, job.job_id)
        assert sorted(task.state for task in row.tasks) == [State.DONE, State.LOST]
        assert row.failure is not None
        assert row.failure.code == "upstream_outcome_unknown"
        assert len(heir.vendor.purchases) == 1
