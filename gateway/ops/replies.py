"""How the console answers: headers, redirects, refusals; and how it reads a form.

Owns: the headers that keep a browser from doing more with a page than it should, and the bounds of
a form: its size, its time, and how much of it is read before others have their turn. Must not know:
what is shown or done.
"""

import asyncio
import math
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.clock import Clock
from gateway.ops.bearer import Refusal

SMALL_FORM = 8_192  # bytes
"""Enough for all fields but a prompt."""

PROMPT_FORM = SMALL_FORM + 12 * 32_000
"""The longest prompt besides: a character has four bytes at most, and each is three here."""

_MOST_FIELDS = 20
_STEP = 4_096  # bytes: what is hardest to read of this length takes a millisecond
_DIGITS = 18  # of a length: int() of thousands would be work for nothing
_FORM_TIME = 10.0
_FORM_TYPE = "application/x-www-form-urlencoded"

NO_STORE = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
# No other site learns anything of our addresses. "no-referrer" would go too far: browsers then
# leave the origin off our own forms, by which we tell them from others'.
PAGE_HEADERS = {
    **NO_STORE,
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
# A picture is for our own page alone, and does nothing if it is opened by itself.
_FILE_HEADERS = {
    **NO_STORE,
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
}
_KEPT_HEADERS = frozenset({b"content-type", b"content-length", b"content-disposition"})


def redirect(headers: Mapping[str, str] | None = None, to: str = "./") -> Response:
    """See another page; told relatively, for a proxy may have put us below a path of its own."""
    told = {**NO_STORE, **(headers or {}), "location": to}
    return Response(status_code=HTTPStatus.SEE_OTHER, headers=told)


def said(
    status: HTTPStatus, why: str, headers: Mapping[str, str] | None = None
) -> PlainTextResponse:
    """A refusal in a few words."""
    return PlainTextResponse(why, status, headers={**NO_STORE, **(headers or {})})


def turned_away(refusal: Refusal) -> Response:
    """Said to who does not show the operators' token, in a few words."""
    if refusal.wait is None:
        return said(HTTPStatus.UNAUTHORIZED, refusal.why, {"www-authenticate": "Bearer"})
    return said(HTTPStatus.TOO_MANY_REQUESTS, refusal.why, {"retry-after": seconds(refusal.wait)})


def seconds(wait: float) -> str:
    """A wait as a header says it: in whole seconds, rather too long than too short."""
    return str(max(1, math.ceil(wait)))


def bare(app: ASGIApp) -> ASGIApp:
    """The same answer for our own page: of its headers only those that say what it holds."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [one for one in message["headers"] if one[0].lower() in _KEPT_HEADERS]
                ours = [(name.encode(), value.encode()) for name, value in _FILE_HEADERS.items()]
                message = {**message, "headers": [*kept, *ours]}
            await send(message)

        await app(scope, receive, sent)

    return answer


async def read_fields(request: Request, most: int, clock: Clock) -> Mapping[str, str] | Response:
    """A form's fields, or why they are not read; ``most`` is in bytes."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM_TYPE:
        return said(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-type must be {_FORM_TYPE}")
    try:
        async with asyncio.timeout(_FORM_TIME):
            body = await _body(request, most)
    except TimeoutError:
        return said(HTTPStatus.REQUEST_TIMEOUT, "the form came too slowly")
    if body is None:
        return said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the form is too large")
    if not body.isascii() or body.count(b"&") >= _MOST_FIELDS:
        return said(HTTPStatus.BAD_REQUEST, "this is no form of ours")
    return await _fields(body, clock)


async def _body(request: Request, most: int) -> bytes | None:
    """All of it; None if it has more than ``most`` bytes, or says before it comes that it will."""
    declared = request.headers.get("content-length", "").strip()
    if declared.isdecimal() and int(declared.lstrip("0")[:_DIGITS] or 0) > most:
        return None
    body = bytearray()
    async for piece in request.stream():
        if len(body) + len(piece) > most:
            return None
        body += piece
    return bytes(body)


async def _fields(body: bytes, clock: Clock) -> Mapping[str, str]:
    """Of names that come twice the last value counts; one without a value has an empty one."""
    found = {}
    for pair in filter(None, body.split(b"&")):
        name, _, value = pair.partition(b"=")
        found[await _text(name, clock)] = await _text(value, clock)
    return found


async def _text(quoted: bytes, clock: Clock) -> str:
    """What stands for a name or a value, read in steps.

    A thread would be no way out: the library's function holds the interpreter for tens of
    milliseconds at a time when it is given all at once.
    """
    pieces = []
    start = 0
    while start < len(quoted):
        end = start + _STEP
        if end < len(quoted):
            cut = quoted.rfind(b"%", end - 2, end)  # an escape stays in one piece
            end = end if cut < 0 else cut
        pieces.append(unquote_to_bytes(quoted[start:end].replace(b"+", b" ")))
        start = end
        await clock.sleep(0)
    return b"".join(pieces).decode("utf-8", "replace")
