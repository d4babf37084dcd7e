"""What a picture's file says of itself, before a pixel is decoded.

Owns: the ``Header``, magic bytes, the bounded way to read a hostile file, and the orientation in
EXIF data. Must not know: Pillow, which decodes later and must then agree with the header; nor any
bound an operator sets. The four formats have a module each (``header_png`` and so on).
"""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO, Literal

MediaType = Literal["image/png", "image/jpeg", "image/webp", "image/gif"]

EXIF_BYTES = 65_536  # as much as a JPEG segment can hold; the orientation stands near its start
_ORIENTATION = 0x0112
_SHORT = 3
_MAX_ENTRIES = 512
_SIDEWAYS = 5  # from 5 on, the stored rows are the upright picture's columns


class BadHeader(Exception):
    """The file contradicts its format, ends early, or is built to keep a reader busy."""


@dataclass(frozen=True, slots=True)
class Header:
    """A file's claims. ``width`` and ``height`` are as stored, ``upright`` as looked at.

    ``frames`` is 1, or 2 for "several"; ``orientation`` is EXIF's, 1 to 8; ``alpha`` says that
    pixels may be transparent, be it by a channel or by a transparent colour.
    """

    media_type: MediaType
    width: int
    height: int
    alpha: bool = False
    frames: int = 1
    orientation: int = 1

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height once the orientation is applied."""
        if self.orientation >= _SIDEWAYS:
            return self.height, self.width
        return self.width, self.height


class Source:
    """A file read forward at given places; reading or jumping beyond its end is a ``BadHeader``."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self.position = 0
        file.seek(0)

    def take(self, count: int) -> bytes:
        """Exactly ``count`` bytes from here."""
        data = self._file.read(count)
        if len(data) < count:
            raise BadHeader("it ends early")
        self.position += count
        return data

    def peek(self, count: int) -> bytes:
        """At most ``count`` bytes from here; the position stays."""
        data = self._file.read(count)
        self._file.seek(self.position)
        return data

    def jump(self, position: int) -> None:
        """Go to ``position``, counted from the start; the end itself may be jumped to."""
        if position > self.size:
            raise BadHeader("it ends early")
        self._file.seek(position)
        self.position = position


def sniff(head: bytes) -> MediaType | None:
    """Tell a picture's type by its first twelve bytes; None for everything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return None


def orientation(exif: bytes) -> int:
    """Find the orientation in EXIF data (a TIFF stream); 1 where it is absent or damaged."""
    data = exif.removeprefix(b"Exif\0\0")
    order: Literal["<", ">"] = "<" if data[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(f"{order}I", data, 4)
        (entries,) = struct.unpack_from(f"{order}H", data, at)
        for index in range(min(entries, _MAX_ENTRIES)):
            tag, kind = struct.unpack_from(f"{order}HH", data, at + 2 + 12 * index)
            if tag == _ORIENTATION and kind == _SHORT:
                (value,) = struct.unpack_from(f"{order}H", data, at + 10 + 12 * index)
                return value if value in range(1, 9) else 1
    except struct.error:
        return 1
    return 1
