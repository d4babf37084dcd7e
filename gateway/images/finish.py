"""A downloaded result, verified and brought to what was promised.

Owns: the check that a result is a whole picture, the least crop, and the notes on what could not
be met. Must not know: tasks, links, the shelf, the vendor. What already fits is passed on byte for
byte.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from gateway.images.decode import load, upright
from gateway.images.encode import Unencodable, encode
from gateway.images.header import Header, look
from gateway.images.readers import Damaged, Oversized
from gateway.translate.model import Finish, Format, Note, note

Reason = Literal["empty", "html", "not_a_picture", "damaged", "too_large"]

_MARKUP = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<error")


class UnusableResult(Exception):
    """What was downloaded is not a whole picture; ``reason`` says in which way."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Finished:
    """A picture as the caller will get it; ``size`` in bytes, the rest read from the file."""

    path: str
    format: Format
    width: int
    height: int
    size: int
    notes: tuple[Note, ...] = ()


def finish(source: str, target: str, wanted: Finish, *, max_pixels: int) -> Finished:
    """Verify ``source`` to its last pixel, and move or convert it to ``target``.

    Both are on one file system. On return the source is gone; on ``UnusableResult`` and ``OSError``
    it is untouched and there is no target. A picture smaller than promised is neither enlarged nor
    cropped: it gets a note, as do lost transparency and a format that cannot hold it.
    """
    header = _header(source, max_pixels)
    size, notes = _size((header.width, header.height), wanted.pixels)
    try:
        if _unchanged(header, size, wanted.format):
            load(source, header.media_type)
            Path(source).replace(target)
            return _finished(target, wanted.format, size, notes)
        image = fit(upright(source, header), size)
    except Damaged as fault:
        raise UnusableResult("damaged") from fault
    form, more = _encode(image, target, wanted)
    Path(source).unlink()
    return _finished(target, form, size, notes + more)


def fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Crop by the least, centred, and scale down to exactly ``size``; it must not be larger."""
    wide, high = size
    if size == image.size:
        return image
    if wide == image.width or high == image.height:  # to crop is enough, so pixels stay as they are
        left, top = (image.width - wide) // 2, (image.height - high) // 2
        return image.crop((left, top, left + wide, top + high))
    if wide * image.height >= high * image.width:
        margin = (image.height - high * image.width / wide) / 2
        box = (0.0, margin, float(image.width), image.height - margin)
    else:
        margin = (image.width - wide * image.height / high) / 2
        box = (margin, 0.0, image.width - margin, float(image.height))
    small = image.resize(size, Image.Resampling.LANCZOS, box=box)
    small.info = image.info
    return small


def _header(source: str, max_pixels: int) -> Header:
    try:
        header = look(source)
    except Oversized as fault:
        raise UnusableResult("too_large") from fault
    except Damaged as fault:
        raise UnusableResult("damaged") from fault
    if header is None:
        raise UnusableResult(_instead(source))
    if header.width * header.height > max_pixels:
        raise UnusableResult("too_large")
    return header


def _instead(source: str) -> Reason:
    """Say what stands where a picture was expected."""
    with Path(source).open("rb") as file:
        head = file.read(512)
    if not head:
        return "empty"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return "html" if text.startswith(_MARKUP) else "not_a_picture"


def _size(
    actual: tuple[int, int], asked: tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[Note, ...]]:
    if asked is None:
        return actual, ()
    if asked[0] > actual[0] or asked[1] > actual[1]:
        return actual, (note("size-differs", asked=f"{asked[0]}x{asked[1]}"),)
    return asked, ()


def _unchanged(header: Header, size: tuple[int, int], form: Format) -> bool:
    plain = not header.animated and header.orientation == 1
    fits = size == (header.width, header.height)
    return plain and fits and header.media_type == f"image/{form}"


def _encode(image: Image.Image, target: str, wanted: Finish) -> tuple[Format, tuple[Note, ...]]:
    try:
        flattened = encode(image, target, wanted.format, wanted.compression)
    except Unencodable:
        encode(image, target, "png")
        return "png", (note("format-differs", asked=wanted.format),)
    return wanted.format, (note("alpha-flattened"),) if flattened else ()


def _finished(path: str, form: Format, size: tuple[int, int], notes: tuple[Note, ...]) -> Finished:
    return Finished(path, form, *size, Path(path).stat().st_size, notes)
