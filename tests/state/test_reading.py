"""Looking into a ledger that somebody else writes, or wrote."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.events import State
from gateway.state.base import Failure
from gateway.state.reading import Reading
from gateway.state.records import JobRecord, PlanRecord
from tests.state.ledgers import BEGIN, PROMPT, Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state.db")
    yield made
    made.close()


def found(reading: Reading, name: str) -> JobRecord:
    job = reading.job(name)
    assert job is not None
    return job


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


def test_whether_a_create_was_lost_once_is_read_from_the_story(ledger: Ledger) -> None:
    job = ledger.job("intent", "intent")
    again, _ = ledger.tasks(job)
    ledger.told(job, 1, "create_lost", again, reason="reset")
    ledger.told(job, 2, "recreate_allowed", again)
    assert [task.create_lost for task in found(Reading(ledger.path), job).tasks] == [True, False]


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
