"""Who is doing what right now.

Owns: the live jobs, readable for pages and ``repr``. Must not know: how they are worked on.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from gateway.errors import Bought, GatewayError
from gateway.events import State
from gateway.images.shelf import Reservation, Shelved
from gateway.jobs.journal import Entry
from gateway.translate.model import Note, Plan, TaskSpec

_PERHAPS = frozenset({State.CREATING, State.UNCERTAIN, State.LOST})

Release = Callable[[], Coroutine[object, object, None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job came to: pictures in order; or an error, with what was kept all the same."""

    images: tuple[Shelved, ...] = ()
    notes: tuple[Note, ...] = ()
    error: GatewayError | None = None


@dataclass(slots=True)
class LiveTask:
    """A task under way."""

    entry: Entry
    spec: TaskSpec
    upstream_id: str | None = None
    accepted_at: float | None = None
    kept: list[Shelved] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


@dataclass(slots=True)
class Job:
    """A wish under way. ``started``, ``deadline`` and ``give_up`` are monotonic seconds.

    After ``deadline`` nobody is kept waiting, after ``give_up`` its tasks are not followed any
    more. ``deserted`` says that whoever waited has left, so that nothing more need be bought.
    """

    job_id: str
    key_name: str
    plan: Plan
    created_at: float
    started: float
    deadline: float
    give_up: float
    tasks: tuple[LiveTask, ...]
    outcome: asyncio.Future[Outcome]
    reservation: Reservation
    release: Release
    waiters: int = 0
    deserted: bool = False
    error: GatewayError | None = None

    @property
    def upstream_ids(self) -> tuple[str, ...]:
        """The vendor's ids, in the plan's order, of the tasks that have one."""
        return tuple(task.upstream_id for task in self.tasks if task.upstream_id)

    def bought(self) -> Bought | None:
        """What exists at the vendor, if anything may."""
        ids = self.upstream_ids
        kept = tuple(shelved.filename for task in self.tasks for shelved in task.kept)
        return Bought(self.job_id, ids, kept) if ids or self.uncertain else None

    @property
    def uncertain(self) -> bool:
        """Whether a create was sent whose outcome is not known."""
        return any(task.entry.state in _PERHAPS for task in self.tasks)

    def __repr__(self) -> str:
        states = ", ".join(task.entry.state.value for task in self.tasks)
        return f"Job({self.job_id}, {self.key_name}, {self.waiters} waiting: {states})"


class Board:
    """The live jobs by their id."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __repr__(self) -> str:
        return f"Board({list(self._jobs.values())!r})"

    def put(self, job: Job) -> None:
        """A job begins."""
        self._jobs[job.job_id] = job

    def take(self, job: Job) -> None:
        """A job is over."""
        self._jobs.pop(job.job_id, None)

    def jobs(self) -> tuple[Job, ...]:
        """The live jobs, oldest first."""
        return tuple(self._jobs.values())
