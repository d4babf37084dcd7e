"""A listener on loopback, and a caller that says exactly the bytes it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.server.listener import Listener

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

pause = SystemClock().sleep  # sockets know no fake time
PATIENCE = 5.0  # a test that waits longer has failed
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"


async def answer(send: Send, status: int = 200, body: bytes = b"ok") -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer with what was understood of the request."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    seen = {
        "method": scope["method"],
        "path": scope["path"],
        "headers": [name.decode() for name, _ in scope["headers"]],
        "body": body.decode(),
    }
    await answer(send, body=json.dumps(seen).encode())


def listener_for(app: App, **given: Any) -> Listener:
    settings = {"host": "127.0.0.1", "port": 0, **given}
    return Listener(app, bounds=ServerBounds(), clock=SystemClock(), **settings)


class Slow:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.running = 0
        self.go = asyncio.Event()
        self.cancelled = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.running += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        await answer(send)


async def until(true: Callable[[], object]) -> None:
    """Wait for what other tasks are about to make true."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # what is waited for has no event to set
            await pause(0.01)


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found


class Caller:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()

    async def hear(self) -> Response:
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.split(": ", 1) for line in head[1:] if line)
            headers = {name.lower(): value for name, value in pairs}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Response(int(head[0].split(" ")[1]), headers, body)

    async def ask(self, data: bytes) -> Response:
        await self.say(data)
        return await self.hear()

    async def rest(self) -> bytes:
        """All that comes until the other side closes."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def until(self, last: bytes) -> bytes:
        """All that comes, up to these bytes."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(last)

    async def is_hung_up_on(self) -> bool:
        """Wait for the end; whatever still comes first is a surprise."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True

    def leave(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def serving(app: App, **bounds: Any) -> AsyncIterator[Listener]:
    listener = Listener(
        app, host="127.0.0.1", port=0, bounds=ServerBounds(**bounds), clock=SystemClock()
    )
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop(0)


@asynccontextmanager
async def calling(listener: Listener) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.transport.abort()
        await pause(0)
