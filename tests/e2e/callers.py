"""A caller at the level of bytes: one who leaves, dawdles, or sends more than is taken."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from tests.e2e.stand import KEY, Stand

Leaving = Literal["close", "reset", "half"]
"""Say good-bye; slam the door; say that nothing more will be said."""

_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


class Caller:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def ask(self, path: str, body: bytes, **headers: str) -> None:
        """A whole request."""
        await self.send(head(path, content_length=str(len(body)), **headers) + body)

    def leave(self, how: Leaving) -> None:
        sock = self._writer.get_extra_info("socket")
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if how == "half":
            self._writer.write_eof()
        else:
            self._writer.close()

    async def line(self) -> bytes:
        return await self._reader.readline()

    async def answer(self, seconds: float = 5.0) -> Answer:
        """The answer, which must have a length."""
        async with asyncio.timeout(seconds):
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in lines[1:] if line)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(lines[0].split()[1]), headers, body)

    async def rest(self, seconds: float = 5.0) -> bytes:
        """What comes until the other side closes."""
        async with asyncio.timeout(seconds):
            return await self._reader.read()


def head(path: str, **headers: str) -> bytes:
    told = {
        "host": "gateway",
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def chunked(pieces: Iterable[bytes]) -> bytes:
    framed = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"".join(framed) + b"0\r\n\r\n"


@contextlib.asynccontextmanager
async def calling(stand: Stand) -> AsyncIterator[Caller]:
    host, _, port = stand.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
