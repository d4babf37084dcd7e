import pytest

from gateway.events import Created, CreateSent, Dropped, Found, NotFound, State, TaskEvent
from gateway.state.base import JobRow, TaskRow
from gateway.state.memory import MemoryStore
from gateway.translate.model import Finish, Plan, TaskSpec

PLAN = Plan(
    "generation",
    "m",
    None,
    (TaskSpec("m", "secret prompt", "1:1", "1k", "low", "png", 1),),
    Finish(None, "png"),
    None,
    None,
    "url",
)


def a_job(name: str, *tasks: str) -> JobRow:
    return JobRow(name, "studio", 0.0, PLAN, tuple(TaskRow(task, State.INTENT) for task in tasks))


def dropped(job: str, task: str) -> TaskEvent:
    return Dropped(job_id=job, task_id=task, at=0.0, reason="r")


async def test_a_job_is_remembered_as_last_recorded() -> None:
    store = MemoryStore()
    await store.add_job(a_job("j", "t1", "t2"))
    await store.record(CreateSent(job_id="j", task_id="t1", at=1.0), State.CREATING)
    created = Created(job_id="j", task_id="t1", at=2.0, upstream_id="v1", seconds=0.1)
    await store.record(created, State.RUNNING)
    job = await store.job("j")
    assert job is not None
    assert job.tasks == (TaskRow("t1", State.RUNNING, "v1"), TaskRow("t2", State.INTENT))


async def test_an_unknown_job_is_none_and_cannot_be_written_to() -> None:
    store = MemoryStore()
    assert await store.job("j") is None
    with pytest.raises(KeyError):
        await store.record(dropped("j", "t"), State.DROPPED)
    await store.close()


async def test_only_so_many_jobs_that_are_over_are_kept_and_running_ones_always() -> None:
    store = MemoryStore(most=2)
    await store.add_job(a_job("running", "t"))
    for name in ("a", "b", "c"):
        await store.add_job(a_job(name, "t"))
        await store.record(dropped(name, "t"), State.DROPPED)
    assert await store.job("a") is None
    assert await store.job("b") is not None
    assert await store.job("running") is not None


async def test_a_lost_task_that_is_found_is_no_longer_over() -> None:
    store = MemoryStore(most=0)
    await store.add_job(a_job("j", "t", "u"))
    await store.record(NotFound(job_id="j", task_id="t", at=0.0), State.LOST)
    found = Found(job_id="j", task_id="t", at=0.0, upstream_id="v")
    await store.record(found, State.RUNNING)
    assert await store.job("j") is not None


async def test_a_prompt_goes_when_the_job_is_over() -> None:
    store = MemoryStore()
    await store.add_job(a_job("j", "t", "u"))
    await store.record(dropped("j", "t"), State.DROPPED)
    job = await store.job("j")
    assert job is not None
    assert job.plan.tasks[0].prompt == "secret prompt"
    await store.record(dropped("j", "u"), State.DROPPED)
    job = await store.job("j")
    assert job is not None
    assert job.plan.tasks[0].prompt == ""


def test_the_prompt_is_not_shown() -> None:
    assert "secret" not in repr(a_job("j", "t"))
