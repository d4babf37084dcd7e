"""The vendor tells of a task at the worst of moments, and denies it when it is asked by our name.

What it told of is bought once all the same, and not lost: whatever this process cannot be sure to
remember, the vendor keeps, and tells the next one.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.config.sections import Joins as JoinsSection
from gateway.errors import ContentRefused, LedgerUnavailable, Overloaded, UpstreamUnavailable
from gateway.events import Created, CreateSent, State, TaskEvent, Throttled
from gateway.jobs.hints import Hints
from gateway.jobs.reception import Visit
from gateway.upstream import base
from gateway.upstream.base import TaskStatus, Webhook
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan
from tests.jobs.test_hearsay import knows_only_its_own_names, recreating
from tests.jobs.test_hints import Told, came
from tests.jobs.test_recovery import dies, row_of

TELLS = ["recreate", "fail"]


def keeps(house: House, ours: str) -> bool:
    """The vendor tells of our task; whether it shall tell it again."""
    reader = Told(Webhook((f"v-{ours}", ours), "generation.completed"))
    hints = Hints(reader, house.board, house.poller, house.late, house.journal)
    try:
        hints.take({}, b"")
    except Overloaded:
        assert reader.forgotten
        return True
    return False


async def asked_again(heir: House, ours: str) -> None:
    """In the next process the vendor tells what it kept, and the caller comes back."""
    await heir.recovery.recover()
    keeps(heir, ours)
    _, outcome = await heir.clock.drive(heir.served(heir.wish(a_plan()), retry=True))
    assert outcome.images
    assert heir.vendor.purchases == [ours]


@pytest.mark.parametrize("after", [0.0, 5.0])
@pytest.mark.parametrize("hint", [20.0, 100.0])
async def test_in_the_pause_after_a_create_that_was_put_off(
    tmp_path: Path, after: float, hint: float
) -> None:
    async with House(tmp_path) as house:
        house.vendor.creates = [base.CreateThrottled("429", hint)]
        job = await house.start(a_plan())
        (task,) = job.tasks
        await house.clock.until(lambda: "Throttled" in house.names())
        house.vendor._accept(task.spec, task.entry.task_id)  # it took it all the same
        await house.clock.advance(after)
        assert keeps(house, task.entry.task_id)
        await house.finished(job)
        assert job.outcome.result().images
        assert house.vendor.purchases == [task.entry.task_id]
        assert job.spent == task.entry.charge.cost > 0


@pytest.mark.parametrize("dying", [True, False])
@pytest.mark.parametrize("n", [1, 5])
async def test_in_that_pause_and_then_the_process_ends(tmp_path: Path, dying: bool, n: int) -> None:
    """Of one task, or of two of which the other goes on."""
    async with House(tmp_path, durable=True) as house:
        first = 0 if n == 1 else 1

        def put_off(_: object) -> Exception | None:
            sold = len(house.vendor.purchases)
            return base.CreateThrottled("429", 20.0) if sold >= first else None

        house.vendor.refuse = put_off
        job = await house.start(a_plan(n))
        await house.clock.until(lambda: "Throttled" in house.names())
        house.vendor.refuse = lambda _: None
        task = job.tasks[-1]
        house.vendor._accept(task.spec, task.entry.task_id)
        await house.clock.advance(1)
        assert keeps(house, task.entry.task_id)
        await house.clock.advance(5)
        assert task.upstream_id
        if dying:
            dies(house)
        else:
            await house.clock.drive(house.runner.stop())
        async with House(tmp_path, before=house) as heir:
            await heir.recovery.recover()
            _, outcome = await heir.clock.drive(heir.served(heir.wish(a_plan(n)), retry=True))
            assert len(outcome.images) == n
            assert len(heir.vendor.purchases) == first + 1


async def test_in_that_pause_while_another_task_of_the_job_fails(tmp_path: Path) -> None:
    """Whoever asks again gets the job that has it, and not another."""
    async with House(tmp_path, durable=True, max_tasks=2) as house:
        refused = ContentRefused("no", code="content_policy_violation")
        house.vendor.creates = [
            base.CreateThrottled("429", 20.0),
            base.CreateRefused("no", refused),
        ]
        job = await house.start(a_plan(10))
        (task, *_) = job.tasks
        await house.clock.until(lambda: "Throttled" in house.names())
        house.vendor._accept(task.spec, task.entry.task_id)
        assert keeps(house, task.entry.task_id)
        await house.clock.advance(1)
        assert not job.closing
        visit, _ = await house.clock.drive(house.served(house.wish(a_plan(10)), retry=True))
        assert visit.job_id == job.job_id
        assert house.vendor.purchases == [task.entry.task_id]


async def test_in_that_pause_and_the_ledger_takes_nothing_more_that_is_sent(tmp_path: Path) -> None:
    async with House(tmp_path, durable=True) as house:
        house.vendor.creates = [base.CreateThrottled("429", 5.0)]
        record, says = house.store.record, [True]

        async def refuses(event: TaskEvent, *rest: Any) -> None:
            if isinstance(event, CreateSent) and "Throttled" in house.names():
                if says:  # while it waits for the disk, too
                    says.clear()
                    house.vendor._accept(task.spec, task.entry.task_id)
                    assert keeps(house, task.entry.task_id)
                raise LedgerUnavailable("no room", code="journal_unavailable")
            await record(event, *rest)

        house.store.record = refuses  # type: ignore[method-assign, assignment]
        job = await house.start(a_plan())
        (task,) = job.tasks
        await house.finished(job)
        assert job.outcome.result().images
        assert house.names()[:4] == ["CreateSent", "Throttled", "CreateLost", "Found"]
        assert house.vendor.purchases == [task.entry.task_id]


async def test_while_it_is_written_that_a_create_was_put_off(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.vendor.creates = [base.CreateThrottled("429", 3.0)]
        record = house.store.record

        async def slowly(event: TaskEvent, *rest: Any) -> None:
            if isinstance(event, Throttled):
                await house.clock.sleep(0.5)
            await record(event, *rest)

        house.store.record = slowly  # type: ignore[method-assign, assignment]
        job = await house.start(a_plan())
        (task,) = job.tasks
        await house.clock.advance(0.3)
        house.vendor._accept(task.spec, task.entry.task_id)
        assert keeps(house, task.entry.task_id)
        await house.finished(job)
        assert job.outcome.result().images
        assert house.vendor.purchases == [task.entry.task_id]


@pytest.mark.parametrize("on_unknown", TELLS)
@pytest.mark.parametrize("troubled", [True, False])
async def test_before_the_answer_is_in_the_ledger_and_then_it_dies(
    tmp_path: Path, on_unknown: str, troubled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with House(tmp_path, durable=True, on_unknown=on_unknown) as house:
        knows_only_its_own_names(house)
        record = house.store.record

        async def unwritten(event: TaskEvent, *rest: Any) -> None:
            """In trouble facts are kept in memory; else the disk is slow."""
            if not isinstance(event, Created):
                await record(event, *rest)
            elif troubled:
                monkeypatch.setattr(type(house.store), "trouble", "no room", raising=False)
            else:
                await house.clock.sleep(100)

        monkeypatch.setattr(house.store, "record", unwritten)
        job = await house.start(a_plan())
        await house.clock.advance(3)
        assert job.upstream_ids
        (ours,) = house.vendor.purchases
        assert keeps(house, ours)
        dies(house)
        monkeypatch.undo()
        async with House(tmp_path, before=house, on_unknown=on_unknown) as heir:
            knows_only_its_own_names(heir)
            await asked_again(heir, ours)


@pytest.mark.parametrize("on_unknown", TELLS)
async def test_after_the_jobs_were_left_off_at_the_stop(tmp_path: Path, on_unknown: str) -> None:
    async with House(tmp_path, durable=True, on_unknown=on_unknown) as house:
        house.vendor.creates = [base.CreateLost("reset")]
        knows_only_its_own_names(house)
        await house.start(a_plan())
        await house.clock.advance(5)
        (ours,) = house.vendor.purchases
        await house.clock.drive(house.runner.stop())
        assert keeps(house, ours)
        async with House(tmp_path, before=house, on_unknown=on_unknown) as heir:
            knows_only_its_own_names(heir)
            await asked_again(heir, ours)


async def in_part(house: House, n: int) -> tuple[Visit, list[str]]:
    """A job whose first task is done and the others LOST; the vendor has them, and hides them."""

    def others(_: object) -> Exception | None:
        return base.CreateLost("timeout") if house.vendor.purchases else None

    house.vendor.refuse = others
    status = house.vendor.status

    async def hides(task_id: str) -> TaskStatus:
        if task_id in house.vendor.purchases[1:]:
            await house.clock.sleep(0.05)
            raise base.TaskUnknown("404")
        return await status(task_id)

    house.vendor.status = hides  # type: ignore[method-assign]
    visit, _ = await house.clock.drive(house.served(house.wish(a_plan(n))))
    house.vendor.refuse = lambda _: None
    row = await row_of(house, visit.job_id)
    await house.clock.advance(301)
    return visit, [task.task_id for task in row.tasks if task.state is State.LOST]


async def test_what_stands_in_line_is_not_bought_anew(tmp_path: Path) -> None:
    """The line is held up by a word about another task, of which the vendor is slow to answer."""
    async with House(tmp_path, durable=True) as house:
        _, (ours,) = await in_part(house, 8)
        house.vendor.creates = [base.CreateLost("timeout")]
        status, hides = house.vendor.status, [True]

        async def slow(task_id: str) -> TaskStatus:
            if house.vendor.purchases[-1] in task_id:
                await house.clock.sleep(0.05 if hides else 15)
                raise (
                    base.TaskUnknown("404")
                    if hides
                    else base.StatusUnavailable("slow", kind="timeout")
                )
            return await status(task_id)

        house.vendor.status = slow  # type: ignore[method-assign]
        await house.clock.drive(house.served(house.wish(a_plan(), fingerprint=b"other")))
        hides.clear()
        before = list(house.vendor.purchases)
        assert not keeps(house, before[-1])
        await house.clock.advance(0.5)
        assert not keeps(house, ours)
        with pytest.raises(UpstreamUnavailable, match="does not say what became"):
            await house.clock.drive(house.served(house.wish(a_plan(8))))
        assert house.vendor.purchases == before
        await house.clock.until(lambda: not house.board.jobs() and ours not in house.late)
        _, outcome = await house.clock.drive(house.served(house.wish(a_plan(8))))
        assert len(outcome.images) == 8
        assert house.vendor.purchases == before


async def test_what_was_about_no_task_of_ours_is_forgotten(tmp_path: Path) -> None:
    async with recreating(tmp_path) as house:
        assert not keeps(house, "task_01M3250V00JR4NGB1Z2ZQHJ8QJ")
        assert "task_01M3250V00JR4NGB1Z2ZQHJ8QJ" in house.board.hearsay
        await house.clock.advance(1)
        assert came(house)[-1].result == "unknown"
        assert "task_01M3250V00JR4NGB1Z2ZQHJ8QJ" not in house.board.hearsay


async def another_looks(house: House) -> tuple[Visit, asyncio.Future[bool]]:
    """Of ten pictures four are there, four more can be found, and the vendor is silent about two.

    Another's look has begun; it finds the four, and waits for a word about the two.
    """
    house.joins._section = JoinsSection(failures=0)
    visit, (_, unanswered) = await in_part(house, 10)
    status = type(house.vendor).status

    async def silent(task_id: str) -> TaskStatus:
        if unanswered in task_id:
            await house.clock.sleep(15)
            raise base.StatusUnavailable("timeout", kind="timeout")
        return await status(house.vendor, task_id)

    house.vendor.status = silent  # type: ignore[method-assign]
    look = asyncio.ensure_future(house.look.look_at(await row_of(house, visit.job_id)))
    await house.clock.advance(3)
    return visit, look


async def test_two_looks_of_which_one_finds_what_the_other_had_no_answer_about(
    tmp_path: Path,
) -> None:
    async with House(tmp_path, durable=True) as house:
        _, look = await another_looks(house)
        before = list(house.vendor.purchases)
        with pytest.raises(UpstreamUnavailable, match="does not say what became"):
            await house.clock.drive(house.served(house.wish(a_plan(10))))
        assert look.result()
        assert house.vendor.purchases == before


async def test_a_job_that_another_look_took_up_is_joined_whatever_is_not_known(
    tmp_path: Path,
) -> None:
    async with House(tmp_path, durable=True) as house:
        visit, look = await another_looks(house)
        house.vendor.seconds = 10_000.0  # what is found is still being made
        asking = asyncio.ensure_future(house.served(house.wish(a_plan(10))))
        await house.clock.advance(40)
        assert look.result()
        assert house.board.visits(visit.job_id) == 1
        asking.cancel()


async def test_a_task_is_known_by_our_name_before_any_other(tmp_path: Path) -> None:
    """The answers to two creates were swapped."""
    async with House(tmp_path, max_tasks=2) as house:
        one = await house.runner.start(house.wish(a_plan()))
        other = await house.runner.start(house.wish(a_plan(), fingerprint=b"other"))
        await house.clock.until(lambda: bool(one.upstream_ids and other.upstream_ids))
        (mine,), (yours,) = one.tasks, other.tasks
        mine.upstream_id, yours.upstream_id = yours.upstream_id, mine.upstream_id
        assert house.board.task((mine.upstream_id or "", yours.entry.task_id)) is yours
        assert house.board.task((mine.upstream_id or "",)) is mine
        assert house.board.task(("nobody",)) is None
