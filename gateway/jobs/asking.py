"""The one way in which a task is asked about: the vendor's answer, and what is told of it.

Owns: how an answer is called. Must not know: when to ask, or what is made of the answer.
"""

from dataclasses import dataclass

from gateway.errors import ResultUnusable
from gateway.jobs.journal import Entry, Journal
from gateway.notices import Answer, Asked
from gateway.upstream.base import StatusUnavailable, TaskStatus, TaskUnknown, Upstream


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


def answer_in(status: TaskStatus) -> Answer:
    """What a status says; a task that is done is that also where it names no picture yet."""
    if status.phase == "failed":
        return "done" if isinstance(status.failure, ResultUnusable) else "failed"
    return "done" if status.phase == "done" else "pending"
