"""Requests from within the process, made as a key without its secret.

Owns: how such a request says whose it is, and running the clients' app for one. Must not know: who
makes them, or why. The word for whose it is stands in the ASGI scope's ``state`` as an object of a
class of ours. What comes over a connection are headers, a path and a body, all of them bytes and
text: nothing of it can become such an object.

The answer to such a request is what a client would get, but for the pictures: of their base64 only
the beginning is in it. Their names on the shelf are told beside it, so that no large answer is ever
made, kept or read here. An answer without them is no delivery: that is their being fetched.
"""

import re
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.access import permissions
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.jobs.wish import OWN
from gateway.openai.parameters import MAX_N, MAX_PROMPT
from gateway.openai.terms import CurrentTerms
from gateway.translate.model import ImageRequest
from gateway.translate.money import reservations
from gateway.translate.plan import make_plan

# A prompt for each of the most pictures, every character of the longest an escaped pair of
# surrogates, and what is around them.
MOST_KEPT = MAX_N * MAX_PROMPT * len(r"\ud83c\udfee") + 64_000
# What proxies log for a client that left before its answer.
_LEFT = 499
_PLACE = "on_behalf"
_NAME = re.compile(r"[0-9a-f]{32}\.[a-z]{3,4}")


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """Of whom a request is made: a configured key, by its name.

    ``idempotency_key`` is one of the house's own making. ``pictures`` takes the names on the shelf
    of those that the answer is of, in its order.
    """

    key_name: str
    idempotency_key: str | None = None
    pictures: list[str] = field(default_factory=list, compare=False)


def on_behalf(scope: Scope) -> OnBehalf | None:
    """Of whom a request from within is made; None for whatever came over a connection."""
    found = scope.get("state", {}).get(_PLACE)
    return found if isinstance(found, OnBehalf) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client would have got, with little of each picture; these are ``pictures``, by name.

    ``body`` is None where even so it was too large to be kept. ``status`` is 499 where nobody was
    answered, for whoever asked had left.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    pictures: tuple[str, ...] = ()


class Insider:
    """Makes requests of the clients' app; ``host`` is where answers say that it can be reached."""

    def __init__(self, app: ASGIApp, terms: CurrentTerms, clock: Clock, host: str) -> None:
        self._app = app
        self._host = host
        self._terms = terms
        self._clock = clock

    def __repr__(self) -> str:
        return f"Insider({self._terms!r})"

    async def generate(
        self, key_name: str, body: bytes, wish: str | None, receive: Receive
    ) -> Answer:
        """``POST /v1/images/generations`` with a JSON body, under the key's own limits.

        ``wish`` is the same where the same request is sent once more, and else never; None if that
        is not known. ``receive`` is of the connection of whoever asks, all of whose body was read:
        who hangs up there has hung up here.
        """
        collected = _Collected()
        behalf = OnBehalf(key_name, None if wish is None else OWN + wish)
        scope = _scope("POST", "/v1/images/generations", self._host)
        scope["headers"] += [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        scope["state"][_PLACE] = behalf
        await self._app(scope, _Caller(body, receive).receive, collected.send)
        return collected.answer(tuple(behalf.pictures))

    def picture(self, name: str) -> ASGIApp | None:
        """What answers at a picture's link, as an ASGI app; None if nothing can have that name.

        Whoever gets all of it has fetched it.
        """
        if not _NAME.fullmatch(name):
            return None

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            asked = _scope(scope["method"], f"/images/{name}", self._host)
            await self._app(asked, receive, send)

        return answer

    def quote(self, key_name: str, request: ImageRequest) -> int | None:
        """What a request of this key would cost, in micro-dollars; None if that is not known."""
        terms = self._terms.now
        try:
            key = terms.keys.named(key_name, self._clock.wall())
            plan = make_plan(request, permissions.rules_for(key, terms.rules))
        except GatewayError:
            return None
        if (plan.model, plan.tier, plan.quality) not in terms.prices:
            return None
        return sum(reservations(plan, terms.prices))


class _Caller:
    """Sends one body, and then waits for its answer for as long as whoever is behind it does."""

    def __init__(self, body: bytes, behind: Receive) -> None:
        self._body: bytes | None = body
        self._behind = behind

    async def receive(self) -> Message:
        if self._body is None:
            while (message := await self._behind())["type"] != "http.disconnect":
                pass
            return message
        message = {"type": "http.request", "body": self._body, "more_body": False}
        self._body = None
        return message


class _Collected:
    """Keeps an answer."""

    def __init__(self) -> None:
        self._status = _LEFT
        self._headers: tuple[tuple[str, str], ...] = ()
        self._pieces: list[bytes] = []
        self._size = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = tuple(
                (name.decode("latin-1").lower(), value.decode("latin-1"))
                for name, value in message.get("headers", ())
            )
            return
        piece = message.get("body", b"")
        self._size += len(piece)
        if self._size <= MOST_KEPT:
            self._pieces.append(bytes(piece))
        else:
            self._pieces.clear()

    def answer(self, pictures: tuple[str, ...]) -> Answer:
        body = b"".join(self._pieces) if self._size <= MOST_KEPT else None
        return Answer(self._status, self._headers, body, pictures)


def _scope(method: str, path: str, host: str) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", host.encode())],
        "client": None,
        "server": None,
        "state": {},
    }
