"""What the rest of the house may ask of a vendor.

Owns: the ``Upstream`` protocol, what a task's status says, the four ways a create can fail to
give an answer, and what is left of a webhook once it was read. Must not know: any vendor's wire
shape (``toapis.py``), HTTP.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.errors import GatewayError
from gateway.translate.model import Picture, Reference, TaskSpec

Phase = Literal["queued", "running", "done", "failed"]

Silence = Literal["http_429", "http_5xx", "timeout", "network", "garbage"]
"""In which way a question got no usable answer; one of the words of ``notices.Answer``."""


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One answer about a task.

    ``word`` is the vendor's own for its state; ``links`` (done only) are addresses of pictures or
    ``data:`` URLs, in order; ``failure`` (failed only) is what a caller is told; ``completed_at``
    is Unix seconds; ``cost_usd`` a decimal string as the vendor told it.
    """

    upstream_id: str
    phase: Phase
    word: str
    progress: int | None = None
    links: tuple[str, ...] = ()
    failure: GatewayError | None = None
    completed_at: float | None = None
    cost_usd: str | None = None


class CreateOutcome(Exception):
    """A create that did not end in an accepted task."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CreateNotSent(CreateOutcome):
    """No connection was made: nothing was sent, nothing is bought."""


class CreateThrottled(CreateOutcome):
    """The vendor said: not now. Nothing is bought. ``retry_after`` in seconds, if it said."""

    def __init__(self, reason: str, retry_after: float | None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class CreateRefused(CreateOutcome):
    """The vendor said no. Nothing is bought. ``error`` is what a caller is told."""

    def __init__(self, reason: str, error: GatewayError) -> None:
        super().__init__(reason)
        self.error = error


class CreateLost(CreateOutcome):
    """Sent, and no usable answer: perhaps bought. Never to be sent again blindly."""


class StatusUnavailable(Exception):
    """A question about a task got no usable answer; ask again later."""

    def __init__(self, reason: str, retry_after: float | None = None, *, kind: Silence) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.kind = kind

    @property
    def throttled(self) -> bool:
        """Whether it is the account that is asked for patience, not this task."""
        return self.kind == "http_429"


class TaskUnknown(Exception):
    """The vendor says that there is no such task."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """What the vendor told by itself, and is known to be its own.

    ``names`` are those of the task that it says has ended, the vendor's first; none where it is
    about no task. ``word`` is what it calls itself, ``event`` its own id. ``repeated``: it was told
    before.
    """

    names: tuple[str, ...]
    word: str
    repeated: bool = False
    event: str = ""


Doubt = Literal["unsigned", "forged", "stale"]
"""Why something that came is not held for the vendor's: it bears no signature, or none of those it
bears is right; or one is, but it was made too long ago, or by another clock."""


class NotGenuine(Exception):
    """Nobody knows whether the vendor sent this."""

    def __init__(self, reason: Doubt) -> None:
        super().__init__(reason)
        self.reason = reason


class Upstream(Protocol):
    """An asynchronous vendor of pictures."""

    async def upload(self, picture: Picture) -> str:
        """Make a picture reachable for the vendor; gives its address. Raises: GatewayError."""
        ...

    async def create(
        self, spec: TaskSpec, links: Mapping[Reference, str], task_id: str
    ) -> TaskStatus:
        """Buy a task, once. ``links`` has an address for each reference and the mask.

        Raises: CreateNotSent, CreateThrottled, CreateRefused, CreateLost.
        """
        ...

    async def status(self, task_id: str) -> TaskStatus:
        """Ask about a task by the vendor's id or ours. Raises: StatusUnavailable, TaskUnknown."""
        ...
