"""Buying: from an intent to a task the vendor has accepted, or a reason why not.

Owns: what may be sent again (only what was provably not sent, or refused for the moment), the
look-up of a create whose answer was lost, and the bounds on both. Must not know: the vendor's wire
shape, callers, pictures.
"""

from collections.abc import Mapping

from gateway.clock import Clock
from gateway.config.sections import Upstream as Section
from gateway.errors import (
    DeadlineExceeded,
    UpstreamOutcomeUnknown,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from gateway.events import (
    Created,
    CreateLost,
    CreateSent,
    Dropped,
    Found,
    NotFound,
    NotSent,
    Refused,
    TaskEvent,
    Throttled,
)
from gateway.jobs.board import Job, LiveTask
from gateway.jobs.journal import Journal, Stamp
from gateway.translate.model import Reference
from gateway.upstream import base
from gateway.upstream.base import TaskStatus, Upstream
from gateway.upstream.governor import Governor

_UNSENT_PAUSES = (0.5, 1.0, 2.0, 4.0)
_THROTTLED_PAUSE = 1.0
_LEAST_PAUSE = 0.1
_LONGEST_HINT = 60.0
_LOOK_UP_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)


class Creator:
    """Buys tasks, each at most once."""

    def __init__(
        self,
        upstream: Upstream,
        governor: Governor,
        journal: Journal,
        clock: Clock,
        section: Section,
    ) -> None:
        self._upstream = upstream
        self._governor = governor
        self._journal = journal
        self._clock = clock
        self._section = section

    async def buy(self, job: Job, task: LiveTask, links: Mapping[Reference, str]) -> TaskStatus:
        """Create the task. Raises: GatewayError; the task is then over."""
        unsent, throttled = 0, False
        while True:
            await self._await_turn(job, task, throttled=throttled)
            await self._tell(task, CreateSent(**self._stamp(task)))
            sent_at = self._clock.monotonic()
            try:
                status = await self._upstream.create(task.spec, links, task.entry.task_id)
            except base.CreateNotSent as outcome:
                await self._tell(task, NotSent(**self._stamp(task), reason=outcome.reason))
                await self._pause_unsent(job, task, unsent)
                unsent += 1
            except base.CreateThrottled as outcome:
                throttled = True
                pause = outcome.retry_after
                await self._tell(task, Throttled(**self._stamp(task), retry_after=pause))
                await self._pause_throttled(job, task, pause)
            except base.CreateRefused as outcome:
                await self._tell(task, Refused(**self._stamp(task), reason=outcome.reason))
                outcome.error.withhold(task.spec.prompt)
                raise outcome.error from outcome
            except base.CreateLost as outcome:
                await self._tell(task, CreateLost(**self._stamp(task), reason=outcome.reason))
                return await self._look_up(job, task)
            else:
                seconds = self._clock.monotonic() - sent_at
                self._accept(task, status)
                told = Created(**self._stamp(task), upstream_id=status.upstream_id, seconds=seconds)
                await self._tell(task, told)
                return status

    async def _await_turn(self, job: Job, task: LiveTask, *, throttled: bool) -> None:
        """Wait for the account's allowance, unless the request is past helping.

        Where the vendor has put us off, this task (``throttled``) or the account, that is the
        reason told.
        """
        left = job.deadline - self._clock.monotonic()
        came = left > 0 and await self._governor.submits.turn(within=left)
        if job.error is not None:
            await self._drop(task, "another task of the request failed")
            raise job.error
        if job.deserted:
            await self._drop(task, "the caller has left")
            raise UpstreamUnavailable("The caller left before anything was bought.")
        if not came or self._clock.monotonic() >= job.deadline:  # it may come at the last moment
            await self._drop(task, "no turn before the deadline")
            if throttled or self._governor.submits.held:
                raise self._put_off(self._governor.submits.wait())
            message = "The request could not be passed on before its deadline. Nothing was bought."
            raise DeadlineExceeded(message, code="upstream_timeout")

    async def _pause_unsent(self, job: Job, task: LiveTask, unsent: int) -> None:
        left = job.deadline - self._clock.monotonic()
        if unsent == len(_UNSENT_PAUSES) or left <= _UNSENT_PAUSES[unsent]:
            await self._drop(task, "the upstream cannot be reached")
            message = "The image service cannot be reached. Nothing was bought."
            raise UpstreamUnavailable(message, code="upstream_unavailable", retry_after=5)
        await self._clock.sleep(_UNSENT_PAUSES[unsent])

    async def _pause_throttled(self, job: Job, task: LiveTask, hint: float | None) -> None:
        """Hold back all submits for as long as the vendor asks, if that is worth waiting for."""
        pause = _THROTTLED_PAUSE if hint is None else max(hint, _LEAST_PAUSE)
        self._governor.submits.pause(min(pause, _LONGEST_HINT))
        if pause > job.deadline - self._clock.monotonic():
            await self._drop(task, "throttled beyond the deadline")
            raise self._put_off(pause)

    def _put_off(self, pause: float) -> UpstreamThrottled:
        return UpstreamThrottled(
            "The image service takes no more requests at the moment.",
            code="rate_limit_exceeded",
            retry_after=min(pause, _LONGEST_HINT),
        )

    async def _look_up(self, job: Job, task: LiveTask) -> TaskStatus:
        """The answer was lost: ask by our own id until it is found or the settle time is over."""
        until = self._clock.monotonic() + self._section.settle_time
        pauses = iter(_LOOK_UP_PAUSES)
        pause = next(pauses)
        while self._clock.monotonic() + pause <= until:
            await self._clock.sleep(pause)
            pause = next(pauses, _LOOK_UP_PAUSES[-1])
            await self._governor.queries.turn()
            try:
                status = await self._upstream.status(task.entry.task_id)
            except (base.TaskUnknown, base.StatusUnavailable):
                continue
            self._accept(task, status)
            await self._tell(task, Found(**self._stamp(task), upstream_id=status.upstream_id))
            return status
        await self._tell(task, NotFound(**self._stamp(task)))
        message = (
            "The answer to a request that had been sent was lost, and the image service does not "
            "say whether it was accepted. It is not sent again, because it may have been bought."
        )
        raise UpstreamOutcomeUnknown(message, code="upstream_outcome_unknown", bought=job.bought())

    def _accept(self, task: LiveTask, status: TaskStatus) -> None:
        task.upstream_id = status.upstream_id
        task.accepted_at = self._clock.monotonic()

    async def _drop(self, task: LiveTask, reason: str) -> None:
        await self._tell(task, Dropped(**self._stamp(task), reason=reason))

    async def _tell(self, task: LiveTask, event: TaskEvent) -> None:
        await self._journal.tell(task.entry, event)

    def _stamp(self, task: LiveTask) -> Stamp:
        return task.entry.stamp(self._clock.wall())
