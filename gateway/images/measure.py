"""A caller's picture, sniffed and measured, and refused while that is still cheap.

Owns: ``BadPicture``, the bounds in the order of their cost, and what the caller is told. Must not
know: the parameter's name (whoever asks adds it), the vendor's bounds, where the file came from.
"""

import dataclasses
import hashlib
from pathlib import Path
from typing import Literal

from gateway.config.sections import PictureBounds
from gateway.images.decode import load, transparent
from gateway.images.header import Header, look
from gateway.images.readers import Damaged, Oversized
from gateway.translate.model import Picture

Code = Literal["unsupported_file_mimetype", "invalid_image_file", "image_too_large"]

_UNSUPPORTED = (
    "unsupported mimetype. Supported file formats are "
    "'image/png', 'image/jpeg', 'image/webp' and 'image/gif' (one frame)."
)


class BadPicture(Exception):
    """A picture that cannot be used.

    ``code`` is the API's word for it, ``message`` a sentence for the caller that follows
    "Invalid file 'image': " and holds no path.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def measure(path: str, bounds: PictureBounds) -> Picture:
    """Read type, upright size, alpha and digest, decoding nothing.

    Raises ``BadPicture``: not a picture of the four formats, damaged, several frames, or beyond
    ``bounds``. A file that only lies deeper passes here and fails in ``verify``.
    """
    size = Path(path).stat().st_size
    if size > bounds.bytes:
        raise BadPicture(
            "image_too_large", f"it has {size:,} bytes; at most {bounds.bytes:,} are accepted."
        )
    if size == 0:
        raise BadPicture("invalid_image_file", "it is empty.")
    header = header_of(path)
    _judge(header, bounds)
    return _picture(path, header)


def verify(picture: Picture) -> Picture:
    """Decode the whole picture; return it with ``transparent`` told truthfully.

    Raises ``BadPicture`` where a pixel is missing.
    """
    try:
        image = load(picture.path, picture.media_type)
    except Damaged as fault:
        raise broken(fault) from fault
    return dataclasses.replace(picture, transparent=picture.alpha and transparent(image))


def header_of(path: str) -> Header:
    """Read the header of a caller's file, every fault in it being a ``BadPicture``."""
    try:
        header = look(path)
    except Damaged as fault:
        raise broken(fault) from fault
    if header is None:
        raise BadPicture("unsupported_file_mimetype", _UNSUPPORTED)
    return header


def broken(fault: Damaged) -> BadPicture:
    """Say what is wrong with a damaged file."""
    too_large = isinstance(fault, Oversized)
    return BadPicture("image_too_large" if too_large else "invalid_image_file", f"{fault}.")


def remeasured(path: str) -> Picture:
    """Measure a file written here, which no bounds apply to."""
    return _picture(path, header_of(path))


def _judge(header: Header, bounds: PictureBounds) -> None:
    width, height = header.width, header.height
    if max(width, height) > bounds.edge or width * height > bounds.pixels:
        raise BadPicture(
            "image_too_large",
            f"it measures {width}x{height}; at most {bounds.pixels:,} pixels "
            f"and {bounds.edge:,} an edge are accepted.",
        )
    if header.animated:
        raise BadPicture("invalid_image_file", "it is animated; one frame is accepted.")


def _picture(path: str, header: Header) -> Picture:
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    return Picture(path, digest, header.media_type, header.width, header.height, size, header.alpha)
