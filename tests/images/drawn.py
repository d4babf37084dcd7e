"""Pictures for the tests: drawn, saved, and taken apart again."""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image


def drawn(width: int = 48, height: int = 32, mode: str = "RGB") -> Image.Image:
    """A picture in which every place has its own colour: red grows to the right, green down.

    Where the mode allows for a transparent value, zeros stand in the first corner.
    """
    red = Image.linear_gradient("L").rotate(90).resize((width, height))
    green = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", (red, green, Image.new("L", (width, height), 90)))
    if mode in {"RGBA", "LA", "PA"}:
        image = image.convert("RGBA")
        image.putalpha(red)
    if mode == "I;16":
        image = red.convert("I;16").point(lambda value: value * 256)
    elif image.mode != mode:
        image = image.convert(mode)
    if mode not in {"RGB", "CMYK"}:
        image.paste(0, (0, 0, 2, 2))
    return image


def noise(width: int, height: int) -> Image.Image:
    """A picture that does not compress."""
    bands = [Image.effect_noise((width, height), 90) for _ in range(3)]
    return Image.merge("RGB", bands)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def exif(orientation: int) -> bytes:
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def placed(folder: Path, data: bytes, name: str = "picture") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(*chunks: bytes, width: int = 1, height: int = 1, colour: int = 0) -> bytes:
    """A PNG of given chunks behind its header; its end is to be given too."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks)


PIXELS = chunk(b"IDAT", zlib.compress(b"\0\0"))
END = chunk(b"IEND")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Name and place of each chunk."""
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], at
        at += 12 + length


def inserted(data: bytes, before: bytes, *chunks: bytes) -> bytes:
    """A PNG with more chunks before the first of a name."""
    at = next(at for kind, at in png_chunks(data) if kind == before)
    return data[:at] + b"".join(chunks) + data[at:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP's container of given chunks."""
    body = b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
