"""Acting out trouble: answers that come late, in drops, in half, or as something else.

Owns: responses that misbehave on the wire. Must not know: which fault is due, or tasks. A server
cannot be asked through ASGI to reset a connection; leaving a response unfinished makes uvicorn
close it after the headers and part of the body, which is as much as can be done from here.
"""

import asyncio
from collections.abc import Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.clock import Clock
from gateway.simulator.faults import Fault

_DROPS = 10

_DENIED = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code>'
    "<Message>{message}</Message></Error>"
)
_HTML = "<!doctype html><html><body>Please sign in to continue.</body></html>"


class Late(Response):
    """Answers only after ``seconds``, or never if the caller leaves first."""

    def __init__(self, response: Response, clock: Clock, seconds: float) -> None:
        super().__init__()
        self._response = response
        self._clock = clock
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then answer."""
        if await stalled(receive, self._clock, self._seconds):
            await self._response(scope, receive, send)


class Cut(Response):
    """The headers and a part of the body of another answer, then the end of the connection."""

    def __init__(self, whole: Response, share: float = 0.5) -> None:
        super().__init__(whole.body, whole.status_code)
        self.raw_headers = whole.raw_headers
        self._share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Leave the answer unfinished."""
        await send(self._start())
        part = bytes(self.body[: int(len(self.body) * self._share)])
        await send({"type": "http.response.body", "body": part, "more_body": True})

    def _start(self) -> dict[str, object]:
        return {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }


class Dripping(Cut):
    """Another answer, whole, in pieces spread over ``seconds``."""

    def __init__(self, whole: Response, clock: Clock, seconds: float) -> None:
        super().__init__(whole)
        self._clock = clock
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send a piece, wait, and so on."""
        await send(self._start())
        body = bytes(self.body)
        step = max(1, -(-len(body) // _DROPS))
        for start in range(0, len(body), step):
            await self._clock.sleep(self._seconds / _DROPS)
            piece = {"type": "http.response.body", "body": body[start : start + step]}
            await send({**piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def stalled(receive: Receive, clock: Clock, seconds: float) -> bool:
    """Wait ``seconds``, or until the caller hangs up; tell whether it is still there."""
    sleeping = asyncio.ensure_future(clock.sleep(seconds))
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({sleeping, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return sleeping.done()
    finally:
        for waiting in (sleeping, leaving):
            waiting.cancel()
        await asyncio.gather(sleeping, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def delivered(fault: Fault | None, response: Response, clock: Clock) -> Response:
    """Deliver the response as the fault wants; unchanged where it is not about delivery."""
    if fault is None:
        return response
    match fault.kind:
        case "stall":
            return Late(response, clock, fault.seconds)
        case "cut" | "cut_before":
            return Cut(response)
        case "drip":
            return Dripping(response, clock, fault.seconds)
        case _:
            return response


def broken_file(fault: Fault, data: bytes, media_type: str) -> Response | None:
    """Answer for a file under a fault of its own; None where the fault is about delivery."""
    made = _BROKEN.get(fault.kind)
    return made(fault, data, media_type) if made is not None else None


def _denied(fault: Fault, data: bytes, media_type: str) -> Response:  # noqa: ARG001
    word = "Request has expired" if fault.kind == "expired" else "Access Denied"
    return Response(_DENIED.format(message=word), 403, media_type="application/xml")


def _redirected(fault: Fault, data: bytes, media_type: str) -> Response:  # noqa: ARG001
    location = fault.location or "http://169.254.169.254/latest/meta-data"
    return Response(None, 302, {"location": location})


def _half(fault: Fault, data: bytes, media_type: str) -> Response:  # noqa: ARG001
    response = Response(data, media_type=media_type)
    response.headers["content-length"] = str(len(data) * 2)
    return Cut(response, share=1)


def _garbled(data: bytes) -> bytes:
    """Keep a picture's head and spoil the rest: it sniffs well and decodes badly."""
    return data[:64] + bytes(255 - byte for byte in data[64:4096])


class Huge(Response):
    """A picture followed by zeros, for as long as anybody reads, up to ten gigabytes; no length."""

    def __init__(self, data: bytes, media_type: str) -> None:
        super().__init__(data, media_type=media_type)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send until the caller has had enough."""
        leaving = asyncio.ensure_future(_left(receive))
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        try:
            await send(start)
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
            zeros = {"type": "http.response.body", "body": bytes(1 << 20), "more_body": True}
            for _ in range(10_000):
                if leaving.done():
                    break
                await send(zeros)
                await asyncio.wait({leaving}, timeout=0)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)


_BROKEN: Mapping[str, Callable[[Fault, bytes, str], Response]] = {
    "forbidden": _denied,
    "expired": _denied,
    "redirect": _redirected,
    "wrong_length": _half,
    "missing": lambda _, __, ___: Response("Not Found", 404, media_type="text/plain"),
    "html": lambda _, __, ___: Response(_HTML, media_type="text/html"),
    "html_as_picture": lambda _, __, kind: Response(_HTML, headers={"content-type": kind}),
    "empty": lambda _, __, kind: Response(b"", media_type=kind),
    "truncated": lambda _, data, kind: Response(data[: len(data) * 2 // 3], media_type=kind),
    "wrong_type": lambda _, data, __: Response(data, media_type="application/octet-stream"),
    "wrong_picture": lambda _, data, kind: Response(_garbled(data), media_type=kind),
    "huge": lambda _, data, kind: Huge(data, kind),
}
