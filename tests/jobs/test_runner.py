"""One job from intent to shelf, with a vendor in memory and time by hand."""

import asyncio
import errno
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.sections import Images
from gateway.errors import (
    ContentRefused,
    DeadlineExceeded,
    Draining,
    GatewayError,
    InternalError,
    NoRoom,
    ResultUnusable,
    TaskFailed,
    UpstreamOutcomeUnknown,
    UpstreamRefused,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from gateway.events import (
    CollectingHindered,
    JobAbandoned,
    JobCrashed,
    State,
    Succeeded,
)
from gateway.jobs.board import Job
from gateway.jobs.reception import CallerLeft
from gateway.notices import (
    ObserverFailed,
)
from gateway.translate.model import ImageRequest, ModelCard, Picture, Plan, RemotePicture
from gateway.translate.plan import Rules, make_plan
from gateway.upstream import base
from gateway.upstream.base import StatusUnavailable, TaskStatus, TaskUnknown
from tests.jobs.fakes import House

CARD = ModelCard("gpt-image-2", "official")
RULES = Rules(models={CARD.name: CARD}, default_model=CARD.name)


def a_plan(n: int = 1, **changes: object) -> Plan:
    request = ImageRequest("generation", "a lighthouse", n=n, size="1024x1024")
    return make_plan(replace(request, **changes), RULES)  # type: ignore[arg-type]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as house:
        yield house


def nobody_leaves() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def fails(house: House, plan: Plan | None = None) -> GatewayError:
    job = await house.start(plan or a_plan())
    await house.finished(job)
    error = job.outcome.result().error
    assert error is not None
    return error


async def test_a_wish_is_written_bought_waited_for_collected_and_released(house: House) -> None:
    job = await house.start(a_plan())
    await house.finished(job)
    outcome = job.outcome.result()
    assert outcome.error is None
    assert [shelved.format for shelved in outcome.images] == ["png"]
    assert house.names() == ["CreateSent", "Created", "Succeeded", "Collected"]
    row = await house.store.job(job.job_id)
    assert row is not None
    assert [task.state for task in row.tasks] == [State.DONE]
    assert row.tasks[0].upstream_id == job.upstream_ids[0]
    assert house.vendor.purchases == [job.tasks[0].entry.task_id]
    assert house.released == 1
    assert len(house.board) == 0


async def test_ten_images_are_three_tasks_merged_in_order(house: House) -> None:
    job = await house.start(a_plan(n=10))
    await house.finished(job)
    images = job.outcome.result().images
    made = [
        Path(shelved.path).read_bytes().partition(b"IEND")[2][4:].decode() for shelved in images
    ]
    expected = [
        f"https://files/{task.entry.task_id}/{place}"
        for task in job.tasks
        for place in range(task.spec.n)
    ]
    assert made == expected
    assert len(house.vendor.purchases) == 3


async def test_equal_references_are_uploaded_once_and_remembered(house: House) -> None:
    picture = Picture("p", "digest", "image/png", 64, 64, 10, alpha=False)
    remote = RemotePicture("https://example.org/a.png")
    plan = a_plan(n=8, kind="edit", references=(picture, remote, picture))
    for _ in range(2):
        job = await house.start(plan)
        await house.finished(job)
        assert job.outcome.result().error is None
    assert house.vendor.uploads == ["digest"]


async def test_a_failed_upload_is_repeated(house: House) -> None:
    house.vendor.upload_errors = [UpstreamUnavailable("x"), UpstreamThrottled("y", retry_after=2)]
    picture = Picture("p", "digest", "image/png", 64, 64, 10, alpha=False)
    job = await house.start(a_plan(kind="edit", references=(picture,)))
    await house.finished(job)
    assert job.outcome.result().error is None


async def test_an_upload_that_keeps_failing_ends_the_job_before_anything_is_bought(
    house: House,
) -> None:
    house.vendor.upload_errors = [UpstreamUnavailable("x")] * 3
    picture = Picture("p", "digest", "image/png", 64, 64, 10, alpha=False)
    error = await fails(house, a_plan(kind="edit", references=(picture,)))
    assert isinstance(error, UpstreamUnavailable)
    assert error.bought is None
    assert house.names() == ["Dropped"]
    assert house.vendor.purchases == []
    assert house.released == 1


async def test_a_create_that_was_not_sent_is_sent_again(house: House) -> None:
    house.vendor.creates = [base.CreateNotSent("refused")] * 3
    job = await house.start(a_plan())
    await house.finished(job)
    assert job.outcome.result().error is None
    assert house.names().count("NotSent") == 3
    assert len(house.vendor.purchases) == 1


async def test_an_unreachable_vendor_ends_the_job_with_nothing_bought(house: House) -> None:
    house.vendor.creates = [base.CreateNotSent("refused")] * 9
    error = await fails(house)
    assert isinstance(error, UpstreamUnavailable)
    assert error.bought is None
    assert error.retry_after is not None
    assert house.names()[-1] == "Dropped"
    assert house.vendor.purchases == []


async def test_a_throttled_create_waits_as_long_as_the_vendor_asks(house: House) -> None:
    house.vendor.creates = [base.CreateThrottled("429", 7.0), base.CreateThrottled("429", None)]
    started = house.clock.monotonic()
    job = await house.start(a_plan())
    await house.finished(job)
    assert job.outcome.result().error is None
    accepted = job.tasks[0].accepted_at
    assert accepted is not None
    assert accepted - started >= 8.0


async def test_a_vendor_that_asks_for_more_patience_than_there_is_gets_no_purchase(
    house: House,
) -> None:
    house.vendor.creates = [base.CreateThrottled("429", 3600.0)]
    error = await fails(house)
    assert isinstance(error, UpstreamThrottled)
    assert error.retry_after == 60.0
    assert house.vendor.purchases == []


async def test_a_turn_that_comes_with_the_deadline_is_not_used(house: House) -> None:
    house.governor.submits.pause(10)
    job = await house.start(a_plan(), seconds=10)
    await house.finished(job)
    assert isinstance(job.outcome.result().error, DeadlineExceeded)
    assert house.names() == ["Dropped"]
    assert house.vendor.purchases == []


async def test_a_vendor_that_puts_us_off_until_the_deadline_is_named_as_the_reason(
    house: House,
) -> None:
    house.vendor.creates = [base.CreateThrottled("429", 3.0)] * 1000
    job = await house.start(a_plan(), seconds=10.5)
    await house.finished(job)
    error = job.outcome.result().error
    assert isinstance(error, UpstreamThrottled)
    assert house.vendor.purchases == []
    house.vendor.creates = [base.CreateThrottled("429", None)] * 1000
    job = await house.start(a_plan(), seconds=1.9)
    await house.finished(job)
    assert isinstance(job.outcome.result().error, UpstreamThrottled)


async def test_a_refusal_is_told_and_nothing_is_bought(house: House) -> None:
    refusal = UpstreamRefused("no", param="prompt")
    house.vendor.creates = [base.CreateRefused("400", refusal)]
    error = await fails(house)
    assert isinstance(error, UpstreamRefused)
    assert (error.message, error.param, error.bought) == ("no", "prompt", None)
    assert house.names() == ["CreateSent", "Refused"]


async def test_a_lost_answer_is_looked_up_by_our_id_and_never_sent_again(house: House) -> None:
    house.vendor.creates = [base.CreateLost("ReadTimeout")]
    house.vendor.statuses = [StatusUnavailable("503", kind="http_5xx"), TaskUnknown("404")]
    job = await house.start(a_plan())
    await house.finished(job)
    assert job.outcome.result().error is None
    assert house.names() == ["CreateSent", "CreateLost", "Found", "Succeeded", "Collected"]
    assert len(house.vendor.purchases) == 1


async def test_what_stays_unknown_is_lost_told_and_not_bought_again(house: House) -> None:
    house.vendor.creates = [base.CreateLost("ReadError")]
    house.vendor.bought_though_lost = False
    started = house.clock.monotonic()
    error = await fails(house)
    assert isinstance(error, UpstreamOutcomeUnknown)
    assert error.bought is not None
    assert error.bought.upstream_ids == ()
    assert house.names() == ["CreateSent", "CreateLost", "NotFound"]
    assert 60 <= house.clock.monotonic() - started <= 95


@pytest.mark.parametrize(
    ("last", "again"),
    [
        (TaskUnknown("404"), True),
        (StatusUnavailable("503", kind="http_5xx"), False),
        (StatusUnavailable("timeout", kind="timeout"), False),
    ],
)
async def test_only_what_the_vendor_last_said_it_does_not_know_may_be_created_again(
    tmp_path: Path, last: Exception, again: bool
) -> None:
    async with House(tmp_path, on_unknown="recreate") as house:
        house.vendor.creates = [base.CreateLost("ReadError")]
        house.vendor.bought_though_lost = False
        until = house.clock.monotonic() + 89.0
        first: Exception = TaskUnknown("404")

        async def status(task_id: str) -> TaskStatus:
            await house.clock.sleep(0.05)
            if house.vendor.purchases:
                return await asked(task_id)
            raise last if house.clock.monotonic() > until else first

        asked, house.vendor.status = house.vendor.status, status  # type: ignore[method-assign]
        job = await house.start(a_plan())
        await house.finished(job)
        error = job.outcome.result().error
        assert isinstance(error, UpstreamOutcomeUnknown) is not again
        assert ("RecreateAllowed" in house.names()) is again
        assert (house.names()[-1] == "NotFound") is not again
        assert len(house.vendor.purchases) == again


async def test_a_vendor_that_answered_no_look_up_is_not_sent_the_create_again(
    tmp_path: Path,
) -> None:
    async with House(tmp_path, on_unknown="recreate") as house:
        house.vendor.creates = [base.CreateLost("ReadError")]  # it was bought all the same
        silence = StatusUnavailable("503", kind="http_5xx")
        house.vendor.statuses = [TaskUnknown("404"), *([silence] * 100)]
        error = await fails(house)
        assert isinstance(error, UpstreamOutcomeUnknown)
        assert house.names() == ["CreateSent", "CreateLost", "NotFound"]
        assert len(house.vendor.purchases) == 1


async def test_polls_that_fail_end_nothing(house: House) -> None:
    house.vendor.statuses = [
        StatusUnavailable("503", kind="http_5xx"),
        StatusUnavailable("500", 5.0, kind="http_5xx"),
        TaskUnknown("404"),
        StatusUnavailable("timeout", kind="timeout"),
        TaskUnknown("404"),
    ]
    job = await house.start(a_plan())
    await house.finished(job)
    assert job.outcome.result().error is None


async def test_a_task_the_vendor_forgot_fails_and_names_itself(house: House) -> None:
    house.vendor.statuses = [TaskUnknown("404")] * 100
    started = house.clock.monotonic()
    error = await fails(house)
    assert house.clock.monotonic() - started >= 90
    assert isinstance(error, TaskFailed)
    assert error.code == "upstream_task_unknown"
    assert error.bought is not None
    assert error.bought.upstream_ids


async def test_done_without_a_picture_is_asked_again_before_it_is_believed(house: House) -> None:
    empty = TaskStatus("v", "failed", "completed", failure=ResultUnusable("none"))
    house.vendor.statuses = [empty, empty]
    job = await house.start(a_plan())
    await house.finished(job)
    assert job.outcome.result().error is None
    house.vendor.statuses = [empty] * 3
    assert isinstance(await fails(house), ResultUnusable)


async def test_one_tasks_trouble_holds_up_no_other_but_a_throttled_account_does(
    house: House,
) -> None:
    house.vendor.statuses = [StatusUnavailable("503", 50.0, kind="http_5xx")]
    job = await house.start(a_plan())
    await house.clock.until(lambda: house.vendor.asked == 1)
    await house.clock.advance(1)
    assert house.governor.queries.wait() == 0.0
    await house.finished(job)
    house.vendor.statuses = [StatusUnavailable("429", 50.0, kind="http_429")]
    job = await house.start(a_plan())
    asked = house.vendor.asked
    await house.clock.until(lambda: house.vendor.asked == asked + 1)
    await house.clock.advance(1)
    assert house.governor.queries.wait() > 40
    await house.finished(job)


async def test_a_vendor_that_repeats_the_prompt_does_not_get_it_into_the_log(
    house: House,
) -> None:
    house.vendor.failure = TaskFailed("cannot draw: a lighthouse", code="upstream_task_failed")
    error = await fails(house)
    assert "lighthouse" not in error.message
    assert not any("lighthouse" in str(event) for event in house.events())


async def test_a_failed_task_tells_the_vendors_reason_with_its_id(house: House) -> None:
    house.vendor.failure = ContentRefused("blocked", code="moderation_blocked")
    error = await fails(house)
    assert isinstance(error, ContentRefused)
    assert error.bought is not None
    assert error.bought.upstream_ids == (f"v-{house.vendor.purchases[0]}",)


async def test_a_prompt_that_the_vendor_repeats_is_neither_told_nor_noted(house: House) -> None:
    house.vendor.failure = TaskFailed("'a lighthouse' could not be drawn")
    error = await fails(house)
    assert error.message == "'[removed]' could not be drawn"
    assert "lighthouse" not in repr(house.facts)
    refusal = UpstreamRefused("'a lighthouse' is too vague")
    house.vendor.creates = [base.CreateRefused("400", refusal)]
    assert (await fails(house)).message == "'[removed]' is too vague"


async def test_a_failed_part_fails_the_wish_and_keeps_what_succeeded(house: House) -> None:
    refused = base.CreateRefused("400", UpstreamRefused("no"))
    house.vendor.refuse = lambda spec: refused if spec.n == 2 else None
    job = await house.start(a_plan(n=10))
    await house.finished(job)
    outcome = job.outcome.result()
    assert isinstance(outcome.error, UpstreamRefused)
    assert len(outcome.images) == 8
    assert outcome.error.bought is not None
    assert outcome.error.bought.kept == tuple(shelved.filename for shelved in outcome.images)


async def test_nothing_more_is_bought_for_a_wish_that_has_failed(house: House) -> None:
    house.governor.submits.pause(5.0)
    refused = base.CreateRefused("400", UpstreamRefused("no"))
    house.vendor.creates = [refused] * 3
    job = await house.start(a_plan(n=10))
    await house.finished(job)
    assert house.vendor.purchases == []
    assert house.names().count("CreateSent") + house.names().count("Dropped") >= 3


async def test_fewer_pictures_than_bought_fail_the_wish_and_are_kept(house: House) -> None:
    house.vendor.makes = 2
    error = await fails(house, a_plan(n=3))
    assert error.code == "upstream_fewer_images"
    assert error.bought is not None
    assert len(error.bought.kept) == 2


async def test_more_pictures_than_asked_for_are_cut_to_the_first(house: House) -> None:
    house.vendor.makes = 3
    job = await house.start(a_plan(n=2))
    await house.finished(job)
    assert len(job.outcome.result().images) == 2
    assert [event.images for event in house.events() if isinstance(event, Succeeded)] == [3]


async def test_a_dead_link_is_looked_up_afresh_once(house: House) -> None:
    job = await house.start(a_plan())
    house.fetcher.dead = {f"https://files/{job.tasks[0].entry.task_id}/0": 1}
    await house.finished(job)
    assert job.outcome.result().error is None
    assert len(house.fetcher.fetched) == 2


@pytest.mark.parametrize("broken", ["link", "picture"])
async def test_a_picture_that_cannot_be_had_is_told_with_the_tasks_id(
    house: House, broken: str
) -> None:
    job = await house.start(a_plan(n=2))
    if broken == "link":
        house.fetcher.dead = {f"https://files/{job.tasks[0].entry.task_id}/1": 9}
    else:
        house.finisher.unusable = 3
    await house.finished(job)
    error = job.outcome.result().error
    assert isinstance(error, ResultUnusable)
    assert error.bought is not None
    assert error.bought.upstream_ids
    assert house.names()[-1] == "LinkDead"


async def test_a_full_disk_is_waited_out_for_what_is_paid(house: House) -> None:
    house.fetcher.crashes = [OSError(errno.ENOSPC, "No space left on device")] * 4
    job = await house.start(a_plan())
    await house.finished(job)
    assert job.outcome.result().error is None
    hindered = [fact for fact in house.facts if isinstance(fact, CollectingHindered)]
    assert [fact.reason for fact in hindered] == ["No space left on device"] * 4


async def test_a_disk_that_stays_full_is_told_in_the_end(tmp_path: Path) -> None:
    async with House(tmp_path, follow=60.0) as house:
        house.fetcher.crashes = [OSError(errno.ENOSPC, "No space left on device")] * 1000
        error = await fails(house)
        assert isinstance(error, InternalError)
        assert error.bought is not None
        assert house.names()[-1] == "LinkDead"


async def test_nothing_is_bought_for_a_caller_who_left_while_waiting_for_a_turn(
    house: House,
) -> None:
    house.governor.submits.pause(30.0)
    gone = nobody_leaves()
    waiting = asyncio.ensure_future(house.served(house.wish(a_plan(n=10)), gone=gone))
    await house.clock.advance(1)
    (job,) = house.board.jobs()
    gone.set_result(None)
    with pytest.raises(CallerLeft):
        await waiting
    await house.finished(job)
    assert house.vendor.purchases == []
    assert house.names() == ["Dropped"] * 3


async def test_a_waiter_who_leaves_another_behind_changes_nothing(house: House) -> None:
    house.governor.submits.pause(30.0)
    wish = house.wish(a_plan(), idempotency_key="one")
    first, second = nobody_leaves(), nobody_leaves()
    waits = [asyncio.ensure_future(house.served(wish, gone=gone)) for gone in (first, second)]
    await house.clock.advance(1)
    first.set_result(None)
    _, outcome = await house.clock.drive(waits[1])
    assert outcome.images
    with pytest.raises(CallerLeft):
        await waits[0]
    assert len(house.vendor.purchases) == 1


async def test_siblings_that_wait_for_a_turn_are_not_bought_after_a_refusal(house: House) -> None:
    for _ in range(5):
        assert await house.clock.drive(house.governor.submits.turn())
    house.vendor.creates = [base.CreateRefused("402", UpstreamRefused("no"))]
    job = await house.start(a_plan(n=10))
    await house.finished(job)
    assert len(house.vendor.purchases) <= 1
    assert "Dropped" in house.names()


async def test_a_shared_upload_outlives_the_job_that_began_it(house: House) -> None:
    shared = Picture("p", "shared", "image/png", 64, 64, 10, alpha=False)
    broken = Picture("p", "broken", "image/png", 64, 64, 10, alpha=False)
    house.vendor.upload_errors = [UpstreamUnavailable("x"), UpstreamRefused("no")]
    first = await house.start(a_plan(kind="edit", references=(shared, broken)))
    second = await house.start(a_plan(kind="edit", references=(shared,)))
    await house.finished(first)
    assert house.vendor.uploads == ["shared"]
    await house.finished(second)
    assert isinstance(first.outcome.result().error, UpstreamRefused)
    assert second.outcome.result().error is None


async def test_a_waiter_whose_time_is_up_leaves_the_task_running(house: House) -> None:
    waiting = asyncio.ensure_future(house.served(house.wish(a_plan(), 10.0)))
    await house.clock.advance(1)
    (job,) = house.board.jobs()
    with pytest.raises(DeadlineExceeded) as caught:
        await house.clock.drive(waiting)
    assert caught.value.bought is not None
    assert caught.value.bought.job_id == job.job_id
    await house.finished(job)
    assert job.outcome.result().images
    assert len(house.vendor.purchases) == 1


async def test_a_waiter_who_hangs_up_leaves_the_task_running(house: House) -> None:
    gone = nobody_leaves()
    waiting = asyncio.ensure_future(house.served(house.wish(a_plan()), gone=gone))
    await house.clock.advance(1)
    (job,) = house.board.jobs()
    assert house.board.visits(job.job_id) == 1
    gone.set_result(None)
    with pytest.raises(CallerLeft):
        await waiting
    assert house.board.visits(job.job_id) == 0
    await house.finished(job)
    assert job.outcome.result().images


async def test_a_waiter_gets_the_outcome(house: House) -> None:
    waiting = asyncio.ensure_future(house.served(house.wish(a_plan())))
    visit, outcome = await house.clock.drive(waiting)
    assert isinstance(visit.job, Job)
    assert outcome is visit.job.outcome.result()


async def test_before_anything_is_sent_a_deadline_names_no_purchase(house: House) -> None:
    house.governor.submits._next += 60  # a long queue before us
    job = await house.start(a_plan(), seconds=10.0)
    await house.finished(job)
    error = job.outcome.result().error
    assert isinstance(error, DeadlineExceeded)
    assert error.bought is None
    assert house.names() == ["Dropped"]


async def test_a_task_without_end_is_given_up_after_the_time_it_is_followed(
    tmp_path: Path,
) -> None:
    async with House(tmp_path, follow=60.0) as house:
        house.vendor.seconds = 1e9
        error = await fails(house)
        assert isinstance(error, DeadlineExceeded)
        assert house.names()[-1] == "Vanished"
        assert error.bought is not None


async def test_without_room_on_the_shelf_nothing_is_bought(tmp_path: Path) -> None:
    async with House(tmp_path, shelf=1_000_000) as house:
        with pytest.raises(NoRoom):
            await house.start(a_plan())
        assert house.vendor.purchases == []
        assert house.names() == []


async def test_a_fault_of_ours_is_told_and_logged_and_siblings_go_on(house: House) -> None:
    house.fetcher.crashes = [ZeroDivisionError("bug")]
    error = await fails(house)
    assert isinstance(error, InternalError)
    assert error.bought is not None
    assert any(isinstance(fact, JobCrashed) for fact in house.facts)


async def test_an_observer_that_raises_is_reported_and_costs_nothing(house: House) -> None:
    def broken(fact: object) -> None:
        raise RuntimeError(fact)

    house.journal._observers = (broken, house.facts.append)
    job = await house.start(a_plan())
    await house.finished(job)
    assert job.outcome.result().error is None
    assert any(isinstance(fact, ObserverFailed) for fact in house.facts)


async def test_observers_that_all_raise_cost_nothing_either(house: House) -> None:
    def broken(fact: object) -> None:
        raise RuntimeError(fact)

    house.journal._observers = (broken, broken, broken)
    job = await house.start(a_plan())
    await house.finished(job)
    assert job.outcome.result().error is None


async def test_stopping_tells_the_waiters_to_come_back(house: House) -> None:
    job = await house.start(a_plan())
    await house.clock.advance(1)
    await house.runner.stop()
    error = job.outcome.result().error
    assert isinstance(error, Draining)
    assert "already paid for" in error.message
    assert error.bought is not None
    (told,) = [fact for fact in house.facts if isinstance(fact, JobAbandoned)]
    assert told.upstream_ids == error.bought.upstream_ids
    assert told.states == ("running",)
    assert house.released == 1
    with pytest.raises(Draining) as caught:
        await house.start(a_plan())
    assert caught.value.bought is None
    assert len(house.vendor.purchases) == 1


async def test_reservations_are_given_back(tmp_path: Path) -> None:
    async with House(tmp_path, shelf=9_000_000) as house:
        for _ in range(5):
            job = await house.start(a_plan(n=2))
            await house.finished(job)
            assert job.outcome.result().error is None


async def test_the_house_can_be_looked_at(house: House) -> None:
    job = await house.start(a_plan())
    assert "intent" in repr(job)
    assert job.job_id in repr(house.board)
    assert house.board.jobs() == (job,)
    for part in (house.runner, house.poller, house.governor, house.store):
        assert type(part).__name__ in repr(part)
    await house.finished(job)


def test_the_shelf_section_is_the_real_one() -> None:
    assert Images().shelf == 10_000_000_000
