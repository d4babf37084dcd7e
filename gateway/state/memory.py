"""A memory that ends with the process.

Owns: jobs in a dict, bounded in number: the oldest that are over are forgotten first. Must not
know: files, databases. It is the fake of the tests and the backend of ``memory://``.
"""

from dataclasses import replace

from gateway.events import FINAL, Created, Found, State, TaskEvent
from gateway.state.base import JobRow, TaskRow
from gateway.translate.model import Plan


class MemoryStore:
    """Keeps at most ``most`` jobs that are over, without prompts; running ones always."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._jobs: dict[str, JobRow] = {}
        self._over: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._jobs)} jobs, {len(self._over)} over)"

    async def add_job(self, job: JobRow) -> None:
        """Remember a new job."""
        self._jobs[job.job_id] = job

    async def record(self, event: TaskEvent, state: State) -> None:
        """Remember what became of a task. Raises: KeyError for a job that was never added."""
        job = self._jobs[event.job_id]
        tasks = tuple(_after(task, event, state) for task in job.tasks)
        self._jobs[event.job_id] = replace(job, tasks=tasks)
        if all(task.state in FINAL for task in tasks):
            self._jobs[event.job_id] = replace(job, tasks=tasks, plan=_without_prompt(job.plan))
            self._over[event.job_id] = None
            self._forget()
        else:
            self._over.pop(event.job_id, None)

    async def job(self, job_id: str) -> JobRow | None:
        """A job, unless it was never added or is forgotten."""
        return self._jobs.get(job_id)

    async def close(self) -> None:
        """Nothing to release."""

    def _forget(self) -> None:
        while len(self._over) > self._most:
            oldest = next(iter(self._over))
            del self._over[oldest]
            del self._jobs[oldest]


def _without_prompt(plan: Plan) -> Plan:
    return replace(plan, tasks=tuple(replace(task, prompt="") for task in plan.tasks))


def _after(task: TaskRow, event: TaskEvent, state: State) -> TaskRow:
    if task.task_id != event.task_id:
        return task
    upstream_id = task.upstream_id
    if isinstance(event, Created | Found):
        upstream_id = event.upstream_id
    return TaskRow(task.task_id, state, upstream_id)
