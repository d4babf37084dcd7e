"""How the console answers: headers, redirects, refusals; and how it reads a form.

Owns: the headers that keep a browser from doing more with a page than it should, and the bounds of
a form. Must not know: what is shown or done.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_FORM = 512_000
_MOST_FIELDS = 20
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


async def read_fields(request: Request) -> Mapping[str, str] | Response:
    """A form's fields, or why they are not read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM_TYPE:
        return said(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-type must be {_FORM_TYPE}")
    body = bytearray()
    try:
        async with asyncio.timeout(_FORM_TIME):
            async for piece in request.stream():
                body += piece
                if len(body) > _MOST_FORM:
                    return said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the form is too large")
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except TimeoutError:
        return said(HTTPStatus.REQUEST_TIMEOUT, "the form came too slowly")
    except ValueError:
        return said(HTTPStatus.BAD_REQUEST, "this is no form of ours")
    return dict(pairs)
