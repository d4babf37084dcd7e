"""A ledger on a disk that outlives processes, with one writer each, as SQLite's is.

What was committed is there for the next process; what was only asked for, or kept back because the
disk was full, goes with the process that had it.
"""

import asyncio
from collections.abc import Callable, Container, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from gateway.config.sections import Limits
from gateway.events import (
    Created,
    CreateSent,
    Found,
    JobDelivered,
    JobEnded,
    JobEvent,
    RecreateAllowed,
    State,
    TaskEvent,
)
from gateway.state.base import (
    NO_LIMITS,
    Failure,
    JobRow,
    LedgerFigures,
    PictureRow,
    Standing,
    Unclaimed,
)
from gateway.state.hooks import DueHooks, HookRow
from gateway.state.memory import MemoryStore
from gateway.state.trouble import unavailable
from tests.faults.notebook import Moment, Notebook

_SELDOM = 1.0


class Mortal(Protocol):
    """Whose ledger it is."""

    dead: bool
    number: int

    def dies_now(self, moment: str) -> bool:
        """Whether this is where the process ends; it is dead then."""
        ...


@dataclass
class Disk:
    """What lasts: the rows, each task's last state (replaced ones too), and when it is full."""

    kept: MemoryStore
    states: dict[str, State] = field(default_factory=dict)
    full: list[tuple[float, float]] = field(default_factory=list)

    def is_full(self, now: float) -> bool:
        return bool(self.full) and any(begin <= now < end for begin, end in self.full)


@dataclass(slots=True)
class _Entry:
    apply: Callable[[], None]
    step: bool
    answer: asyncio.Future[None]


def _at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waited")


class Ledger:
    """One process's way to the disk."""

    durable = True

    def __init__(self, disk: Disk, owner: Mortal, notebook: Notebook, chance: Random) -> None:
        self._disk = disk
        self._owner = owner
        self._notebook = notebook
        self._chance = chance
        self._loop = asyncio.get_running_loop()
        self._queue: list[_Entry] = []
        self._backlog: list[Callable[[], None]] = []
        self._hindered_at: float | None = None
        self._due = False
        self.marked: set[str] = set()
        self.known: set[str] = set()
        self.serving = False
        self.secret = disk.kept.secret

    @property
    def trouble(self) -> str | None:
        return "full" if self._hindered_at is not None else None

    async def open(self) -> None:
        """Nothing to take up."""

    # What is written

    async def add_job(
        self, job: JobRow, *, limits: Limits = NO_LIMITS, instead_of: str | None = None
    ) -> None:
        for task in job.tasks:
            self._notebook.job_of[task.task_id] = job.job_id

        def apply() -> None:
            _at_once(self._disk.kept.add_job(job, limits=limits, instead_of=instead_of))
            self._disk.states.update((task.task_id, task.state) for task in job.tasks)

        await self._write(apply, step=True)

    async def reopen(self, job: JobRow, *, limits: Limits | None = None) -> None:
        for task in job.tasks:
            self._notebook.job_of[task.task_id] = job.job_id

        def apply() -> None:
            _at_once(self._disk.kept.reopen(job, limits=limits))
            for task in job.tasks:
                self._disk.states.setdefault(task.task_id, task.state)
            self._notebook.ends.pop(job.job_id, None)

        await self._write(apply, step=True)

    async def record(
        self, event: TaskEvent, state: State, pictures: Sequence[PictureRow] = ()
    ) -> None:
        pictures = tuple(pictures)

        def apply() -> None:
            _at_once(self._disk.kept.record(event, state, pictures))
            self._disk.states[event.task_id] = state

        await self._write(apply, step=isinstance(event, CreateSent | RecreateAllowed))
        if isinstance(event, CreateSent):
            self.marked.add(event.task_id)
        elif isinstance(event, Created | Found):
            self.known.add(event.upstream_id)

    async def remark(self, event: JobEvent, failure: Failure | None = None) -> None:
        clock = self._notebook.clock
        moment = Moment(self._owner.number, clock.monotonic(), clock.wall())
        if isinstance(event, JobEnded):
            self._notebook.ends[event.job_id] = moment
            self._notebook.failed[event.job_id] = failure is not None
        elif isinstance(event, JobDelivered):
            self._notebook.deliveries[event.job_id] = moment
        await self._write(lambda: _at_once(self._disk.kept.remark(event, failure)))

    async def add_links(self, job_id: str, links: Mapping[str, str]) -> None:
        links = dict(links)
        await self._write(lambda: _at_once(self._disk.kept.add_links(job_id, links)))

    async def add_hook(self, hook: HookRow, at: float) -> None:
        await self._write(lambda: _at_once(self._disk.kept.add_hook(hook, at)), step=True)

    async def hook_tried(self, hook: HookRow) -> None:
        await self._write(lambda: _at_once(self._disk.kept.hook_tried(hook)))

    async def due_hooks(
        self, now: float, most: int, without: Container[str] = frozenset()
    ) -> DueHooks:
        await self._reading()
        return await self._disk.kept.due_hooks(now, most, without)

    async def fetched(self, token: str, at: float) -> None:
        await self._write(lambda: _at_once(self._disk.kept.fetched(token, at)))

    async def look(self, key_name: str, limits: Limits) -> None:
        await self._disk.kept.look(key_name, limits)

    async def take_request(self, key_name: str, limits: Limits) -> None:
        await self._disk.kept.take_request(key_name, limits)

    async def standing(self, key_name: str, limits: Limits) -> Standing:
        return await self._disk.kept.standing(key_name, limits)

    async def used(self, key_name: str, credential: str) -> None:
        """Nobody asks."""

    async def keep_accounts(self) -> None:
        await self._write(lambda: None, step=True)

    async def unclaimed(self) -> tuple[Unclaimed, ...]:
        await self._reading()
        return await self._disk.kept.unclaimed()

    async def write_off(self, job_ids: Sequence[str]) -> None:
        ids = tuple(job_ids)
        await self._write(lambda: _at_once(self._disk.kept.write_off(ids)), step=True)

    async def figures(self) -> LedgerFigures:
        await self._reading()
        return await self._disk.kept.figures()

    async def prune(self, before: float) -> int:
        found: list[int] = []
        await self._write(lambda: found.append(_at_once(self._disk.kept.prune(before))), step=True)
        return found[0]

    async def close(self) -> None:
        if self._queue:
            await asyncio.wait([entry.answer for entry in self._queue])
        if self._backlog and not self._disk.is_full(self._loop.time()):
            self._flush()
        self._backlog.clear()
        self._hindered_at = None

    # What is read

    async def job(self, name: str) -> JobRow | None:
        await self._reading()
        return await self._disk.kept.job(name)

    async def ended(self, key_name: str, fingerprint: bytes) -> tuple[JobRow, ...]:
        await self._reading()
        return await self._disk.kept.ended(key_name, fingerprint)

    async def keyed(self, key_name: str, idempotency_key: str) -> JobRow | None:
        await self._reading()
        return await self._disk.kept.keyed(key_name, idempotency_key)

    async def given(self, key_name: str, fingerprint: bytes, idempotency_key: str) -> JobRow | None:
        await self._reading()
        return await self._disk.kept.given(key_name, fingerprint, idempotency_key)

    async def unfinished(self) -> tuple[JobRow, ...]:
        await self._reading()
        return await self._disk.kept.unfinished()

    async def lost(self, since: float) -> tuple[JobRow, ...]:
        await self._reading()
        return await self._disk.kept.lost(since)

    async def claimed(self) -> frozenset[str]:
        await self._reading()
        return await self._disk.kept.claimed()

    async def _reading(self) -> None:
        self._check()
        await asyncio.sleep(self._chance.uniform(0.0001, 0.004))  # noqa: TID251 - made-up time
        hard = self.serving and self._disk.is_full(self._loop.time())
        if hard and self._chance.random() < 0.1:
            raise unavailable()

    # The writer

    async def _write(self, apply: Callable[[], None], *, step: bool = False) -> None:
        self._check()
        entry = _Entry(apply, step, self._loop.create_future())
        self._queue.append(entry)
        self._plan(self._pause())
        await entry.answer

    def _check(self) -> None:
        if self._owner.dead:
            raise asyncio.CancelledError

    def _pause(self) -> float:
        return self._chance.choice((0.0002, 0.001, 0.004, 0.02))

    def _plan(self, pause: float) -> None:
        if not self._due:
            self._due = True
            self._loop.call_later(pause, self._commit)

    def _commit(self) -> None:
        self._due = False
        if self._owner.dies_now("commit"):
            return
        now = self._loop.time()
        batch, self._queue = self._queue, []
        if self._hindered_at is not None and not self._disk.is_full(now):
            asked = any(entry.step for entry in batch) and now - self._hindered_at >= _SELDOM
            if asked or not batch:
                self._flush()
        outcomes = [(entry.answer, self._take(entry, now)) for entry in batch]
        if self._owner.dies_now("committed"):
            return
        self._loop.call_later(self._chance.choice((0.0, 0.0005, 0.003)), _settle, outcomes)
        if self._hindered_at is not None:
            self._loop.call_later(2.0, self._plan, 0.0)

    def _take(self, entry: _Entry, now: float) -> Exception | None:
        if entry.step and entry.answer.cancelled():
            return None
        if self._hindered_at is None and self._disk.is_full(now):
            self._hindered_at = now
            self._notebook.note("   the ledger takes no entries")
        if self._hindered_at is not None:
            if entry.step:
                return unavailable()
            self._backlog.append(entry.apply)
            return None
        try:
            entry.apply()
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            return error
        return None

    def _flush(self) -> None:
        self._notebook.note(f"   the ledger takes entries again, {len(self._backlog)} made good")
        self._hindered_at = None
        backlog, self._backlog = self._backlog, []
        for apply in backlog:
            try:
                apply()
            except Exception as error:  # noqa: BLE001 - the others must not suffer
                self._notebook.breach(f"a fact was left out: {error!r}")


def _settle(outcomes: list[tuple[asyncio.Future[None], Exception | None]]) -> None:
    for answer, error in outcomes:
        if answer.done():
            continue
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)
