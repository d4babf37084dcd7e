"""The one way in which a task is asked about: the vendor's answer, and what is told of it.

Owns: how an answer is called, and by which names a task is looked for whose create was lost. Must
not know: when to ask, or what is made of the answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.errors import ResultUnusable
from gateway.jobs.board import Board
from gateway.jobs.journal import Entry, Journal
from gateway.notices import Answer, Asked
from gateway.upstream.base import StatusUnavailable, TaskStatus, TaskUnknown, Upstream
from gateway.upstream.governor import Allowance


@dataclass(frozen=True, slots=True)
class Past:
    """A task that is not under way."""

    job_id: str
    task_id: str


async def ask(
    upstream: Upstream, journal: Journal, task: Entry | Past, name: str | None = None
) -> TaskStatus:
    """Ask about a task, by our own id if by no other. Raises: StatusUnavailable, TaskUnknown."""
    began = journal.clock.monotonic()

    def tell(answer: Answer) -> None:
        seconds = journal.clock.monotonic() - began
        journal.announce(
            Asked(job_id=task.job_id, task_id=task.task_id, answer=answer, seconds=seconds)
        )

    try:
        status = await upstream.status(name or task.task_id)
    except TaskUnknown:
        tell("unknown")
        raise
    except StatusUnavailable as silence:
        tell(silence.kind)
        raise
    tell(answer_in(status))
    return status


class Anothers(TaskUnknown):
    """What the vendor answered is about another task; so it has said nothing of this one."""


@dataclass(frozen=True, slots=True)
class Seeker:
    """Asks for tasks whose create was lost, each question in its turn."""

    upstream: Upstream
    journal: Journal
    board: Board
    turns: Allowance

    async def seek(self, task: Entry | Past) -> TaskStatus:
        """Ask by the vendor's own name, if it told one, and by ours.

        Raises: StatusUnavailable where one of them brought no answer, TaskUnknown, Anothers.
        """
        doubt: StatusUnavailable | TaskUnknown = TaskUnknown("unknown by every name")
        for name in self._names(task):
            await self.turns.turn()
            try:
                status = await ask(self.upstream, self.journal, task, name)
            except StatusUnavailable as silence:
                doubt = silence
                continue
            except TaskUnknown:
                continue
            if self._is_it(task, name, status):
                return status
            if not isinstance(doubt, StatusUnavailable):
                doubt = Anothers("the answer names another task")
        raise doubt

    def _is_it(self, task: Entry | Past, name: str, status: TaskStatus) -> bool:
        """Whether an answer is about the task that was asked for by this name."""
        swapped = name not in {task.task_id, status.upstream_id}
        return not swapped and not self.board.is_anothers(task.task_id, status.upstream_id)

    def _names(self, task: Entry | Past) -> Iterator[str]:
        told = self.board.hearsay.name(task.task_id)
        if told is not None:
            yield told
        yield task.task_id


def answer_in(status: TaskStatus) -> Answer:
    """What a status says; a task that is done is that also where it names no picture yet."""
    if status.phase == "failed":
        return "done" if isinstance(status.failure, ResultUnusable) else "failed"
    return "done" if status.phase == "done" else "pending"
