"""What is known of one request: gathered while it runs, told once when it is over.

Owns: the mutable facts a request's parts write into, the frozen events told about it, and how our
request ids look. Must not know: HTTP's wire, logging, or what a note means. Standard library only.
"""

import secrets
from collections import Counter
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


Whereabouts = Literal["body", "queue", "create", "poll", "download", "write"]
"""What a request was waiting for when its caller left: its own body's bytes; a turn; the vendor's
answer to the create; the picture being made; its download and finishing; its reader."""

Rejection = Literal[
    "auth",
    "invalid",
    "too_large",
    "rate_limit",
    "quota",
    "throttled",
    "unfunded",
    "queue_full",
    "deadline",
    "breaker",
    "overload",
    "draining",
    "journal",
]
"""Why a request was turned away with nothing bought for it. ``rate_limit`` and ``quota`` are a
key's own (the former an address's too, that showed wrong keys); ``throttled`` and ``unfunded`` the
account's at the vendor; ``overload``: there is no room for pictures."""


@dataclass(slots=True)
class RequestFacts:
    """What the parts that serve a request learn about it; found in ``scope["state"]["facts"]``.

    ``route`` is a route's name from a closed set, never the path (a picture's path is a secret).
    ``phases`` maps a phase's name to the seconds it took, one after the other: ``client`` is what
    was spent on waiting for the caller (its body's bytes, its reading), ``fetch`` on pictures of
    its that lie elsewhere (and on a place to fetch them in), ``queue`` on waiting for a turn,
    ``upstream`` on the vendor (uploads, create, making, download); what is left is ours.
    ``waits`` is what it waits for at the moment, or tells it; ``waiting`` is read from there.
    ``status`` is the one that was sent. ``retry`` counts the caller's own repetitions, as it said.
    ``images`` and ``delivery`` are what the answer holds, once it was begun; ``cost`` what was
    charged for it by its end, in micro-dollars, and 0 if it was joined.
    ``key_fault`` says why a key was not admitted. ``joined`` says how the request was known to be
    the repetition of another. ``standing`` gives further headers of the answer when it begins: what
    its key has left by then. ``manner`` is how it is answered; ``late_status`` the status that its
    failure would have had, had the answer not begun before.
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
    manner: str | None = None
    status: int | None = None
    late_status: int | None = None
    error_code: str | None = None
    rejection: Rejection | None = None
    waits: Whereabouts | Callable[[], Whereabouts] = "body"
    retry: int | None = None
    images: int | None = None
    delivery: str | None = None
    cost: int | None = None
    standing: Callable[[], Awaitable[Mapping[str, str]]] | None = None
    phases: dict[str, float] = field(default_factory=dict)

    @property
    def waiting(self) -> Whereabouts:
        """What the request waits for at the moment."""
        return self.waits() if callable(self.waits) else self.waits

    def fetched(self, seconds: float) -> None:
        """A picture that the caller named by a link took so long, whatever came of it."""
        self.phases["fetch"] = self.phases.get("fetch", 0.0) + seconds


class InFlight:
    """The requests being served right now."""

    def __init__(self) -> None:
        self._facts: dict[str, RequestFacts] = {}

    def __len__(self) -> int:
        return len(self._facts)

    def __repr__(self) -> str:
        return f"InFlight({len(self._facts)})"

    def enter(self, facts: RequestFacts) -> None:
        """A request begins."""
        self._facts[facts.request_id] = facts

    def leave(self, facts: RequestFacts) -> None:
        """A request is over."""
        self._facts.pop(facts.request_id, None)

    def by_route(self) -> Mapping[str | None, int]:
        """How many, by the route's name; ``None`` while that is not known, or for no route."""
        return Counter(facts.route for facts in self._facts.values())


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request is over, however it ended.

    ``status`` is ``None`` where no response was started; ``late_status`` is that of a failure which
    came when it had. ``left_early`` says that the client hung
    up before the response was complete, ``waiting`` what for just then. ``duration`` is in
    seconds; ``received`` and ``sent`` are bytes of body.
    """

    request_id: str
    method: str
    status: int | None
    duration: float
    sent: int
    received: int = 0
    left_early: bool = False
    waiting: Whereabouts | None = None
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
    manner: str | None = None
    late_status: int | None = None
    error_code: str | None = None
    rejection: Rejection | None = None
    retry: int | None = None
    images: int | None = None
    delivery: str | None = None
    cost: int | None = None
    phases: Mapping[str, float] = field(default_factory=dict)

    @property
    def final_status(self) -> int | None:
        """What it came to: the status of a failure after the answer began, else what was sent."""
        return self.status if self.late_status is None else self.late_status

    @property
    def level(self) -> Literal["info", "warning"]:
        """How loudly to tell it: our own failures are warnings."""
        status = self.final_status
        ours = status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR
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
