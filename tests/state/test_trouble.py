"""While nothing can be written nothing is begun, and what happens is kept for later (R14)."""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import failpoints
from gateway.errors import LedgerUnavailable
from gateway.events import (
    CreateLost,
    JobEnded,
    JobJoined,
    NotSent,
    RecreateAllowed,
    State,
)
from gateway.notices import (
    LedgerHindered,
    LedgerRecovered,
)
from gateway.state.ballast import Ballast
from gateway.state.commit import Committer, Entry, Kind
from gateway.state.sqlite import SqliteStore
from tests.state.rows import Ledger, a_job, created, sent, state_of, tell

FULL = "no space left on device"


@pytest.fixture
async def busy(store: SqliteStore) -> SqliteStore:
    """A ledger with two jobs: of ``a`` nothing was bought yet, of ``b`` a create is under way."""
    await store.add_job(a_job("a", "ta"))
    await store.add_job(a_job("b", "tb"))
    await tell(store, sent("b", "tb"))
    return store


def story(ledger: Ledger) -> list[tuple[str, str]]:
    """The story as a stranger reads it."""
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        return connection.execute("SELECT job_id, name FROM story ORDER BY number").fetchall()


def tried() -> int:
    """How often a commit has been tried since it was made to fail."""
    return failpoints._armed["ledger.commit"].seen


async def recovered(ledger: Ledger, store: SqliteStore) -> LedgerRecovered:
    """What is told when somebody wants to buy and all is well again."""
    ledger.clock.now += 1.0
    await store.add_job(a_job("afterwards"))
    (told,) = (one for one in ledger.told if isinstance(one, LedgerRecovered))
    return told


def hindered(ledger: Ledger) -> list[LedgerHindered]:
    return [told for told in ledger.told if isinstance(told, LedgerHindered)]


@pytest.mark.parametrize("action", ["enospc", "raise"])
async def test_what_precedes_a_purchase_is_refused_and_never_written(
    ledger: Ledger, busy: SqliteStore, action: str
) -> None:
    await busy.remark(JobEnded(job_id="b", at=2.0))
    before = story(ledger)
    lost = CreateLost(job_id="b", task_id="tb", at=2.0, reason="r")
    failpoints.arm(f"ledger.commit={action}")
    for step in (
        busy.add_job(a_job("c")),
        busy.reopen(a_job("b", "tb2")),
        busy.record(sent("a", "ta"), State.CREATING),
        busy.record(RecreateAllowed(job_id="b", task_id="tb", at=3.0), State.INTENT),
    ):
        with pytest.raises(LedgerUnavailable) as refusal:
            await step
        assert (refusal.value.code, refusal.value.retry_after) == ("journal_unavailable", 5.0)
    failpoints.arm("")
    ledger.clock.now += 1.0
    await tell(busy, lost)
    await busy.add_job(a_job("d"))
    await busy.close()
    assert story(ledger) == [*before, ("b", "create_lost")]
    await busy.open()
    assert await busy.job("c") is None
    assert await state_of(busy, "ta") is State.INTENT
    assert await busy.job("tb2") is None
    assert [job.job_id for job in await busy.unfinished()] == ["a", "d"]


async def test_facts_are_kept_and_written_in_order_once_it_can_be_done(
    ledger: Ledger, busy: SqliteStore
) -> None:
    before = story(ledger)
    failpoints.arm("ledger.commit=raise")
    await busy.record(created("b", "tb", "v"), State.RUNNING)
    await busy.remark(JobJoined(job_id="b", at=3.0, how="retry"))
    await busy.add_links("a", {"d": "l"})
    await busy.record(NotSent(job_id="a", task_id="ta", at=4.0, reason="r"), State.INTENT)
    assert busy.trouble == "ledger.commit; 4 facts wait to be written"
    assert await state_of(busy, "tb") is State.CREATING
    failpoints.arm("")
    ledger.clock.now += 1.0
    await busy.add_job(a_job("c"))
    assert ledger.well.is_set()
    assert story(ledger) == [
        *before,
        ("b", "created"),
        ("b", "job_joined"),
        ("a", "not_sent"),
    ]
    assert await state_of(busy, "tb") is State.RUNNING
    job = await busy.job("a")
    assert job is not None
    assert job.links == {"d": "l"}
    assert ledger.told == [
        LedgerHindered(reason="ledger.commit", waiting=1),
        LedgerRecovered(written=4),
    ]


async def test_it_is_tried_again_though_nobody_asks(ledger: Ledger, busy: SqliteStore) -> None:
    failpoints.arm("ledger.commit=raise")
    await busy.record(created("b", "tb", "v"), State.RUNNING)
    failpoints.arm("")
    await ledger.well.wait()  # the writer's pauses are real ones
    assert ledger.told[-1] == LedgerRecovered(written=1)
    assert await state_of(busy, "tb") is State.RUNNING


async def test_who_wants_to_buy_makes_it_try_again_once_a_second_at_most(
    ledger: Ledger, busy: SqliteStore
) -> None:
    failpoints.arm("ledger.commit=raise")
    for seconds, tries in ((0.0, 1), (0.0, 1), (0.4, 1), (0.6, 2), (0.9, 2), (0.1, 3)):
        ledger.clock.now += seconds
        with pytest.raises(LedgerUnavailable):
            await busy.add_job(a_job("c"))
        assert tried() == tries
    assert len(hindered(ledger)) == 1


async def test_facts_that_come_in_a_step_s_company_are_kept(
    ledger: Ledger, busy: SqliteStore
) -> None:
    failpoints.arm("ledger.commit=raise")
    said = await asyncio.gather(
        busy.record(sent("a", "ta"), State.CREATING),
        busy.record(created("b", "tb", "v"), State.RUNNING),
        return_exceptions=True,
    )
    assert [type(one) for one in said] == [LedgerUnavailable, type(None)]
    failpoints.arm("")
    assert (await recovered(ledger, busy)).written == 1
    assert await state_of(busy, "ta") is State.INTENT
    assert await state_of(busy, "tb") is State.RUNNING


async def test_the_ballast_goes_and_comes_back(ledger: Ledger, busy: SqliteStore) -> None:
    ballast = ledger.beside(".ballast")
    failpoints.arm("ledger.commit=enospc")
    await busy.record(created("b", "tb", "v"), State.RUNNING)
    assert tried() == 2  # once more in the room that it left
    assert not ballast.exists()
    assert busy.trouble == f"{FULL}; 1 facts wait to be written"
    await busy.add_links("b", {str(number): "l" * 5_000 for number in range(50)})
    failpoints.arm("")
    await recovered(ledger, busy)
    assert ledger.beside("-wal").stat().st_size < 100_000  # it made room for the ballast first
    assert ballast.stat().st_size == 1 << 20
    assert busy.trouble is None


async def test_without_room_for_the_ballast_facts_are_written_and_nothing_is_begun(
    ledger: Ledger, busy: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.ballast.SIZE", 1 << 62)
    failpoints.arm("ledger.commit=enospc")
    with pytest.raises(LedgerUnavailable):
        await busy.add_job(a_job("c"))
    failpoints.arm("")
    for _ in range(3):
        ledger.clock.now += 1.0
        with pytest.raises(LedgerUnavailable):
            await busy.add_job(a_job("c"))
    assert busy.trouble == FULL
    await busy.record(created("b", "tb", "v"), State.RUNNING)
    assert await state_of(busy, "tb") is State.RUNNING
    await busy.remark(JobEnded(job_id="a", at=2.0))
    assert await busy.prune(3.0) == 1
    monkeypatch.undo()
    ledger.clock.now += 1.0
    await busy.add_job(a_job("c"))
    told = [LedgerHindered(reason=FULL, waiting=0), LedgerRecovered(written=0)]
    assert ledger.told == told


async def test_what_is_written_in_the_ballast_s_room_is_marked_too(
    ledger: Ledger, busy: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, tries = Committer.commit, []

    def full_once(self: Committer, entries: list[Entry], **named: bool) -> list[object]:
        tries.append(ledger.beside(".ballast").exists())
        if len(tries) == 1:
            raise OSError(28, "No space left on device")
        return commit(self, entries, **named)

    before = int(ledger.beside(".mark").read_text())
    monkeypatch.setattr(Committer, "commit", full_once)
    await busy.record(created("b", "tb", "v"), State.RUNNING)
    assert tries == [True, False]
    assert int(ledger.beside(".mark").read_text()) == before + 1
    assert await state_of(busy, "tb") is State.RUNNING
    assert busy.trouble == FULL


async def test_a_ballast_that_cannot_be_written_whole_is_given_up_again(
    ledger: Ledger, busy: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    failpoints.arm("ledger.commit=enospc")
    with pytest.raises(LedgerUnavailable):
        await busy.add_job(a_job("c"))
    failpoints.arm("")
    monkeypatch.setattr("gateway.state.ballast.os.write", full)
    ledger.clock.now += 1.0
    with pytest.raises(LedgerUnavailable):
        await busy.add_job(a_job("c"))
    assert not ledger.beside(".ballast").exists()


async def test_a_ballast_that_cannot_be_removed_is_of_no_use(
    ledger: Ledger, busy: SqliteStore
) -> None:
    ballast = ledger.beside(".ballast")
    ballast.unlink()
    (ballast / "in" / "the way").mkdir(parents=True)
    failpoints.arm("ledger.commit=enospc")
    await busy.record(created("b", "tb", "v"), State.RUNNING)
    failpoints.arm("")
    ledger.clock.now += 1.0
    with pytest.raises(LedgerUnavailable):
        await busy.add_job(a_job("c"))
    assert busy.trouble == "is a directory"
    assert repr(Ballast(ballast)) == f"Ballast({ballast}, missing)"


async def test_sqlite_s_own_want_of_room_is_trouble_and_not_the_entry_s_fault(
    ledger: Ledger, busy: SqliteStore
) -> None:
    def limit(pages: int) -> Callable[[sqlite3.Connection], None]:
        return lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").close()

    await busy._write(limit(1), Kind.FACT)  # no more than there are
    jobs = (a_job(f"more_{number}") for number in range(200))
    said = await asyncio.gather(*map(busy.add_job, jobs), return_exceptions=True)
    assert {type(one) for one in said} == {LedgerUnavailable}
    assert busy.trouble == "database or disk is full"
    assert not ledger.beside(".ballast").exists()
    await busy._write(limit(1 << 30), Kind.FACT)
    await recovered(ledger, busy)


async def test_what_was_committed_is_answered_for_though_the_disk_fails_just_after(
    ledger: Ledger, busy: SqliteStore
) -> None:
    failpoints.arm("ledger.committed=enospc")
    await busy.record(sent("a", "ta"), State.CREATING)
    assert await state_of(busy, "ta") is State.CREATING
    assert busy.trouble == FULL
    for _ in range(2):
        ledger.clock.now += 1.0
        with pytest.raises(LedgerUnavailable):
            await busy.add_job(a_job("c"))
    await busy.record(created("a", "ta", "v"), State.RUNNING)
    failpoints.arm("")
    await recovered(ledger, busy)
    assert [name for job, name in story(ledger) if job == "a"] == ["create_sent", "created"]
    assert await busy.job("c") is None
    assert len(hindered(ledger)) == 1


async def test_another_program_s_lock_is_trouble_until_it_goes(
    ledger: Ledger, busy: SqliteStore
) -> None:
    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await busy.record(created("b", "tb", "v"), State.RUNNING)
        assert busy.trouble == "database is locked; 1 facts wait to be written"
        ledger.clock.now += 1.0
        with pytest.raises(LedgerUnavailable):
            await busy.add_job(a_job("c"))
    assert (await recovered(ledger, busy)).written == 1


async def test_chores_wait_for_better_times(ledger: Ledger, busy: SqliteStore) -> None:
    failpoints.arm("ledger.commit=raise")
    with pytest.raises(LedgerUnavailable):
        await busy.prune(5.0)
    await busy.remark(JobEnded(job_id="a", at=2.0))
    failpoints.arm("ledger.commit=sleep:0.001")
    with pytest.raises(LedgerUnavailable):
        await busy.prune(5.0)
    await recovered(ledger, busy)
    assert await busy.prune(5.0) == 1


async def test_a_fact_that_was_kept_and_is_wrong_in_itself_is_told_of(
    ledger: Ledger, busy: SqliteStore
) -> None:
    failpoints.arm("ledger.commit=raise")
    await busy.remark(JobEnded(job_id="a", at=2.0))
    await busy.remark(JobEnded(job_id="nobody", at=2.0))
    await busy.remark(JobEnded(job_id="b", at=2.0))
    failpoints.arm("")
    assert (await recovered(ledger, busy)).written == 2
    left_out = LedgerHindered(reason="an entry was left out: KeyError('nobody')", waiting=0)
    assert left_out in ledger.told
    assert [job.job_id for job in await busy.unfinished()] == ["afterwards"]


async def test_what_waits_is_written_when_it_closes(ledger: Ledger, busy: SqliteStore) -> None:
    failpoints.arm("ledger.commit=raise")
    await busy.record(created("b", "tb", "v"), State.RUNNING)
    failpoints.arm("")
    await busy.close()
    assert ledger.told[-1] == LedgerRecovered(written=1)
    await busy.open()
    assert await state_of(busy, "tb") is State.RUNNING


async def test_what_could_not_be_written_to_the_end_is_told(
    ledger: Ledger, busy: SqliteStore
) -> None:
    failpoints.arm("ledger.commit=raise")
    await busy.record(created("b", "tb", "v"), State.RUNNING)
    await busy.close()
    said = "closed with facts unwritten: ledger.commit"
    assert ledger.told[-1] == LedgerHindered(reason=said, waiting=1)


# The real thing


async def test_a_real_disk_that_is_full_is_survived(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=2m ledger "$1" && exec "$2" -m tests.state.small_disk "$1"'
    ran = await asyncio.to_thread(
        subprocess.run,
        ["unshare", "-Urm", "sh", "-c", script, "sh", str(tmp_path), sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"no small disk can be mounted here, or: {ran.stderr}"
    assert json.loads(ran.stdout) == {
        "refused": "journal_unavailable",
        "facts_written_in_the_ballast_s_room": True,
        "its_room_is_used_again": True,
        "ballast_while_full": False,
        "facts_waiting_once_that_is_used_up": True,
        "refused_then": "journal_unavailable",
        "integrity": "ok",
        "recovered_without_restart": True,
        "facts_missing": 0,
        "refused_and_yet_there": 0,
        "ballast_afterwards": True,
        "told": ["LedgerHindered", "LedgerRecovered"],
        "failures": ["disk_full"],
    }
