"""Multipart bodies in slices to events: a part opened, its bytes, a part closed.

Owns: the boundary, the parts' headers, the noise around and between, and noticing a body that does
not end. The one home of python-multipart, whose own reading takes a cut body for a shorter one.
Must not know: what the parts are for (``forms.py``).
"""

import logging
from dataclasses import dataclass
from typing import Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from gateway.errors import InvalidRequest

_AROUND = 131_072
"""Bytes of preamble and epilogue that are put up with; the slices that hold them count whole."""


class _Silent(logging.Logger):
    """Where the library's lines go: a hostile form must not write to the log."""


_SILENT: Final = _Silent("multipart", level=logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Opened:
    """A part begins; ``named`` says that it has a file name. Foreign bytes are surrogates."""

    name: str
    named: bool


class Closed:
    """A part has ended."""


Event = Opened | bytes | Closed


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that the header names, quoted or not. Raises ``InvalidRequest``."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise broken("the Content-Type names no boundary")
    return boundary


class Scanner:
    """The library's callbacks, gathered into events, so that what follows may wait for a disk."""

    def __init__(self, boundary: bytes, most_parts: int) -> None:
        self.ended = False
        self._most = most_parts
        self._parts = 0
        self._around = 0
        self._events: list[Event] = []
        self._header = b""
        self._value = b""
        self._disposition = b""
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_to_header,
                    "on_header_value": self._add_to_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open,
                    "on_part_data": self._add_data,
                    "on_part_end": self._close,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise broken("its boundary is too long") from None
        self._parser.logger = _SILENT

    def feed(self, data: bytes) -> list[Event]:
        """Return what a slice holds, in order. Raises ``InvalidRequest``."""
        if self.ended or not self._parts:
            self._around += len(data)
            if self._around > _AROUND:
                raise broken("there is too much around its parts")
        try:
            self._parser.write(data)
        except FormParserError:
            raise broken("a boundary or a part's header is malformed") from None
        events, self._events = self._events, []
        return events

    def _begin(self) -> None:
        # Counted here and not by who takes the events: a slice may hold hundreds of empty parts.
        self._parts += 1
        if self._parts > self._most:
            raise broken("it has too many parts")
        self._disposition = b""

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        name = options.get(b"name", b"").decode("utf-8", "surrogateescape")
        if not name:
            raise broken("a part has no name")
        self._events.append(Opened(name, bool(options.get(b"filename"))))

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(data[start:end])

    def _close(self) -> None:
        self._events.append(Closed())

    def _end(self) -> None:
        self.ended = True


def broken(reason: str) -> InvalidRequest:
    """Refuse a malformed body; ``reason`` completes the sentence."""
    return InvalidRequest(f"We could not parse the multipart body of your request: {reason}.")
