"""What the vendor tells by itself changes when a task is asked about, and nothing else."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Overloaded, ResultUnusable, WebhookRefused
from gateway.events import Stepped, Succeeded
from gateway.jobs.board import Job
from gateway.jobs.hints import Hints
from gateway.jobs.nudges import APART, Nudge
from gateway.notices import Asked, HintCame
from gateway.upstream import base
from gateway.upstream.base import NotGenuine, TaskStatus, Webhook
from tests.clocks import FakeClock
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan


@dataclass
class Told:
    """A reader whose webhooks say what they are told to."""

    says: Webhook | NotGenuine = field(default_factory=lambda: Webhook((), "endpoint.test"))
    forgotten: list[Webhook] = field(default_factory=list)

    def read(self, headers: Mapping[str, str], body: bytes) -> Webhook:
        if isinstance(self.says, NotGenuine):
            raise self.says
        return self.says

    def glance(self, headers: Mapping[str, str]) -> None:
        if isinstance(self.says, NotGenuine):
            raise self.says

    def forget(self, webhook: Webhook) -> None:
        self.forgotten.append(webhook)


def hinting(house: House) -> Any:
    """Says that the vendor told of a task of these names; what came of it."""
    reader = Told()
    hints = Hints(reader, house.board, house.poller, house.late, house.journal)

    def say(*names: str, **more: Any) -> HintCame:
        reader.says = Webhook(names, "generation.completed", **more)
        with contextlib.suppress(Overloaded):  # the vendor shall keep it
            hints.take({}, b"")
        return came(house)[-1]

    return say


def came(house: House) -> list[HintCame]:
    return [fact for fact in house.facts if isinstance(fact, HintCame)]


def questions(house: House) -> list[Asked]:
    return [fact for fact in house.facts if isinstance(fact, Asked)]


def noticed(house: House) -> Iterator[float]:
    """Seconds from the accepted create to where the end was noticed, of each task that ended."""
    steps = (fact.event for fact in house.facts if isinstance(fact, Stepped))
    return (event.seconds for event in steps if isinstance(event, Succeeded))


async def running(house: House, seconds: float = 20.0) -> tuple[Job, str]:
    """A job whose one task takes so long, and has been accepted; the vendor's name for it."""
    house.vendor.seconds = seconds
    job = await house.start(a_plan())
    await house.clock.until(lambda: bool(job.upstream_ids))
    return job, job.upstream_ids[0]


async def moments(house: House, seconds: float) -> list[float]:
    """When questions are put in the time to come, by a vendor who says that nothing has ended."""
    asked: list[float] = []
    for _ in range(int(seconds * 10)):
        before = house.vendor.asked
        await house.clock.advance(0.1)
        asked += [round(house.clock.monotonic(), 1)] * (house.vendor.asked - before)
    return asked


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.5)


@pytest.mark.parametrize("hinted", [True, False])
async def test_a_task_of_twenty_seconds_is_noticed_at_once_where_there_are_hints(
    tmp_path: Path, hinted: bool
) -> None:
    async with House(tmp_path) as house:
        # Tasks of this kind have taken minutes so far, so this one would be asked about late.
        tier = a_plan().tasks[0]
        for _ in range(20):
            house.poller.experience.observe(tier.tier, tier.quality, 300.0)
        job, name = await running(house)
        await house.clock.advance(20.0)
        if hinted:
            assert hinting(house)(name).result == "used"
        await house.finished(job)
        (seconds,) = noticed(house)
        assert (seconds < 21) is hinted
        assert [asked.answer for asked in questions(house)] == ["done"]


@pytest.mark.parametrize("named", ["theirs", "ours", "both", "ours and one that nobody knows"])
async def test_a_task_is_known_by_either_name(tmp_path: Path, named: str) -> None:
    async with House(tmp_path) as house:
        job, theirs = await running(house)
        ours = job.tasks[0].entry.task_id
        await house.clock.advance(0.5)
        names = {"theirs": (theirs,), "ours": (ours,), "both": (theirs, ours)}
        told = hinting(house)(*names.get(named, ("tsk_nobody", ours)))
        assert (told.result, told.job_id, told.task_id) == ("used", job.job_id, ours)
        await house.clock.advance(0.1)
        assert house.vendor.asked == 1


async def test_a_hint_that_lies_costs_one_question_and_changes_no_other(tmp_path: Path) -> None:
    asked = {}
    for lies in (False, True):
        async with House(tmp_path / str(lies)) as house:
            _, name = await running(house, seconds=10_000)
            start = house.clock.monotonic()
            if lies:
                hinting(house)(name)
            asked[lies] = [round(at - start, 1) for at in await moments(house, 60)]
    assert asked[True][0] < 0.2
    assert asked[True][1:] == asked[False]
    assert len(asked[False]) > 5


async def test_hints_in_a_flood_cost_one_question_in_five_seconds(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        _, name = await running(house, seconds=10_000)
        say, quiet = hinting(house), house.vendor.asked
        for _ in range(500):
            assert say(name).result == "used"
            await house.clock.advance(0.1)
        regular = 50 / 4 + 2
        assert house.vendor.asked - quiet <= 50 / APART + 1 + regular
        assert house.vendor.asked - quiet >= 50 / APART


async def test_a_hint_comes_before_all_whose_time_has_come(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.vendor.seconds = 10_000
        jobs = [await house.start(a_plan()) for _ in range(30)]
        await house.clock.until(lambda: all(job.upstream_ids for job in jobs))
        house.governor.queries.pause(60)  # meanwhile the time of all of them comes
        await house.clock.advance(55)
        before = len(questions(house))
        hinting(house)(jobs[-1].upstream_ids[0])
        await house.clock.until(lambda: len(questions(house)) >= before + 3)
        names = [asked.task_id for asked in questions(house)[before : before + 2]]
        assert jobs[-1].tasks[0].entry.task_id in names  # one was waiting for the allowance already


async def test_a_hint_keeps_to_the_account_s_allowance(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        _, name = await running(house)
        house.governor.queries.pause(3)
        hinting(house)(name)
        await house.clock.advance(2.9)
        assert house.vendor.asked == 0
        await house.clock.advance(0.2)
        assert house.vendor.asked == 1


async def test_a_vendor_that_wants_no_question_for_a_while_gets_none(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        _, name = await running(house, seconds=10_000)
        silence = base.StatusUnavailable("503", retry_after=30, kind="http_5xx")
        house.vendor.statuses = [silence]
        await house.clock.until(lambda: house.vendor.asked == 1)
        await house.clock.advance(0.1)
        hinting(house)(name)
        await house.clock.advance(29)
        assert house.vendor.asked == 1
        await house.clock.advance(1.5)
        assert house.vendor.asked >= 2


@pytest.mark.parametrize("hinted", [False, True])
async def test_patience_that_is_asked_for_at_a_hint_s_question_holds_for_the_task_s_own(
    tmp_path: Path, hinted: bool
) -> None:
    async with House(tmp_path) as house:
        _, name = await running(house, seconds=10_000)
        house.vendor.statuses = [base.StatusUnavailable("503", retry_after=30, kind="http_5xx")]
        say = hinting(house)
        if hinted:
            say(name)
        await house.clock.until(lambda: house.vendor.asked == 1)
        for _ in range(29):
            await house.clock.advance(1)
            say(name)
        assert house.vendor.asked == 1
        await house.clock.advance(5)
        assert house.vendor.asked >= 2
        await house.clock.advance(30)
        assert house.vendor.asked >= 6  # and it goes on as before


async def test_patience_that_is_asked_for_does_not_reach_beyond_the_task_s_end(
    tmp_path: Path,
) -> None:
    async with House(tmp_path, follow=0.0) as house:
        house.vendor.seconds = 10_000
        job = await house.start(a_plan(), seconds=40)
        await house.clock.until(lambda: bool(job.upstream_ids))
        await house.clock.advance(30)
        silence = base.StatusUnavailable("503", retry_after=60, kind="http_5xx")
        house.vendor.statuses = [silence] * 9
        hinting(house)(job.upstream_ids[0])
        await house.clock.advance(11)
        assert job.outcome.done()


async def test_a_hint_during_a_question_has_it_put_again(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        job, name = await running(house, seconds=10_000)
        await house.clock.until(lambda: house.vendor.asked == 1)  # it takes 0.05 s
        house.vendor.seconds = 0.0
        house.vendor.statuses = [TaskStatus(name, "running", "in_progress")]
        hinting(house)(name)
        before = house.clock.monotonic()
        await house.finished(job)
        assert house.clock.monotonic() - before < 1
        assert house.vendor.asked in {2, 3}


async def test_no_two_questions_about_a_task_are_under_way_at_once(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        job, name = await running(house, seconds=10_000)
        under_way = most = 0
        ask = house.vendor.status

        async def slow(task_id: str) -> TaskStatus:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await house.clock.sleep(3)
            under_way -= 1
            return await ask(task_id)

        house.vendor.status = slow  # type: ignore[method-assign]
        say = hinting(house)
        await house.clock.advance(2)
        say(name)
        await house.clock.advance(3.5)
        say(name)  # to be acted on in the seventh second, and its own time comes in the sixth
        await house.clock.advance(10)
        for _ in range(70):
            say(name)
            await house.clock.advance(1)
        assert most == 1
        assert house.vendor.asked >= 80 / 9
        house.vendor.seconds = 0.0
        await house.finished(job)
        assert job.outcome.result().error is None
        assert len(list(noticed(house))) == 1


async def test_a_question_that_was_overtaken_goes_on_as_the_task_s_own(tmp_path: Path) -> None:
    """Its own time came while an extra question was under way; it is followed on and ends."""
    async with House(tmp_path) as house:
        job, name = await running(house, seconds=10_000)
        ask = house.vendor.status

        async def slow(task_id: str) -> TaskStatus:
            await house.clock.sleep(20)
            return await ask(task_id)

        house.vendor.status = slow  # type: ignore[method-assign]
        hinting(house)(name)
        await house.clock.advance(40)
        house.vendor.status = ask  # type: ignore[method-assign]
        asked = house.vendor.asked
        await house.clock.advance(60)
        assert house.vendor.asked > asked + 5
        house.vendor.seconds = 0.0
        await house.finished(job)


async def test_a_picture_that_is_named_late_is_waited_for_as_long_as_without_hints(
    tmp_path: Path,
) -> None:
    async with House(tmp_path) as house:
        job, name = await running(house, seconds=0.0)
        failure = ResultUnusable("no picture", code="upstream_result_unusable")
        empty = TaskStatus(name, "failed", "completed", failure=failure)
        house.vendor.statuses = [empty, empty, empty]
        await house.clock.until(lambda: house.vendor.asked == 2)  # its own; a third were the end
        await house.clock.advance(0.1)
        hinting(house)(name)
        await house.clock.until(lambda: house.vendor.asked == 3)
        await house.finished(job)
        assert job.outcome.result().error is None


async def test_a_task_that_the_vendor_does_not_know_is_given_up_when_it_were_without_hints(
    tmp_path: Path,
) -> None:
    ended = {}
    for lies in (False, True):
        async with House(tmp_path / str(lies)) as house:
            job, name = await running(house, seconds=10_000)
            house.vendor.statuses = [base.TaskUnknown("404")] * 200
            say, start = hinting(house), house.clock.monotonic()
            while not job.outcome.done():
                if lies:
                    say(name)
                await house.clock.advance(0.5)
            ended[lies] = house.clock.monotonic() - start
    # A hint's question may be under way when its own time comes.
    assert ended[True] == pytest.approx(ended[False], abs=0.5)
    assert ended[False] > 90


# Before a task is accepted


async def test_a_lost_create_is_looked_up_as_soon_as_the_vendor_tells_of_it(
    tmp_path: Path,
) -> None:
    async with House(tmp_path) as house:
        house.vendor.creates = [base.CreateLost("reset")]
        house.vendor.statuses = [base.TaskUnknown("404")] * 4  # after 1, 3, 7 and 15 seconds
        job = await house.start(a_plan())
        await house.clock.until(lambda: house.vendor.asked == 4)
        await house.clock.advance(1)  # the next look-up were due in 14 seconds
        assert hinting(house)("tsk_unheard", job.tasks[0].entry.task_id).result == "used"
        await house.clock.advance(0.1)
        assert house.vendor.asked == 6  # by that name, which it does not know, and by ours
        assert job.upstream_ids
        await house.finished(job)
        assert len(house.vendor.purchases) == 1


async def test_a_look_up_in_vain_because_of_a_hint_puts_off_no_other(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.vendor.creates = [base.CreateLost("reset")]
        house.vendor.statuses = [base.TaskUnknown("404")] * 2
        job = await house.start(a_plan())
        (task,) = job.tasks
        await house.clock.until(lambda: task.entry.state.value == "uncertain")
        hinting(house)(task.entry.task_id)
        await house.clock.advance(0.2)
        assert house.vendor.asked == 1
        await house.clock.advance(1.0)
        assert house.vendor.asked == 2
        await house.clock.advance(2.1)
        assert house.vendor.asked >= 3


async def test_a_hint_before_the_create_s_answer_is_kept_for_the_look_up(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.vendor.creates = [base.CreateLost("reset")]
        job = await house.start(a_plan())
        (task,) = job.tasks
        await house.clock.until(lambda: task.entry.state.value == "creating")
        assert hinting(house)(task.entry.task_id).result == "used"
        await house.clock.until(lambda: task.entry.state.value == "uncertain")
        lost = house.clock.monotonic()
        await house.clock.until(lambda: bool(job.upstream_ids))
        assert house.clock.monotonic() - lost < 0.5  # else a second


async def test_a_hint_before_the_create_s_answer_is_kept_for_the_first_question(
    tmp_path: Path,
) -> None:
    async with House(tmp_path) as house:
        house.vendor.seconds = 0.0
        job = await house.start(a_plan())
        (task,) = job.tasks
        await house.clock.until(lambda: task.entry.state.value == "creating")
        assert hinting(house)(task.entry.task_id).result == "used"
        await house.finished(job)
        (seconds,) = noticed(house)
        assert seconds < 0.5


@pytest.mark.parametrize("lies", [False, True])
async def test_a_lost_create_that_is_not_found_ends_as_without_hints(
    tmp_path: Path, lies: bool
) -> None:
    async with House(tmp_path) as house:
        house.vendor.creates = [base.CreateLost("reset")]
        house.vendor.bought_though_lost = False
        job, say = await house.start(a_plan()), hinting(house)
        (task,) = job.tasks
        await house.clock.until(lambda: task.entry.state.value == "uncertain")
        start = house.clock.monotonic()
        while not job.outcome.done():
            if lies:
                say(task.entry.task_id)
            await house.clock.advance(0.5)
        assert 90 <= house.clock.monotonic() - start <= 92
        assert job.outcome.result().error is not None
        assert house.vendor.asked <= 90 / APART + 12
        assert house.vendor.purchases == []


# What leads to no question


async def test_a_name_that_nobody_follows_is_counted_and_that_is_all(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        _, _ = await running(house)
        told = hinting(house)("tsk_another_gateways", "task_another_gateways")
        assert told == HintCame(result="unknown")
        await house.clock.advance(1)
        assert house.vendor.asked == 0


async def test_a_task_that_is_over_or_was_not_sent_is_not_asked_about(tmp_path: Path) -> None:
    async with House(tmp_path, max_tasks=1) as house:
        job, name = await running(house)
        waits = await house.runner.start(house.wish(a_plan(), fingerprint=b"other"))
        say = hinting(house)
        told = say(waits.tasks[0].entry.task_id)
        assert (told.result, told.reason, told.job_id) == ("ignored", "not_awaited", waits.job_id)
        house.fetcher.dead = {f"https://files/{job.tasks[0].entry.task_id}/0": 1}
        await house.clock.until(lambda: job.tasks[0].entry.state.value == "collecting")
        assert say(name).result == "ignored"
        await house.finished(job)
        assert say(name).result == "unknown"


async def test_what_was_told_before_is_about_nothing_or_is_not_the_vendor_s_does_nothing(
    tmp_path: Path,
) -> None:
    async with House(tmp_path) as house:
        _, name = await running(house)
        assert hinting(house)(name, repeated=True) == HintCame(result="duplicate")
        assert hinting(house)() == HintCame(result="ignored", reason="generation.completed")
        for reason in ("unsigned", "forged", "stale"):
            reader = Told(NotGenuine(reason))
            with pytest.raises(WebhookRefused) as refused:
                Hints(reader, house.board, house.poller, house.late, house.journal).take({}, b"")
            assert reason not in str(refused.value)
            assert came(house)[-1] == HintCame(result="refused", reason=reason)
        await house.clock.advance(1)
        assert house.vendor.asked == 0


async def test_tasks_of_a_process_before_are_hinted_at_once_they_are_taken_up(
    tmp_path: Path,
) -> None:
    async with House(tmp_path, durable=True) as house:
        _, name = await running(house, seconds=200)
        await house.runner.abort()
    async with House(tmp_path, before=house) as house:
        await house.recovery.recover()
        (job,) = house.board.jobs()
        await house.clock.advance(2)
        for _ in range(20):  # such tasks take minutes, so the next question is far away
            spec = a_plan().tasks[0]
            house.poller.experience.observe(spec.tier, spec.quality, 300.0)
        house.vendor.seconds = 0.0
        asked = house.vendor.asked
        assert hinting(house)(name).result == "used"
        await house.clock.advance(0.2)
        assert house.vendor.asked == asked + 1
        await house.finished(job)
        assert len(house.vendor.purchases) == 1


async def test_of_a_job_that_is_left_off_nothing_is_asked_any_more(tmp_path: Path) -> None:
    async with House(tmp_path, durable=True) as house:
        _, name = await running(house)
        say = hinting(house)
        await house.runner.abort()
        assert say(name).result == "unknown"
        asked = house.vendor.asked
        await house.clock.advance(100)
        assert house.vendor.asked == asked


def test_each_hint_is_told_as_loudly_as_it_deserves() -> None:
    about = {"job_id": "job_1", "task_id": "task_1"}
    levels = {
        "warning": [HintCame(result="refused", reason="forged")],
        "info": [HintCame(result="ignored", reason="endpoint.test")],
        "debug": [
            HintCame(result="used", **about),
            HintCame(result="ignored", reason="not_awaited", **about),
            HintCame(result="duplicate"),
            HintCame(result="unknown"),
        ],
    }
    for level, hints in levels.items():
        assert [hint.level for hint in hints] == [level] * len(hints)


# A nudge by itself


async def test_a_nudge_wakes_whoever_waits_and_not_again_before_its_time() -> None:
    clock, nudge = FakeClock(), Nudge()
    waiting = asyncio.ensure_future(nudge.within(100, clock))
    await clock.advance(10)
    nudge.give()
    await clock.advance(0)
    assert await waiting
    assert not nudge.given
    again = asyncio.ensure_future(nudge.within(100, clock))
    nudge.give()
    nudge.give()
    await clock.advance(APART - 0.1)
    assert not again.done()
    await clock.advance(0.2)
    assert await again
    assert repr(nudge) == "Nudge(given=False)"


async def test_without_a_nudge_the_time_is_waited_for() -> None:
    clock, nudge = FakeClock(), Nudge()
    assert not await clock.drive(nudge.within(100, clock))
    assert clock.monotonic() == 1_100.0


async def test_a_question_put_anyway_is_no_reason_to_put_off_the_next_hint() -> None:
    clock, nudge = FakeClock(), Nudge()
    nudge.take(clock.monotonic())
    nudge.give()
    assert await nudge.within(1, clock)
    assert clock.monotonic() == 1_000.0
