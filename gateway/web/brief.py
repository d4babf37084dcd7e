"""A socket that is not listened to for ever.

Owns: how much is read from somebody of whom only an answer's head is wanted. Must not know: HTTP.
Bounded here and not by the parser above, which takes interim answers (1xx) without end, and as many
at once as it is handed.
"""

import errno
import socket
from typing import Any, Self

MOST = 64 * 1024
"""Bytes, certificates included. A head is a thousand, certificates some thousands."""

_PIECE = 4 * 1024  # what is parsed at once, and others wait for


class SentTooMuch(ConnectionAbortedError):
    """More came than is read."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNABORTED, "its answer does not end")


class BriefSocket(socket.socket):
    """Reads ``MOST`` bytes in small pieces, and then fails."""

    _read = 0

    @classmethod
    def to(cls, found: tuple[Any, Any, int, str, tuple[Any, ...]]) -> Self:
        """For one of a host's addresses, as the system's resolver gives them."""
        family, kind, proto, _, _ = found
        return cls(family, kind, proto)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """A piece. Raises: SentTooMuch."""
        piece = super().recv(min(size, _PIECE), flags)
        self._count(len(piece))
        return piece

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0, /) -> int:  # noqa: ANN401 - any buffer
        """A piece. Raises: SentTooMuch."""
        room = size or memoryview(buffer).nbytes
        read = super().recv_into(buffer, min(room, _PIECE), flags)
        self._count(read)
        return read

    def _count(self, read: int) -> None:
        self._read += read
        if self._read > MOST:
            raise SentTooMuch
