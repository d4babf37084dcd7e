"""What is told of each step of a task: whose it is, how long it stood where, what it settled."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import TaskFailed, UpstreamOutcomeUnknown
from gateway.events import About, Polled, State, Stepped, Succeeded
from gateway.jobs.board import Job
from gateway.translate.plan import make_plan
from gateway.upstream import base
from gateway.upstream.base import TaskStatus
from tests.jobs.fakes import House
from tests.jobs.plans import REQUEST, RULES, a_plan
from tests.jobs.test_moments import second_is
from tests.jobs.test_recovery import dies, killed_while_sending, over

PRICE = 40_000
TOLD = 100_000  # what the fake vendor says that a task cost
ABOUT = About(key_name="studio", model="gpt-image-2", tier="1k", quality="high", images=1)
Seen = tuple[str, State, float, int, int]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, durable=True) as house:
        yield house


def told(house: House) -> list[Stepped]:
    """The steps, without the questions that changed nothing."""
    steps = [fact for fact in house.facts if isinstance(fact, Stepped)]
    return [one for one in steps if not isinstance(one.event, Polled)]


def seen(house: House) -> list[Seen]:
    return [
        (type(one.event).__name__, one.state, round(one.seconds, 3), one.charged, one.cost)
        for one in told(house)
    ]


def bill(house: House) -> list[tuple[str, int, int]]:
    return [(name, charged, cost) for name, _, _, charged, cost in seen(house) if charged or cost]


async def begun(house: House, n: int = 1) -> Job:
    plan = a_plan(n)
    reserved = tuple(task.n * PRICE for task in plan.tasks)
    return await house.runner.start(house.wish(plan, reserved=reserved))


async def test_each_step_says_how_long_the_task_stood_where_and_what_it_settled(
    house: House,
) -> None:
    house.governor.submits.pause(3.0)
    house.vendor.creates = [base.CreateThrottled("429", 7.0)]
    job = await begun(house)
    await house.finished(job)
    succeeded = next(one for one in told(house) if isinstance(one.event, Succeeded))
    assert succeeded.seconds == pytest.approx(succeeded.event.seconds)  # type: ignore[attr-defined]
    assert seen(house) == [
        ("CreateSent", State.CREATING, 3.0, 0, 0),
        ("Throttled", State.INTENT, 0.2, 0, 0),
        ("CreateSent", State.CREATING, 7.0, 0, 0),
        ("Created", State.RUNNING, 0.2, 0, 0),
        ("Succeeded", State.COLLECTING, round(succeeded.seconds, 3), TOLD, TOLD),
        ("Collected", State.DONE, 0.0, 0, TOLD),
    ]
    assert job.tasks[0].entry.charge.spent == TOLD


async def test_a_question_that_changed_nothing_begins_no_new_stay(house: House) -> None:
    job = await begun(house)
    await house.finished(job)
    steps = [fact for fact in house.facts if isinstance(fact, Stepped)]
    running = [one.seconds for one in steps if isinstance(one.event, Polled | Succeeded)]
    assert len(running) > 3
    assert running == sorted(running)
    assert running[-1] >= house.vendor.seconds


async def test_each_task_says_what_it_is_to_make_itself(house: House) -> None:
    request = {"n": 6, "size": "2048x2048", "quality": "low"}
    plan = make_plan(REQUEST.__class__("generation", "x", **request), RULES)  # type: ignore[arg-type]
    job = await house.runner.start(house.wish(plan))
    await house.finished(job)
    about = {one.event.task_id: one.about for one in told(house)}
    assert [about[task.entry.task_id] for task in job.tasks] == [
        About(key_name="studio", model="gpt-image-2", tier="2k", quality="low", images=images)
        for images in (4, 2)
    ]


async def test_what_the_vendor_does_not_bill_costs_what_was_set_aside(house: House) -> None:
    failed = TaskStatus("v", "failed", "failed", failure=TaskFailed("no"))
    house.vendor.statuses = [failed]
    await house.finished(await begun(house))
    assert bill(house) == [("TaskFailed", PRICE, PRICE)]


async def test_what_the_vendor_gives_back_costs_nothing(house: House) -> None:
    house.vendor.statuses = [
        TaskStatus("v", "failed", "failed", failure=TaskFailed("no"), cost_usd="0")
    ]
    await house.finished(await begun(house))
    assert seen(house)[-1][0] == "TaskFailed"
    assert bill(house) == []


async def test_what_was_not_bought_costs_nothing(house: House) -> None:
    house.vendor.creates = [base.CreateRefused("400", TaskFailed("no"))]
    await house.finished(await begun(house))
    assert seen(house)[-1] == ("Refused", State.REFUSED, 0.2, 0, 0)


async def test_a_picture_that_cannot_be_fetched_is_paid_and_its_end_says_what_for(
    house: House,
) -> None:
    house.finisher.unusable = 5
    await house.finished(await begun(house))
    assert bill(house) == [("Succeeded", TOLD, TOLD), ("LinkDead", 0, TOLD)]


async def test_a_lost_task_is_taken_for_paid_and_told_the_rest_when_it_is_found(
    house: House,
) -> None:
    house.vendor.creates = [base.CreateLost("reset")]
    house.vendor.statuses = [base.TaskUnknown("404")] * 20
    job = await begun(house)
    await house.finished(job)
    assert isinstance(job.outcome.result().error, UpstreamOutcomeUnknown)
    house.vendor.statuses.clear()
    (lost,) = await house.store.lost(0.0)
    assert await house.clock.drive(house.look.look_at(lost))
    await over(house)
    assert bill(house) == [
        ("NotFound", PRICE, PRICE),
        ("Found", 0, PRICE),
        ("Succeeded", TOLD - PRICE, TOLD),
        ("Collected", 0, TOLD),
    ]


# Taken up again


async def test_a_task_of_another_process_ran_since_it_was_accepted(
    house: House, tmp_path: Path
) -> None:
    job = await begun(house)
    await house.clock.advance(5.0)
    dies(house)
    await house.clock.advance(60.0)
    async with House(tmp_path, before=house) as heir:
        await heir.recovery.recover()
        await over(heir)
        succeeded, kept = told(heir)
        assert succeeded.about == kept.about == ABOUT
        assert succeeded.event.task_id == job.tasks[0].entry.task_id
        assert succeeded.seconds == pytest.approx(65.0, abs=1.0)
        assert bill(heir) == [("Succeeded", TOLD, TOLD), ("Collected", 0, TOLD)]


async def test_what_another_process_had_settled_is_not_told_as_spent_again(
    house: House, tmp_path: Path
) -> None:
    house.fetcher.crashes = [OSError(28, "No space left on device")] * 3
    await begun(house)
    await house.clock.until(lambda: bool(bill(house)))
    dies(house)
    async with House(tmp_path, before=house) as heir:
        await heir.recovery.recover()
        await over(heir)
        assert bill(heir) == [("Collected", 0, TOLD)]


async def test_a_create_that_another_process_was_sending_is_told_with_its_price(
    house: House, tmp_path: Path
) -> None:
    await killed_while_sending(house)
    async with House(tmp_path, before=house) as heir:
        await heir.recovery.recover()
        await over(heir)
        assert [one[0] for one in seen(heir)] == ["CreateLost", "NotFound"]
        assert {one.about for one in told(heir)} == {ABOUT}
        assert told(heir)[1].seconds == pytest.approx(90.0, abs=1.0)


@pytest.mark.parametrize(
    ("failure", "rest"),
    [
        (None, [("Succeeded", TOLD - PRICE, TOLD), ("Collected", 0, TOLD)]),
        (TaskFailed("no"), [("TaskFailed", 0, PRICE)]),
    ],
)
async def test_of_a_task_that_another_process_had_lost_and_found_only_the_rest_is_told(
    house: House, tmp_path: Path, failure: TaskFailed | None, rest: list[tuple[str, int, int]]
) -> None:
    house.vendor.seconds, house.vendor.failure = 1_000.0, failure
    house.vendor.creates = [base.CreateLost("reset")]
    house.vendor.statuses = [base.TaskUnknown("404")] * 20
    await house.finished(await begun(house))
    house.vendor.statuses.clear()
    (lost,) = await house.store.lost(0.0)
    assert await house.clock.drive(house.look.look_at(lost))
    assert [one.unserved for one in told(house)] == [0, 0, PRICE, 0]
    dies(house)
    async with House(tmp_path, before=house) as heir:
        assert await heir.recovery.recover() == 1
        await over(heir)
        assert bill(heir) == rest
        assert {one.unserved for one in told(heir)} == {0}


async def test_what_another_process_was_to_create_again_is_told_as_spent_when_it_is_given_up(
    tmp_path: Path,
) -> None:
    async with House(tmp_path, durable=True, on_unknown="recreate") as house:
        house.vendor.creates = [base.CreateLost("reset")]
        house.vendor.statuses = [base.TaskUnknown("404")] * 20
        job = await begun(house)
        await house.clock.until(lambda: house.names()[-1:] == ["CreateLost"])
        house.governor.submits.pause(150.0)
        await house.clock.until(lambda: house.names()[-1:] == ["RecreateAllowed"])
        dies(house)
        async with House(tmp_path, before=house) as heir:
            assert await heir.recovery.recover() == 0
            assert bill(heir) == [("NotFound", PRICE, PRICE)]
            assert [one.unserved for one in told(heir)] == [PRICE]
            row = await heir.store.job(job.job_id)
            assert row is not None
            assert row.tasks[0].charged is None


async def test_of_a_job_that_is_taken_up_for_a_new_request_only_the_rest_is_told(
    house: House,
) -> None:
    second_is(house, base.CreateRefused("400", TaskFailed("no")))
    wish = house.wish(a_plan(8), reserved=(4 * PRICE, 4 * PRICE))
    _, outcome = await house.clock.drive(house.served(wish))
    assert outcome.error is not None
    before = len(told(house))
    await house.clock.advance(700.0)
    house.vendor.refuse = lambda _: None
    wish = house.wish(a_plan(8), reserved=(4 * PRICE, 4 * PRICE))
    visit, outcome = await house.clock.drive(house.served(wish))
    assert outcome.error is None
    again = told(house)[before:]
    assert [type(one.event).__name__ for one in again] == [
        *("CreateSent", "Created", "Succeeded", "Collected")
    ]
    assert {one.about.images for one in again} == {4}
    assert isinstance(visit.job, Job)
    assert [task.entry.charge.spent for task in visit.job.tasks] == [0, TOLD]
