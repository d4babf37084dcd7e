"""Driving a plan: reserve, upload, buy, follow, collect; then the end is written and told.

Owns: a job's one task in the loop, the merging of its parts, and what becomes of jobs when the
process stops. Must not know: HTTP, the vendor, who waits. A job goes on whoever leaves.
"""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from gateway.access.limits import refusal
from gateway.clock import Clock
from gateway.errors import Draining, GatewayError, InternalError, Overloaded
from gateway.events import (
    FINAL,
    JobAbandoned,
    JobCrashed,
    JobEnded,
    JobReopened,
    JobSuspended,
    State,
)
from gateway.failpoints import failpoint
from gateway.images.shelf import Shelf
from gateway.jobs.board import Board, Job, LiveTask, Outcome
from gateway.jobs.collector import Collector
from gateway.jobs.creator import NOTHING, Creator
from gateway.jobs.ids import job_id
from gateway.jobs.journal import Journal
from gateway.jobs.phases import Phase
from gateway.jobs.poller import Poller
from gateway.jobs.queue import Queue
from gateway.jobs.rows import failure_of, fresh_task, job_of, plain_error, references, row_of
from gateway.jobs.wish import Wish, own_key
from gateway.notices import JobBegun
from gateway.state.base import JobRow, LimitReached
from gateway.translate.model import Picture, Reference
from gateway.upstream.uploads import Uploads

_LOOK = 0.02
_AT_VENDOR = frozenset({State.CREATING, State.UNCERTAIN, State.RUNNING})


@dataclass(frozen=True, slots=True)
class Line:
    """The stations a job passes, in order."""

    uploads: Uploads
    queue: Queue
    creator: Creator
    poller: Poller
    collector: Collector


@dataclass(frozen=True, slots=True)
class Span:
    """For how long jobs are worked on, in seconds.

    ``follow``: after its deadline a task is followed. At the stop, ``creates`` are waited for and,
    where nothing is remembered, whole ``jobs``.
    """

    follow: float
    creates: float = 5.0
    jobs: float = 5.0


class Runner:
    """Starts jobs, takes up those that others had started, and stops them."""

    def __init__(
        self, line: Line, shelf: Shelf, journal: Journal, board: Board, clock: Clock, span: Span
    ) -> None:
        self._line = line
        self._shelf = shelf
        self._journal = journal
        self._board = board
        self._clock = clock
        self._span = span
        self._running: dict[asyncio.Task[None], Job] = {}
        self._stopping = False

    def __repr__(self) -> str:
        return f"Runner({len(self._running)} jobs)"

    async def start(self, wish: Wish, *, instead_of: str | None = None) -> Job:
        """Write the intent and set the job going, its first visitor entered.

        Raises: Draining once ``stop`` was called, NoRoom, Overloaded, RateLimited, QuotaExceeded,
        LedgerUnavailable, IdempotencyKeyTaken.
        """
        wall, now = self._clock.wall(), self._clock.monotonic()
        name = job_id(wall)
        places = range(len(wish.plan.tasks))
        tasks = tuple(fresh_task(wish, place, name, wall, now) for place in places)
        job = self._new(name, wall, wish, tasks)
        async with self._beginning(job):
            row = row_of(job, wish.own_seconds, wall + wish.own_seconds + self._span.follow)
            await self._journal.add(row, wish.limits, instead_of=instead_of)
            told = JobBegun(
                job_id=name,
                request_id=wish.request_id,
                key_name=wish.key_name,
                tasks=len(tasks),
            )
            self._journal.announce(told)
        return job

    async def reopen(self, row: JobRow, wish: Wish) -> Job:
        """Set a job that had failed going again: what it has is kept, the rest is bought anew.

        Raises: as ``start``.
        """
        wall, now = self._clock.wall(), self._clock.monotonic()
        old = job_of(row, self._shelf, now=wish.arrived, wall=wall, follow=self._span.follow)
        tasks = tuple(
            task if is_whole(task) else fresh_task(wish, place, row.job_id, wall, now)
            for place, task in enumerate(old.tasks)
        )
        job = self._new(row.job_id, row.created_at, wish, tasks)
        job.idempotency_key = row.idempotency_key  # as the ledger has it, where it stays as it was
        async with self._beginning(job):
            written = row_of(job, wish.own_seconds, wall + wish.own_seconds + self._span.follow)
            missing = sum(not is_whole(task) for task in tasks)
            told = JobReopened(
                job_id=row.job_id,
                at=wall,
                missing=missing,
                request_id=wish.request_id,
                idempotency_key=own_key(wish.idempotency_key),
            )
            await self._journal.reopen(written, told, wish.limits)
        return job

    def resume(self, job: Job) -> None:
        """Set a job going that was written down before; its tasks go on from their states.

        Those that the vendor has, or may have, hold their slots from here on.
        """
        self._board.put(job)
        for task in job.tasks:
            if task.entry.state in _AT_VENDOR:
                self._line.queue.occupy(task)
        self._set_going(job)

    async def stop(self) -> None:
        """Take no new jobs, wait for the creates under way, then suspend what runs.

        Where nothing is remembered, jobs are given some time to end instead. Whoever waits is told.
        """
        self._stopping = True
        durable = self._journal.durable
        self._line.creator.closed = durable
        if durable:
            until = self._clock.monotonic() + self._span.creates
            while self._creating() and self._clock.monotonic() < until:
                await self._clock.sleep(_LOOK)
        elif self._running:
            await asyncio.wait(self._running, timeout=self._span.jobs)
        await self.abort()

    async def abort(self) -> None:
        """Leave off every job at once, wherever it is."""
        self._stopping = self._line.creator.closed = True
        for running in tuple(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._line.uploads.close()

    def _creating(self) -> bool:
        return any(job.is_creating for job in self._running.values())

    @contextlib.asynccontextmanager
    async def _beginning(self, job: Job) -> AsyncIterator[None]:
        """Around the writing of a job; it is on the board, and goes if it could be written.

        It is put there before the first wait, so that an equal request finds it meanwhile.
        """
        self._board.put(job)
        self._board.enter(job.job_id)
        try:
            try:
                fresh = sum(task.entry.state is State.INTENT for task in job.tasks)
                self._line.queue.enter(job, fresh)
                yield
                self._line.queue.settle()
            except LimitReached as reached:
                raise refusal(reached, self._clock.wall(), self._soonest(job)) from None
        except BaseException as error:
            self._board.take(job)
            self._board.leave(job.job_id)
            self._line.queue.leave(job.job_id)
            job.reservation.release()
            told = error if isinstance(error, GatewayError) else Overloaded(_NOT_NOW, retry_after=1)
            job.outcome.set_result(Outcome(error=told))
            raise
        job.written = True
        self._set_going(job)

    def _soonest(self, job: Job) -> float:
        """Seconds until one of the key's live jobs is likely to end."""
        now = self._clock.monotonic()
        mine = [one for one in self._board.jobs() if one.key_name == job.key_name]
        ends = (self._line.poller.expected_end(one, now) for one in mine if one is not job)
        return min(ends, default=1.0)

    def _set_going(self, job: Job) -> None:
        running = asyncio.create_task(self._run(job), name=job.job_id)
        self._running[running] = job
        running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        """Cancelled before its first step, a job has not run at all: its callers hear of it too."""
        job = self._running.pop(running)
        job.reservation.release()
        self._line.queue.leave(job.job_id)
        if not job.outcome.done():
            self._board.take(job)
            job.error = Draining(_STOPPED, retry_after=1, come_back=True)
            job.outcome.set_result(_merge(job))

    def _new(self, name: str, wall: float, wish: Wish, tasks: tuple[LiveTask, ...]) -> Job:
        """A job for a wish. Raises: Draining, NoRoom."""
        if self._stopping:
            raise Draining(_STOPPING, code="server_is_draining", retry_after=1, come_back=True)
        return Job(
            job_id=name,
            key_name=wish.key_name,
            plan=wish.plan,
            created_at=wall,
            started=wish.arrived,
            deadline=wish.arrived + wish.seconds,
            give_up=wish.arrived + wish.own_seconds + self._span.follow,
            tasks=tasks,
            outcome=asyncio.get_running_loop().create_future(),
            reservation=self._shelf.reserve(wish.room),
            release=wish.release,
            fingerprint=wish.fingerprint,
            idempotency_key=wish.idempotency_key,
            written=False,
            weight=wish.weight,
            due=wish.arrived + wish.own_seconds,
        )

    async def _run(self, job: Job) -> None:
        try:
            await self._work(job)
            await self._close(job)
        except asyncio.CancelledError:
            await self._leave_off(job)
            raise
        finally:
            self._board.take(job)
            job.reservation.release()  # before anybody is told: the next request may be at once
            job.outcome.set_result(_merge(job))
            await job.release()

    async def _work(self, job: Job) -> None:
        job.error = plain_error(job)
        job.suspended = self._line.creator.closed  # begun when everything else was being left off
        if job.suspended:
            return
        try:
            links = await self._links(job)
        except Exception as error:  # noqa: BLE001 - told to the caller and the log
            self._fail(job, error)
            return
        await asyncio.gather(*(self._serve(job, task, links) for task in job.tasks))

    async def _close(self, job: Job) -> None:
        """Write how the job ended, before it is off the board."""
        if job.suspended:
            await self._leave_off(job)
            return
        error = _told_error(job)
        code = (error.code or type(error).__name__) if error else None
        told = JobEnded(job_id=job.job_id, at=self._clock.wall(), code=code)
        await self._journal.remark(told, failure_of(error) if error else None)
        failpoint("job.ended")

    async def _leave_off(self, job: Job) -> None:
        """The process ends before the job does."""
        job.suspended = self._journal.durable
        if job.suspended:
            job.error = Draining(_STOPPED, retry_after=1, come_back=True)
            told = JobSuspended(job_id=job.job_id, at=self._clock.wall(), states=job.states)
            await self._journal.remark(told)
            return
        job.error = Draining(_STOPPED + (_PAID if job.bought() else ""))
        self._journal.announce(
            JobAbandoned(job_id=job.job_id, upstream_ids=job.upstream_ids, states=job.states)
        )

    async def _links(self, job: Job) -> Mapping[Reference, str]:
        """Every reference at the vendor; if that fails, nothing is bought."""
        wanted = references(job.plan)
        if not wanted or all(task.entry.state is not State.INTENT for task in job.tasks):
            return {}
        if job.links:
            return {one: _address(one, job.links) for one in wanted}
        self._watch(job, "upstream")
        try:
            links = await self._line.uploads.links(wanted)
        except Exception:
            await self._drop_all(job)
            raise
        finally:
            self._watch(job, None)
        job.links.update(
            {one.digest: url for one, url in links.items() if isinstance(one, Picture)}
        )
        await self._journal.add_links(job.job_id, job.links)
        failpoint("uploads.done")
        return links

    def _watch(self, job: Job, phase: Phase | None) -> None:
        for task in job.tasks:
            task.watch.enter(phase, self._clock.monotonic())

    async def _drop_all(self, job: Job) -> None:
        job.dropping = True
        for task in job.tasks:
            if task.entry.state is State.INTENT:
                await self._journal.give_up(task.entry, "a reference could not be uploaded")

    async def _serve(self, job: Job, task: LiveTask, links: Mapping[Reference, str]) -> None:
        """One task to the shelf. A failure leaves its siblings running: they are paid."""
        try:
            await self._go_on(job, task, links)
        except Draining:
            job.suspended = True
        except Exception as error:  # noqa: BLE001 - told to the caller and the log
            self._fail(job, error)
        finally:
            task.watch.end(self._clock.monotonic())

    async def _go_on(self, job: Job, task: LiveTask, links: Mapping[Reference, str]) -> None:
        if task.entry.state in FINAL:
            return
        if task.entry.state is State.COLLECTING:
            await self._line.collector.collect_late(job, task)
            return
        try:
            first = None
            if task.entry.state is State.UNCERTAIN or task.lost_before:
                first = await self._line.creator.look_up(job, task)
            if task.entry.state is State.INTENT:
                first = await self._line.creator.buy(job, task, links)
            done = await self._line.poller.follow(task, first, job.give_up)
        finally:
            self._line.queue.vacate(task)
        await self._line.collector.collect(job, task, done)

    def _fail(self, job: Job, error: Exception) -> None:
        """The first error of a job is its error."""
        if not isinstance(error, GatewayError):
            self._journal.announce(JobCrashed(job_id=job.job_id, error=error))
            error = InternalError(_FAULT, code="server_error")
        # A copy, for another job may have got the very same error, and each says what it bought.
        job.error = job.error or copy.copy(error)
        self._line.queue.give_up(job)


_STOPPING = "The gateway is about to stop."
_STOPPED = "The gateway stopped while serving this request."
_NOT_NOW = "The request could not be begun; nothing was bought."
_PAID = " It is already paid for: do not send it again."
_FAULT = "The gateway failed while serving this request."


def is_whole(task: LiveTask) -> bool:
    """Whether a task has all its pictures."""
    return task.entry.state is State.DONE and len(task.kept) == task.spec.n


def _address(reference: Reference, known: Mapping[str, str]) -> str:
    return known[reference.digest] if isinstance(reference, Picture) else reference.url


def _merge(job: Job) -> Outcome:
    """The parts in the plan's order; notes once each."""
    images = tuple(shelved for task in job.tasks for shelved in task.kept)
    notes = dict.fromkeys(note for task in job.tasks for note in task.notes)
    return Outcome(images=images, notes=tuple(notes), error=_told_error(job))


def _told_error(job: Job) -> GatewayError | None:
    """The job's error, with what was bought all the same."""
    error = job.error
    if error is not None:
        error.bought = job.bought()
        if error.bought is not None:  # one task's word is not the job's
            error.message = error.message.removesuffix(NOTHING)
    return error
