"""A client's connection, byte for byte: what it writes, and what it hears.

Owns: HTTP's framing, as far as it takes to send a request as it was captured and to know where an
answer ends. Must not know: any client. Nothing is added to a request but its framing: a header that
is not given is not sent, and names keep their case and order.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.clients.raw.shop import Shop

Headers = Sequence[tuple[str, str]]
PATIENCE = 20.0
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    """A request; its body has a length, unless it goes out in ``chunks`` of so many bytes."""

    target: str
    headers: Headers
    body: bytes = b""
    method: str = "POST"
    chunks: int | None = None

    def head(self) -> bytes:
        framing = [("Transfer-Encoding", "chunked")] if self.chunks else []
        if self.body and not self.chunks:
            framing = [("Content-Length", str(len(self.body)))]
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in [*self.headers, *framing]]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def tail(self) -> bytes:
        """The body, framed."""
        if not self.chunks:
            return self.body
        pieces = [
            self.body[start : start + self.chunks]
            for start in range(0, len(self.body), self.chunks)
        ]
        return b"".join(map(chunk, pieces)) + b"0\r\n\r\n"

    def __bytes__(self) -> bytes:
        return self.head() + self.tail()


@dataclass(frozen=True)
class Reply:
    """An answer, whole."""

    status: int
    reason: str
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name]
        assert len(found) <= 1, f"{name} was sent {len(found)} times"
        return found[0] if found else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's envelope, which has exactly these keys."""
        assert self.header("content-type") == "application/json"
        assert set(self.json) == {"error"}
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error

    @property
    def told(self) -> tuple[int, str | None, str | None]:
        """Status, code and parameter of an error."""
        error = self.error
        return self.status, error["code"], error["param"]


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(self, request: Request) -> Reply:
        await self.send(bytes(request))
        return await self.reply(request.method)

    async def reply(self, method: str = "POST") -> Reply:
        """The next answer; what is said before it (``100 Continue``) is no answer."""
        async with asyncio.timeout(PATIENCE):
            status, reason, headers = await self.begin()
            named = {name.lower(): value for name, value in headers}
            return Reply(status, reason, headers, await self._body(named, method))

    async def begin(self) -> tuple[int, str, Headers]:
        """Status, reason and headers."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        version, status, reason = (*first.split(" ", 2), "")[:3]
        assert version == "HTTP/1.1"
        pairs = (line.partition(":") for line in lines)
        return int(status), reason, [(name, value.strip()) for name, _, value in pairs]

    async def _body(self, headers: dict[str, str], method: str) -> bytes:
        if method == "HEAD":
            return b""
        if headers.get("transfer-encoding") == "chunked":
            return await self._chunked()
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        return await self.reader.read()

    async def _chunked(self) -> bytes:
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        assert await self.reader.readuntil(b"\r\n") == b"\r\n"
        return body

    def hang_up(self, *, abruptly: bool = False) -> None:
        """Leave without having heard the answer."""
        if abruptly:
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.close()


def chunk(piece: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@contextlib.asynccontextmanager
async def wired(shop: Shop) -> AsyncIterator[Wire]:
    host, _, port = shop.authority.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def ask(shop: Shop, request: Request) -> Reply:
    """One request on a connection of its own."""
    async with wired(shop) as wire:
        return await wire.ask(request)
