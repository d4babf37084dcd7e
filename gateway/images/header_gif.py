"""A GIF's header, and its blocks up to a second picture.

Owns: the block structure (GIF89a). Must not know: colours, delays, comments.
"""

import struct

from gateway.images.headers import BadHeader, Header, Source

_SCREEN = 6
_TABLE_FLAG = 0x80
_IMAGE, _EXTENSION, _CONTROL, _TRAILER = 0x2C, 0x21, 0xF9, 0x3B
_BLOCKS = 200_000  # full ones hold 255 bytes, which makes 51 MB


def gif_header(source: Source) -> Header:
    """Read the screen, then count pictures, no further than to the second."""
    source.jump(_SCREEN)
    width, height, flags, _, _ = struct.unpack("<HHBBB", source.take(7))
    _skip_table(source, flags)
    frames, alpha, budget = 0, False, _BLOCKS
    while frames <= 1:
        kind = source.take(1)[0]
        if kind == _TRAILER:
            break
        if kind == _IMAGE:
            frames += 1
            _skip_frame(source, width, height)
        elif kind == _EXTENSION:
            alpha |= _makes_transparent(source)
        else:
            raise BadHeader("its blocks are damaged")
        budget = _skip_blocks(source, budget)
    if frames == 0:
        raise BadHeader("it holds no pixels")
    return Header("image/gif", width, height, alpha, frames)


def _skip_table(source: Source, flags: int) -> None:
    if flags & _TABLE_FLAG:
        source.jump(source.position + 3 * 2 ** ((flags & 7) + 1))


def _skip_frame(source: Source, width: int, height: int) -> None:
    left, top, wide, high, flags = struct.unpack("<HHHHB", source.take(9))
    if left + wide > width or top + high > height:
        # Pillow would enlarge the picture beyond what the screen says, and so beyond any bound.
        raise BadHeader("its picture is larger than its screen")
    _skip_table(source, flags)
    source.take(1)


def _makes_transparent(source: Source) -> bool:
    """Whether an extension is a graphic control that sets a transparent colour."""
    label = source.take(1)[0]
    flags = source.peek(2)[1:]
    return label == _CONTROL and bool(flags) and bool(flags[0] & 1)


def _skip_blocks(source: Source, budget: int) -> int:
    while budget > 0:
        budget -= 1
        length = source.take(1)[0]
        if length == 0:
            return budget
        source.jump(source.position + length)
    raise BadHeader("it has too many blocks")
