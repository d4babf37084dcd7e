"""What the rest of the house may ask of a memory.

Owns: the ``Store`` protocol and the rows it keeps. Must not know: which backend, who asks. All
times are wall-clock seconds since the Unix epoch.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.config.sections import Limits
from gateway.events import JobEvent, State, TaskEvent
from gateway.state.hooks import DueHooks, HookRow
from gateway.translate.model import Format, Note, Plan

NO_LIMITS = Limits()


class LedgerFault(Exception):
    """The ledger cannot be opened; ``advice`` says what an operator may do about it."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class LimitReached(Exception):
    """A key's limit, by its setting's ``name``, refuses what was asked; nothing was taken.

    ``used`` of ``limit`` was taken before, ``asked`` more was wanted. It frees in ``wait`` seconds,
    or at ``until`` (Unix seconds); for what is under way nobody knows, and for more than the whole
    of a day or month it never does.
    """

    def __init__(
        self,
        name: str,
        limit: int,
        *,
        asked: int,
        used: int = 0,
        wait: float | None = None,
        until: float | None = None,
    ) -> None:
        super().__init__(name)
        self.name = name
        self.limit = limit
        self.asked = asked
        self.used = used
        self.wait = wait
        self.until = until


class IdempotencyKeyTaken(Exception):
    """Another job of the same key's name came first with this idempotency key."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is remembered: its class's name in ``errors``, and what it said."""

    kind: str
    message: str
    code: str | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class PictureRow:
    """A picture that was kept: where it lies on the shelf, which of its task's it is.

    ``place`` counts within the task; ``size`` is in bytes.
    """

    token: str
    task_id: str
    place: int
    format: Format
    width: int
    height: int
    size: int
    expires_at: float
    notes: tuple[Note, ...] = ()


# The states of a task that the vendor has not accepted, unless a create of it was lost before.
NOTHING_BOUGHT = frozenset({State.INTENT, State.REFUSED, State.DROPPED})


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task as last recorded, for ``plan.tasks[place]``.

    ``upstream_id`` is known once the vendor accepted it, and so is ``accepted_at``. ``day``
    (since the epoch, UTC) is the one it counts for in its key's books, ``reserved`` what it was to
    cost and ``charged`` what it did, in micro-dollars: 0 if nothing was bought. ``create_lost``
    says that the answer to a create of it was lost once: that one may be paid, whatever came since;
    ``not_found`` that it was LOST once, and taken for paid then.
    """

    task_id: str
    place: int
    state: State = State.INTENT
    upstream_id: str | None = None
    accepted_at: float | None = None
    cost_usd: str | None = None
    day: int | None = None
    reserved: int = 0
    charged: int | None = None
    create_lost: bool = False
    not_found: bool = False

    @property
    def nothing_bought(self) -> bool:
        """Whether it is certain that nothing was bought for it."""
        return self.state in NOTHING_BOUGHT and not self.create_lost


@dataclass(frozen=True, slots=True)
class Room:
    """What one rate of a key leaves: ``left`` now, all of its ``burst`` in ``seconds``."""

    limit: int
    burst: int
    left: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """What a key has used of its limits: rates that have one, pictures, and micro-dollars."""

    requests: Room | None
    images: Room | None
    under_way: int
    images_today: int
    cost_today: int
    cost_this_month: int


@dataclass(frozen=True, slots=True)
class JobRow:
    """One wish: whose, when, how it is served, and its tasks, one per place of the plan.

    ``seconds`` is how long its tier may take, ``give_up`` when its tasks are no longer followed.
    ``links`` are the vendor's addresses of references, by their digest. ``ended_at`` is set once
    nothing more is done for it, ``failure`` if it then had failed. ``delivered_at`` is the last
    time that an answer with its pictures was handed over whole, ``promised_at`` the last that
    somebody was told to ask for them later.
    """

    job_id: str
    key_name: str
    created_at: float
    plan: Plan
    tasks: tuple[TaskRow, ...]
    fingerprint: bytes = b""
    idempotency_key: str | None = None
    seconds: float = 300.0
    give_up: float = 0.0
    links: Mapping[str, str] = field(default_factory=dict)
    ended_at: float | None = None
    failure: Failure | None = None
    delivered_at: float | None = None
    pictures: tuple[PictureRow, ...] = ()
    promised_at: float | None = None


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """A job that is over, whose pictures nobody has had, and which are no longer kept.

    ``tokens`` are those that were never fetched; ``cost`` is their share of what their tasks cost,
    in micro-dollars, without what was told before as bought for nobody (``shares.py``).
    """

    job_id: str
    key_name: str
    tokens: tuple[str, ...]
    cost: int


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """What is remembered, in numbers.

    ``tasks`` counts by state, those among them whose place another has taken over too; a state
    that none is in is missing. ``unclaimed`` counts those that are DONE, of jobs that are over and
    have a picture that is still kept and nobody has had. ``oldest_uncertain`` is for how many
    seconds the oldest uncertain task has been that, 0 if there is none; ``hooks`` counts those that
    are to be told, now or later; ``size`` is in bytes.
    """

    tasks: Mapping[State, int]
    unclaimed: int = 0
    oldest_uncertain: float = 0.0
    size: int = 0
    hooks: int = 0


class Store(Protocol):
    """Remembers jobs. A call that returns has been kept as well as the backend can keep it.

    The exception are facts that have already happened: where they cannot be written now, the call
    returns all the same, and they are written, in order, as soon as that can be done.
    """

    @property
    def durable(self) -> bool:
        """Whether what is kept outlives the process."""
        ...

    @property
    def secret(self) -> bytes:
        """32 random bytes that are this memory's own, for as long as it lives; after ``open``."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why no job can be added at the moment, in a few words; None if one can."""
        ...

    async def open(self) -> None:
        """Take it up. Raises: LedgerFault."""
        ...

    async def add_job(
        self, job: JobRow, *, limits: Limits = NO_LIMITS, instead_of: str | None = None
    ) -> None:
        """Write a new job, before anything is sent for it, and take what its key's limits allow.

        All of them are taken, in the same commit, or none. What turns out not to have been bought
        is given back as its events are recorded, in their commits.
        ``instead_of`` names an older job that gives up its idempotency key to this one.
        Raises: LimitReached, LedgerUnavailable, IdempotencyKeyTaken.
        """
        ...

    async def reopen(self, job: JobRow, *, limits: Limits | None = None) -> None:
        """Write that a job that had ended is taken up again: as this row says.

        Plan, fingerprint, times and links are replaced, the end and the failure forgotten. Of its
        tasks those already known are left as they are; one with a new id takes over its place, and
        the task that had the place is kept for the story alone. What new ones need is taken as by
        ``add_job``; without ``limits`` nothing is. Raises: LimitReached, LedgerUnavailable.
        """
        ...

    async def record(
        self, event: TaskEvent, state: State, pictures: Sequence[PictureRow] = ()
    ) -> None:
        """Write what happened to a task, the state it led to, and the pictures it brought.

        Raises: LedgerUnavailable for an event that precedes a purchase (CreateSent,
        RecreateAllowed) and cannot be written; then nothing may be sent.
        """
        ...

    async def remark(self, event: JobEvent, failure: Failure | None = None) -> None:
        """Write what happened to a job.

        JobEnded, JobDelivered and JobPromised change its row, and with JobEnded its hooks are due.
        """
        ...

    async def add_links(self, job_id: str, links: Mapping[str, str]) -> None:
        """Write the vendor's addresses of a job's references, by digest."""
        ...

    async def add_hook(self, hook: HookRow, at: float) -> None:
        """Have the job's end told to an address, at once if it is over; only once to each.

        One that was given up begins anew. Raises: LedgerUnavailable, TooManyHooks.
        """
        ...

    async def hook_tried(self, hook: HookRow) -> None:
        """Write what came of telling, as the row says; nothing if the job has gone on since."""
        ...

    async def due_hooks(
        self, now: float, most: int, without: Container[str] = frozenset()
    ) -> DueHooks:
        """What is to be told by now, at most so many of each key's, and when more is.

        Those whose ids are in ``without`` are passed over.
        """
        ...

    async def fetched(self, token: str, at: float) -> None:
        """Write that a picture was read to its end through its link."""
        ...

    async def look(self, key_name: str, limits: Limits) -> None:
        """Whether a key may send one more request; takes nothing. Raises: LimitReached."""
        ...

    async def take_request(self, key_name: str, limits: Limits) -> None:
        """Count a request that buys nothing. Raises: LimitReached."""
        ...

    async def standing(self, key_name: str, limits: Limits) -> Standing:
        """What a key has used of these limits."""
        ...

    async def used(self, key_name: str, credential: str) -> None:
        """Note that a key was used, by this credential of it; written down when it suits."""
        ...

    async def keep_accounts(self) -> None:
        """Write down what was counted without a job. Raises: LedgerUnavailable."""
        ...

    async def job(self, name: str) -> JobRow | None:
        """A job as last recorded, by its own id, a task's (a replaced one's too), or the vendor's.

        An id of the vendor's that occurs twice leads to the newest.
        """
        ...

    async def ended(self, key_name: str, fingerprint: bytes) -> tuple[JobRow, ...]:
        """Jobs that ended for such a request, the oldest first.

        Those of which nothing was bought are left out. Of very many those are told that were never
        delivered, and then the newest.
        """
        ...

    async def keyed(self, key_name: str, idempotency_key: str) -> JobRow | None:
        """The job that holds this idempotency key."""
        ...

    async def given(self, key_name: str, fingerprint: bytes, idempotency_key: str) -> JobRow | None:
        """The job for such a request that another with this key was given last.

        What JobJoined and JobReopened say of a key counts, whichever key the job itself holds.
        """
        ...

    async def unfinished(self) -> tuple[JobRow, ...]:
        """All jobs that have not ended, the oldest first."""
        ...

    async def lost(self, since: float) -> tuple[JobRow, ...]:
        """Jobs that ended after ``since`` and have a task that is LOST, the oldest first."""
        ...

    async def claimed(self) -> frozenset[str]:
        """The tokens of living pictures that were fetched, or delivered with their job."""
        ...

    async def unclaimed(self) -> tuple[Unclaimed, ...]:
        """Jobs whose pictures' lifetime is over before anybody had them; some, the oldest first.

        They were not delivered, nor claimed by an operator, and are not written off; of each some
        pictures were not fetched by their links either.
        """
        ...

    async def write_off(self, job_ids: Sequence[str]) -> None:
        """Note that ``unclaimed`` need not tell of these again. Raises: LedgerUnavailable."""
        ...

    async def figures(self) -> LedgerFigures:
        """What there is, in numbers."""
        ...

    async def prune(self, before: float) -> int:
        """Forget jobs that ended before then, and their story; how many."""
        ...

    async def close(self) -> None:
        """Write what is still to be written, if that can be done, and release everything."""
        ...
