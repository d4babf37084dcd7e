"""Driving a plan: reserve, upload, buy, follow, collect; then the answer for whoever waits.

Owns: a job's one task in the loop, the merging of its parts, and the waiting. Must not know: HTTP,
the vendor. A caller who leaves, or whose time runs out, is a waiter leaving: the job goes on.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.clock import Clock
from gateway.errors import DeadlineExceeded, Draining, GatewayError, InternalError
from gateway.events import Dropped, JobAbandoned, JobCrashed
from gateway.images.shelf import Reservation, Shelf
from gateway.jobs.board import Board, Job, LiveTask, Outcome, Release
from gateway.jobs.collector import Collector
from gateway.jobs.creator import Creator
from gateway.jobs.ids import job_id, task_id
from gateway.jobs.journal import Entry, Journal
from gateway.jobs.poller import Poller
from gateway.state.base import JobRow, TaskRow
from gateway.translate.model import Plan, Reference
from gateway.upstream.uploads import Uploads

_BYTES_PER_PIXEL = 4
# The most that a table size of each tier has, for a size that the vendor chooses.
_PIXELS = {"1k": 2_097_152, "2k": 5_242_880, "4k": 8_294_400}


class CallerLeft(Exception):
    """The connection ended before the answer; nobody is left to tell."""


@dataclass(frozen=True, slots=True)
class Line:
    """The stations a job passes, in order."""

    uploads: Uploads
    creator: Creator
    poller: Poller
    collector: Collector


@dataclass(frozen=True, slots=True)
class Wish:
    """What a job is started with.

    ``arrived`` is the request's monotonic time, ``seconds`` its deadline from then; ``release``
    gives up the caller's spooled files, and is called once, when the job is over.
    """

    plan: Plan
    key_name: str
    arrived: float
    seconds: float
    release: Release


class Runner:
    """Starts jobs and waits for them."""

    def __init__(
        self, line: Line, shelf: Shelf, journal: Journal, board: Board, clock: Clock, follow: float
    ) -> None:
        self._line = line
        self._shelf = shelf
        self._journal = journal
        self._board = board
        self._clock = clock
        self._follow = follow
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False

    def __repr__(self) -> str:
        return f"Runner({len(self._running)} jobs)"

    async def start(self, wish: Wish) -> Job:
        """Write the intent and set the job going.

        Raises: Draining once ``stop`` was called, NoRoom, and whatever the store raises.
        """
        if self._stopping:
            raise Draining(
                "The gateway is about to stop.", code="server_is_draining", retry_after=1
            )
        reservation = self._shelf.reserve(_room(wish.plan))
        try:
            job = self._new(wish, reservation)
            await self._journal.add(_row(job))
        except BaseException:
            reservation.release()
            raise
        self._board.put(job)
        running = asyncio.create_task(self._run(job), name=job.job_id)
        self._running.add(running)
        running.add_done_callback(lambda _: reservation.release())
        running.add_done_callback(self._running.discard)
        return job

    async def wait(self, job: Job, until: float, gone: asyncio.Future[None]) -> Outcome:
        """The job's outcome, for a caller who waits ``until`` (monotonic) or is ``gone`` before.

        Raises: DeadlineExceeded, CallerLeft. Neither touches the job.
        """
        job.waiters += 1
        job.deserted = False
        try:
            left = max(0.0, until - self._clock.monotonic())
            waited: set[asyncio.Future[Any]] = {job.outcome, gone}
            await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            job.waiters -= 1
            job.deserted = job.waiters == 0
        if job.outcome.done():
            return job.outcome.result()
        if gone.done():
            raise CallerLeft
        seconds = round(self._clock.monotonic() - job.started)
        bought = job.bought()
        message = f"The image was not ready within {seconds} s."
        if bought is not None:
            message += " It is still being made and already paid for: do not send it again."
        raise DeadlineExceeded(message, code="upstream_timeout", bought=bought)

    async def stop(self, seconds: float) -> None:
        """Take no new jobs, let running ones end for a while, then cancel the rest.

        Whoever waits for one of those is told; what it had bought is named.
        """
        self._stopping = True
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        for running in tuple(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _new(self, wish: Wish, reservation: Reservation) -> Job:
        wall = self._clock.wall()
        name = job_id(wall)
        return Job(
            job_id=name,
            key_name=wish.key_name,
            plan=wish.plan,
            created_at=wall,
            started=wish.arrived,
            deadline=wish.arrived + wish.seconds,
            give_up=wish.arrived + wish.seconds + self._follow,
            tasks=tuple(LiveTask(Entry(name, task_id(wall)), spec) for spec in wish.plan.tasks),
            outcome=asyncio.get_running_loop().create_future(),
            reservation=reservation,
            release=wish.release,
        )

    async def _run(self, job: Job) -> None:
        try:
            links = await self._links(job)
            await asyncio.gather(*(self._serve(job, task, links) for task in job.tasks))
        except asyncio.CancelledError:
            job.error = Draining(_STOPPED + (_PAID if job.bought() else ""))
            states = tuple(task.entry.state.value for task in job.tasks)
            told = JobAbandoned(job_id=job.job_id, upstream_ids=job.upstream_ids, states=states)
            self._journal.announce(told)
            raise
        except Exception as error:  # noqa: BLE001 - told to the caller and the log
            self._fail(job, error)
        finally:
            self._board.take(job)
            job.reservation.release()  # before anybody is told: the next request may be at once
            job.outcome.set_result(_merge(job))
            await job.release()

    async def _links(self, job: Job) -> Mapping[Reference, str]:
        """Every reference at the vendor; if that fails, nothing is bought."""
        try:
            return await self._line.uploads.links(_references(job.plan))
        except BaseException:
            for task in job.tasks:
                stamp = task.entry.stamp(self._clock.wall())
                reason = "a picture could not be uploaded"
                await self._journal.tell(task.entry, Dropped(**stamp, reason=reason))
            raise

    async def _serve(self, job: Job, task: LiveTask, links: Mapping[Reference, str]) -> None:
        """One task from intent to shelf. A failure leaves its siblings running: they are paid."""
        try:
            accepted = await self._line.creator.buy(job, task, links)
            done = await self._line.poller.follow(task, accepted, job.give_up)
            await self._line.collector.collect(job, task, done)
        except Exception as error:  # noqa: BLE001 - told to the caller and the log
            self._fail(job, error)

    def _fail(self, job: Job, error: Exception) -> None:
        """The first error of a job is its error."""
        if not isinstance(error, GatewayError):
            self._journal.announce(JobCrashed(job_id=job.job_id, error=error))
            error = InternalError(_FAULT, code="server_error")
        job.error = job.error or error


_STOPPED = "The gateway stopped while serving this request."
_PAID = " It is already paid for: do not send it again."
_FAULT = "The gateway failed while serving this request."


def _room(plan: Plan) -> int:
    """A generous guess at the bytes that a plan's pictures will take."""
    width, height = plan.bought or (_PIXELS[plan.tier], 1)
    return plan.n * width * height * _BYTES_PER_PIXEL


def _references(plan: Plan) -> tuple[Reference, ...]:
    first = plan.tasks[0]
    return (*first.references, *((first.mask,) if first.mask is not None else ()))


def _merge(job: Job) -> Outcome:
    """The parts in the plan's order; notes once each."""
    images = tuple(shelved for task in job.tasks for shelved in task.kept)
    notes = dict.fromkeys(note for task in job.tasks for note in task.notes)
    if job.error is not None:
        job.error.bought = job.bought()
    return Outcome(images=images, notes=tuple(notes), error=job.error)


def _row(job: Job) -> JobRow:
    tasks = tuple(TaskRow(task.entry.task_id, place) for place, task in enumerate(job.tasks))
    return JobRow(job.job_id, job.key_name, job.created_at, job.plan, tasks)
