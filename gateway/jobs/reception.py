"""Taking a wish in: it gets what is paid for already, or a job of its own; then the waiting.

Owns: the order (look, join or start), the visit, and what a caller is told whose time runs out.
Must not know: HTTP, the vendor. A caller who leaves, or whose time runs out, is a visitor leaving:
the job goes on.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from gateway.access.limits import put_off, refusal
from gateway.clock import Clock
from gateway.config.sections import Limits
from gateway.errors import (
    DeadlineExceeded,
    GenerationNotFound,
    IdempotencyKeyReused,
    InvalidRequest,
    Overloaded,
    RateLimited,
    UpstreamUnavailable,
)
from gateway.events import JobDelivered, JobJoined, State
from gateway.facts import Whereabouts
from gateway.jobs.board import Job, Outcome
from gateway.jobs.fingerprint import fingerprint
from gateway.jobs.joins import Anew, Ask, How, Joins, Match
from gateway.jobs.memory import Memory
from gateway.jobs.phases import Meter
from gateway.jobs.queue import Queue
from gateway.jobs.recovery import SecondLook
from gateway.jobs.rows import outcome_of
from gateway.jobs.runner import Runner
from gateway.jobs.wish import Wish, own_key
from gateway.state.base import IdempotencyKeyTaken, JobRow, LimitReached, Standing
from gateway.translate.model import ImageRequest
from gateway.upstream.base import StatusUnavailable

_TRIES = 5
_LAST_MOMENT = 0.8


class CallerLeft(Exception):
    """The connection ended before the answer; nobody is left to tell."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request's stay with a job, live or over; ``how`` says why it was not a new one."""

    job: Job | JobRow
    how: How | None
    outcome: asyncio.Future[Outcome]
    clock: Clock

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.job.job_id

    @property
    def created_at(self) -> float:
        """When the job was begun, in Unix seconds."""
        return self.job.created_at

    @property
    def upstream_ids(self) -> tuple[str, ...]:
        """The vendor's ids, in the plan's order, of the tasks that have one."""
        if isinstance(self.job, Job):
            return self.job.upstream_ids
        return tuple(task.upstream_id for task in self.job.tasks if task.upstream_id)

    def whereabouts(self) -> Whereabouts:
        """What the request waits for at the moment."""
        return self.job.whereabouts if isinstance(self.job, Job) else "download"

    @property
    def cost(self) -> int:
        """What the request has been charged by now, in micro-dollars: only for what it began."""
        return self.job.spent if self.how is None and isinstance(self.job, Job) else 0

    def meter(self) -> Meter:
        """Measures whose the time is that is waited from now on."""
        watches = [task.watch for task in self.job.tasks] if isinstance(self.job, Job) else []
        return Meter(watches, self.clock.monotonic(), joined=self.how is not None)

    async def wait(self, wish: Wish, gone: asyncio.Future[None]) -> Outcome:
        """The job's outcome, unless the wish's time is over or its caller ``gone`` before.

        Raises: DeadlineExceeded, CallerLeft. Neither touches the job.
        """
        await self._wait(wish.arrived + wish.seconds - self.clock.monotonic(), gone)
        patient = wish.seconds >= wish.own_seconds
        if patient and isinstance(self.job, Job) and self.job.is_creating:
            # Whether anything is bought is about to be known, and makes all the difference.
            await self._wait(_LAST_MOMENT, gone)
        if self.outcome.done():
            return self.outcome.result()
        if gone.done():
            raise CallerLeft
        raise self._too_late(wish)

    async def _wait(self, seconds: float, gone: asyncio.Future[None]) -> None:
        timer = asyncio.ensure_future(self.clock.sleep(max(0.0, seconds)))
        waited: set[asyncio.Future[Any]] = {self.outcome, gone, timer}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()

    def _too_late(self, wish: Wish) -> DeadlineExceeded:
        """Where only the caller's own time-out ran out, coming back gets what is paid for."""
        assert isinstance(self.job, Job)  # noqa: S101 - what is over has its outcome
        seconds = round(self.clock.monotonic() - wish.arrived)
        message, bought = f"The image was not ready within {seconds} s.", self.job.bought()
        patient = wish.seconds >= wish.own_seconds
        if bought is not None:
            paid = "already paid for" if bought.upstream_ids else "perhaps already paid for"
            message += f" It is still being made, and {paid}: "
            message += "do not send the request again." if patient else "ask again to get it."
        return DeadlineExceeded(
            message,
            code="upstream_timeout",
            bought=bought,
            retry_after=None if patient else 1,
            come_back=not patient,
        )


@dataclass(frozen=True, slots=True)
class Glance:
    """A job as its owner may see it; ``outcome`` is there once it is over."""

    job: Job | JobRow
    outcome: Outcome | None


class Reception:
    """The one way from a request to a job."""

    def __init__(
        self, memory: Memory, runner: Runner, joins: Joins, look: SecondLook, queue: Queue
    ) -> None:
        self._queue = queue
        self._store = memory.store
        self._journal = memory.journal
        self._board = memory.board
        self._shelf = memory.shelf
        self._clock = memory.clock
        self._runner = runner
        self._joins = joins
        self._look = look

    def fingerprint(self, key_name: str, request: ImageRequest) -> bytes:
        """What tells this request from all others under the key's name."""
        return fingerprint(self._store.secret, key_name, request)

    async def look_ahead(
        self, key_name: str, limits: Limits, weight: int, *, returning: bool
    ) -> None:
        """Whether reading a request is worth it; nothing is taken. Raises: RateLimited, Overloaded.

        One that is ``returning`` may be for what is paid already, and is let in however many wait.
        """
        try:
            await self._store.look(key_name, limits)
        except LimitReached as reached:
            if returning:
                raise put_off(reached) from None
            raise refusal(reached, self._clock.wall(), 1.0) from None
        if not returning:
            self._queue.check(key_name, weight)

    async def count(self, key_name: str, limits: Limits) -> None:
        """Count a request that buys nothing. Raises: RateLimited."""
        try:
            await self._store.take_request(key_name, limits)
        except LimitReached as reached:
            raise put_off(reached) from None

    async def standing(self, key_name: str, limits: Limits) -> Standing:
        """What a key has used of its limits."""
        return await self._store.standing(key_name, limits)

    async def used(self, key_name: str, credential: str) -> None:
        """Note that a key was used, by this credential of it."""
        await self._store.used(key_name, credential)

    @contextlib.asynccontextmanager
    async def visit(
        self, wish: Wish, *, retry: bool, request_id: str, gone: asyncio.Future[None]
    ) -> AsyncIterator[Visit]:
        """Join the wish to a job or start one; the visit lasts until the answer was given.

        A new job takes all that its key's limits allow, a joined one costs a request.
        Raises: CallerLeft before anything is begun for nobody, IdempotencyKeyReused, RateLimited,
        and what ``Runner.start`` raises.
        """
        try:
            ask = Ask(wish.key_name, wish.fingerprint, wish.idempotency_key, retry)
            visit = await self._received(wish, ask, gone)
        except (InvalidRequest, IdempotencyKeyReused):
            await wish.release()
            with contextlib.suppress(RateLimited):  # what is wrong counts as a request
                await self.count(wish.key_name, wish.limits)
            raise
        except BaseException:
            await wish.release()
            raise
        try:
            if visit.how is not None:
                await wish.release()
                await self.count(wish.key_name, wish.limits)
                told = JobJoined(
                    job_id=visit.job_id,
                    at=self._clock.wall(),
                    how=visit.how,
                    request_id=request_id,
                    idempotency_key=own_key(wish.idempotency_key),
                )
                if isinstance(visit.job, JobRow) or visit.job.written:
                    await self._journal.remark(told)
                else:  # whether the ledger takes the job at all is still open
                    self._journal.announce(told)
            yield visit
        finally:
            self._board.leave(visit.job_id)

    async def delivered(self, job_id: str) -> None:
        """An answer with all the job's pictures was handed over, and nobody had hung up."""
        await self._journal.remark(JobDelivered(job_id=job_id, at=self._clock.wall()))

    async def fetched(self, token: str) -> None:
        """A picture was read to its end through its link."""
        await self._store.fetched(token, self._clock.wall())

    async def look(self, key_name: str, name: str) -> Glance:
        """A job of this key's, by its id, a task's or the vendor's. Raises: GenerationNotFound."""
        job = self._board.named(name)
        if job is not None and job.key_name == key_name:
            return Glance(job, None)
        row = await self._store.job(name)
        if row is None or row.key_name != key_name:
            message = "There is no such generation, or it belongs to another key."
            raise GenerationNotFound(message, param="id", code="generation_not_found")
        live = self._board.live(row.job_id)
        if live is not None:
            return Glance(live, None)
        return Glance(row, outcome_of(row, self._shelf) if row.ended_at is not None else None)

    async def _received(self, wish: Wish, ask: Ask, gone: asyncio.Future[None]) -> Visit:
        looked: set[str] = set()
        for _ in range(_TRIES):
            found = await self._joins.find(ask, wish.plan)
            if isinstance(found, Match):
                return self._joined(found, wish)
            if gone.done():
                raise CallerLeft
            if found.adopt is not None and found.adopt.job_id not in looked:
                # Whoever asks the vendor waits, and meanwhile an equal request may have begun.
                if not await self._look_once_more(found.adopt):
                    looked.add(found.adopt.job_id)
                continue
            if found.adopt is not None and self._look.is_told(found.adopt):
                looked.discard(found.adopt.job_id)  # since it was denied
                continue
            try:
                return await self._begun(found, wish)
            except IdempotencyKeyTaken:
                continue  # another request was faster: the next look finds its job
        raise Overloaded("Too many requests with one Idempotency-Key at once.", retry_after=1)

    async def _look_once_more(self, row: JobRow) -> bool:
        """Whatever of a failed job is there after all is not bought again; whether it is taken up.

        Raises: UpstreamUnavailable.
        """
        if all(task.state is not State.LOST for task in row.tasks):
            return False
        try:
            return await self._look.look_at(row, wary=True)
        except StatusUnavailable as unavailable:
            message = "The image service does not say what became of an earlier, equal request."
            raise UpstreamUnavailable(message, retry_after=5) from unavailable

    async def _begun(self, anew: Anew, wish: Wish) -> Visit:
        if anew.adopt is not None:
            # Before the first wait, for an equal request may come while it is written down.
            self._joins.give(wish.key_name, wish.idempotency_key, anew.adopt.job_id)
            job = await self._runner.reopen(anew.adopt, wish)
        else:
            job = await self._runner.start(wish, instead_of=anew.instead_of)
        return Visit(job, None, job.outcome, self._clock)

    def _joined(self, match: Match, wish: Wish) -> Visit:
        if isinstance(match.job, Job):
            # What is not bought yet may be bought for as long as anybody waits for it.
            match.job.deadline = max(match.job.deadline, wish.arrived + wish.seconds)
            return Visit(match.job, match.how, match.job.outcome, self._clock)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        outcome.set_result(outcome_of(match.job, self._shelf))
        return Visit(match.job, match.how, outcome, self._clock)
