"""What the rest of the house may ask of a memory.

Owns: the ``Store`` protocol and the rows it keeps. Must not know: which backend, who asks.
"""

from dataclasses import dataclass
from typing import Protocol

from gateway.events import State, TaskEvent
from gateway.translate.model import Plan


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task as last recorded; ``upstream_id`` is known once the vendor accepted it."""

    task_id: str
    state: State
    upstream_id: str | None = None


@dataclass(frozen=True, slots=True)
class JobRow:
    """One wish: whose, when (Unix seconds), how it is served, and its tasks in the plan's order."""

    job_id: str
    key_name: str
    created_at: float
    plan: Plan
    tasks: tuple[TaskRow, ...]


class Store(Protocol):
    """Remembers jobs. A call that returns has been kept as well as the backend can keep it."""

    async def add_job(self, job: JobRow) -> None:
        """Write a new job, before anything is sent for it."""
        ...

    async def record(self, event: TaskEvent, state: State) -> None:
        """Write what happened to a task, and the state it led to."""
        ...

    async def job(self, job_id: str) -> JobRow | None:
        """A job as last recorded."""
        ...

    async def close(self) -> None:
        """Release what the backend holds."""
        ...
