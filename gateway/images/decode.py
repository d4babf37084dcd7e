"""Bytes to pixels: the border behind which Pillow reads hostile files.

Owns: decoding, uprightness, and bringing every mode to one of four (L, LA, RGB, RGBA). Decodes only
what ``look`` has read, with that format's own reader, and believes it only where both agree.
Must not know: bounds, encoders, what the picture is for. One thread at a time may be in here: the
process's warning filters are changed meanwhile, and a picture may take 160 MB.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import GifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from gateway.images.headers import Header, MediaType

# The readers are called directly, not through Image.open: that would take a phone's JPEG with a
# second picture behind it for a format of its own.
_READERS: dict[MediaType, type[ImageFile.ImageFile]] = {
    "image/png": PngImagePlugin.PngImageFile,
    "image/jpeg": JpegImagePlugin.JpegImageFile,
    "image/webp": WebPImagePlugin.WebPImageFile,
    "image/gif": GifImagePlugin.GifImageFile,
}
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
_OPAQUE = frozenset({"1", "L", "P", "RGB", "CMYK", "I;16", "I"})
_STRIP = 2**20  # pixels looked at in one go, with the interpreter's lock held for about 1 ms
_PROFILE_BYTES = 2**20
_PROFILE_SPACES = {"L": b"GRAY", "LA": b"GRAY", "RGB": b"RGB ", "RGBA": b"RGB "}


class Undecodable(Exception):
    """The pixels are cut off, damaged, or not what the header says."""


def load(path: str, header: Header) -> Image.Image:
    """Decode all pixels, as stored. A PNG's checksums are verified first."""
    reader = _READERS[header.media_type]
    with _border():
        if header.media_type == "image/png":
            with Path(path).open("rb") as file:
                reader(file).verify()
        with reader(path) as image:
            _agree(image.size, header)
            image.load()
            return image


def upright(path: str, header: Header) -> Image.Image:
    """Decode all pixels, upright, as L, LA, RGB or RGBA with 8 bits each.

    Metadata is gone but for a colour profile (``info["icc_profile"]``) that fits the mode.
    """
    stored = load(path, header)
    with _border():
        image = _plain(stored)
    method = _UPRIGHT.get(header.orientation)
    turned = image if method is None else image.transpose(method)
    profile = image.info.get("icc_profile")
    turned.info = {"icc_profile": profile} if _fits(profile, turned.mode) else {}
    return turned


def transparent(image: Image.Image) -> bool:
    """Whether at least one pixel is not opaque."""
    if "transparency" not in image.info and image.mode in _OPAQUE:
        return False
    with _border():
        plain = _plain(image)
    rows = max(1, _STRIP // plain.width)
    for top in range(0, plain.height, rows):
        strip = plain.crop((0, top, plain.width, min(top + rows, plain.height)))
        opaque = strip.getchannel("A").histogram()[255]
        if opaque < strip.width * strip.height:
            return True
    return False


@contextmanager
def _border() -> Iterator[None]:
    """Make whatever Pillow raises or warns about a file's content one error of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Undecodable:
            raise
        except Exception as fault:  # on hostile bytes Pillow raises nearly anything
            if isinstance(fault, MemoryError) or getattr(fault, "errno", None) is not None:
                raise  # the machine's fault, not the file's: Pillow's own carry no number
            raise Undecodable("it is damaged or incomplete") from fault


def _agree(size: tuple[int, int], header: Header) -> None:
    if size != (header.width, header.height):
        raise Undecodable("two readings of its size differ")


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
