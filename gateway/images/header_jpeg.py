"""A JPEG's header, and the table of its segments from end to end.

Owns: the marker structure (ITU-T T.81 annex B) and EXIF's segment. Counts scans, for a progressive
file of a few megabytes can hold enough of them to keep a decoder busy for hours. Must not know:
what scans hold. Pictures behind the first one (MPO, gain maps, motion photos) are not looked at:
phones write them, and every reader shows the first.
"""

import re
import struct

from gateway.images.headers import BadHeader, Header, Source, orientation

_START, _END, _SCAN, _EXIF = 0xD8, 0xD9, 0xDA, 0xE1
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCANS = 100  # encoders make about ten
_SEGMENTS = 4_096
_WINDOW = 16_384
# A marker that matters: not a stuffed zero, a fill byte, a restart marker or TEM.
_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd7]")


def jpeg_header(source: Source, *, whole: bool = True) -> Header:
    """Read the header; with ``whole``, walk all scans to the end marker."""
    source.jump(2)
    size: tuple[int, int] | None = None
    turned = 1
    scans = 0
    for _ in range(_SEGMENTS):
        marker = _next_marker(source)
        if marker == _END:
            break
        after = source.position + _length(source, marker)
        if marker in _FRAMES:
            size = _frame(source, size)
        elif marker == _EXIF and turned == 1:
            turned = _turned(source.take(after - source.position))
        elif marker == _SCAN:
            scans += 1
            if not whole:
                break
        source.jump(after)
    if size is None or not 0 < scans <= _SCANS:
        raise BadHeader("it holds no pixels, or too many scans")
    return Header("image/jpeg", *size, orientation=turned)


def _next_marker(source: Source) -> int:
    """Skip to the next marker that matters, over scan data and filling, and step behind it."""
    while True:
        window = source.peek(_WINDOW)
        found = _MARKER.search(window)
        if found:
            source.jump(source.position + found.end())
            return window[found.end() - 1]
        if len(window) < _WINDOW:
            raise BadHeader("it ends early")
        source.jump(source.position + len(window) - 1)


def _length(source: Source, marker: int) -> int:
    if marker == _START:
        raise BadHeader("its segments are damaged")
    (length,) = struct.unpack(">H", source.peek(2).ljust(2, b"\0"))
    if not 2 <= length <= source.size - source.position:  # noqa: PLR2004  the length counts itself
        raise BadHeader("it ends early")
    return int(length)


def _frame(source: Source, known: tuple[int, int] | None) -> tuple[int, int]:
    if known is not None:
        raise BadHeader("it gives its size twice")
    _, _, height, width = struct.unpack(">HBHH", source.take(7))
    return width, height


def _turned(segment: bytes) -> int:
    content = segment[2:]
    return orientation(content) if content.startswith(b"Exif\0\0") else 1
