"""Reading the header of whatever file it is: the one door to the four formats.

Owns: telling the format by magic bytes, never by a name. Must not know: why it is asked.
"""

from typing import BinaryIO, assert_never

from gateway.images.header_gif import gif_header
from gateway.images.header_jpeg import jpeg_header
from gateway.images.header_png import png_header
from gateway.images.header_webp import webp_header
from gateway.images.headers import Header, Source, sniff


def look(file: BinaryIO, *, whole: bool = True) -> Header | None:
    """Read a picture's header; None where the file is of no known kind.

    With ``whole``, the structure is followed to the end, so that a file that was cut is known
    for one; without, PNG and JPEG are read up to their pixels. Raises ``BadHeader``.
    """
    source = Source(file)
    kind = sniff(source.peek(12))
    match kind:
        case None:
            return None
        case "image/png":
            return png_header(source, whole=whole)
        case "image/jpeg":
            return jpeg_header(source, whole=whole)
        case "image/webp":
            return webp_header(source)
        case "image/gif":
            return gif_header(source)
        case _:
            assert_never(kind)
