"""Callers at the level of bytes: they cost next to nothing, and may leave as they please.

Owns: one connection, a request on it, and reading the answer; a stock of connections that are kept
open. Must not know: what is tried. The SDK costs more than the gateway does, so whoever is to be
many, or quick, asks like this.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from gateway.clock import SystemClock
from tests.faults.supervisor import KEY
from tests.faults.wishes import Wish
from tests.outputs import OUTPUTS

RETRY_COUNT = "x-stainless-retry-count"
_NO_GOODBYE = struct.pack("ii", 1, 0)
_ENVELOPE = {"message", "type", "param", "code"}
_OK = 200
_LONGEST_HINT = 60
_LARGEST = 16_000_000
_STALE = 5.0  # seconds; a gateway ends a connection that is idle for long


@dataclass(frozen=True, slots=True)
class Answer:
    """What was told; header names in lower case, ``seconds`` from the first byte sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def served(self) -> bool:
        return self.status == _OK

    @property
    def hint(self) -> int:
        """The seconds of its ``retry-after``; 0 if it has none that is whole and in bounds."""
        told = self.headers.get("retry-after", "")
        return int(told) if told.isdecimal() and int(told) <= _LONGEST_HINT else 0

    def wrong_refusal(self) -> str | None:
        """What is wrong with an answer that should say: not now, but soon."""
        with contextlib.suppress(ValueError, LookupError, TypeError):
            error: dict[str, Any] = json.loads(self.body)["error"]
            if set(error) != _ENVELOPE or not error["message"] or not error["code"]:
                return f"{self.status} is not in the envelope: {error}"
            if self.status not in {429, 503}:
                return f"{self.status} {error['code']}"
            if not self.hint:
                return f"{self.status} says retry-after {self.headers.get('retry-after')}"
            if self.headers.get("x-should-retry") == "false":
                return f"{self.status} says not to come back"
            return None
        return f"{self.status} without an envelope: {self.body[:100]!r}"


class Line:
    """One connection. See ``opened``."""

    def __init__(
        self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer
        self._clock = SystemClock()
        self.open = True

    @classmethod
    async def opened(cls, url: str) -> Self:
        """Connect. Raises: OSError."""
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=_LARGEST)
        return cls(place.netloc, reader, writer)

    async def ask(self, wish: Wish, *, key: str = KEY, retry_count: int = 0) -> Answer:
        """Ask and read the answer. Raises: OSError, asyncio.IncompleteReadError."""
        begun = self._clock.monotonic()
        self.send(wish, key=key, retry_count=retry_count)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        body = await self._reader.readexactly(int(headers["content-length"]))
        self.open = headers.get("connection", "").lower() != "close"
        if not head[0].endswith("200 OK"):
            OUTPUTS.keep("answers", "\n".join(head).encode() + body)
        return Answer(int(head[0].split()[1]), headers, body, self._clock.monotonic() - begun)

    def send(self, wish: Wish, *, key: str = KEY, retry_count: int = 0) -> None:
        """Send a request, as an SDK does that asks for the so-and-so-manieth time."""
        body = json.dumps(wish.body).encode()
        lines = (
            "POST /v1/images/generations HTTP/1.1",
            f"host: {self._host}",
            f"authorization: Bearer {key}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            f"{RETRY_COUNT}: {retry_count}",
        )
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    def slam(self) -> None:
        """Cut the connection by a reset."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_GOODBYE)
        self._writer.transport.abort()

    def hang_up(self) -> None:
        """End the connection in good order."""
        self._writer.close()


class Lines:
    """Connections to one gateway, kept open between requests."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clock = SystemClock()
        self._idle: list[tuple[float, Line]] = []

    async def ask(self, wish: Wish, *, key: str = KEY) -> Answer:
        """Ask on a connection of one's own meanwhile. Raises: as ``Line``."""
        line = await self._line()
        try:
            answer = await line.ask(wish, key=key)
        except BaseException:
            line.slam()
            raise
        if line.open:
            self._idle.append((self._clock.monotonic(), line))
        else:
            line.hang_up()
        return answer

    def hang_up(self) -> None:
        """End all that are idle."""
        while self._idle:
            self._idle.pop()[1].hang_up()

    async def _line(self) -> Line:
        """The one that was used last; none that the gateway may just be ending."""
        if self._idle and self._clock.monotonic() - self._idle[-1][0] > _STALE:
            self.hang_up()
        return self._idle.pop()[1] if self._idle else await Line.opened(self._url)
