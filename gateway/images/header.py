"""What a picture's file says of itself, before a pixel is decoded.

Owns: magic bytes and the ``Header``. Must not know: any bound an operator sets, nor what a picture
is for. Pillow does the reading; WebP's whole file is taken into memory for it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from PIL import ExifTags, Image
from PIL.PngImagePlugin import ChunkStream, PngImageFile

from gateway.images.readers import Damaged, border, opened

MediaType = Literal["image/png", "image/jpeg", "image/webp", "image/gif"]

_EXIF_BYTES = 2**16  # as much as a JPEG's segment can hold
_SIDEWAYS = 5  # from 5 on, the stored rows are the upright picture's columns


@dataclass(frozen=True, slots=True)
class Header:
    """A file's claims. ``width`` and ``height`` are upright, in pixels.

    ``orientation`` is EXIF's, 1 to 8; ``alpha`` says that pixels may be transparent, be it by a
    channel or by a transparent colour; ``animated``, that there are several frames.
    """

    media_type: MediaType
    width: int
    height: int
    alpha: bool = False
    animated: bool = False
    orientation: int = 1


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


def look(path: str | Path) -> Header | None:
    """Read a picture's header; None where the file is of no known kind. Raises ``Damaged``."""
    kind = sniff(_head(path))
    if kind is None:
        return None
    with opened(path, kind) as (image, file):
        exif = image.info.get("exif")
        if exif is None and isinstance(image, PngImageFile):
            exif = _late_exif(file, image.tile[0].offset)
        turned = _orientation(exif or b"")
        width, height = image.size if turned < _SIDEWAYS else image.size[::-1]
        animated = getattr(image, "is_animated", False)
        return Header(kind, width, height, image.has_transparency_data, animated, turned)


def glance(path: str | Path) -> tuple[MediaType, int, int] | None:
    """Read type and stored size alone, in no time; for files written here. Raises ``Damaged``.

    A WebP is not left to Pillow, which would read all of it: 10 GB for a full shelf.
    """
    head = _head(path)
    kind = sniff(head)
    if kind is None:
        return None
    if kind == "image/webp":
        return kind, *_webp_size(head)
    with opened(path, kind) as (image, _):
        return kind, *image.size


def _head(path: str | Path) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(30)


def _webp_size(head: bytes) -> tuple[int, int]:
    """Width and height by the first chunk's kind (RFC 9649)."""
    lossless, x, y = (int.from_bytes(head[at : at + 4], "little") for at in (21, 24, 27))
    match head[12:16]:
        case b"VP8X":
            return (x & 0xFFFFFF) + 1, (y & 0xFFFFFF) + 1
        case b"VP8L":
            return (lossless & 0x3FFF) + 1, (lossless >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return x >> 16 & 0x3FFF, y >> 8 & 0x3FFF
        case _:
            raise Damaged("its first chunk is not a picture")


def _orientation(data: bytes) -> int:
    """EXIF's orientation; 1 where it is absent or damaged.

    Not by ``getexif``, which decodes a PNG's pixels and takes XMP for EXIF.
    """
    exif = Image.Exif()
    try:
        with border():
            exif.load(data[:_EXIF_BYTES])
            value = exif.get(ExifTags.Base.Orientation)
    except Damaged:
        return 1
    return value if isinstance(value, int) and value in range(1, 9) else 1


def _late_exif(file: BinaryIO, pixels: int) -> bytes:
    """EXIF data behind a PNG's pixels, which Pillow sees only once it has decoded them."""
    chunks = ChunkStream(file)
    kind, at = b"", pixels - 8
    while kind != b"IEND":
        file.seek(at)
        kind, content, length = chunks.read()
        if kind == b"eXIf":
            return file.read(min(length, _EXIF_BYTES))
        at = content + length + 4
    return b""
