"""A caller's picture made fit for the vendor: upright, and within its bound of bytes.

Owns: what may be done to whose picture, and the notes that say so. Must not know: the vendor's
name, the request, the parameter a picture came by. A mask is passed on untouched or refused.
"""

import dataclasses
import math
import secrets
from pathlib import Path

from PIL import Image

from gateway.images.decode import transparent, upright
from gateway.images.encode import encode
from gateway.images.header import Header
from gateway.images.measure import BadPicture, broken, header_of, remeasured
from gateway.images.readers import Damaged
from gateway.translate.model import Format, Note, Picture, note

_QUALITY = 92
_ATTEMPTS = 8
_MARGIN = 0.95  # aims below the bound, as bytes do not shrink quite as pixels do


def prepare(
    picture: Picture,
    *,
    max_bytes: int,
    folder: str,
    keep_pixels: bool,
    is_mask: bool = False,
) -> tuple[Picture, tuple[Note, ...]]:
    """Return what must reach the vendor, and a note for each change.

    The same object comes back where nothing is to be done; otherwise a new file is written into
    ``folder``. ``keep_pixels`` forbids scaling (the first picture under a mask).
    Raises ``BadPicture`` where it cannot be made to fit, or does not decode.
    """
    header = header_of(picture.path)
    if header.orientation == 1 and picture.size <= max_bytes:
        return picture, ()
    if is_mask:
        raise _unfit_mask(header, max_bytes)
    image = _upright(picture.path, header)
    notes: tuple[Note, ...] = ()
    if header.orientation != 1:
        notes = (note("image-rotated", orientation=header.orientation),)
        form: Format = "jpeg" if header.media_type == "image/jpeg" else "png"
        path = _write(image, folder, form)
        if Path(path).stat().st_size <= max_bytes:
            made = remeasured(path)
            return dataclasses.replace(made, transparent=picture.transparent), notes
        Path(path).unlink()
    if transparent(image):
        raise BadPicture(
            "image_too_large",
            f"it has transparent pixels and more than {max_bytes:,} bytes, which is the most "
            "that can be passed on without changing it.",
        )
    path, changes = _shrink(image, folder, max_bytes, keep_pixels=keep_pixels)
    return remeasured(path), notes + changes


def _unfit_mask(header: Header, max_bytes: int) -> BadPicture:
    if header.orientation != 1:
        return BadPicture("invalid_image_file", "a mask must be stored upright.")
    return BadPicture("image_too_large", f"a mask may have at most {max_bytes:,} bytes.")


def _upright(path: str, header: Header) -> Image.Image:
    try:
        return upright(path, header)
    except Damaged as fault:
        raise broken(fault) from fault


def _write(image: Image.Image, folder: str, form: Format) -> str:
    path = Path(folder) / f"{secrets.token_hex(16)}.{form}"
    encode(image, str(path), form, _QUALITY)
    return str(path)


def _shrink(
    image: Image.Image, folder: str, max_bytes: int, *, keep_pixels: bool
) -> tuple[str, tuple[Note, ...]]:
    """Write an opaque image as JPEG, at its own pixels where they fit, else at fewer."""
    changes: tuple[Note, ...] = (note("image-reencoded", to="jpeg", quality=_QUALITY),)
    size = image.size
    for _ in range(_ATTEMPTS):
        small = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
        path = _write(small, folder, "jpeg")
        weight = Path(path).stat().st_size
        if weight <= max_bytes:
            if size != image.size:
                changes += (note("image-scaled", from_=_times(image.size), to=_times(size)),)
            return path, changes
        Path(path).unlink()
        if keep_pixels:
            break
        factor = _MARGIN * math.sqrt(max_bytes / weight)
        size = max(1, int(size[0] * factor)), max(1, int(size[1] * factor))
    raise BadPicture(
        "image_too_large",
        f"it cannot be brought under {max_bytes:,} bytes"
        + (" without scaling it, which its mask forbids." if keep_pixels else "."),
    )


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
