"""Who is doing what right now.

Owns: the live jobs, found by id, by what was asked for, by idempotency key; who waits for which
job, live or over; and what the vendor told of tasks by itself. Must not know: how jobs are worked
on, or which of them a request may join. Everything here is arithmetic in memory and never waits,
so that finding and taking is one step.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field

from gateway.errors import Bought, GatewayError
from gateway.events import State
from gateway.facts import Whereabouts
from gateway.images.shelf import Reservation, Shelved
from gateway.jobs.hearsay import Hearsay
from gateway.jobs.journal import Entry
from gateway.jobs.nudges import Nudge
from gateway.jobs.phases import Watch
from gateway.state.base import NOTHING_BOUGHT
from gateway.translate.model import Note, Plan, TaskSpec

# What a caller waits for, by the states of the tasks that go on: the first of these.
_STAGES: tuple[tuple[Whereabouts, frozenset[State]], ...] = (
    ("queue", frozenset({State.INTENT})),
    ("create", frozenset({State.CREATING, State.UNCERTAIN})),
    ("poll", frozenset({State.RUNNING})),
)
_PERHAPS = frozenset({State.CREATING, State.UNCERTAIN, State.LOST})

Release = Callable[[], Coroutine[object, object, None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job came to: pictures in order; or an error, with what was kept all the same."""

    images: tuple[Shelved, ...] = ()
    notes: tuple[Note, ...] = ()
    error: GatewayError | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job's next task stands in the queue, of how many tasks; ``expected`` in seconds.

    ``since`` is monotonic.
    """

    position: int
    of: int
    expected: float
    since: float


@dataclass(slots=True)
class LiveTask:
    """A task under way; ``accepted_at`` is monotonic, ``progress`` in percent, as last told.

    ``marking`` says that it is being written down as sent, so that it may be sent any moment;
    ``tried`` that this process has sent a create of it.
    """

    entry: Entry
    spec: TaskSpec
    upstream_id: str | None = None
    accepted_at: float | None = None
    progress: int | None = None
    marking: bool = False
    tried: bool = False
    kept: list[Shelved] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    nudge: Nudge = field(default_factory=Nudge)

    @property
    def sent(self) -> bool:
        """Whether a create was, or is about to be, sent that has had no answer."""
        return self.marking or self.entry.state in _PERHAPS

    @property
    def lost_before(self) -> bool:
        """Whether it is as if nothing was sent, but the answer to an earlier create was lost."""
        return self.entry.charge.perhaps and self.entry.state in NOTHING_BOUGHT


@dataclass(slots=True)
class Job:
    """A wish under way. ``started``, ``deadline``, ``due``, ``give_up`` are monotonic seconds.

    After ``deadline`` nothing more is bought for it, nor what could not be made before ``due``, its
    tier's own deadline; after ``give_up`` its tasks are not followed any more. ``weight`` is its
    key's among those that wait, ``place`` the one it has in the queue. ``deserted`` says that
    whoever waited has left; ``promised`` that somebody was told to ask for it later, who waits for
    as long as it lives; ``dropping`` that one of its tasks was given up before it was sent;
    ``suspended`` that it goes on in another process; ``written`` that the ledger has it. ``links``
    are the vendor's addresses of references whose files are gone, by digest.
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
    fingerprint: bytes = b""
    idempotency_key: str | None = None
    links: dict[str, str] = field(default_factory=dict)
    deserted: bool = False
    promised: bool = False
    dropping: bool = False
    written: bool = True
    suspended: bool = False
    weight: int = 1
    due: float = math.inf
    place: Place | None = None
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
    def begun(self) -> bool:
        """Whether the vendor has some of it, or may: then the rest is bought, whoever leaves.

        A create that was lost and may be sent again does not count: it is a reason to look for its
        task, but none to buy more.
        """
        return bool(self.upstream_ids) or any(task.sent for task in self.tasks)

    @property
    def uncertain(self) -> bool:
        """Whether a create was, or is about to be, sent whose outcome is not known."""
        return any(task.sent or task.lost_before for task in self.tasks)

    @property
    def closing(self) -> bool:
        """Whether it is about to end with nothing bought, so that nobody should join it."""
        return self.dropping and self.bought() is None

    @property
    def is_creating(self) -> bool:
        """Whether a create is under way, or is about to be sent."""
        return any(task.marking or task.entry.state is State.CREATING for task in self.tasks)

    @property
    def whereabouts(self) -> Whereabouts:
        """What whoever waits for it waits for: what the task does that is the furthest behind."""
        states = {task.entry.state for task in self.tasks}
        return next((stage for stage, those in _STAGES if states & those), "download")

    @property
    def spent(self) -> int:
        """What its tasks were charged in this run of it, in micro-dollars."""
        return sum(task.entry.charge.spent for task in self.tasks)

    @property
    def states(self) -> tuple[str, ...]:
        """The states of its tasks, in the plan's order."""
        return tuple(task.entry.state.value for task in self.tasks)

    def __repr__(self) -> str:
        return f"Job({self.job_id}, {self.key_name}: {', '.join(self.states)})"


class Board:
    """The live jobs, and the visitors of all jobs."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._visits: dict[str, int] = {}
        self.hearsay = Hearsay()

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

    def live(self, job_id: str) -> Job | None:
        """A live job by its id."""
        return self._jobs.get(job_id)

    def named(self, name: str) -> Job | None:
        """A live job by its own id, a task's, or the vendor's."""
        if name in self._jobs:
            return self._jobs[name]
        for job in self._jobs.values():
            if any(name in {task.entry.task_id, task.upstream_id} for task in job.tasks):
                return job
        return None

    def task(self, names: Collection[str]) -> LiveTask | None:
        """A live job's task by its own id or else the vendor's, whichever of ``names`` that is."""
        tasks = [task for job in self._jobs.values() for task in job.tasks]
        ours = (task for task in tasks if task.entry.task_id in names)
        return next(ours, None) or next((one for one in tasks if one.upstream_id in names), None)

    def is_anothers(self, task_id: str, upstream_id: str) -> bool:
        """Whether the vendor's task of this id is followed for another task than this of ours."""
        return any(
            task.upstream_id == upstream_id and task.entry.task_id != task_id
            for job in self._jobs.values()
            for task in job.tasks
        )

    def alike(self, key_name: str, fingerprint: bytes) -> tuple[Job, ...]:
        """The live jobs for such a request that may be joined, oldest first."""
        return tuple(
            job
            for job in self._jobs.values()
            if job.fingerprint == fingerprint and job.key_name == key_name and not job.closing
        )

    def keyed(self, key_name: str, idempotency_key: str) -> Job | None:
        """The live job that holds this idempotency key and may be joined."""
        for job in self._jobs.values():
            mine = job.idempotency_key == idempotency_key and job.key_name == key_name
            if mine and not job.closing:
                return job
        return None

    def enter(self, job_id: str) -> None:
        """Somebody waits for a job, or reads its answer."""
        self._visits[job_id] = self._visits.get(job_id, 0) + 1
        job = self._jobs.get(job_id)
        if job is not None:
            job.deserted = False

    def leave(self, job_id: str) -> None:
        """Somebody who had entered has left."""
        left = self._visits[job_id] - 1
        if left:
            self._visits[job_id] = left
            return
        del self._visits[job_id]
        job = self._jobs.get(job_id)
        if job is not None:
            job.deserted = not job.promised

    def stay(self, job: Job) -> None:
        """Somebody waits for a live job elsewhere, and leaves when it is over."""
        job.promised, job.deserted = True, False

    def visits(self, job_id: str) -> int:
        """How many wait for a job, or read its answer; all who do elsewhere count as one."""
        job = self._jobs.get(job_id)
        elsewhere = job is not None and job.promised
        return self._visits.get(job_id, 0) + elsewhere
