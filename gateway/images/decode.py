"""Bytes to pixels, once the header was judged.

Owns: decoding, uprightness, and bringing every mode to one of four (L, LA, RGB, RGBA). Must not
know: bounds, encoders, what the picture is for. One thread at a time should be in here: a picture
may take 160 MB.
"""

import os
import re
from typing import BinaryIO

from PIL import Image

from gateway.images.header import Header
from gateway.images.readers import Damaged, border, opened

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PLAIN = frozenset({"L", "LA", "RGB", "RGBA"})
_STRIP = 2**20  # pixels looked at in one go, with the interpreter's lock held for about 1 ms
_PROFILE_BYTES = 2**20
_PROFILE_SPACES = {"L": b"GRAY", "LA": b"GRAY", "RGB": b"RGB ", "RGBA": b"RGB "}

_SCAN, _END = b"\xff\xda", b"\xff\xd9"
_SCANS = 100  # encoders make about ten
_STEPS = 8_192
_WINDOW = 2**16
# A JPEG's marker that matters: not a stuffed zero, a fill byte, a restart marker or TEM.
_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd7]")


def load(path: str, media_type: str) -> Image.Image:
    """Decode all pixels, as stored; a PNG's checksums are verified first. Raises ``Damaged``."""
    if media_type == "image/png":
        with opened(path, media_type) as (image, file):
            image.verify()
            if len(file.read(4)) < 4:  # noqa: PLR2004  the last checksum, which is not looked at
                raise Damaged("it ends early")
    with opened(path, media_type) as (image, file):
        if media_type == "image/jpeg":
            _walk_scans(file)
        image.load()
        return image


def upright(path: str, header: Header) -> Image.Image:
    """Decode all pixels, upright, as L, LA, RGB or RGBA with 8 bits each.

    Metadata is gone but for a colour profile (``info["icc_profile"]``) that fits the mode.
    """
    stored = load(path, header.media_type)
    with border():
        image = _plain(stored)
    method = _UPRIGHT.get(header.orientation)
    turned = image if method is None else image.transpose(method)
    profile = image.info.get("icc_profile")
    turned.info = {"icc_profile": profile} if _fits(profile, turned.mode) else {}
    return turned


def transparent(image: Image.Image) -> bool:
    """Whether at least one pixel is not opaque."""
    if not image.has_transparency_data:
        return False
    with border():
        plain = _plain(image)
    rows = max(1, _STRIP // plain.width)
    for top in range(0, plain.height, rows):
        strip = plain.crop((0, top, plain.width, min(top + rows, plain.height)))
        opaque = strip.getchannel("A").histogram()[255]
        if opaque < strip.width * strip.height:
            return True
    return False


def _walk_scans(file: BinaryIO) -> None:
    """Walk a JPEG from behind its first scan's header to its end, and count its scans.

    A decoder goes over all pixels for each, and neither Pillow nor libjpeg has a bound: a few
    megabytes of empty ones would keep it for hours.
    """
    scans = 1
    for _ in range(_STEPS):
        start, window = file.tell(), file.read(_WINDOW)
        found = _MARKER.search(window)
        if found is None and len(window) < _WINDOW:
            raise Damaged("it ends early")
        if found is None:
            file.seek(-1, os.SEEK_CUR)  # a marker may lie across
            continue
        if found[0] == _END:
            return
        scans += found[0] == _SCAN
        if scans > _SCANS:
            break
        file.seek(start + found.end())
        length = int.from_bytes(file.read(2))  # counts itself
        file.seek(start + found.end() + length)
    raise Damaged("it has too many scans")


def _plain(image: Image.Image) -> Image.Image:
    mode = image.mode
    if mode.startswith("I"):
        return _eight_bits(image)
    if "transparency" in image.info or mode in {"PA", "La", "RGBa"}:
        return image.convert("LA" if mode in {"1", "L", "La"} else "RGBA")
    if mode in _PLAIN:
        return image
    return image.convert("L" if mode == "1" else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey down; Pillow's own conversion would cut everything above 255."""
    grey = image.point(lambda value: value * (1 / 256)).convert("L")
    key = image.info.get("transparency")
    grey.info = {name: image.info[name] for name in ("icc_profile",) if name in image.info}
    if key is None:
        return grey
    grey.info["transparency"] = key >> 8
    return grey.convert("LA")


def _fits(profile: object, mode: str) -> bool:
    """Whether a profile is one, for this mode's colour space (ICC.1, header bytes 16 to 19)."""
    if not isinstance(profile, bytes) or len(profile) > _PROFILE_BYTES:
        return False
    return profile[16:20] == _PROFILE_SPACES.get(mode) and profile[36:40] == b"acsp"
