import pytest

from gateway.events import JobEnded
from gateway.state.memory import MemoryStore
from tests.clocks import FakeClock
from tests.state.rows import PROMPT, a_job, created, sent, tell


async def test_only_so_many_jobs_that_are_over_are_kept_and_running_ones_always() -> None:
    store = MemoryStore(FakeClock(), most=2)
    await store.add_job(a_job("running"))
    for name in ("a", "b", "c"):
        await store.add_job(a_job(name))
        await store.remark(JobEnded(job_id=name, at=1.0))
    assert await store.job("a") is None
    assert await store.job("b") is not None
    assert await store.job("running") is not None
    assert repr(store) == "MemoryStore(3 jobs, 2 over)"


async def test_a_forgotten_job_no_longer_hides_an_older_one_of_the_vendors_id() -> None:
    store = MemoryStore(FakeClock())
    for name in ("old", "new"):
        await store.add_job(a_job(name))
        task = f"task_of_{name}"
        await tell(store, sent(name, task), created(name, task, "v"))
    await store.remark(JobEnded(job_id="new", at=1.0))
    assert await store.prune(2.0) == 1
    job = await store.job("v")
    assert job is not None
    assert job.job_id == "old"


async def test_a_prompt_goes_when_the_job_is_over() -> None:
    store = MemoryStore(FakeClock())
    await store.add_job(a_job("j"))
    before = await store.job("j")
    assert before is not None
    assert before.plan.tasks[0].prompt == PROMPT
    await store.remark(JobEnded(job_id="j", at=1.0))
    after = await store.job("j")
    assert after is not None
    assert after.plan.tasks[0].prompt == ""


def test_the_prompt_is_not_shown() -> None:
    assert PROMPT not in repr(a_job("j"))


def test_it_does_not_outlive_the_process() -> None:
    assert not MemoryStore(FakeClock()).durable


async def test_a_job_that_was_never_added_cannot_be_written_to() -> None:
    with pytest.raises(KeyError):
        await MemoryStore(FakeClock()).remark(JobEnded(job_id="j", at=1.0))
