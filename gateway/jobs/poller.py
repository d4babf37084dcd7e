"""The one loop that asks the vendor about tasks.

Owns: a heap of due times, the questions under way, and what ends the asking. Must not know: who
waits, what is done with the pictures. One task, one timer and one allowance serve all: a task that
is waited for costs an entry in the heap. A question that fails costs nothing and ends nothing;
were the vendor's batch query ever published, a turn of due tasks could be served by one call.

A hint puts an extra question, which comes before all others. The task's own entry stays in the
heap, and what the extra one brings counts only if it ends the task: so whether hints come, or lie,
makes no difference to when else a task is asked about, and for how long.
"""

import asyncio
import heapq
import itertools
import math
import random
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.config.sections import Polling
from gateway.errors import DeadlineExceeded, GatewayError, ResultUnusable, TaskFailed
from gateway.events import Polled, PollFailed, Succeeded, Vanished
from gateway.events import TaskFailed as TaskFailedEvent
from gateway.failpoints import failpoint
from gateway.jobs.asking import ask
from gateway.jobs.board import Job, LiveTask
from gateway.jobs.journal import Journal
from gateway.jobs.schedule import Experience, next_ask
from gateway.upstream.base import StatusUnavailable, TaskStatus, TaskUnknown, Upstream
from gateway.upstream.governor import Governor

# A freshly accepted task may not be known everywhere at once, so one "unknown" proves nothing.
_UNKNOWN_TIMES = 5
_EMPTY_TIMES = 2
_LONGEST_HINT = 60.0
_FORGOTTEN = "The image service no longer knows the task it had accepted."
_TOO_LONG = "The image service did not finish the task in time."


@dataclass(slots=True)
class _Followed:
    """A task that is asked about. Times are monotonic seconds.

    Of one that is not ``fresh`` nobody looked when it ended: its duration teaches nothing.
    ``asking``: a question is under way, or about to be; ``overtaken``: its own time came meanwhile.
    ``hastened``: an extra question waits in the heap; ``held``: the vendor wants none until then.
    """

    task: LiveTask
    accepted: float
    until: float
    end: asyncio.Future[TaskStatus | GatewayError]
    fresh: bool = True
    asked: int = 0
    unknown: int = 0
    unknown_since: float = 0.0
    empty: int = 0
    asking: bool = False
    overtaken: bool = False
    hastened: bool = False
    held: float = -math.inf


@dataclass(order=True, slots=True)
class _Due:
    at: float
    turn: int
    followed: _Followed = field(compare=False)
    extra: bool = field(compare=False, default=False)


class Poller:
    """Follows tasks to their end. ``run`` must be running for ``follow`` to return."""

    def __init__(
        self,
        upstream: Upstream,
        governor: Governor,
        journal: Journal,
        clock: Clock,
        section: Polling,
        settle_time: float,
    ) -> None:
        self._upstream = upstream
        self._governor = governor
        self._journal = journal
        self._clock = clock
        self._section = section
        self._settle_time = settle_time
        self.experience = Experience(section.scale)
        self._heap: list[_Due] = []
        self._turns = itertools.count()
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(section.concurrency)
        self._asking: set[asyncio.Task[None]] = set()
        self._followed: dict[str, _Followed] = {}

    def __repr__(self) -> str:
        return f"Poller({len(self._heap)} waiting, {len(self._asking)} being asked about)"

    def expected_end(self, job: Job, now: float) -> float:
        """Seconds until a live job is likely to end, as far as can be said."""
        spec = job.tasks[0].spec
        return max(1.0, job.started + self.experience.typical(spec.tier, spec.quality) - now)

    async def follow(self, task: LiveTask, first: TaskStatus | None, until: float) -> TaskStatus:
        """Ask until the task is done; its last status. ``until`` is monotonic seconds.

        ``first`` is what is known of it; a task of which nothing is (it was accepted in another
        process) is asked about as soon as the allowance permits.
        Raises: GatewayError as the vendor's failure says, or DeadlineExceeded after ``until``.
        """
        accepted = task.accepted_at if task.accepted_at is not None else self._clock.monotonic()
        end: asyncio.Future[TaskStatus | GatewayError]
        end = asyncio.get_running_loop().create_future()
        followed = _Followed(task, accepted, until, end, fresh=first is not None)
        if first is None:
            self._put(followed, self._clock.monotonic())
        elif isinstance(first.failure, ResultUnusable) or not await self._judge(followed, first):
            self._schedule(followed)  # perhaps it is done, and its picture is named a moment later
        self._followed[task.entry.task_id] = followed
        self._hasten(followed)  # there may have been a hint before the create was answered
        try:
            result = await end
        finally:
            self._followed.pop(task.entry.task_id, None)
        if isinstance(result, GatewayError):
            raise result
        return result

    def hint(self, task: LiveTask) -> None:
        """The vendor says that a task has ended: it is asked about next.

        One that is not followed yet is as soon as it is looked up or accepted.
        """
        task.nudge.give()
        followed = self._followed.get(task.entry.task_id)
        if followed is not None:
            self._hasten(followed)

    async def run(self) -> None:
        """Ask whoever is due, for ever; cancel to stop."""
        try:
            while True:
                await self._until_due()
                due = heapq.heappop(self._heap)
                if not self._is_wanted(due):
                    continue
                due.followed.asking = True
                await self._slots.acquire()
                await self._governor.queries.turn()
                asking = asyncio.create_task(self._ask(due.followed, extra=due.extra))
                self._asking.add(asking)
                asking.add_done_callback(self._asked)
        finally:
            for asking in self._asking:
                asking.cancel()

    def _is_wanted(self, due: _Due) -> bool:
        """Whether a question that is due is to be put; never two at once about one task.

        One that comes before the vendor wants any is put then, or at the task's very end.
        """
        followed = due.followed
        hinted = followed.task.nudge.given
        if followed.end.done() or followed.asking or (due.extra and not hinted):
            if due.extra:
                followed.hastened = False  # what is just under way looks for a hint when it is over
            elif followed.asking:
                followed.overtaken = True
            return False
        at = min(followed.held, followed.until)
        if at > self._clock.monotonic():
            self._put(followed, at, extra=due.extra)
            return False
        if due.extra:
            followed.hastened = False
        return True

    async def _until_due(self) -> None:
        while True:
            self._woken.clear()
            wait = self._heap[0].at - self._clock.monotonic() if self._heap else None
            if wait is not None and wait <= 0:
                return
            woken = asyncio.ensure_future(self._woken.wait())
            timer = asyncio.ensure_future(self._clock.sleep(wait)) if wait is not None else None
            waiting = {woken, timer} if timer else {woken}
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in waiting:
                    one.cancel()

    def _asked(self, asking: asyncio.Task[None]) -> None:
        self._asking.discard(asking)
        self._slots.release()

    async def _ask(self, followed: _Followed, *, extra: bool) -> None:
        """Put one question; whatever happens, the task is over or scheduled again."""
        try:
            followed.task.nudge.take(self._clock.monotonic())
            pause = await self._question(followed, extra=extra)
            if followed.end.done():
                return
            if not extra or followed.overtaken:  # else its own entry is in the heap
                await self._go_on(followed, pause)
            followed.asking = False
            self._hasten(followed)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave a caller waiting for ever
            if not followed.end.done():
                followed.end.set_exception(error)

    async def _go_on(self, followed: _Followed, pause: float | None) -> None:
        """A question has not ended the task: there will be another, unless its time is over."""
        followed.overtaken = False
        followed.asked += 1
        if self._clock.monotonic() < followed.until:
            self._schedule(followed, pause)
        else:
            gone = DeadlineExceeded(_TOO_LONG, code="upstream_timeout")
            await self._vanish(followed, "no end within the time it is followed", gone)

    async def _question(self, followed: _Followed, *, extra: bool) -> float | None:
        """Ask, and act on the answer; seconds to leave the vendor alone, if it said so."""
        task = followed.task
        failpoint("poll.asking")
        try:
            status = await ask(self._upstream, self._journal, task.entry, task.upstream_id)
            failpoint("poll.asked")
        except StatusUnavailable as error:
            if error.throttled and error.retry_after is not None:
                self._governor.queries.pause(min(error.retry_after, _LONGEST_HINT))
            if error.retry_after is not None:
                pause = min(error.retry_after, _LONGEST_HINT)
                followed.held = self._clock.monotonic() + pause
            await self._note_failure(followed, error.reason)
            return error.retry_after
        except TaskUnknown as error:
            if extra or not self._is_forgotten(followed):
                await self._note_failure(followed, "unknown")
            else:
                gone = TaskFailed(_FORGOTTEN, code="upstream_task_unknown")
                await self._vanish(followed, f"unknown to the upstream ({error})", gone)
            return None
        if followed.end.done():  # left off meanwhile: nothing is told of it any more
            return None
        followed.unknown = 0
        if isinstance(status.failure, ResultUnusable) and (extra or followed.empty < _EMPTY_TIMES):
            # Done, but no picture is named: it may only be late with that.
            followed.empty += not extra
            await self._note_failure(followed, "done without a picture")
            return None
        await self._judge(followed, status)
        return None

    def _is_forgotten(self, followed: _Followed) -> bool:
        """The vendor knows no such task: whether it has said so often and long enough."""
        now = self._clock.monotonic()
        followed.unknown += 1
        if followed.unknown == 1:
            followed.unknown_since = now
        settled = now - followed.unknown_since >= self._settle_time
        return followed.unknown >= _UNKNOWN_TIMES and settled

    async def _judge(self, followed: _Followed, status: TaskStatus) -> bool:
        """Act on a status; True if the task is over."""
        task, stamp = followed.task, followed.task.entry.stamp(self._clock.wall())
        if status.progress is not None:
            task.progress = status.progress
        seconds = self._clock.monotonic() - followed.accepted
        if status.phase == "done":
            task.progress = 100
            told = Succeeded(
                **stamp,
                images=len(status.links),
                seconds=seconds,
                completed_at=status.completed_at,
                cost_usd=status.cost_usd,
            )
            failpoint("done.unwritten")
            await self._journal.tell(task.entry, told)
            failpoint("done.written")
            if followed.fresh:
                self.experience.observe(task.spec.tier, task.spec.quality, seconds)
            followed.end.set_result(status)
            return True
        if status.phase == "failed":
            failure = status.failure or TaskFailed("The upstream failed.", code="upstream_error")
            failure.withhold(task.spec.prompt)
            await self._journal.tell(
                task.entry,
                TaskFailedEvent(**stamp, reason=failure.code or "", cost_usd=status.cost_usd),
            )
            followed.end.set_result(failure)
            return True
        await self._journal.tell(
            task.entry, Polled(**stamp, word=status.word, progress=status.progress)
        )
        return False

    def _schedule(self, followed: _Followed, hint: float | None = None) -> None:
        now = self._clock.monotonic()
        spec = followed.task.spec
        pace = self.experience.pace(spec.tier, spec.quality)
        wait = next_ask(pace, followed.asked, now - followed.accepted, random.random())  # noqa: S311
        if hint is not None:
            wait = max(wait, min(hint, _LONGEST_HINT))
        self._put(followed, min(now + wait, followed.until))

    def _hasten(self, followed: _Followed) -> None:
        """If there was a hint, put an extra question, before all others that are due."""
        nudge = followed.task.nudge
        if nudge.given and not followed.asking and not followed.hastened:
            followed.hastened = True
            at = max(nudge.due, followed.held)
            self._put(followed, at if at > self._clock.monotonic() else -math.inf, extra=True)

    def _put(self, followed: _Followed, at: float, *, extra: bool = False) -> None:
        heapq.heappush(self._heap, _Due(at, next(self._turns), followed, extra))
        self._woken.set()

    async def _note_failure(self, followed: _Followed, reason: str) -> None:
        entry = followed.task.entry
        await self._journal.tell(
            entry, PollFailed(**entry.stamp(self._clock.wall()), reason=reason)
        )

    async def _vanish(self, followed: _Followed, reason: str, failure: GatewayError) -> None:
        entry = followed.task.entry
        await self._journal.tell(entry, Vanished(**entry.stamp(self._clock.wall()), reason=reason))
        followed.end.set_result(failure)
