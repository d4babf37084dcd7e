"""A PNG's header, and the table of its chunks from end to end.

Owns: the chunk structure (ISO/IEC 15948, and APNG's ``acTL``). A file that was cut, or has an
absurd number of chunks, ends here and costs no decoding. Must not know: what chunks hold, beyond
size, transparency, frames and orientation; checksums are looked at when decoding.
"""

import struct
from collections.abc import Iterator

from gateway.images.headers import EXIF_BYTES, BadHeader, Header, Source, orientation

_SIGNATURE = 8
_IHDR = 13
_GREY_ALPHA, _RGB_ALPHA = 4, 6
_COLOURS = (0, 2, 3, _GREY_ALPHA, _RGB_ALPHA)
_CHUNKS = 50_000  # 4 KiB of data in each would be 200 MB; a decoder spends microseconds on each


def png_header(source: Source, *, whole: bool = True) -> Header:
    """Read the header; with ``whole``, walk all chunks (EXIF may stand after the data)."""
    width, height, colour = _measures(source)
    alpha = colour in {_GREY_ALPHA, _RGB_ALPHA}
    frames, turned, data = 1, 1, False
    for kind, length in _chunks(source):
        if kind == b"IDAT":
            data = True
            if not whole:
                break
        elif kind == b"tRNS":
            alpha = True
        elif kind == b"acTL" and struct.unpack(">I", source.take(4))[0] > 1:
            frames = 2
        elif kind == b"eXIf":
            turned = orientation(source.take(min(length, EXIF_BYTES)))
    if not data:
        raise BadHeader("it holds no pixels")
    return Header("image/png", width, height, alpha, frames, turned)


def _measures(source: Source) -> tuple[int, int, int]:
    source.jump(_SIGNATURE)
    length, kind = struct.unpack(">I4s", source.take(8))
    if kind != b"IHDR" or length != _IHDR:
        raise BadHeader("its first chunk is not the header")
    width, height, _, colour = struct.unpack(">IIBB", source.take(10))
    if colour not in _COLOURS:
        raise BadHeader("its colour type does not exist")
    source.jump(_SIGNATURE + 8 + _IHDR + 4)
    return width, height, colour


def _chunks(source: Source) -> Iterator[tuple[bytes, int]]:
    """Name and length of each chunk, the source standing at its content; ends with IEND."""
    for _ in range(_CHUNKS):
        length, kind = struct.unpack(">I4s", source.take(8))
        if not (kind.isalpha() and kind.isascii()):
            raise BadHeader("its chunks are damaged")
        after = source.position + length + 4
        if after > source.size:
            raise BadHeader("it ends early")
        if kind == b"IEND":
            return
        yield kind, length
        source.jump(after)
    raise BadHeader("it has too many chunks")
