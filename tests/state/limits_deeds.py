"""What the cases of the limits are made of: deeds of keys, fates of tasks, a clock's hands."""

from dataclasses import dataclass
from typing import TypeAlias

from gateway.config.sections import Limits
from gateway.events import (
    Collected,
    Created,
    CreateLost,
    CreateSent,
    Dropped,
    Found,
    LinkDead,
    NotFound,
    NotSent,
    Polled,
    PollFailed,
    RecreateAllowed,
    Refused,
    Succeeded,
    TaskEvent,
    TaskFailed,
    Throttled,
    Vanished,
)
from tests.clocks import FakeClock
from tests.state.slow_model import NANO

FATES: tuple[tuple[type[TaskEvent], ...], ...] = (
    (CreateSent, Created, Polled, Succeeded, Collected),
    (CreateSent, Created, Succeeded, LinkDead),
    (CreateSent, Created, TaskFailed),
    (CreateSent, Created, Vanished),
    (CreateSent, Refused),
    (CreateSent, CreateLost, NotFound),
    (CreateSent, CreateLost, Found, Succeeded, Collected),
    (CreateSent, CreateLost, RecreateAllowed, NotFound),
    (CreateSent, CreateLost, RecreateAllowed, CreateSent, Refused, NotFound),
    (CreateSent, NotSent, Dropped),
    (CreateSent, Throttled, CreateSent, Created),
    (Dropped,),
    (Found, Succeeded),
)


@dataclass(frozen=True, slots=True)
class Pass:
    """Time passes."""

    nanoseconds: int


@dataclass(frozen=True, slots=True)
class Wish:
    """A key asks for tasks of so many pictures and micro-dollars each.

    Whoever has ``patience`` comes back twice: just before the time that was stated, and then. One
    that is ``undone`` turns out not to have been written down.
    """

    key: int
    tasks: tuple[tuple[int, int], ...]
    patience: bool = False
    undone: bool = False


@dataclass(frozen=True, slots=True)
class Plain:
    """A key's request that buys nothing, or only a look at whether there might be one."""

    key: int
    look: bool = False


@dataclass(frozen=True, slots=True)
class Happen:
    """Some events that can happen, to one of the tasks that any can; ``cost`` as told."""

    task: int
    events: tuple[int, ...]
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Fate:
    """One of the ways a task may go, as far as the one it is told for can go it."""

    task: int
    fate: int
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class End:
    """One of the jobs of which nothing more may become ends."""

    job: int


@dataclass(frozen=True, slots=True)
class Again:
    """One of the jobs that ended is taken up for what it lacks."""

    job: int


@dataclass(frozen=True, slots=True)
class Reload:
    """A key's limits are others from now on."""

    key: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Jump:
    """The wall clock is set wrong by so many seconds, or right if it was wrong."""

    seconds: int


Deed: TypeAlias = Pass | Wish | Plain | Happen | Fate | End | Again | Reload | Jump


class Hands(FakeClock):
    """A fake clock that counts whole nanoseconds, and whose wall clock can be set."""

    def __init__(self, epoch: int) -> None:
        super().__init__(now=0.0, epoch=float(epoch))
        self.passed = 0

    def turn(self, nanoseconds: int) -> None:
        self.passed += nanoseconds
        self.now = self.passed / NANO

    def set_wall(self, by: int) -> None:
        self._epoch += by


def event_of(kind: type[TaskEvent], job_id: str, task_id: str, cost: int | None) -> TaskEvent:
    told = None if cost is None else f"{cost / 1_000_000:.6f}"
    more: dict[type[TaskEvent], dict[str, object]] = {
        Created: {"upstream_id": "up", "seconds": 0.1},
        NotSent: {"reason": "x"},
        Throttled: {"retry_after": None},
        Refused: {"reason": "x"},
        CreateLost: {"reason": "x"},
        Found: {"upstream_id": "up"},
        Polled: {"word": "x", "progress": None},
        PollFailed: {"reason": "x"},
        Succeeded: {"images": 1, "seconds": 1.0, "completed_at": None, "cost_usd": told},
        TaskFailed: {"reason": "x", "cost_usd": told},
        Vanished: {"reason": "x"},
        LinkDead: {"reason": "x"},
        Collected: {"images": 1, "size": 1},
        Dropped: {"reason": "x"},
        CreateSent: {},
        NotFound: {},
        RecreateAllowed: {},
    }
    return kind(job_id=job_id, task_id=task_id, at=0.0, **more[kind])
