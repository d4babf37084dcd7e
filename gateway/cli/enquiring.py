"""Asking the vendor about tasks of the ledger, gently: a running gateway asks on the same account.

Owns: by which id a task is asked for, patience with a vendor that puts off or does not answer, and
giving up on one that answers nothing. Must not know: what an answer means, the ledger.
"""

from dataclasses import dataclass
from typing import Protocol

from gateway.cli.comparing import Seen
from gateway.state.records import TaskRecord
from gateway.upstream.base import StatusUnavailable, TaskStatus, TaskUnknown
from gateway.upstream.governor import Allowance

_TIMES = 2
_THROTTLED_TIMES = 10
_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_SILENT = 10


class Askable(Protocol):
    """As much of a vendor's client as is needed here: ``upstream.base.Upstream`` has it."""

    async def status(self, task_id: str) -> TaskStatus:
        """Ask by either id. Raises: StatusUnavailable, TaskUnknown."""
        ...


class NotAnswered(Exception):
    """The vendor could not be asked about a task; the text says why."""


@dataclass(slots=True)
class Enquiry:
    """Asks about one task after another, each question in its turn.

    ``blind`` counts tasks that the vendor knows by its own id, but not by ours.
    """

    upstream: Askable
    queries: Allowance
    blind: int = 0
    _unanswered: int = 0  # in a row

    async def ask(self, task: TaskRecord) -> Seen:
        """What the vendor says of a task. Raises: NotAnswered.

        The question by our id comes first: where it finds the ledger's own task, one is enough, and
        where it finds another, that is the news.
        """
        ours = await self._status(task.task_id)
        if task.upstream_id is None:
            return Seen(ours=ours)
        if ours is not None and ours.upstream_id == task.upstream_id:
            return Seen(own=ours, ours=ours)
        own = await self._status(task.upstream_id)
        if own is not None and ours is None:
            self.blind += 1
        return Seen(own=own, ours=ours)

    async def _status(self, name: str) -> TaskStatus | None:
        """One answer; None for a task that the vendor does not know. Raises: NotAnswered."""
        if self._unanswered >= _SILENT:
            raise NotAnswered("not asked, for the vendor answered nothing before")
        failed = throttled = 0
        while True:
            await self.queries.turn()
            try:
                status = await self.upstream.status(name)
            except TaskUnknown:
                status = None
            except StatusUnavailable as error:
                failed += not error.throttled
                throttled += error.throttled
                if failed >= _TIMES or throttled >= _THROTTLED_TIMES:
                    self._unanswered += 1
                    raise NotAnswered(error.reason) from error
                self.queries.pause(min(error.retry_after or _PAUSE, _LONGEST_PAUSE))
                continue
            self._unanswered = 0
            return status
