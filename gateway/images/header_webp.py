"""A WebP's header, and the table of its chunks.

Owns: the RIFF structure (RFC 9649). Must not know: Pillow, whose reader takes the whole file into
memory and makes a canvas before it can say how large the picture is.
"""

import struct

from gateway.images.headers import EXIF_BYTES, BadHeader, Header, Source, orientation

_FIRST = 12
_ALPHA_FLAG = 0x10
_CHUNKS = 1_000


def webp_header(source: Source) -> Header:
    """Read the size from the first chunk, and frames and orientation from those that follow."""
    source.jump(4)
    end = 8 + struct.unpack("<I", source.take(4))[0]
    if end > source.size:
        raise BadHeader("it ends early")
    source.jump(_FIRST)
    width, height, alpha = _measures(source.peek(30).ljust(30, b"\0"))
    frames, turned = 0, 1
    for _ in range(_CHUNKS):
        if source.position + 8 > end:
            return Header("image/webp", width, height, alpha, max(frames, 1), turned)
        kind, length = struct.unpack("<4sI", source.take(8))
        after = source.position + length
        if after > end:
            raise BadHeader("it ends early")
        if kind == b"ANMF":
            frames = min(frames + 1, 2)
        elif kind == b"EXIF":
            turned = orientation(source.take(min(length, EXIF_BYTES)))
        source.jump(min(after + length % 2, end))
    raise BadHeader("it has too many chunks")


def _measures(chunk: bytes) -> tuple[int, int, bool]:
    """Width, height and alpha by the first chunk's kind; ``chunk`` starts with its name."""
    kind, content = chunk[:4], chunk[8:]
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (4, 7))
        return width, height, bool(content[0] & _ALPHA_FLAG)
    if kind == b"VP8L" and content[0] == 0x2F:  # noqa: PLR2004  the lossless signature
        bits = int.from_bytes(content[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    if kind == b"VP8 " and content[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", content[6:10])
        return width & 0x3FFF, height & 0x3FFF, False
    raise BadHeader("its first chunk is not a picture")
