"""A memory that ends with the process.

Owns: jobs in a dict, bounded in number: the oldest that are over are forgotten first. Must not
know: files, databases. It is the fake of the tests and the backend of ``memory://``.
"""

import secrets
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.clock import Clock
from gateway.config.sections import Limits
from gateway.events import (
    Created,
    Found,
    JobClaimed,
    JobDelivered,
    JobEnded,
    JobEvent,
    JobJoined,
    JobPromised,
    JobReopened,
    State,
    TaskEvent,
)
from gateway.state.accounts import Accounts
from gateway.state.after import after, lost
from gateway.state.base import (
    NO_LIMITS,
    Failure,
    IdempotencyKeyTaken,
    JobRow,
    LedgerFigures,
    PictureRow,
    Standing,
    TaskRow,
    Unclaimed,
)
from gateway.state.census import Census
from gateway.state.hook_memory import Hooks
from gateway.state.hooks import DueHooks, HookRow
from gateway.translate.usage import without_prompt

_MOST, _MOST_DELIVERED = 200, 20


@dataclass(slots=True)
class _Kept:
    """A job, when it came, and all it ever had: tasks, with the vendor's ids, pictures, and keys.

    ``keys`` are those of requests that it was given to.
    """

    row: JobRow
    number: int
    tasks: dict[str, str | None] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)


class MemoryStore:
    """Keeps at most ``most`` jobs that are over, without prompts; running ones always."""

    durable = False
    trouble: str | None = None

    def __init__(self, clock: Clock, most: int = 10_000) -> None:
        self._accounts = Accounts(clock)
        self._clock = clock
        self._most = most
        self._jobs: dict[str, _Kept] = {}
        self._over: dict[str, None] = {}
        self._tasks: dict[str, tuple[int, str]] = {}  # when it came, whose it is
        self._upstream: dict[str, dict[str, None]] = {}  # the vendor's id to the tasks' own
        self._keyed: dict[tuple[str, str], str] = {}
        self._given: dict[tuple[str, str], dict[str, None]] = {}  # whose, and the key; last is last
        self._alike: dict[tuple[str, bytes], dict[str, None]] = {}
        self._pictures: dict[str, bool] = {}  # whether it was fetched
        self._census = Census()
        self._hooks = Hooks()
        self._count = 0
        self.secret = secrets.token_bytes(32)

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._jobs)} jobs, {len(self._over)} over)"

    async def open(self) -> None:
        """Nothing to take up."""

    async def add_job(
        self, job: JobRow, *, limits: Limits = NO_LIMITS, instead_of: str | None = None
    ) -> None:
        """Remember a new job. Raises: LimitReached, IdempotencyKeyTaken."""
        taken = self._accounts.take(job, limits)
        try:
            self._add(taken.job, instead_of)
        except IdempotencyKeyTaken:
            self._accounts.undo(taken)
            raise

    def _add(self, job: JobRow, instead_of: str | None) -> None:
        if job.idempotency_key is not None:
            place = (job.key_name, job.idempotency_key)
            holder = self._keyed.get(place)
            if holder is not None and holder != instead_of:
                raise IdempotencyKeyTaken(holder)
            if holder is not None:
                former = self._jobs[holder]
                former.row = replace(former.row, idempotency_key=None)
            self._keyed[place] = job.job_id
        kept = self._jobs[job.job_id] = _Kept(job, self._next())
        self._add_tasks(kept, job.tasks)
        self._add_pictures(kept, job.pictures)
        self._alike.setdefault((job.key_name, job.fingerprint), {})[job.job_id] = None

    async def reopen(self, job: JobRow, *, limits: Limits | None = None) -> None:
        """Take a job that had ended up again.

        Raises: LimitReached; KeyError for one that was never added.
        """
        kept = self._jobs[job.job_id]
        before = kept.row
        if limits is None:
            self._accounts.resume(before)
        else:
            job = self._accounts.take(job, limits).job
        known = {task.task_id: task for task in before.tasks}
        tasks = tuple(known.get(task.task_id, task) for task in job.tasks)
        own = {task.task_id for task in tasks}
        kept.row = replace(
            job,
            tasks=tasks,
            pictures=tuple(one for one in before.pictures if one.task_id in own),
            key_name=before.key_name,
            idempotency_key=before.idempotency_key,
            ended_at=None,
            failure=None,
        )
        self._hooks.turned(job.job_id, None)
        self._add_tasks(kept, (task for task in tasks if task.task_id not in known))
        self._census.is_claimed(job.job_id)
        self._leave_alike(before)
        self._alike.setdefault((before.key_name, job.fingerprint), {})[job.job_id] = None
        self._over.pop(job.job_id, None)

    async def record(
        self, event: TaskEvent, state: State, pictures: Sequence[PictureRow] = ()
    ) -> None:
        """Remember what became of a task. Raises: KeyError for a job that was never added."""
        kept = self._jobs[event.job_id]
        change = self._accounts.told(event, state)
        if event.task_id in kept.tasks:
            self._census.move(event.task_id, state, event.at)
        if isinstance(event, Created | Found) and event.task_id in kept.tasks:
            self._upstream.setdefault(event.upstream_id, {})[event.task_id] = None
            kept.tasks[event.task_id] = event.upstream_id
        new = self._add_pictures(kept, pictures)
        places = {task.task_id: task.place for task in kept.row.tasks}
        shown = (*kept.row.pictures, *(one for one in new if one.task_id in places))
        kept.row = replace(
            kept.row,
            tasks=tuple(after(task, event, state, change) for task in kept.row.tasks),
            pictures=tuple(sorted(shown, key=lambda one: (places[one.task_id], one.place))),
        )

    async def remark(self, event: JobEvent, failure: Failure | None = None) -> None:
        """Remember what became of a job. Raises: KeyError for one that was never added."""
        kept = self._jobs[event.job_id]
        match event:
            case JobEnded():
                plan = without_prompt(kept.row.plan)
                kept.row = replace(kept.row, ended_at=event.at, failure=failure, plan=plan)
                self._over[event.job_id] = None
                self._hooks.turned(event.job_id, event.at)
                self._accounts.ended(event.job_id)
                if kept.row.delivered_at is None:
                    until = (one.expires_at for one in self._nobodys(kept.row))
                    self._census.can_be_claimed(event.job_id, until)
            case JobDelivered():
                kept.row = replace(kept.row, delivered_at=event.at)
                self._census.is_claimed(event.job_id)
            case JobPromised():
                kept.row = replace(kept.row, promised_at=event.at)
            case JobClaimed() if kept.row.delivered_at is None:
                kept.row = replace(kept.row, delivered_at=event.at)
                self._census.is_claimed(event.job_id)
            case JobJoined() | JobReopened() if event.idempotency_key is not None:
                self._give(kept, event.idempotency_key)
        while len(self._over) > self._most:
            self._forget(next(iter(self._over)))

    async def add_links(self, job_id: str, links: Mapping[str, str]) -> None:
        """Remember where a job's references lie at the vendor."""
        kept = self._jobs[job_id]
        kept.row = replace(kept.row, links={**kept.row.links, **links})

    async def add_hook(self, hook: HookRow, at: float) -> None:
        """Have a job's end told to an address.

        Raises: KeyError for one that was never added, TooManyHooks.
        """
        self._hooks.add(hook, self._jobs[hook.job_id].row, at)

    async def hook_tried(self, hook: HookRow) -> None:
        """Remember what came of telling."""
        self._hooks.tried(hook)

    async def due_hooks(
        self, now: float, most: int, without: Container[str] = frozenset()
    ) -> DueHooks:
        """What is to be told by now."""
        return self._hooks.due(now, most, without)

    async def fetched(self, token: str, at: float) -> None:  # noqa: ARG002 - when, is for the ledger
        """Remember that a picture was fetched by its link."""
        if token not in self._pictures:
            return
        self._pictures[token] = True
        for job_id in self._census.unclaimed():
            kept = self._jobs[job_id]
            if token in kept.tokens and not self._nobodys(kept.row):
                self._census.is_claimed(job_id)

    async def look(self, key_name: str, limits: Limits) -> None:
        """Whether a key may send one more request. Raises: LimitReached."""
        self._accounts.look(key_name, limits)

    async def take_request(self, key_name: str, limits: Limits) -> None:
        """Count a request that buys nothing. Raises: LimitReached."""
        self._accounts.take_request(key_name, limits)

    async def standing(self, key_name: str, limits: Limits) -> Standing:
        """What a key has used."""
        return self._accounts.standing(key_name, limits)

    async def used(self, key_name: str, credential: str) -> None:
        """Nothing is told of it later."""

    async def keep_accounts(self) -> None:
        """Nothing outlives the process."""

    async def job(self, name: str) -> JobRow | None:
        """A job, unless it was never added or is forgotten."""
        if name not in self._jobs and name not in self._tasks:
            bearers = [self._tasks[task] for task in self._upstream.get(name, ())]
            name = max(bearers)[1] if bearers else name
        elif name not in self._jobs:
            name = self._tasks[name][1]
        return self._jobs[name].row if name in self._jobs else None

    async def ended(self, key_name: str, fingerprint: bytes) -> tuple[JobRow, ...]:
        """The newest few that ended for such a request and had bought something."""
        alike = (self._jobs[name] for name in self._alike.get((key_name, fingerprint), ()))
        bought = [
            kept
            for kept in alike
            if kept.row.ended_at is not None
            and any(not task.nothing_bought for task in kept.row.tasks)
        ]
        # Of those that nobody has had many more: they must not be bought again.
        bought.sort(key=lambda one: -one.number)
        kept = [one for one in bought if one.row.delivered_at is None][:_MOST]
        kept += [one for one in bought if one.row.delivered_at is not None][:_MOST_DELIVERED]
        return tuple(one.row for one in sorted(kept, key=lambda one: one.number))

    async def keyed(self, key_name: str, idempotency_key: str) -> JobRow | None:
        """The job that holds this idempotency key."""
        name = self._keyed.get((key_name, idempotency_key))
        return None if name is None else self._jobs[name].row

    async def given(self, key_name: str, fingerprint: bytes, idempotency_key: str) -> JobRow | None:
        """The job that another request with this key was given."""
        for name in reversed(self._given.get((key_name, idempotency_key), {})):
            if self._jobs[name].row.fingerprint == fingerprint:
                return self._jobs[name].row
        return None

    async def unfinished(self) -> tuple[JobRow, ...]:
        """All jobs that have not ended."""
        return tuple(kept.row for kept in self._jobs.values() if kept.row.ended_at is None)

    async def lost(self, since: float) -> tuple[JobRow, ...]:
        """Jobs that ended with a task that is LOST."""
        return tuple(
            row
            for row in (kept.row for kept in self._jobs.values())
            if row.ended_at is not None
            and row.ended_at > since
            and any(task.state is State.LOST for task in row.tasks)
        )

    async def claimed(self) -> frozenset[str]:
        """Pictures that somebody has had."""
        rows = (kept.row for kept in self._jobs.values())
        delivered = (row for row in rows if row.delivered_at is not None)
        had = {picture.token for row in delivered for picture in row.pictures}
        return frozenset(had | {token for token, had in self._pictures.items() if had})

    async def unclaimed(self) -> tuple[Unclaimed, ...]:
        """Jobs whose pictures died before anybody had them."""
        dead = self._census.dead(self._clock.wall())
        rows = (self._jobs[job_id].row for job_id in dead)
        return tuple(lost(row, self._nobodys(row)) for row in rows)

    async def write_off(self, job_ids: Sequence[str]) -> None:
        """These need not be told of again."""
        for job_id in job_ids:
            self._census.is_claimed(job_id)

    async def figures(self) -> LedgerFigures:
        """What there is, in numbers."""
        now = self._clock.wall()
        living = [self._jobs[job_id].row for job_id in self._census.living(now)]
        return LedgerFigures(
            tasks=self._census.numbers,
            unclaimed=sum(task.state is State.DONE for row in living for task in row.tasks),
            oldest_uncertain=self._census.uncertain_for(now),
            hooks=self._hooks.pending,
        )

    async def prune(self, before: float) -> int:
        """Forget jobs that ended before then."""
        old = [name for name in self._over if (self._jobs[name].row.ended_at or 0.0) < before]
        for name in old:
            self._forget(name)
        return len(old)

    async def close(self) -> None:
        """Nothing to release."""

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _give(self, kept: _Kept, idempotency_key: str) -> None:
        kept.keys.add(idempotency_key)
        given = self._given.setdefault((kept.row.key_name, idempotency_key), {})
        given.pop(kept.row.job_id, None)
        given[kept.row.job_id] = None

    def _add_tasks(self, kept: _Kept, tasks: Iterable[TaskRow]) -> None:
        for task in tasks:
            kept.tasks[task.task_id] = None
            self._census.enter(task.task_id, task.state)
            self._tasks[task.task_id] = (self._next(), kept.row.job_id)

    def _nobodys(self, row: JobRow) -> list[PictureRow]:
        return [picture for picture in row.pictures if not self._pictures[picture.token]]

    def _add_pictures(self, kept: _Kept, pictures: Iterable[PictureRow]) -> list[PictureRow]:
        """Those of them that are new."""
        new = [one for one in pictures if one.token not in self._pictures]
        kept.tokens += [one.token for one in new]
        self._pictures.update((one.token, False) for one in new)
        return new

    def _leave_alike(self, row: JobRow) -> None:
        alike = self._alike[row.key_name, row.fingerprint]
        del alike[row.job_id]
        if not alike:
            del self._alike[row.key_name, row.fingerprint]

    def _forget(self, name: str) -> None:
        del self._over[name]
        self._census.is_claimed(name)
        self._hooks.forget(name)
        kept = self._jobs.pop(name)
        for task_id, upstream_id in kept.tasks.items():
            del self._tasks[task_id]
            self._census.leave(task_id)
            if upstream_id is not None:
                bearers = self._upstream[upstream_id]
                del bearers[task_id]
                if not bearers:
                    del self._upstream[upstream_id]
        for token in kept.tokens:
            del self._pictures[token]
        if kept.row.idempotency_key is not None:
            self._keyed.pop((kept.row.key_name, kept.row.idempotency_key), None)
        for key in kept.keys:
            del self._given[kept.row.key_name, key][name]
            if not self._given[kept.row.key_name, key]:
                del self._given[kept.row.key_name, key]
        self._leave_alike(kept.row)
