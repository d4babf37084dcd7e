"""Pages of other origins that call from a browser.

Owns: which origins may, what their scripts may read, and the browser's question before a call
(the Fetch standard's CORS protocol, and Private Network Access). Must not know: endpoints, keys.
A browser sends no key with its question, so the answer to it needs none, and tells nothing.
"""

import re
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

EXPOSED = (
    "x-request-id",
    "x-client-request-id",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "openai-processing-ms",
    "x-gateway-task",
    "x-gateway-notes",
    "x-gateway-joined",
    "location",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-images",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-images",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-images",
)
"""Headers of an answer that a page's script may read."""

_METHODS = "GET, HEAD, POST, OPTIONS"
_MAX_AGE = "7200"  # seconds; Chromium keeps an answer for no longer
_LONGEST = 4096  # characters of all headers' names that a page asks for
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_ASKED_FOR = "origin, access-control-request-method, access-control-request-headers"
_PRIVATE = "access-control-request-private-network"


class Origins:
    """The origins that may call; ``*`` stands for any."""

    def __init__(self, listed: Sequence[str]) -> None:
        self._any = "*" in listed
        self._listed = frozenset(listed)

    def __repr__(self) -> str:
        return f"Origins({'*' if self._any else sorted(self._listed)})"

    @property
    def matters(self) -> bool:
        """Whether an answer is not the same for all origins."""
        return bool(self._listed) and not self._any

    def allowed(self, origin: str | None) -> str | None:
        """Who may read an answer to a request from this origin; None: no other origin."""
        if self._any:
            return "*"
        return origin if origin is not None and origin.lower() in self._listed else None


class CrossOrigin:
    """ASGI middleware, to be outside all others: whatever is answered says who may read it."""

    def __init__(self, app: ASGIApp, *, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with headers added to the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        allowed = self._origins.allowed(Headers(scope=scope).get("origin"))

        async def send_readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=message)
                if allowed is not None:
                    headers["access-control-allow-origin"] = allowed
                    headers["access-control-expose-headers"] = ", ".join(EXPOSED)
                if self._origins.matters and "origin" not in headers.get("vary", ""):
                    headers.add_vary_header("origin")
            await send(message)

        await self._app(scope, receive, send_readable)


class Preflights:
    """ASGI middleware that answers a browser's question before a call, for any path.

    An ``OPTIONS`` that is no such question is passed on.
    """

    def __init__(self, app: ASGIApp, *, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            asked = Headers(scope=scope)
            if "origin" in asked and "access-control-request-method" in asked:
                await Response(status_code=204, headers=self._answer(asked))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _answer(self, asked: Headers) -> dict[str, str]:
        """The headers; nothing is allowed to an origin that may not call."""
        headers = {"vary": f"{_ASKED_FOR}, {_PRIVATE}"}
        if self._origins.allowed(asked["origin"]) is None:
            return headers
        headers["access-control-allow-methods"] = _METHODS
        headers["access-control-max-age"] = _MAX_AGE
        names = _names(asked.get("access-control-request-headers", ""))
        if names:
            headers["access-control-allow-headers"] = ", ".join(names)
        if asked.get(_PRIVATE) == "true":
            headers["access-control-allow-private-network"] = "true"
        return headers


def _names(asked: str) -> list[str]:
    """What is a header's name, of what a page asks for; nothing of what is too much."""
    if len(asked) > _LONGEST:
        return []
    names = (name.strip() for name in asked.split(","))
    return [name for name in names if _NAME.fullmatch(name)]
