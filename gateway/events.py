"""The facts of a task's life: frozen, past tense, each true when it is told.

Owns: the events, and the states they lead to. Ledger, log, metrics and pages are readings of one
list of these. Must not know: who reads them, or which transitions are legal (``jobs/machine.py``).
Standard library only. Times are wall-clock seconds.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class State(StrEnum):
    """Where a task stands; one vocabulary in code, metrics, command line and pages."""

    INTENT = "intent"
    CREATING = "creating"
    UNCERTAIN = "uncertain"
    RUNNING = "running"
    COLLECTING = "collecting"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    DROPPED = "dropped"
    LOST = "lost"


# Nothing more happens to a task in these, except that a LOST one may still be found.
FINAL = frozenset({State.DONE, State.FAILED, State.REFUSED, State.DROPPED, State.LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """What every fact about a task says: of which job, which task, when."""

    level: ClassVar[str] = "info"

    job_id: str
    task_id: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSent(TaskEvent):
    """The request to create the task is about to leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Created(TaskEvent):
    """The vendor accepted the task: it is bought."""

    upstream_id: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent(TaskEvent):
    """The create never reached the vendor; nothing was bought."""

    level: ClassVar[str] = "warning"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled(TaskEvent):
    """The vendor said: not now. Nothing was bought."""

    level: ClassVar[str] = "warning"

    retry_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(TaskEvent):
    """The vendor said no; nothing was bought by this create."""

    level: ClassVar[str] = "warning"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateLost(TaskEvent):
    """The create was sent and its answer was lost: perhaps bought."""

    level: ClassVar[str] = "error"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(TaskEvent):
    """A look-up by our own id found the task: it is bought."""

    level: ClassVar[str] = "warning"

    upstream_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound(TaskEvent):
    """No look-up within the settle time found the task, and it is not created again."""

    level: ClassVar[str] = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled(TaskEvent):
    """The vendor was asked, and the task is not done yet."""

    level: ClassVar[str] = "debug"

    word: str
    progress: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollFailed(TaskEvent):
    """The vendor was asked and gave no usable answer; the task is none the worse for it."""

    level: ClassVar[str] = "debug"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded(TaskEvent):
    """The vendor made the pictures. ``seconds`` since it was accepted; ``cost_usd`` as told."""

    images: int
    seconds: float
    completed_at: float | None
    cost_usd: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailed(TaskEvent):
    """The vendor gave the task up; ``cost_usd`` as told."""

    level: ClassVar[str] = "warning"

    reason: str
    cost_usd: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished(TaskEvent):
    """The vendor no longer knows the task."""

    level: ClassVar[str] = "error"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDead(TaskEvent):
    """A picture was made, but could not be fetched whole."""

    level: ClassVar[str] = "error"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected(TaskEvent):
    """All pictures of the task are on the shelf; ``size`` is their bytes."""

    images: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped(TaskEvent):
    """The task was given up before anything was sent; nothing was bought."""

    level: ClassVar[str] = "warning"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecreateAllowed(TaskEvent):
    """The operator's setting allows an uncertain task to be created again."""

    level: ClassVar[str] = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Whose a task is, and what it is to make: what those who watch count by."""

    key_name: str
    model: str
    tier: str
    quality: str
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """A task's event, with the state it led to: what observers are given.

    ``seconds`` is how long the task had been in the state before, by the monotonic clock; of one
    that another process had left, since it was taken up, or since it was accepted if it ran then.
    ``charged`` is what the step settled as spent on the task, beyond what had been settled before;
    ``cost`` all that is settled for it by then: both in micro-dollars, as the ledger's books have
    it. Of a task that is lost for now, that is what was set aside for it. ``unserved`` is what the
    step adds to what was bought for nobody.
    """

    event: TaskEvent
    state: State
    about: About
    seconds: float = 0.0
    charged: int = 0
    cost: int = 0
    unserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectingHindered:
    """This machine kept a paid picture from being stored; it is tried again."""

    level: ClassVar[str] = "error"

    job_id: str
    task_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCrashed:
    """A fault of ours ended a job."""

    level: ClassVar[str] = "error"

    job_id: str
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAbandoned:
    """The process ends before a job does, and nothing will remember it: what it bought."""

    level: ClassVar[str] = "error"

    job_id: str
    upstream_ids: tuple[str, ...]
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """What every fact about a job as a whole says."""

    level: ClassVar[str] = "info"

    job_id: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobJoined(JobEvent):
    """Another request gets what this job makes or has made; ``how`` it was told to be the same.

    ``idempotency_key`` is the other's, if it is one of the house's own: the job is found by it too.
    """

    how: str
    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnded(JobEvent):
    """Nothing more is done for the job; ``code`` is its error's, if it failed."""

    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDelivered(JobEvent):
    """An answer with the job's pictures was handed over to its last byte."""

    level: ClassVar[str] = "debug"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPromised(JobEvent):
    """A caller was told, to the last byte, where to ask for the job later: it is waited for."""

    level: ClassVar[str] = "debug"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSuspended(JobEvent):
    """The process ends before the job does; the next one takes it up where it is."""

    states: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecovered(JobEvent):
    """A job that another process had left unfinished is taken up again."""

    states: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReopened(JobEvent):
    """A failed job is taken up again for a new request: only ``missing`` tasks are bought.

    ``idempotency_key`` is as for one that joined.
    """

    missing: int
    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClaimed(JobEvent):
    """An operator took the job's pictures out by hand."""
