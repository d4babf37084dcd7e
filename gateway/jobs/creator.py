"""Buying: from an intent to a task the vendor has accepted, or a reason why not.

Owns: what may be sent again (only what was provably not sent, or refused for the moment), the
look-up of a create whose answer was lost, and the bounds on both. What the vendor has told of by
itself is looked up, and never sent again. Must not know: the vendor's wire shape, callers,
pictures.
"""

from collections.abc import Mapping
from typing import Literal

from gateway.clock import Clock
from gateway.config.sections import Upstream as Section
from gateway.errors import (
    CreatesHeldBack,
    DeadlineExceeded,
    Draining,
    LedgerUnavailable,
    UpstreamOutcomeUnknown,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from gateway.events import (
    Created,
    CreateLost,
    CreateSent,
    Found,
    NotFound,
    NotSent,
    RecreateAllowed,
    Refused,
    State,
    TaskEvent,
    Throttled,
)
from gateway.failpoints import failpoint
from gateway.jobs.asking import Anothers, Seeker
from gateway.jobs.board import Board, Job, LiveTask
from gateway.jobs.journal import Journal, Stamp
from gateway.jobs.queue import Turn
from gateway.jobs.restraint import LONGEST_HINT, Restraint
from gateway.notices import CallRepeated
from gateway.translate.model import Reference
from gateway.upstream import base
from gateway.upstream.base import TaskStatus, Upstream
from gateway.upstream.breaker import Admitted

NOTHING = " Nothing was bought."
_UNSENT_PAUSES = (0.5, 1.0, 2.0, 4.0)
_ANSWERED = 1.0  # what a create that is sent again needs to be answered before the deadline
_TOLD = "the vendor has told that an earlier create was accepted"
_LOOK_UP_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)

Links = Mapping[Reference, str]
Again = Literal["not_sent", "throttled"]


class Creator:
    """Buys tasks, each at most once. Once ``closed``, nothing more is sent."""

    def __init__(
        self,
        upstream: Upstream,
        restraint: Restraint,
        journal: Journal,
        board: Board,
        clock: Clock,
        section: Section,
    ) -> None:
        self._upstream = upstream
        self._board = board
        self._restraint = restraint
        self._governor = restraint.governor
        self._seeker = Seeker(upstream, journal, board, restraint.governor.queries)
        self._queue = restraint.queue
        self._least = restraint.least
        self._breaker = restraint.breaker
        self._budget = restraint.budget
        self._journal = journal
        self._clock = clock
        self._section = section
        self.closed = False

    async def buy(self, job: Job, task: LiveTask, links: Links) -> TaskStatus:
        """Create the task. Raises: GatewayError; the task is then over, unless it is Draining."""
        unsent, throttled = 0, False
        again: Again | None = None
        while True:
            leave = await self._await_turn(job, task, throttled=throttled)
            if leave is None or not await self._mark(job, task, leave):
                return await self._found_or_lost(job, task)
            try:
                return await self._sent(task, links, leave, again)
            except base.CreateNotSent as outcome:
                await self._tell(task, NotSent(**self._stamp(task), reason=outcome.reason))
                await self._pause_unsent(job, task, unsent)
                unsent, again = unsent + 1, "not_sent"
            except base.CreateThrottled as outcome:
                throttled, again = True, "throttled"
                pause = outcome.retry_after
                await self._tell(task, Throttled(**self._stamp(task), retry_after=pause))
                await self._pause_throttled(job, task, pause)
            except base.CreateRefused as outcome:
                await self._tell(task, Refused(**self._stamp(task), reason=outcome.reason))
                if task.entry.state is State.UNCERTAIN:  # an earlier create may have been accepted
                    return await self._found_or_lost(job, task)
                outcome.error.withhold(task.spec.prompt)
                raise outcome.error from outcome
            except base.CreateLost as outcome:
                await self._tell(task, CreateLost(**self._stamp(task), reason=outcome.reason))
                found = await self.look_up(job, task)
                if found is not None:
                    return found
                again = None

    async def look_up(self, job: Job, task: LiveTask) -> TaskStatus | None:
        """The answer to a create was lost: ask for its task, for as long as the settle time.

        None if the vendor's last word was that it knows no such task, it never told of it either,
        and the operator's setting lets it be created again; it is an intent then.
        Raises: UpstreamOutcomeUnknown.
        """
        until = self._clock.monotonic() + self._section.settle_time
        pauses = iter(_LOOK_UP_PAUSES)
        pause, unknown = next(pauses), False
        told, name = self._board.hearsay, task.entry.task_id
        asked_by = told.name(name)
        while (left := until - self._clock.monotonic()) > 0 or told.name(name) != asked_by:
            # The vendor may say by itself that it has the task.
            if not await task.nudge.within(max(0.0, min(pause, left)), self._clock):
                pause = next(pauses, _LOOK_UP_PAUSES[-1])
            asked_by = told.name(name)
            try:
                return await self._seek(task)
            except (base.TaskUnknown, base.StatusUnavailable) as answer:
                unknown = isinstance(answer, base.TaskUnknown) and not isinstance(answer, Anothers)
        # Without an answer nobody knows: the vendor may have it, and may have billed it.
        recreate = unknown and self._section.on_unknown == "recreate"
        if recreate and name not in told and await self._may_recreate(task):
            return None
        raise await self._lose(job, task)

    async def _seek(self, task: LiveTask) -> TaskStatus:
        """Ask for the task once, by every name. Raises: TaskUnknown, StatusUnavailable."""
        status = await self._seeker.seek(task.entry)
        await self.found(task, status)
        return status

    def _is_told(self, task: LiveTask) -> bool:
        """Whether the vendor has told that it has the task, whatever was answered to its create."""
        return task.entry.task_id in self._board.hearsay

    async def _found_or_lost(self, job: Job, task: LiveTask) -> TaskStatus:
        """A task that is not sent again is looked up if the vendor told of it.

        Raises: UpstreamOutcomeUnknown.
        """
        if self._is_told(task):
            if not task.entry.charge.perhaps:  # it has it, whatever its answer was
                await self._tell(task, CreateLost(**self._stamp(task), reason=_TOLD))
            found = await self.look_up(job, task)
            if found is not None:
                return found
        raise await self._lose(job, task)

    async def _lose(self, job: Job, task: LiveTask) -> UpstreamOutcomeUnknown:
        """Give an uncertain task up; what is told of it."""
        await self._tell(task, NotFound(**self._stamp(task)))
        return _outcome_unknown(job)

    async def found(self, task: LiveTask, status: TaskStatus) -> None:
        """Take down that a task of which nobody knew is there after all."""
        self._accept(task, status)
        await self._tell(task, Found(**self._stamp(task), upstream_id=status.upstream_id))

    async def _mark(self, job: Job, task: LiveTask, leave: Admitted) -> bool:
        """Write that the create is being sent; whether it may be.

        Raises: LedgerUnavailable; nothing is sent then.
        """
        failpoint("create.unmarked")
        task.marking = True
        try:
            await self._tell(task, CreateSent(**self._stamp(task)))
        except BaseException as error:
            task.marking = False
            self._breaker.void(leave)
            if isinstance(error, LedgerUnavailable):
                if self._is_told(task):
                    return False
                await self._drop(job, task, "the ledger takes no entries")
            raise
        task.marking = False  # from here on its state says so
        failpoint("create.marked")
        if self._is_told(task):  # meanwhile
            self._breaker.void(leave)
            await self._tell(task, CreateLost(**self._stamp(task), reason=_TOLD))
            return False
        task.tried = True
        return True

    async def _sent(
        self, task: LiveTask, links: Links, leave: Admitted, again: Again | None
    ) -> TaskStatus:
        """Send the create, once. Raises: CreateOutcome.

        What the vendor has told of meanwhile is lost, whatever else it answers.
        """
        try:
            return await self._send(task, links, leave, again)
        except base.CreateLost:
            raise
        except base.CreateOutcome as outcome:
            if not self._is_told(task):
                raise
            if isinstance(outcome, base.CreateThrottled):
                self._restraint.hold_back(outcome.retry_after)
            raise base.CreateLost(_TOLD) from outcome

    async def _send(
        self, task: LiveTask, links: Links, leave: Admitted, again: Again | None
    ) -> TaskStatus:
        """Send the create, once. Raises: CreateOutcome.

        ``again`` says what became of the one before, where this one is its repetition.
        """
        self._budget.called()
        if again is not None:
            self._journal.announce(CallRepeated(op="create", reason=again))
        sent_at = self._clock.monotonic()
        task.watch.enter("upstream", sent_at)
        try:
            status = await self._upstream.create(task.spec, links, task.entry.task_id)
        except (base.CreateNotSent, base.CreateLost):
            self._breaker.failed(leave)
            raise
        except base.CreateOutcome:  # a refusal is an answer
            self._breaker.succeeded(leave)
            raise
        except BaseException:
            self._breaker.void(leave)
            raise
        self._breaker.succeeded(leave)
        failpoint("create.answered")
        if self._board.is_anothers(task.entry.task_id, status.upstream_id):
            raise base.CreateLost("the answer names another task")
        seconds = self._clock.monotonic() - sent_at
        self._accept(task, status)
        told = Created(**self._stamp(task), upstream_id=status.upstream_id, seconds=seconds)
        await self._tell(task, told)
        failpoint("create.accepted")
        return status

    async def _may_recreate(self, task: LiveTask) -> bool:
        try:
            await self._tell(task, RecreateAllowed(**self._stamp(task)))
        except LedgerUnavailable:
            return False
        return True

    async def _await_turn(self, job: Job, task: LiveTask, *, throttled: bool) -> Admitted | None:
        """Wait for the task's turn, unless the request is past helping.

        None if it is not to be sent, for the vendor has told that it has the task. Where the vendor
        has put us off, this task (``throttled``) or the account, that is the reason told.
        """
        turn = Turn.MOOT if self._is_told(task) else await self._turn(job, task)
        if self._is_told(task):
            return None
        if self.closed:
            raise Draining("The gateway is about to stop.", retry_after=1, come_back=True)
        if job.error is not None:
            await self._drop(job, task, "another task of the request failed")
            raise job.error
        if job.deserted and not job.begun:  # what is bought is of use only as a whole
            await self._drop(job, task, "the caller has left")
            what = "anything" if job.bought() is None else "all of it"
            raise UpstreamUnavailable(f"The caller left before {what} was bought.")
        held_back = throttled or self._governor.submits.held
        waited = turn is Turn.OVERDUE and self._has_time(job) and not held_back
        if turn is Turn.PUT_OFF or waited:
            await self._drop(job, task, "waited too long" if turn is Turn.OVERDUE else "put off")
            raise self._queue.overloaded(self._queue.expected(job.key_name, job.weight))
        if self._is_too_late(job, task):
            await self._drop(job, task, "too little time is left to make it")
            message = "Too little time is left for the image to be made." + NOTHING
            raise DeadlineExceeded(message, code="upstream_timeout")
        if turn is not Turn.CAME or not self._has_time(job):  # it may come at the last moment
            await self._drop(job, task, "no turn before the deadline")
            if held_back:
                raise self._put_off(self._governor.submits.wait())
            message = "The request could not be passed on before its deadline." + NOTHING
            raise DeadlineExceeded(message, code="upstream_timeout")
        leave = self._breaker.admit()
        if isinstance(leave, Admitted):
            return leave
        await self._drop(job, task, "creates keep failing")
        message = "The image service keeps failing." + NOTHING
        raise CreatesHeldBack(message, code="upstream_unavailable", retry_after=leave)

    async def _turn(self, job: Job, task: LiveTask) -> Turn:
        """Wait for a turn; in the very moment it was given up, somebody may have come back."""
        task.watch.enter("queue", self._clock.monotonic())
        try:
            while True:
                waiting = self._queue.turn(job, task, lambda: self._is_moot(job, task))
                sent = (task.tried or task.entry.charge.perhaps) and not task.nudge.given
                turn = (await task.nudge.unless(waiting) if sent else await waiting) or Turn.MOOT
                if turn is not Turn.MOOT or self._is_moot(job, task):
                    return turn
        finally:
            task.watch.enter(None, self._clock.monotonic())

    def _is_moot(self, job: Job, task: LiveTask) -> bool:
        """Whether nothing should be bought any more."""
        left = job.deserted and not job.begun
        needless = self._is_told(task) or self._is_too_late(job, task)
        return self.closed or job.error is not None or left or needless

    def _has_time(self, job: Job) -> bool:
        last = job.deadline if job.bought() is None else max(job.deadline, job.due)
        return self._clock.monotonic() < last

    def _is_too_late(self, job: Job, task: LiveTask) -> bool:
        """Whether it could not be made before its tier's deadline; what was begun is seen through.

        A caller's own time-out does not count here: coming back, it gets what was made meanwhile.
        """
        least = self._least(task.spec.tier, task.spec.quality)
        return not job.begun and self._clock.monotonic() + least > job.due

    async def _pause_unsent(self, job: Job, task: LiveTask, unsent: int) -> None:
        if self._is_told(task):  # it is not sent again
            return
        left = job.deadline - self._clock.monotonic()
        hopeless = unsent == len(_UNSENT_PAUSES) or left <= _UNSENT_PAUSES[unsent]
        if hopeless or not self._budget.take():
            await self._drop(job, task, "the upstream cannot be reached")
            message = "The image service cannot be reached." + NOTHING
            raise UpstreamUnavailable(message, code="upstream_unavailable", retry_after=5)
        await self._clock.sleep(_UNSENT_PAUSES[unsent])

    async def _pause_throttled(self, job: Job, task: LiveTask, hint: float | None) -> None:
        """Hold back all submits for as long as the vendor asks, if that is worth waiting for."""
        pause = self._restraint.hold_back(hint)
        late = pause + _ANSWERED > job.deadline - self._clock.monotonic()
        if late and not self._is_told(task):
            await self._drop(job, task, "throttled beyond the deadline")
            raise self._put_off(pause)

    def _put_off(self, pause: float) -> UpstreamThrottled:
        return UpstreamThrottled(
            "The image service takes no more requests at the moment.",
            code="rate_limit_exceeded",
            retry_after=min(pause, LONGEST_HINT),
        )

    def _accept(self, task: LiveTask, status: TaskStatus) -> None:
        task.upstream_id = status.upstream_id
        task.accepted_at = self._clock.monotonic()
        task.progress = status.progress

    async def _drop(self, job: Job, task: LiveTask, reason: str) -> None:
        """Give the task up; from now on nobody should join the job, unless something was bought.

        Raises: UpstreamOutcomeUnknown where an earlier create of it was lost, so that it may be.
        """
        job.dropping = True
        await self._journal.give_up(task.entry, reason)
        if task.entry.state is State.LOST:
            raise _outcome_unknown(job)

    async def _tell(self, task: LiveTask, event: TaskEvent) -> None:
        await self._journal.tell(task.entry, event)

    def _stamp(self, task: LiveTask) -> Stamp:
        return task.entry.stamp(self._clock.wall())


def _outcome_unknown(job: Job) -> UpstreamOutcomeUnknown:
    """What is told of a task that is LOST."""
    message = (
        "The answer to a request that had been sent was lost, and the image service does not "
        "say whether it was accepted. It is not sent again, because it may have been bought."
    )
    return UpstreamOutcomeUnknown(message, code="upstream_outcome_unknown", bought=job.bought())
