"""Turns at the vendor: who is next, how many tasks it has of ours at once, who waits no longer.

Owns: the requests that wait, the account's bound on tasks at the vendor, and what a place in the
queue is worth in seconds. Must not know: what is bought, limits, HTTP, how keys take turns
(``lines.py``).

A turn is a slot (one of ``max_tasks``, kept until the vendor is done with the task) and a submit of
the account's allowance. A place is kept for a caller who has hung up, who may come back;
but its turn is not.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gateway.clock import Clock
from gateway.config.sections import Queue as Section
from gateway.errors import Overloaded
from gateway.jobs.board import Job, LiveTask, Place
from gateway.jobs.lines import Lines
from gateway.notices import TaskQueued, TaskUnqueued
from gateway.upstream.governor import Allowance

_FULL = "Too many requests are waiting already. Nothing was bought, and nothing is counted."
_LONGEST_HINT = 60.0
_REFRESHED = 1.0  # seconds between two tellings of everybody's place
_SEEN = 50
_LOOK = 10.0  # seconds until a waiting one looks again how long it may


class Turn(Enum):
    """How the waiting for a turn ended."""

    CAME = "came"
    MOOT = "moot"  # nobody is left to buy for, or it would be too late
    OVERDUE = "overdue"  # it waited as long as anybody may
    NEVER = "never"  # it has its slot, but no submit comes before its deadline
    PUT_OFF = "put_off"  # the queue was full, and its key had most of it


@dataclass(slots=True, eq=False)
class _Waiting:
    """A task that waits; ``until`` is monotonic."""

    job: Job
    task: LiveTask
    moot: Callable[[], bool]
    since: float
    until: float
    end: asyncio.Future[Turn]
    gone: bool = False


@dataclass(slots=True)
class _Entered:
    """A request that has entered: whose, and how many of its tasks had no turn yet."""

    key_name: str
    weight: int
    tasks: int


class Queue:
    """Gives turns. What ``enter`` admitted leaves by ``leave``, what had a turn by ``vacate``."""

    def __init__(
        self,
        submits: Allowance,
        section: Section,
        max_tasks: int,
        clock: Clock,
        tell: Callable[[object], None],
    ) -> None:
        self._submits = submits
        self._section = section
        self._most = max_tasks
        self._clock = clock
        self._tell = tell
        self._entered: dict[str, _Entered] = {}
        self._lines: Lines[_Waiting] = Lines()
        self._slots: dict[str, float] = {}
        self._stays: deque[float] = deque(maxlen=_SEEN)
        self._alarm: asyncio.Task[None] | None = None
        self._told_at = -math.inf

    def __repr__(self) -> str:
        slots = f"{len(self._slots)} of {self._most} at the vendor"
        return f"Queue({len(self._entered)} requests, {len(self._lines)} tasks waiting, {slots})"

    def __len__(self) -> int:
        """Requests that have tasks without a turn."""
        return len(self._entered)

    @property
    def waiting(self) -> int:
        """Tasks that wait for a turn."""
        return len(self._lines)

    @property
    def at_vendor(self) -> int:
        """Tasks that hold a slot."""
        return len(self._slots)

    # Requests

    def check(self, key_name: str, weight: int) -> None:
        """Whether one more request of a key would be taken in. Raises: Overloaded."""
        expected = self.expected(key_name, weight)
        full = len(self._entered) >= self._section.requests
        hopeless = full and self._to_be_put_off(key_name, weight) is None
        if hopeless or expected > self._section.time:
            raise self.overloaded(expected)

    def enter(self, job: Job, tasks: int) -> None:
        """Take a request in; so many of its tasks will ask for a turn. Raises: Overloaded."""
        self.check(job.key_name, job.weight)
        self._entered[job.job_id] = _Entered(job.key_name, job.weight, tasks)

    def settle(self) -> None:
        """What was taken in stays: where there are too many now, somebody gives way.

        It is the newest of the key that has most, for its weight.
        """
        while len(self._entered) > self._section.requests:
            other = self._to_be_put_off()
            if other is None:
                break
            self.give_up(other.job, Turn.PUT_OFF)
            self._entered.pop(other.job.job_id, None)

    def give_up(self, job: Job, how: Turn = Turn.MOOT) -> None:
        """Whatever of a job waits does so no longer."""
        for waiting in self._lines.of(job.key_name):
            if waiting.job is job:
                self._end(waiting, how)

    def leave(self, job_id: str) -> None:
        """A request asks for no more turns."""
        self._entered.pop(job_id, None)

    def expected(self, key_name: str, weight: int) -> float:
        """Seconds that one more task of a key would wait for its turn."""
        return self._seconds(self._lines.ahead(key_name, weight))

    # Tasks

    async def turn(self, job: Job, task: LiveTask, moot: Callable[[], bool]) -> Turn:
        """Wait for a task's turn, unless it has its slot already: then for a submit alone.

        ``moot`` is asked when its turn has come. A caller's own time-out does not end the waiting,
        for SDKs come back after it. Once some of a job is bought, the rest waits for as long as the
        job may take, however long the queue lets others wait.
        """
        if task.entry.task_id in self._slots:
            left = job.deadline - self._clock.monotonic()
            came = left > 0 and await self._submits.turn(within=left)
            return Turn.CAME if came else Turn.NEVER
        waiting = self._line_up(job, task, moot)
        try:
            self._advance()
            if not waiting.end.done():
                await self._wait(waiting)
            return waiting.end.result()
        finally:
            self._remove(waiting)

    def occupy(self, task: LiveTask) -> None:
        """A task of an earlier process is at the vendor, or may be: it has its slot."""
        self._slots.setdefault(task.entry.task_id, self._clock.monotonic())

    def vacate(self, task: LiveTask) -> None:
        """The vendor is done with a task, or never got it; one without a slot has none to give."""
        since = self._slots.pop(task.entry.task_id, None)
        if since is None:
            return
        if task.accepted_at is not None:
            self._stays.append(self._clock.monotonic() - since)
        self._advance()

    async def close(self) -> None:
        """Give no more turns."""
        if self._alarm is not None:
            self._alarm.cancel()
            await asyncio.gather(self._alarm, return_exceptions=True)

    # Waiting

    def _line_up(self, job: Job, task: LiveTask, moot: Callable[[], bool]) -> _Waiting:
        now = self._clock.monotonic()
        end: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(job, task, moot, now, now + self._section.time, end)
        self._lines.add(job.key_name, job.weight, waiting)
        return waiting

    async def _wait(self, waiting: _Waiting) -> None:
        job, task = waiting.job, waiting.task.entry
        ahead = self._lines.ahead(job.key_name, job.weight) - 1
        job.place = place = Place(ahead + 1, len(self._lines), self._seconds(ahead), waiting.since)
        self._tell(
            TaskQueued(
                job_id=job.job_id,
                task_id=task.task_id,
                key_name=job.key_name,
                position=place.position,
                waiting=place.of,
                expected=place.expected,
            )
        )
        while not waiting.end.done():
            left = self._until(waiting) - self._clock.monotonic()
            if left <= 0:
                self._end(waiting, Turn.OVERDUE)
                break
            timer = asyncio.ensure_future(self._clock.sleep(min(left, _LOOK)))
            try:
                waited: set[asyncio.Future[Any]] = {waiting.end, timer}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
        self._tell(
            TaskUnqueued(
                job_id=job.job_id,
                task_id=task.task_id,
                key_name=job.key_name,
                how=waiting.end.result().value,
                seconds=self._clock.monotonic() - waiting.since,
            )
        )

    @staticmethod
    def _until(waiting: _Waiting) -> float:
        """A caller's coming back may move the deadline."""
        last = max(waiting.job.deadline, waiting.job.due)
        return last if waiting.job.bought() is not None else min(waiting.until, last)

    def _advance(self) -> None:
        """Give every turn that can be given now."""
        while self._lines:
            waiting = self._lines.first()
            if waiting.moot():
                self._end(waiting, Turn.MOOT)
                continue
            if len(self._slots) >= self._most:
                break  # the next to leave goes on here
            if not self._submits.take():
                self._set_alarm()
                break
            self._slots[waiting.task.entry.task_id] = self._clock.monotonic()
            self._lines.served()
            self._had_turn(waiting.job.job_id)
            self._end(waiting, Turn.CAME)
        self._refresh()
        if not self._lines and not self._slots:
            self._lines.forget()

    def _had_turn(self, job_id: str) -> None:
        entered = self._entered.get(job_id)
        if entered is not None:
            entered.tasks -= 1
            if entered.tasks <= 0:
                del self._entered[job_id]

    def _end(self, waiting: _Waiting, how: Turn) -> None:
        if not waiting.end.done():
            waiting.end.set_result(how)
        self._remove(waiting)

    def _remove(self, waiting: _Waiting) -> None:
        if waiting.gone:
            return
        waiting.gone = True
        waiting.job.place = None
        self._lines.remove(waiting.job.key_name, waiting)

    def _set_alarm(self) -> None:
        if self._alarm is None or self._alarm.done():
            self._alarm = asyncio.create_task(self._ring(), name="queue")

    async def _ring(self) -> None:
        while self._lines and len(self._slots) < self._most:
            await self._clock.sleep(self._submits.wait())
            self._advance()

    # Who gives way

    def _to_be_put_off(self, key_name: str = "", weight: int = 0) -> _Waiting | None:
        """Who waits for nobody any more; else the newest of the key that has most for its weight.

        None if that is the newcomer's own key, if one is named.
        """
        for waiting in self._lines:
            if waiting.job.deserted and waiting.job.bought() is None:
                return waiting
        held: dict[str, float] = {}
        for entered in self._entered.values():
            held[entered.key_name] = held.get(entered.key_name, 0.0) + 1 / entered.weight
        longest = max(held, key=lambda name: held[name])
        if weight and held[longest] <= held.get(key_name, 0.0) + 1 / weight:
            return None
        newest = reversed(self._lines.of(longest))
        return next((one for one in newest if one.job.bought() is None), None)

    @staticmethod
    def overloaded(expected: float) -> Overloaded:
        """What is told to a request that is put off; by then what waits now is worked off."""
        hint = min(_LONGEST_HINT, max(1.0, expected))
        return Overloaded(_FULL, code="server_is_overloaded", retry_after=hint)

    # What a place is worth

    def _seconds(self, ahead: int) -> float:
        """Until the turn of somebody who has so many before them."""
        by_submits = self._submits.wait() + ahead * self._submits.gap
        free = self._most - len(self._slots)
        if ahead < free or not self._stays:  # while nothing is known, nobody is refused by a guess
            return by_submits
        stay = sum(self._stays) / len(self._stays)
        return max(by_submits, (ahead - free + 1) * stay / self._most)

    def _refresh(self) -> None:
        """Tell every waiting job its place, now and then."""
        now = self._clock.monotonic()
        if not self._lines or now - self._told_at < _REFRESHED:
            return
        self._told_at = now
        for ahead, waiting in enumerate(self._lines.in_order()):
            place = Place(ahead + 1, len(self._lines), self._seconds(ahead), waiting.since)
            waiting.job.place = place
