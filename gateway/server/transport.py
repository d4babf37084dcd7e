"""The bytes below a connection: what may be left unsaid, unread and unsent.

Owns: answers in OpenAI's envelope to callers no application will ever see, the count of what
happened on a listener, and the transport uvicorn is given: it notices readers that take nothing
and closes slowly where a client is still sending. Must not know: HTTP's grammar (``framing.py``).
"""

import asyncio
import contextlib
import fcntl
import json
import socket
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

from gateway.clock import Clock
from gateway.config.sections import ServerBounds
from gateway.facts import new_request_id

_LOOKS = 4  # a reader is looked at so often within its time
_TOO_MUCH = 2  # bounds: a body that is somewhat too large must hear so at its end
_CATALOGUE = {503: "service_unavailable_error", 500: "server_error"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer given below the application; ``retry_after`` is in seconds."""

    status: int
    code: str
    message: str
    retry_after: int | None = None

    def response(self, standing: list[tuple[bytes, bytes]], *, head: bool = False) -> bytes:
        """Render the whole response; ``standing`` are headers that every response carries."""
        request_id = new_request_id()
        error = {
            "message": f"{self.message} (request id {request_id})",
            "type": _CATALOGUE.get(self.status, "invalid_request_error"),
            "param": None,
            "code": self.code,
        }
        body = json.dumps({"error": error}).encode()
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            *(f"{name.decode()}: {value.decode()}" for name, value in standing),
            "content-type: application/json",
            f"content-length: {len(body)}",
            f"x-request-id: {request_id}",
            "openai-processing-ms: 0",
            "openai-version: 2020-10-01",
            "connection: close",
        ]
        if self.retry_after is not None:
            lines += [f"retry-after: {self.retry_after}", "x-should-retry: true"]
        return "\r\n".join([*lines, "", ""]).encode() + (b"" if head else body)


@dataclass(slots=True)
class Book:
    """What one listener's connections share: bounds, the date, and counts since the start."""

    bounds: ServerBounds
    clock: Clock
    refused: int = 0  # turned away because too many were open
    faults: int = 0  # heads or bodies that were no HTTP, too large or too slow
    cut: int = 0  # readers that took nothing
    lingering: int = 0  # closing, while the client still sends
    stopping: bool = False  # each answer is its connection's last
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    _second: int = -1
    _date: list[tuple[bytes, bytes]] = field(default_factory=list)

    def date(self) -> list[tuple[bytes, bytes]]:
        """Return the headers every response carries: the date, made once a second."""
        second = int(self.clock.wall())
        if second != self._second:
            self._second = second
            self._date = [(b"date", formatdate(second, usegmt=True).encode())]
        return self._date


class Wire(asyncio.Transport):
    """A transport in front of the loop's own.

    * ``close`` while ``unread()`` says so sends what is to be sent, then the end of our side, and
      drops what still comes: up to twice ``bounds.body`` bytes within ``linger_time``. Closing at
      once would make the kernel answer with a reset, and clients would lose the response unread.
    * A reader that takes nothing for ``bounds.write_time`` while something waits is cut.
    """

    def __init__(self, raw: asyncio.Transport, book: Book, unread: Callable[[], bool]) -> None:
        super().__init__()
        self.linger_time = book.bounds.idle_time
        self._raw = raw
        self._book = book
        self._unread = unread
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._lingering: asyncio.TimerHandle | None = None
        self._watching: asyncio.TimerHandle | None = None
        self._discarded = 0
        self._written = 0
        self._taken = 0
        self._taken_at = 0.0

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Say what the loop's transport says."""
        return self._raw.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Return whether nothing more will be sent than what already waits."""
        return self._closing or self._raw.is_closing()

    def pause_reading(self) -> None:
        """Take no more from the client."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Take from the client again."""
        self._raw.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or keep until the client takes it."""
        if self.is_closing():
            return
        self._written += len(data)
        self._raw.write(data)
        self._watch()

    def close(self) -> None:
        """Close once everything is sent and, if the client is still sending, was given time."""
        if self.is_closing():
            return
        self._closing = True
        if self._unread():
            self._linger()
        else:
            self._raw.close()
        self._watch()

    def abort(self) -> None:
        """Close now; what waits is lost."""
        self._closing = True
        self._raw.abort()

    def cut(self) -> None:
        """Close now, and have the client's machine told that this is no good end."""
        sock = self._raw.get_extra_info("socket")
        with contextlib.suppress(OSError):  # it is gone already, or none that can be told so
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()

    def discard(self, size: int) -> None:
        """Count bytes that nobody will look at; too many end the patience."""
        self._discarded += size
        if self._discarded > _TOO_MUCH * self._book.bounds.body:
            self._raw.abort()

    def release(self) -> None:
        """Drop the timers; the connection is gone."""
        if self._watching is not None:
            self._watching.cancel()
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
            self._book.lingering -= 1

    def _linger(self) -> None:
        try:
            self._raw.write_eof()
        except OSError:  # the client is already gone
            self._raw.abort()
            return
        self._raw.resume_reading()
        self._book.lingering += 1
        self._lingering = self._loop.call_later(self.linger_time, self._raw.close)

    def _watch(self) -> None:
        if self._watching is None and self._raw.get_write_buffer_size():
            self._taken = self._written - self._untaken()
            self._taken_at = self._loop.time()
            self._look_later()

    def _untaken(self) -> int:
        """Bytes the client's machine has not acknowledged.

        The kernel keeps megabytes and asks for more only when a third of them has gone: without
        its own count, a slow reader would look like one that takes nothing.
        """
        sock = self._raw.get_extra_info("socket")
        try:
            kept = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]
        except OSError:  # a system that does not count for sockets
            kept = 0
        return int(kept) + self._raw.get_write_buffer_size()

    def _look_later(self) -> None:
        self._watching = self._loop.call_later(self._book.bounds.write_time / _LOOKS, self._look)

    def _look(self) -> None:
        self._watching = None
        if not self._raw.get_write_buffer_size():
            return
        taken, now = self._written - self._untaken(), self._loop.time()
        if taken > self._taken:
            self._taken, self._taken_at = taken, now
        elif now - self._taken_at >= self._book.bounds.write_time:
            self._book.cut += 1
            self.cut()
            return
        self._look_later()
