"""A memory that ends with the process.

Owns: jobs in a dict, bounded in number: the oldest that are over are forgotten first. Must not
know: files, databases. It is the fake of the tests and the backend of ``memory://``.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.events import (
    Created,
    Found,
    JobDelivered,
    JobEnded,
    JobEvent,
    State,
    Succeeded,
    TaskEvent,
)
from gateway.state.base import Failure, IdempotencyKeyTaken, JobRow, PictureRow, TaskRow
from gateway.translate.usage import without_prompt

_NEWEST = 50
_NOTHING_BOUGHT = frozenset({State.INTENT, State.REFUSED, State.DROPPED})


class MemoryStore:
    """Keeps at most ``most`` jobs that are over, without prompts; running ones always."""

    durable = False
    trouble: str | None = None

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._jobs: dict[str, JobRow] = {}
        self._over: dict[str, None] = {}
        self._names: dict[str, str] = {}  # of tasks, and the vendor's, to the job's
        self._reopened: set[str] = set()  # jobs with names of tasks that were replaced
        self._keyed: dict[tuple[str, str], str] = {}
        self._alike: dict[tuple[str, bytes], dict[str, None]] = {}
        self._fetched: dict[str, float] = {}
        self.secret = secrets.token_bytes(32)

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._jobs)} jobs, {len(self._over)} over)"

    async def open(self) -> None:
        """Nothing to take up."""

    async def add_job(self, job: JobRow, *, instead_of: str | None = None) -> None:
        """Remember a new job. Raises: IdempotencyKeyTaken."""
        if job.idempotency_key is not None:
            place = (job.key_name, job.idempotency_key)
            holder = self._keyed.get(place)
            if holder is not None and holder != instead_of:
                raise IdempotencyKeyTaken(holder)
            if holder is not None:
                self._jobs[holder] = replace(self._jobs[holder], idempotency_key=None)
            self._keyed[place] = job.job_id
        self._keep(job)

    async def reopen(self, job: JobRow) -> None:
        """Take a job that had ended up again, as the row says."""
        self._over.pop(job.job_id, None)
        self._reopened.add(job.job_id)
        self._keep(replace(job, ended_at=None, failure=None))

    async def record(
        self, event: TaskEvent, state: State, pictures: Sequence[PictureRow] = ()
    ) -> None:
        """Remember what became of a task. Raises: KeyError for a job that was never added."""
        job = self._jobs[event.job_id]
        tasks = tuple(_after(task, event, state) for task in job.tasks)
        if isinstance(event, Created | Found):
            self._names[event.upstream_id] = job.job_id
        self._jobs[job.job_id] = replace(job, tasks=tasks, pictures=(*job.pictures, *pictures))

    async def remark(self, event: JobEvent, failure: Failure | None = None) -> None:
        """Remember what became of a job. Raises: KeyError for one that was never added."""
        job = self._jobs[event.job_id]
        match event:
            case JobEnded():
                plan = without_prompt(job.plan)
                job = replace(job, ended_at=event.at, failure=failure, plan=plan)
                self._over[job.job_id] = None
            case JobDelivered():
                job = replace(job, delivered_at=event.at)
        self._jobs[job.job_id] = job
        while len(self._over) > self._most:
            self._forget(next(iter(self._over)))

    async def add_links(self, job_id: str, links: Mapping[str, str]) -> None:
        """Remember where a job's references lie at the vendor."""
        job = self._jobs[job_id]
        self._jobs[job_id] = replace(job, links={**job.links, **links})

    async def fetched(self, token: str, at: float) -> None:
        """Remember that a picture was fetched by its link."""
        self._fetched[token] = at

    async def job(self, name: str) -> JobRow | None:
        """A job, unless it was never added or is forgotten."""
        return self._jobs.get(self._names.get(name, name))

    async def ended(self, key_name: str, fingerprint: bytes) -> tuple[JobRow, ...]:
        """The newest few that ended for such a request and had bought something."""
        alike = self._alike.get((key_name, fingerprint), ())
        over = [self._jobs[name] for name in alike if name in self._over]
        bought = [
            job for job in over if any(task.state not in _NOTHING_BOUGHT for task in job.tasks)
        ]
        return tuple(bought[-_NEWEST:])

    async def keyed(self, key_name: str, idempotency_key: str) -> JobRow | None:
        """The job that holds this idempotency key."""
        name = self._keyed.get((key_name, idempotency_key))
        return None if name is None else self._jobs[name]

    async def unfinished(self) -> tuple[JobRow, ...]:
        """All jobs that have not ended."""
        return tuple(job for job in self._jobs.values() if job.ended_at is None)

    async def lost(self, since: float) -> tuple[JobRow, ...]:
        """Jobs that ended with a task that is LOST."""
        return tuple(
            job
            for job in self._jobs.values()
            if job.ended_at is not None
            and job.ended_at > since
            and any(task.state is State.LOST for task in job.tasks)
        )

    async def claimed(self) -> frozenset[str]:
        """Pictures that somebody has had."""
        delivered = (job for job in self._jobs.values() if job.delivered_at is not None)
        had = {picture.token for job in delivered for picture in job.pictures}
        return frozenset(had | self._fetched.keys())

    async def prune(self, before: float) -> int:
        """Forget jobs that ended before then."""
        old = [name for name in self._over if (self._jobs[name].ended_at or 0.0) < before]
        for name in old:
            self._forget(name)
        return len(old)

    async def close(self) -> None:
        """Nothing to release."""

    def _keep(self, job: JobRow) -> None:
        self._jobs[job.job_id] = job
        self._names.update({task.task_id: job.job_id for task in job.tasks})
        self._alike.setdefault((job.key_name, job.fingerprint), {})[job.job_id] = None

    def _forget(self, name: str) -> None:
        del self._over[name]
        job = self._jobs.pop(name)
        for task in job.tasks:
            self._names.pop(task.task_id, None)
            self._names.pop(task.upstream_id or "", None)
        if name in self._reopened:
            self._reopened.remove(name)
            self._names = {known: owner for known, owner in self._names.items() if owner != name}
        for picture in job.pictures:
            self._fetched.pop(picture.token, None)
        if job.idempotency_key is not None:
            self._keyed.pop((job.key_name, job.idempotency_key), None)
        alike = self._alike[job.key_name, job.fingerprint]
        del alike[name]
        if not alike:
            del self._alike[job.key_name, job.fingerprint]


def _after(task: TaskRow, event: TaskEvent, state: State) -> TaskRow:
    if task.task_id != event.task_id:
        return task
    match event:
        case Created() | Found():
            return replace(task, state=state, upstream_id=event.upstream_id, accepted_at=event.at)
        case Succeeded():
            return replace(task, state=state, cost_usd=event.cost_usd)
        case _:
            return replace(task, state=state)
