"""What is known of one request: gathered while it runs, told once when it is over.

Owns: the mutable facts a request's parts write into, the frozen events told about it, and how our
request ids look. Must not know: HTTP's wire, logging, or what a note means. Standard library only.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal, Protocol

Emit = Callable[[object], None]
"""Takes one frozen event; returns at once and never raises."""


def new_request_id() -> str:
    """Make one of our request ids: ``req_`` and 128 random bits in hex."""
    return f"req_{secrets.token_hex(16)}"


class Remark(Protocol):
    """What a note looks like from here: a token and its parameters, in order."""

    @property
    def name(self) -> str:
        """A lower-case RFC 8941 token."""
        ...

    @property
    def params(self) -> tuple[tuple[str, str | float], ...]:
        """Parameters in order."""
        ...


@dataclass(slots=True)
class RequestFacts:
    """What the parts that serve a request learn about it; found in ``scope["state"]["facts"]``.

    ``route`` is a route's name from a closed set, never the path (a picture's path is a secret).
    ``phases`` maps a phase's name to the seconds it took. ``status`` is the one that was sent.
    ``key_fault`` says why a key was not admitted. ``joined`` says how the request was known to be
    the repetition of another. ``standing`` gives further headers of the answer when it begins: what
    its key has left by then.
    """

    request_id: str
    client_request_id: str | None = None
    key_name: str | None = None
    key_fault: str | None = None
    route: str | None = None
    model: str | None = None
    n: int | None = None
    tier: str | None = None
    quality: str | None = None
    job_id: str | None = None
    joined: str | None = None
    upstream_ids: tuple[str, ...] = ()
    notes: tuple[Remark, ...] = ()
    status: int | None = None
    error_code: str | None = None
    standing: Callable[[], Awaitable[Mapping[str, str]]] | None = None
    phases: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request is over, however it ended.

    ``status`` is ``None`` where no response was started. ``left_early`` says that the client hung
    up before the response was complete. ``duration`` is in seconds, ``sent`` in bytes of body.
    """

    request_id: str
    method: str
    status: int | None
    duration: float
    sent: int
    left_early: bool = False
    client_request_id: str | None = None
    key_name: str | None = None
    key_fault: str | None = None
    route: str | None = None
    model: str | None = None
    n: int | None = None
    tier: str | None = None
    quality: str | None = None
    job_id: str | None = None
    joined: str | None = None
    upstream_ids: tuple[str, ...] = ()
    notes: tuple[Remark, ...] = ()
    error_code: str | None = None
    phases: Mapping[str, float] = field(default_factory=dict)

    @property
    def level(self) -> Literal["info", "warning"]:
        """How loudly to tell it: our own failures are warnings."""
        ours = self.status is not None and self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return "warning" if ours else "info"


@dataclass(frozen=True, slots=True)
class Crashed:
    """A fault of ours reached the last resort; ``traceback`` is for operators alone."""

    request_id: str
    error: str
    traceback: str
    job_id: str | None = None

    @property
    def level(self) -> Literal["error"]:
        """Always an error."""
        return "error"
