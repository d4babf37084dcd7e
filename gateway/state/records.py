"""What a look into a ledger gives: jobs, tasks, pictures and stories, as they stand in its rows.

Owns: the records, reading each from a row, and what follows from one alone. Must not know: files,
SQL, who looks. A plan is not restored: a little of it is picked out, and whatever is missing there
is left out. No record ever holds a prompt.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from gateway.events import State
from gateway.state.base import Failure


class Row(Protocol):
    """A row whose columns are known by name."""

    def __getitem__(self, name: str, /) -> object:
        """The value in a column."""
        ...


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task. ``asked_at`` and ``ended_at`` are its job's.

    ``replaced`` says that another task has taken over its place; ``made`` that the vendor had said
    that it was done, ``create_lost`` that the answer to a create of it was lost once.
    """

    task_id: str
    job_id: str
    place: int
    state: State
    asked_at: float
    ended_at: float | None = None
    upstream_id: str | None = None
    accepted_at: float | None = None
    cost_usd: str | None = None
    replaced: bool = False
    made: bool = False
    create_lost: bool = False


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """One picture on the shelf; ``place`` counts within its task, ``size`` is in bytes."""

    token: str
    task_id: str
    place: int
    format: str
    width: int
    height: int
    size: int
    expires_at: float
    fetched_at: float | None = None


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """What is picked out of a plan; ``n`` is all pictures asked for."""

    kind: str | None = None
    model: str | None = None
    requested_model: str | None = None
    n: int | None = None
    tier: str | None = None
    quality: str | None = None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One line of a job's story; ``task_id`` is None where it is about the job as a whole."""

    at: float
    name: str
    task_id: str | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HookRecord:
    """Who is to be told of a job's end, by the host alone: the rest of an address may be a secret.

    All is about the job's last end; ``due_at`` is None while there is nothing to tell.
    """

    host: str
    attempts: int = 0
    due_at: float | None = None
    told_at: float | None = None
    given_up_at: float | None = None
    answer: str | None = None

    @property
    def word(self) -> str:
        """``waiting`` for the end, ``due``, ``delivered`` or ``given up``."""
        if self.told_at is not None:
            return "delivered"
        if self.given_up_at is not None:
            return "given up"
        return "waiting" if self.due_at is None else "due"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One wish with all its tasks, replaced ones last, and its pictures in the order asked for."""

    job_id: str
    key_name: str
    created_at: float
    plan: PlanRecord
    tasks: tuple[TaskRecord, ...]
    pictures: tuple[PictureRecord, ...] = ()
    ended_at: float | None = None
    delivered_at: float | None = None
    failure: Failure | None = None
    idempotency_key: str | None = None
    references: int = 0

    @property
    def word(self) -> str:
        """``running`` until nothing more is done for it, then ``done`` or ``failed``."""
        if self.ended_at is None:
            return "running"
        return "done" if self.failure is None else "failed"

    @property
    def unclaimed(self) -> tuple[PictureRecord, ...]:
        """The pictures that nobody has had, of a job that is over."""
        if self.ended_at is None or self.delivered_at is not None:
            return ()
        return tuple(picture for picture in self.pictures if picture.fetched_at is None)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tasks are in each state, and of how many jobs.

    ``unclaimed`` are jobs with pictures that nobody has had; of ``expired`` ones among them nothing
    is kept any more.
    """

    jobs: int
    tasks: Mapping[State, int]
    unfinished: int = 0
    unclaimed: int = 0
    expired: int = 0


def task_record(row: Row) -> TaskRecord:
    """A task from a row that has its job's times too. Raises: ValueError for an unknown state."""
    return TaskRecord(
        task_id=str(row["task_id"]),
        job_id=str(row["job_id"]),
        place=int(str(row["place"])),
        state=State(str(row["state"])),
        asked_at=_moment(row["created_at"]) or 0.0,
        ended_at=_moment(row["ended_at"]),
        upstream_id=_text(row["upstream_id"]),
        accepted_at=_moment(row["accepted_at"]),
        cost_usd=_text(row["cost_usd"]),
        replaced=bool(row["replaced"]),
        made=bool(row["made"]),
        create_lost=bool(row["create_lost"]),
    )


def picture_record(row: Row) -> PictureRecord:
    """A picture from its row."""
    return PictureRecord(
        token=str(row["token"]),
        task_id=str(row["task_id"]),
        place=int(str(row["place"])),
        format=str(row["format"]),
        width=int(str(row["width"])),
        height=int(str(row["height"])),
        size=int(str(row["size"])),
        expires_at=_moment(row["expires_at"]) or 0.0,
        fetched_at=_moment(row["fetched_at"]),
    )


def event_record(row: Row) -> EventRecord:
    """A line of a story from its row."""
    return EventRecord(
        at=_moment(row["at"]) or 0.0,
        name=str(row["name"]),
        task_id=_text(row["task_id"]),
        detail=_object(row["detail"]),
    )


def hook_record(row: Row) -> HookRecord:
    """Who is to be told, from its row."""
    return HookRecord(
        host=_host(str(row["url"])),
        attempts=int(str(row["attempts"])),
        due_at=_moment(row["due_at"]),
        told_at=_moment(row["told_at"]),
        given_up_at=_moment(row["given_up_at"]),
        answer=_text(row["answer"]),
    )


def job_record(
    row: Row, tasks: tuple[TaskRecord, ...], pictures: tuple[PictureRecord, ...]
) -> JobRecord:
    """A job from its row and what belongs to it."""
    return JobRecord(
        job_id=str(row["job_id"]),
        key_name=str(row["key_name"]),
        created_at=_moment(row["created_at"]) or 0.0,
        plan=plan_record(_object(row["plan"])),
        tasks=tasks,
        pictures=pictures,
        ended_at=_moment(row["ended_at"]),
        delivered_at=_moment(row["delivered_at"]),
        failure=_failure(row["failure"]),
        idempotency_key=_text(row["idempotency_key"]),
        references=len(_object(row["links"])),
    )


def plan_record(plan: Mapping[str, object]) -> PlanRecord:
    """What is told of a plan: as much as there is."""
    listed = plan.get("tasks")
    tasks = [task for task in listed if isinstance(task, dict)] if isinstance(listed, list) else []
    numbers = [task["n"] for task in tasks if isinstance(task.get("n"), int)]
    first: Mapping[str, object] = tasks[0] if tasks else {}
    return PlanRecord(
        kind=_text(plan.get("kind")),
        model=_text(plan.get("model")),
        requested_model=_text(plan.get("requested_model")),
        n=sum(numbers) if numbers else None,
        tier=_text(first.get("tier")),
        quality=_text(first.get("quality")),
    )


def _failure(value: object) -> Failure | None:
    """A remembered error; of one that cannot be read it is still known that there was one."""
    if value is None:
        return None
    told = _object(value)
    return Failure(
        kind=_text(told.get("kind")) or "unknown",
        message=_text(told.get("message")) or "",
        code=_text(told.get("code")),
        param=_text(told.get("param")),
    )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _object(value: object) -> Mapping[str, object]:
    try:
        read = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        read = None
    return read if isinstance(read, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _moment(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
