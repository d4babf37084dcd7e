"""Looking into a ledger that somebody else writes, or wrote."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.events import State
from gateway.state.base import Failure, LedgerFault
from gateway.state.reading import Reading, faults_told
from gateway.state.records import JobRecord, PlanRecord
from gateway.state.schema import VERSION
from tests.repo.source import ROOT
from tests.state.ledgers import BEGIN, PROMPT, Ledger, unprivileged

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.state.ledgers import Ledger
ledger = Ledger(Path(sys.argv[1]))
ledger.job("running", job_id="job_killed")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state.db")
    yield made
    made.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody can reach, but only its owner can write in."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def killed(path: Path) -> None:
    """A ledger as a killed gateway leaves it, all of it still in the log beside the file."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


def found(reading: Reading, name: str) -> JobRecord:
    job = reading.job(name)
    assert job is not None
    return job


def fault(reading: Reading) -> LedgerFault:
    with pytest.raises(LedgerFault) as caught:
        reading.counts(BEGIN)
    return caught.value


def test_a_job_is_told_with_its_tasks_and_pictures(ledger: Ledger) -> None:
    failure = {"kind": "TaskFailed", "message": "m", "code": "c", "param": None}
    job = ledger.job("done", "failed", failure=failure, idempotency_key="k", links={"d": "https:"})
    first, second = ledger.tasks(job)
    ledger.picture(job, "b" * 32, place=1)
    ledger.picture(job, "a" * 32, place=0, fetched_at=BEGIN + 80)
    read = found(Reading(ledger.path), job)
    assert (read.job_id, read.key_name, read.word) == (job, "studio", "failed")
    assert read.plan == PlanRecord("generation", "gpt-image-2", "dall-e-3", 2, "1k", "high")
    assert read.failure == Failure("TaskFailed", "m", "c")
    assert (read.idempotency_key, read.references) == ("k", 1)
    assert [task.task_id for task in read.tasks] == [first, second]
    assert [task.state for task in read.tasks] == [State.DONE, State.FAILED]
    assert (read.tasks[0].cost_usd, read.tasks[0].asked_at) == ("0.135", BEGIN)
    assert [picture.token for picture in read.pictures] == ["a" * 32, "b" * 32]
    assert [picture.token for picture in read.unclaimed] == ["b" * 32]
    assert PROMPT not in repr(read)


def test_a_job_is_found_by_every_name_and_of_equal_ones_the_newest(ledger: Ledger) -> None:
    older = ledger.job()
    ledger.task(older, "failed", upstream_id="tsk_img_same", replaced=1, task_id="task_replaced")
    newer = ledger.job()
    ledger.task(newer, "done", upstream_id="tsk_img_same")
    reading = Reading(ledger.path)
    assert found(reading, newer).job_id == newer
    assert found(reading, "task_replaced").job_id == older
    assert found(reading, "tsk_img_same").job_id == newer
    assert reading.job("job_unknown") is None


def test_a_replaced_task_comes_after_the_one_in_its_place(ledger: Ledger) -> None:
    job = ledger.job()
    ledger.task(job, "lost", replaced=1)
    ledger.task(job, "done", 1)
    ledger.task(job, "done", 0)
    tasks = found(Reading(ledger.path), job).tasks
    assert [(task.place, task.replaced) for task in tasks] == [(0, False), (1, False), (0, True)]


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ("not json", PlanRecord()),
        ("[1]", PlanRecord()),
        ({}, PlanRecord()),
        ({"tasks": "x", "kind": 3}, PlanRecord()),
        ({"tasks": [3, {"n": "4"}], "model": "m"}, PlanRecord(model="m")),
        ({"kind": "edit", "tasks": [{"n": 4}, {"n": 2}]}, PlanRecord(kind="edit", n=6)),
    ],
)
def test_of_a_plan_as_much_is_told_as_there_is(
    ledger: Ledger, plan: object, told: PlanRecord
) -> None:
    job = ledger.job("running", plan=plan)
    assert found(Reading(ledger.path), job).plan == told


def test_a_failure_that_cannot_be_read_is_still_one(ledger: Ledger) -> None:
    job = found(Reading(ledger.path), ledger.job("failed", failure="garbage"))
    assert job.failure == Failure("unknown", "")
    assert job.word == "failed"


def test_jobs_come_newest_first_as_many_as_asked(ledger: Ledger) -> None:
    made = []
    for _ in range(5):
        made.append(ledger.job("done"))
        ledger.now += 100
    reading = Reading(ledger.path)
    assert [job.job_id for job in reading.jobs(limit=2)] == made[:2:-1]
    assert [job.job_id for job in reading.jobs(since=BEGIN + 300)] == made[:2:-1]


def test_jobs_are_chosen_by_the_words_that_apply_to_them(ledger: Ledger) -> None:
    running = ledger.job("running", "done")
    lost = ledger.job("lost")
    unclaimed = ledger.job("done")
    ledger.picture(unclaimed, "a" * 32)
    for token, row in (("b", {"delivered_at": BEGIN}), ("c", {})):
        had = ledger.job("done", **row)
        ledger.picture(had, token * 32, fetched_at=BEGIN if not row else None)
    reading = Reading(ledger.path)

    def chosen(*words: str) -> list[str]:
        return [job.job_id for job in reading.jobs(words)]

    assert chosen("running") == chosen("unfinished") == [running]
    assert chosen("unclaimed") == [unclaimed]
    assert chosen("unclaimed", "lost") == [unclaimed, lost]
    assert chosen("refused") == []
    assert len(chosen()) == 5
    with pytest.raises(ValueError, match="nonsense"):
        chosen("nonsense")


def test_a_running_jobs_pictures_are_not_unclaimed(ledger: Ledger) -> None:
    job = ledger.job("done", "running")
    ledger.picture(job, "a" * 32)
    reading = Reading(ledger.path)
    assert found(reading, job).unclaimed == ()
    assert reading.counts(BEGIN).unclaimed == 0


def test_tasks_are_counted_by_state_and_jobs_by_who_had_them(ledger: Ledger) -> None:
    ledger.job("running", "uncertain")
    for place, lifetime in enumerate((100, 300)):
        job = ledger.job("done")
        ledger.picture(job, str(place) * 32, expires_at=BEGIN + lifetime)
    counts = Reading(ledger.path).counts(BEGIN + 200)
    assert (counts.jobs, counts.unfinished, counts.unclaimed, counts.expired) == (3, 1, 2, 1)
    assert counts.tasks == {State.UNCERTAIN: 1, State.RUNNING: 1, State.DONE: 2}


def test_a_story_is_told_in_its_order(ledger: Ledger) -> None:
    job = ledger.job("done")
    (task,) = ledger.tasks(job)
    ledger.told(ledger.job("done"), 1, "create_sent")
    ledger.told(job, 5.0, "created", task, upstream_id="v")
    ledger.told(job, 4.0, "job_ended")  # the clock was set back meanwhile
    first, second = Reading(ledger.path).story(job)
    assert (first.at, first.name, first.task_id) == (BEGIN + 5, "created", task)
    assert first.detail == {"upstream_id": "v"}
    assert (second.name, second.task_id, second.detail) == ("job_ended", None, {})


def test_tasks_come_in_chunks_and_each_once(ledger: Ledger) -> None:
    for _ in range(5):
        ledger.job("done", "failed", "done")
    reading = Reading(ledger.path)
    chunks = list(reading.tasks(0, chunk=4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 4, 3]
    assert len({task.task_id for chunk in chunks for task in chunk}) == 15
    assert reading.number_of_tasks(0) == 15


def test_tasks_added_while_the_others_are_read_are_left_out(ledger: Ledger) -> None:
    ledger.job("done", "done")
    chunks = Reading(ledger.path).tasks(0, chunk=1)
    next(chunks)
    ledger.job("done")
    assert len(list(chunks)) == 1


def test_old_tasks_are_left_out_unless_their_job_ended_late_or_never(ledger: Ledger) -> None:
    ledger.job("done")
    late = ledger.job("done", ended_at=BEGIN + 5000)
    never = ledger.job("running")
    ledger.now += 5000
    new = ledger.job("done")
    reading = Reading(ledger.path)
    (chunk,) = reading.tasks(BEGIN + 4000)
    assert [task.job_id for task in chunk] == [late, never, new]
    assert reading.number_of_tasks(BEGIN + 4000) == 3


def test_the_reading_ends_where_the_newest_tasks_are_not_asked_for(ledger: Ledger) -> None:
    new = ledger.job("done")
    ledger.job("done", created_at=BEGIN - 5000, ended_at=BEGIN - 4000)
    chunks = Reading(ledger.path).tasks(BEGIN, chunk=1)
    assert [task.job_id for chunk in chunks for task in chunk] == [new]


def test_whether_the_vendor_was_done_is_read_from_the_story(ledger: Ledger) -> None:
    job = ledger.job("failed", "failed")
    first, second = ledger.tasks(job)
    ledger.told(job, 1, "succeeded", first, images=1)
    ledger.told(job, 2, "link_dead", first, reason="403")
    read = {task.task_id: task for task in Reading(ledger.path).these([first, second, "task_no"])}
    assert {name: task.made for name, task in read.items()} == {first: True, second: False}


def test_more_tasks_can_be_asked_for_than_one_query_takes(ledger: Ledger) -> None:
    (task,) = ledger.tasks(ledger.job("done"))
    many = [f"task_{number}" for number in range(1200)]
    assert [read.task_id for read in Reading(ledger.path).these([*many, task])] == [task]


def test_a_writer_is_not_held_up_and_is_read_at_once(ledger: Ledger) -> None:
    reading = Reading(ledger.path)
    chunks = reading.tasks(0, chunk=1)
    ledger.job("done", "done")
    next(chunks)  # amid a long reading, everything can be written and tidied up
    ledger.connection.execute("BEGIN EXCLUSIVE")
    ledger.job("done", job_id="job_new")
    ledger.connection.execute("COMMIT")
    assert ledger.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    assert found(reading, "job_new").word == "done"


def test_nothing_is_changed_by_a_look(ledger: Ledger) -> None:
    ledger.job("running")
    ledger.close()
    before = ledger.path.read_bytes()
    Reading(ledger.path).counts(0)
    assert ledger.path.read_bytes() == before


def test_what_a_killed_gateway_left_is_recovered(tmp_path: Path) -> None:
    killed(tmp_path / "state.db")
    assert found(Reading(tmp_path / "state.db"), "job_killed").word == "running"


def test_without_the_right_to_recover_what_a_killed_gateway_left_this_is_said(
    open_folder: Path,
) -> None:
    path = open_folder / "state.db"
    killed(path)
    (open_folder / "state.db-shm").unlink()
    for file in open_folder.iterdir():
        file.chmod(0o644)
    open_folder.chmod(0o555)
    with unprivileged():
        told = fault(Reading(path))
    assert told.message == (
        f"The gateway that wrote {path} ended without closing it, and what it wrote last can only "
        f"be recovered by who may write in {open_folder}."
    )
    assert told.advice == "Run this as the gateway's user, or start the gateway."


def test_a_ledger_that_was_closed_well_can_be_read_where_nothing_can_be_written(
    open_folder: Path,
) -> None:
    ledger = Ledger(open_folder / "state.db")
    job = ledger.job("done")
    ledger.close()
    ledger.path.chmod(0o444)
    open_folder.chmod(0o555)
    with unprivileged():
        assert found(Reading(ledger.path), job).word == "done"
    assert [path.name for path in open_folder.iterdir()] == ["state.db"]


def test_a_ledger_that_may_not_be_read_is_said_to_be_so(open_folder: Path) -> None:
    ledger = Ledger(open_folder / "state.db")
    ledger.close()
    ledger.path.chmod(0)
    with unprivileged():
        told = fault(Reading(ledger.path))
    assert "this user may not read it" in told.message
    open_folder.chmod(0o700)
    if os.geteuid() == 0:
        with unprivileged():
            assert "this user may not read it" in fault(Reading(ledger.path)).message


def test_a_missing_ledger_is_not_made(tmp_path: Path) -> None:
    told = fault(Reading(tmp_path / "state.db"))
    assert told.message == f"There is no ledger at {tmp_path / 'state.db'}."
    assert "relative path" in told.advice
    assert list(tmp_path.iterdir()) == []


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE jobs (job_id TEXT)")
    other.close()
    assert "no ledger of this gateway" in fault(Reading(path)).message


@pytest.mark.parametrize("content", [b"", b"not a database at all " * 100])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)
    assert "no ledger" in fault(Reading(path)).message
    assert path.read_bytes() == content


def test_a_newer_ledger_is_refused_with_both_versions(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state.db", version=VERSION + 1)
    told = fault(Reading(ledger.path))
    ledger.close()
    assert f"ledger version {VERSION + 1}; this program reads up to {VERSION}" in told.message


def test_a_ledger_that_was_not_made_to_its_end_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state.db", version=0)
    assert "not made to its end" in fault(Reading(ledger.path)).message
    ledger.close()


def test_a_state_that_there_is_not_is_damage(ledger: Ledger) -> None:
    job = ledger.job("melted")
    with pytest.raises(LedgerFault, match="melted"):
        Reading(ledger.path).job(job)


def test_a_damaged_ledger_is_said_to_be_so(ledger: Ledger) -> None:
    for number in range(100):
        ledger.job("done", plan={"filling": "x" * 2000, "number": number})
    ledger.close()
    content = bytearray(ledger.path.read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    ledger.path.write_bytes(content)
    with pytest.raises(LedgerFault, match="cannot be read") as caught:
        Reading(ledger.path).jobs()
    assert "Keep the file" in caught.value.advice


def test_a_ledger_that_another_program_holds_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.reading._PATIENCE", 0.01)
    ledger = Ledger(tmp_path / "state.db")
    ledger.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    ledger.job("done")
    told = fault(Reading(ledger.path))
    ledger.close()
    assert (told.message, told.advice) == (
        f"{ledger.path} is held by another program.",
        "Try again in a moment.",
    )


def test_a_path_may_hold_any_letter(tmp_path: Path) -> None:
    folder = tmp_path / "a b?c#d%20é"
    folder.mkdir()
    ledger = Ledger(folder / "state.db")
    job = ledger.job("done")
    reading = Reading(ledger.path)
    assert found(reading, job).job_id == job
    assert repr(reading) == f"Reading({ledger.path})"
    ledger.close()


def test_a_link_leads_to_the_ledger_itself(ledger: Ledger) -> None:
    link = ledger.path.with_name("link.db")
    link.symlink_to(ledger.path)
    job = ledger.job("running")
    reading = Reading(link)
    assert reading.path == ledger.path
    assert found(reading, job).job_id == job


def test_plans_are_told_without_their_prompts(ledger: Ledger) -> None:
    ledger.job("running")
    told = repr(Reading(ledger.path).jobs())
    assert PROMPT in json.dumps(ledger.value("SELECT plan FROM jobs"))
    assert PROMPT not in told


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("SQLITE_FULL", "There is no room to write to {path}.", "Make room on its disk."),
        ("SQLITE_IOERR_READ", "{path} cannot be read: said.", "Keep the file as it is"),
        ("SQLITE_LOCKED", "{path} is held by another program.", "Try again"),
    ],
)
def test_what_the_database_says_is_told_with_advice(
    ledger: Ledger, name: str, message: str, advice: str
) -> None:
    error = sqlite3.OperationalError("said")
    error.sqlite_errorname = name
    with pytest.raises(LedgerFault) as caught, faults_told(ledger.path):
        raise error
    assert caught.value.message == message.format(path=ledger.path)
    assert caught.value.advice.startswith(advice)
