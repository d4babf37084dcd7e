"""A form's parts: pictures to files, all else to memory, both bounded.

Owns: which names are pictures, and how large and how many parts may be. Must not know: what the
parameters mean, or what a picture is.

A picture's part goes to a file whatever its file name or media type: some clients send neither
(``openai-images-api`` section 9, where the names are).
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from gateway.config.sections import ServerBounds
from gateway.errors import BodyTooLarge
from gateway.openai import faults
from gateway.openai.multipart import Closed, Event, Opened, Scanner, broken
from gateway.openai.spool import Spool, SpoolFile

MOST_PICTURES = 17
"""Sixteen references and a mask."""

_PICTURE = re.compile(r"(?:images?(?:\[(\d{0,4})\])?|mask)", re.ASCII)
# OpenAI's Ruby library writes names as it would in an address.
_BRACKETS = re.compile(r"%5B(\w*)%5D", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture's part, in a file.

    ``index`` is the n of ``image[n]``. ``named`` says that the part had a file name, so that what
    it holds is a file, and not an address or base64 in place of one.
    """

    field: str
    index: int | None
    path: str
    size: int
    named: bool


@dataclass(slots=True)
class Form:
    """A form's parts: of equal names among ``values`` the last counts, as in JSON.

    Bytes of ``values`` that are no UTF-8 are kept as lone surrogates, for readers to refuse.
    """

    values: dict[str, str] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)


async def read_form(
    chunks: AsyncIterator[bytes],
    boundary: bytes,
    spool: Spool,
    bounds: ServerBounds,
    picture: int,
) -> Form:
    """Read a whole form; ``picture`` bounds one picture's bytes.

    Raises ``InvalidRequest`` for a malformed or unfinished form, ``BodyTooLarge``.
    """
    scanner = Scanner(boundary, bounds.parts + MOST_PICTURES)
    collector = _Collector(spool, bounds, picture)
    async for chunk in chunks:
        for event in scanner.feed(chunk):
            await collector.take(event)
    if not scanner.ended:
        raise broken("it ends before its closing boundary")
    return collector.form


class _Collector:
    """Puts each part where it belongs, within its bounds."""

    def __init__(self, spool: Spool, bounds: ServerBounds, picture: int) -> None:
        self.form = Form()
        self._spool = spool
        self._bounds = bounds
        self._picture = picture
        self._opened = Opened("", named=False)
        self._text = bytearray()
        self._file: SpoolFile | None = None
        self._values = 0

    async def take(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case Opened():
                self._open(event)
            case bytes():
                await self._write(event)
            case Closed():
                await self._close()

    def _open(self, opened: Opened) -> None:
        opened = replace(opened, name=_BRACKETS.sub(r"[\1]", opened.name))
        self._opened = opened
        if _PICTURE.fullmatch(opened.name):
            if len(self.form.uploads) >= MOST_PICTURES:
                raise faults.too_many("image", MOST_PICTURES - 1, MOST_PICTURES)
            self._file = self._spool.new()
            return
        self._file, self._text = None, bytearray()
        self._values += 1
        if self._values > self._bounds.parts:
            raise broken("it has too many parts")

    async def _write(self, data: bytes) -> None:
        name = faults.quoted(self._opened.name)
        if name == "markup":  # may be as large as a picture: told before it is too large
            raise faults.markup()
        size, bound = len(self._text), self._bounds.part
        if self._file:
            size, bound = self._file.size, self._picture
        if size + len(data) > bound:
            raise BodyTooLarge(f"'{name}' may have at most {bound} bytes.", param=name)
        if self._file:
            await self._file.write(data)
        else:
            self._text += data

    async def _close(self) -> None:
        name, named = self._opened.name, self._opened.named
        if self._file is None:
            self.form.values[name] = self._text.decode("utf-8", "surrogateescape")
        elif self._file.size or named:  # a picture left empty is a field left empty
            await self._file.close()
            match = _PICTURE.fullmatch(name)
            index = int(match[1]) if match and match[1] else None
            upload = Upload(name, index, self._file.path, self._file.size, named=named)
            self.form.uploads.append(upload)
