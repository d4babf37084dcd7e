"""What the vendor tells of a task that was LOST brings it back; all else costs little."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import LedgerUnavailable, Overloaded
from gateway.events import State
from gateway.jobs.hints import Hints
from gateway.jobs.ids import is_task_id, job_id, task_id
from gateway.jobs.late_words import MOST
from gateway.notices import ChoreFailed, HintCame
from gateway.state.base import JobRow
from gateway.upstream import base
from gateway.upstream.base import Webhook
from tests.jobs.fakes import FakeVendor, House
from tests.jobs.plans import a_plan
from tests.jobs.test_hearsay import knows_only_its_own_names
from tests.jobs.test_hints import Told, came, running
from tests.jobs.test_recovery import lost, over, row_of


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """In the default setting: what is lost is not bought again."""
    async with House(tmp_path, durable=True) as house:
        yield house


def tell(house: House, *names: str) -> None:
    reader = Told(Webhook(names, "generation.completed"))
    hints = Hints(reader, house.board, house.poller, house.late, house.journal)
    with contextlib.suppress(Overloaded):
        hints.take({}, b"")


async def lost_task(house: House) -> tuple[str, str]:
    """A job that ended with its task LOST, and our name for that; the vendor has it, by its own."""
    job = await lost(house)
    knows_only_its_own_names(house)
    (task,) = (await row_of(house, job)).tasks
    assert task.state is State.LOST
    return job, task.task_id


def questions_to_the_ledger(house: House) -> list[str]:
    asked, job = [], house.store.job

    async def ask(name: str) -> JobRow | None:
        asked.append(name)
        return await job(name)

    house.store.job = ask  # type: ignore[method-assign]
    return asked


@pytest.mark.parametrize("names", ["both", "ours"])
async def test_a_lost_task_that_the_vendor_tells_of_is_taken_up_again_at_once(
    house: House, names: str
) -> None:
    job, ours = await lost_task(house)
    if names == "ours":
        house.vendor.status = type(house.vendor).status.__get__(house.vendor)  # type: ignore[method-assign]
    tell(house, *({"both": (f"v-{ours}", ours), "ours": (ours,)}[names]))
    assert came(house) == []  # told once it is known
    await house.clock.advance(1)
    (hint,) = came(house)
    assert hint == HintCame(result="revived", job_id=job, task_id=ours)
    assert hint.level == "info"
    await over(house)
    row = await row_of(house, job)
    assert row.failure is None
    assert row.pictures
    assert house.vendor.purchases == [ours]


@pytest.mark.parametrize("silent", [False, True])
async def test_one_that_is_not_found_at_once_is_looked_for_in_the_next_round(
    house: House, silent: bool
) -> None:
    job, ours = await lost_task(house)
    await house.clock.advance(70_000)  # its next ordinary look were hours away
    await house.clock.drive(house.look.look())
    doubt = base.StatusUnavailable("500", kind="http_5xx") if silent else base.TaskUnknown("404")
    house.vendor.statuses = [doubt] * (3 if silent else 1)
    tell(house, f"v-{ours}", ours)
    await house.clock.advance(1)
    assert came(house) == [HintCame(result="lost", job_id=job, task_id=ours)]
    assert came(house)[0].level == "info"
    for _ in range(2 if silent else 0):
        assert await house.clock.drive(house.look.look()) == 0
    assert await house.clock.drive(house.look.look()) == 1
    await over(house)
    assert (await row_of(house, job)).failure is None
    asked = house.vendor.asked
    await house.clock.drive(house.look.look())
    assert house.vendor.asked == asked


async def test_a_look_that_the_vendor_s_word_brought_is_put_once(house: House) -> None:
    _, ours = await lost_task(house)
    await house.clock.advance(60)
    await house.clock.drive(house.look.look())
    house.vendor.tasks.clear()
    tell(house, ours)
    await house.clock.advance(1)
    asked = house.vendor.asked
    for expected in (1, 1, 1):
        await house.clock.drive(house.look.look())
        assert house.vendor.asked - asked == expected


async def test_what_ended_as_it_should_costs_one_look_into_the_ledger(house: House) -> None:
    job, theirs = await running(house)
    ours = job.tasks[0].entry.task_id
    await house.finished(job)
    asked, questions = questions_to_the_ledger(house), house.vendor.asked
    tell(house, theirs, ours)
    await house.clock.advance(1)
    assert came(house) == [HintCame(result="unknown")]
    assert asked == [ours]
    assert house.vendor.asked == questions


async def test_a_name_that_is_not_ours_costs_nothing(house: House) -> None:
    asked = questions_to_the_ledger(house)
    for names in (("tsk_1",), ("tsk_1", "another"), (task_id(1.0), "another"), ("tsk_1", "task_1")):
        tell(house, *names)
    assert came(house) == [HintCame(result="unknown")] * 4
    await house.clock.advance(1)
    assert asked == []


async def test_a_task_of_nobody_s_is_unknown(house: House) -> None:
    tell(house, "tsk_1", task_id(1.0))
    await house.clock.advance(1)
    assert came(house) == [HintCame(result="unknown")]


async def test_a_task_that_waits_to_be_looked_into_does_so_once(house: House) -> None:
    _, ours = await lost_task(house)
    asked = questions_to_the_ledger(house)
    for _ in range(3):
        tell(house, f"v-{ours}", ours)
    await house.clock.advance(1)
    assert [hint.result for hint in came(house)] == ["duplicate", "duplicate", "revived"]
    assert asked.count(ours) == 1
    assert house.names().count("Found") == 1


async def test_when_too_many_wait_the_vendor_is_asked_to_tell_again(house: House) -> None:
    _, ours = await lost_task(house)
    for number in range(MOST):
        tell(house, task_id(float(number)))
    reader = Told(Webhook((f"v-{ours}", ours), "generation.completed"))
    hints = Hints(reader, house.board, house.poller, house.late, house.journal)
    with pytest.raises(Overloaded) as put_off:
        hints.take({}, b"")
    assert put_off.value.retry_after == 10
    assert reader.forgotten == [reader.says]
    assert came(house) == [HintCame(result="put_off")]
    assert came(house)[0].level == "warning"
    assert repr(house.late) == f"LateWords({MOST} in line)"
    await house.clock.advance(1)
    hints.take({}, b"")
    await house.clock.advance(1)
    assert came(house)[-1].result == "revived"


async def test_while_the_ledger_is_away_what_was_told_is_kept(house: House) -> None:
    _, ours = await lost_task(house)
    job, away = house.store.job, [True, True]

    async def ask(name: str) -> JobRow | None:
        if away:
            away.pop()
            raise LedgerUnavailable("away")
        return await job(name)

    house.store.job = ask  # type: ignore[method-assign]
    tell(house, f"v-{ours}", ours)
    await house.clock.advance(19)
    assert came(house) == []
    await house.clock.advance(2)
    assert [hint.result for hint in came(house)] == ["revived"]


async def test_a_fault_with_one_leaves_the_others_their_look(house: House) -> None:
    _, ours = await lost_task(house)
    job, broken = house.store.job, [True]

    async def ask(name: str) -> JobRow | None:
        if broken:
            broken.pop()
            raise ValueError("not what anybody thought of")
        return await job(name)

    house.store.job = ask  # type: ignore[method-assign]
    tell(house, task_id(1.0))
    tell(house, f"v-{ours}", ours)
    await house.clock.advance(1)
    assert [hint.result for hint in came(house)] == ["unknown", "revived"]
    (failed,) = [fact for fact in house.facts if isinstance(fact, ChoreFailed)]
    assert (failed.chore, type(failed.error)) == ("look", ValueError)


async def test_one_whose_job_still_goes_on_is_looked_for_when_that_is_over(house: House) -> None:
    house.vendor.creates = [base.CreateLost("reset")]
    house.vendor.seconds = 200.0
    knows_only_its_own_names(house)
    job = await house.start(a_plan(11))
    await house.clock.until(lambda: "NotFound" in house.names())
    (gone,) = [task for task in job.tasks if task.entry.state is State.LOST]
    ours = gone.entry.task_id
    tell(house, f"v-{ours}", ours)
    await house.clock.advance(1)
    assert [hint.result for hint in came(house)] == ["lost"]
    await house.finished(job)
    assert await house.clock.drive(house.look.look()) == 1
    await over(house)
    assert (await row_of(house, job.job_id)).failure is None
    assert len(house.vendor.purchases) == len(job.tasks)


async def test_a_name_that_is_known_for_another_task_s_is_not_asked_by(house: House) -> None:
    other, theirs = await running(house)
    await house.finished(other)
    _, ours = await lost_task(house)
    tell(house, theirs, ours)
    await house.clock.advance(1)
    assert [hint.result for hint in came(house)] == ["lost"]
    assert house.board.hearsay.name(ours) is None


def test_ids_of_tasks_are_told_from_all_others() -> None:
    assert is_task_id(task_id(1_790_000_000.0))
    for name in ("task_1", job_id(1.0), task_id(1.0) + "X", task_id(1.0).lower(), "tsk_1", ""):
        assert not is_task_id(name)


async def test_two_looks_at_once_take_a_task_up_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, ours = await lost_task(house)
    await house.clock.advance(61)
    answer, asked = house.vendor.status, 0

    async def slow_at_first(name: str) -> base.TaskStatus:
        nonlocal asked
        asked += 1
        if asked > 1:
            return await answer(name)
        found = await FakeVendor.status(house.vendor, name)
        await house.clock.sleep(10)
        return found

    monkeypatch.setattr(house.vendor, "status", slow_at_first)
    slow = asyncio.ensure_future(house.look.look())
    await house.clock.advance(0.1)
    tell(house, f"v-{ours}", ours)
    await house.clock.advance(5)
    before = await row_of(house, job)
    assert [task.state for task in before.tasks] == [State.DONE]
    await house.clock.until(slow.done)
    await over(house)
    assert await row_of(house, job) == before
    assert [fact for fact in house.facts if isinstance(fact, ChoreFailed)] == []


async def test_while_the_ledger_is_in_trouble_words_wait_and_no_more_are_taken(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ours = await lost_task(house)
    tell(house, f"v-{ours}", ours)
    monkeypatch.setattr(type(house.store), "trouble", "no room", raising=False)
    await house.clock.advance(30)
    assert [one.result for one in came(house)] == []
    tell(house, "v-other", task_id(house.clock.wall()))
    assert [one.result for one in came(house)] == ["put_off"]
    monkeypatch.undo()
    await house.clock.advance(11)
    assert [one.result for one in came(house)] == ["put_off", "revived"]


async def test_who_would_buy_it_anew_takes_another_s_answer_for_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = await lost_task(house)
    other = await house.runner.start(house.wish(a_plan(), fingerprint=b"other"))
    await house.clock.until(lambda: bool(other.upstream_ids))
    (theirs,) = other.upstream_ids

    async def swapped(_: str) -> base.TaskStatus:
        return base.TaskStatus(theirs, "running", "in_progress")

    monkeypatch.setattr(house.vendor, "status", swapped)
    row = await row_of(house, job)
    assert not await house.clock.drive(house.look.look_at(row))
    with pytest.raises(base.StatusUnavailable, match="contradicts"):
        await house.clock.drive(house.look.look_at(row, wary=True))
