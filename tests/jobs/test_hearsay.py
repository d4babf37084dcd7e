"""What the vendor has told of by itself is asked about by both names, and never bought again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ContentRefused, Overloaded, UpstreamOutcomeUnknown
from gateway.events import CreateSent, State, TaskEvent
from gateway.jobs.board import Job
from gateway.jobs.hearsay import Hearsay
from gateway.jobs.hints import Hints
from gateway.upstream import base
from gateway.upstream.base import TaskStatus, Webhook
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan
from tests.jobs.test_hints import Told, hinting
from tests.jobs.test_promises import promised
from tests.jobs.test_recovery import dies


def recreating(folder: Path, **changes: Any) -> House:
    """The operator lets a create be sent again; the vendor has its task, and the answer is lost."""
    house = House(folder, on_unknown="recreate", **changes)
    house.vendor.creates = [base.CreateLost("reset")]
    return house


def knows_only_its_own_names(house: House) -> None:
    status = house.vendor.status

    async def answer(task_id: str) -> TaskStatus:
        if task_id.startswith("task_"):
            house.vendor.asked += 1
            await house.clock.sleep(0.05)
            raise base.TaskUnknown("404")
        return await status(task_id)

    house.vendor.status = answer  # type: ignore[method-assign]


async def lost(house: House) -> tuple[Job, str]:
    """A job, and our name for its task, as soon as its create was lost."""
    job = await house.start(a_plan())
    (task,) = job.tasks
    await house.clock.until(lambda: task.entry.state is State.UNCERTAIN)
    return job, task.entry.task_id


async def waiting(house: House) -> tuple[Job, str]:
    """The same, when it may be sent again and waits for its turn."""
    job, ours = await lost(house)
    house.governor.submits.pause(150)
    await house.clock.until(lambda: "RecreateAllowed" in house.names())
    return job, ours


def outcome_unknown(job: Job) -> bool:
    return isinstance(job.outcome.result().error, UpstreamOutcomeUnknown)


@pytest.mark.parametrize("told", [True, False])
async def test_a_lost_create_is_found_by_the_vendor_s_own_name(tmp_path: Path, told: bool) -> None:
    async with recreating(tmp_path) as house:
        knows_only_its_own_names(house)
        job, ours = await lost(house)
        if told:
            assert hinting(house)(f"v-{ours}", ours).result == "used"
        await house.finished(job)
        assert job.outcome.result().images
        assert len(house.vendor.purchases) == (1 if told else 2)


@pytest.mark.parametrize("named", ["both", "ours", "none"])
async def test_what_was_told_of_is_not_created_again_though_the_vendor_denies_it(
    tmp_path: Path, named: str
) -> None:
    async with recreating(tmp_path) as house:
        house.vendor.statuses = [base.TaskUnknown("404")] * 60
        job, ours = await lost(house)
        names = {"both": (f"v-{ours}", ours), "ours": (ours,)}.get(named)
        if names:
            hinting(house)(*names)
        await house.clock.until(lambda: job.outcome.done() or len(house.vendor.purchases) > 1)
        assert len(house.vendor.purchases) == (2 if named == "none" else 1)
        if names:
            assert outcome_unknown(job)
            assert job.tasks[0].entry.state is State.LOST
            assert "RecreateAllowed" not in house.names()


async def test_what_is_told_while_it_waits_to_be_sent_again_is_asked_about_at_once(
    tmp_path: Path,
) -> None:
    async with recreating(tmp_path) as house:
        knows_only_its_own_names(house)
        job, ours = await waiting(house)
        assert hinting(house)(f"v-{ours}", ours).result == "used"
        await house.clock.advance(1)
        assert job.upstream_ids == (f"v-{ours}",)
        await house.finished(job)
        assert job.outcome.result().images
        assert house.vendor.purchases == [ours]


async def test_without_a_word_it_is_sent_again_in_its_turn(tmp_path: Path) -> None:
    async with recreating(tmp_path) as house:
        knows_only_its_own_names(house)
        job, _ = await waiting(house)
        await house.finished(job)
        assert job.outcome.result().images
        assert len(house.vendor.purchases) == 2


async def test_what_is_told_while_it_waits_and_is_denied_is_lost_and_not_sent(
    tmp_path: Path,
) -> None:
    async with recreating(tmp_path) as house:
        house.vendor.statuses = [base.TaskUnknown("404")] * 60
        job, ours = await waiting(house)
        hinting(house)(f"v-{ours}", ours)
        await house.finished(job)
        assert outcome_unknown(job)
        assert house.vendor.purchases == [ours]


async def test_in_the_line_of_a_new_process_it_is_asked_about_at_once_too(tmp_path: Path) -> None:
    """There it has no slot at the vendor, and waits for one."""
    async with recreating(tmp_path, durable=True) as house:
        knows_only_its_own_names(house)
        await promised(house)
        await house.clock.until(lambda: "CreateLost" in house.names())
        house.governor.submits.pause(200)
        await house.clock.until(lambda: "RecreateAllowed" in house.names())
        dies(house)
        async with House(tmp_path, before=house, on_unknown="recreate") as heir:
            assert await heir.recovery.recover() == 1
            (job,) = heir.board.jobs()
            await heir.clock.advance(1)
            heir.governor.submits.pause(200)
            await heir.clock.until(lambda: heir.queue.waiting == 1)
            (ours,) = heir.vendor.purchases
            hinting(heir)(f"v-{ours}", ours)
            await heir.clock.advance(1)
            assert heir.queue.waiting == 0
            assert job.upstream_ids == (f"v-{ours}",)
            await heir.finished(job)
            assert heir.vendor.purchases == [ours]


async def test_what_is_told_while_the_second_create_is_written_down_is_not_sent(
    tmp_path: Path,
) -> None:
    async with recreating(tmp_path) as house:
        knows_only_its_own_names(house)
        job, ours = await lost(house)
        record, say = house.store.record, hinting(house)

        async def slowly(event: TaskEvent, *rest: Any) -> None:
            if isinstance(event, CreateSent):
                say(f"v-{ours}", ours)
            await record(event, *rest)

        house.store.record = slowly  # type: ignore[method-assign, assignment]
        await house.finished(job)
        assert job.outcome.result().images
        assert house.vendor.purchases == [ours]
        assert house.names()[-5:] == ["CreateSent", "CreateLost", "Found", "Succeeded", "Collected"]


_REFUSED = ContentRefused("no", code="content_policy_violation")


@pytest.mark.parametrize(
    "answer",
    [
        base.CreateNotSent("refused"),
        base.CreateThrottled("429", 3.0),
        base.CreateThrottled("429", 1_000.0),
        base.CreateRefused("no", _REFUSED),
        base.CreateLost("reset"),
    ],
    ids=repr,
)
async def test_what_is_told_while_the_second_create_is_under_way_is_the_last_of_it(
    tmp_path: Path, answer: Exception
) -> None:
    async with recreating(tmp_path) as house:
        house.vendor.creates.append(answer)
        knows_only_its_own_names(house)
        job, ours = await lost(house)
        house.vendor.bought_though_lost = False
        await house.clock.until(lambda: house.names().count("CreateSent") == 2)
        hinting(house)(f"v-{ours}", ours)
        await house.finished(job)
        assert job.outcome.result().images
        assert house.names().count("CreateSent") == 2
        assert house.vendor.purchases == [ours]


async def test_a_name_that_is_told_in_the_very_last_moment_is_asked_by_all_the_same(
    tmp_path: Path,
) -> None:
    async with House(tmp_path, settle_time=10) as house:
        house.vendor.creates = [base.CreateLost("reset")]
        knows_only_its_own_names(house)
        job, ours = await lost(house)
        await house.clock.until(lambda: house.vendor.asked == 4)  # the last, which takes 0.05 s
        assert not job.outcome.done()
        hinting(house)(f"v-{ours}", ours)
        await house.finished(job)
        assert job.outcome.result().images


async def test_another_s_task_is_not_taken_for_it_whatever_is_told(tmp_path: Path) -> None:
    async with recreating(tmp_path) as house:
        job, ours = await lost(house)
        other = await house.runner.start(house.wish(a_plan(), fingerprint=b"other"))
        await house.clock.until(lambda: bool(other.upstream_ids))
        asked: list[str] = []
        watch(house, asked.append)
        (theirs,) = other.upstream_ids
        hinting(house)(theirs, ours)
        await house.clock.advance(1)
        assert job.upstream_ids == (f"v-{ours}",)
        assert asked[0] == ours


async def test_an_answer_about_another_task_than_was_asked_for_is_none(tmp_path: Path) -> None:
    async with recreating(tmp_path) as house:
        house.vendor.statuses = [TaskStatus("v-of-somebody", "running", "in_progress")]
        job, ours = await lost(house)
        hinting(house)(f"v-{ours}", ours)
        await house.finished(job)
        assert job.upstream_ids == (f"v-{ours}",)


async def test_names_are_believed_only_where_ours_is_among_them(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.vendor.creates = [base.CreateLost("reset")]
        house.vendor.statuses = [base.TaskUnknown("404")] * 60
        _, ours = await lost(house)
        say = hinting(house)
        assert say("v-whatever", "another-system's").result == "unknown"
        assert ours not in house.board.hearsay
        say(ours, "another-system's")
        assert ours not in house.board.hearsay
        say(ours)
        assert house.board.hearsay.name(ours) is None
        say("v-1", ours)
        say(ours)
        assert house.board.hearsay.name(ours) == "v-1"


async def test_a_lost_task_is_looked_for_by_the_name_that_was_told_before_it_was_given_up(
    tmp_path: Path,
) -> None:
    async with House(tmp_path) as house:
        house.vendor.creates = [base.CreateLost("reset")]
        house.vendor.statuses = [base.StatusUnavailable("500", kind="http_5xx")] * 60
        knows_only_its_own_names(house)
        job, ours = await lost(house)
        hinting(house)(f"v-{ours}", ours)
        await house.finished(job)
        assert outcome_unknown(job)
        house.vendor.statuses.clear()
        await house.clock.advance(61)
        assert await house.clock.drive(house.look.look()) == 1
        (again,) = house.board.jobs()
        await house.finished(again)
        assert again.outcome.result().images
        assert house.vendor.purchases == [ours]


def watch(house: House, asked: Callable[[str], None]) -> None:
    """Be told of the name in every question."""
    status = house.vendor.status

    async def answer(task_id: str) -> TaskStatus:
        asked(task_id)
        return await status(task_id)

    house.vendor.status = answer  # type: ignore[method-assign]


def test_the_oldest_is_forgotten_first() -> None:
    hearsay = Hearsay(most=2)
    for name in ("task_1", "task_2"):
        hearsay.hear(name, f"v-{name}")
    hearsay.hear("task_1", None)  # which is no news, but makes it the newest
    hearsay.hear("task_3", None)
    assert "task_2" not in hearsay
    assert hearsay.name("task_2") is None
    assert hearsay.name("task_1") == "v-task_1"
    assert "task_3" in hearsay
    assert repr(hearsay) == "Hearsay(2 tasks)"


async def test_the_vendor_keeps_what_it_told_of_a_create_without_an_answer(tmp_path: Path) -> None:
    async with recreating(tmp_path) as house:
        knows_only_its_own_names(house)
        job = await house.start(a_plan())
        await house.clock.until(lambda: "CreateLost" in house.names())
        (ours,) = house.vendor.purchases
        webhook = Webhook((f"v-{ours}", ours), "generation.completed")
        reader = Told(webhook)
        hints = Hints(reader, house.board, house.poller, house.late, house.journal)
        with pytest.raises(Overloaded):
            hints.take({}, b"")
        assert reader.forgotten == [webhook]
        await house.clock.until(lambda: "Found" in house.names())
        hints.take({}, b"")  # it is found, so that is the last time
        assert reader.forgotten == [webhook]
        await house.finished(job)
        assert len(house.vendor.purchases) == 1


@pytest.mark.parametrize(
    "answer", [base.CreateThrottled("429", 3.0), base.CreateNotSent("refused")], ids=repr
)
async def test_what_was_told_of_while_it_was_sent_is_not_sent_again_whatever_the_answer(
    tmp_path: Path, answer: Exception
) -> None:
    async with House(tmp_path) as house:
        house.vendor.creates = [answer]
        job = await house.start(a_plan())
        (task,) = job.tasks
        await house.clock.until(lambda: task.entry.state is State.CREATING)
        house.vendor._accept(task.spec, task.entry.task_id)
        hinting(house)(f"v-{task.entry.task_id}", task.entry.task_id)
        await house.finished(job)
        assert len(house.vendor.purchases) == 1
        assert house.names()[:3] == ["CreateSent", "CreateLost", "Found"]
