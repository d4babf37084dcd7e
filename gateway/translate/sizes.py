"""Sizes: the vendor's table as data, and what becomes of any size a caller asks for.

Owns: the 13 ratios by three tiers, the search for the ratio and tier that serve a wanted size, and
OpenAI's own rules for sizes. Must not know: prices, wire shapes, how pixels are cropped.
Source: the vendor's page "GPT-Image-2 Official Channel"; the seven 4k sizes it does not offer are
those of its later pages, used where a model card says so.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.errors import InvalidRequest, UnmakeableImage
from gateway.translate.model import TIERS, Note, SizePolicy, Tier, note

Pixels = tuple[int, int]

# ratio -> pixels at 1k, 2k, 4k, in the order of the vendor's page.
TABLE: dict[str, tuple[Pixels, Pixels, Pixels]] = {
    "1:1": ((1024, 1024), (2048, 2048), (2880, 2880)),
    "3:2": ((1536, 1024), (2048, 1360), (3520, 2336)),
    "2:3": ((1024, 1536), (1360, 2048), (2336, 3520)),
    "4:3": ((1024, 768), (2048, 1536), (3312, 2480)),
    "3:4": ((768, 1024), (1536, 2048), (2480, 3312)),
    "5:4": ((1280, 1024), (2560, 2048), (3216, 2576)),
    "4:5": ((1024, 1280), (2048, 2560), (2576, 3216)),
    "16:9": ((1536, 864), (2048, 1152), (3840, 2160)),
    "9:16": ((864, 1536), (1152, 2048), (2160, 3840)),
    "2:1": ((2048, 1024), (2688, 1344), (3840, 1920)),
    "1:2": ((1024, 2048), (1344, 2688), (1920, 3840)),
    "21:9": ((2016, 864), (2688, 1152), (3840, 1648)),
    "9:21": ((864, 2016), (1152, 2688), (1648, 3840)),
}

# The source page offers 4k for these only.
FOUR_K_RATIOS = frozenset({"16:9", "9:16", "2:1", "1:2", "21:9", "9:21"})

LEAST_EDGE = 16
WIDEST = 3.0
LARGEST_CROP = 1 / 3

# OpenAI's own bounds for gpt-image-2 (its API reference, and live error texts).
_OPENAI_STEP = 16
_OPENAI_EDGE = 3840
_OPENAI_PIXELS = (655_360, 8_294_400)

_PIXELS = re.compile(r"(\d{1,6})\s*[xX×*]\s*(\d{1,6})")
_RATIO = re.compile(r"(\d{1,4})\s*:\s*(\d{1,4})")
_SQUARE = re.compile(r"\d{2,6}")


@dataclass(frozen=True, slots=True)
class Fit:
    """How a wanted size is served.

    ``bought`` is what the vendor's table promises for ``ratio`` and ``tier``; ``promised`` is what
    the caller gets. They differ where the result is cropped and scaled down here.
    """

    ratio: str
    tier: Tier
    bought: Pixels
    promised: Pixels
    notes: tuple[Note, ...] = ()


def offered(*, extended: bool) -> Iterator[tuple[str, Tier, Pixels]]:
    """Every (ratio, tier, pixels) on offer: 32 of them, or 39 when ``extended``."""
    for ratio, row in TABLE.items():
        for tier, pixels in zip(TIERS, row, strict=True):
            if tier != "4k" or extended or ratio in FOUR_K_RATIOS:
                yield ratio, tier, pixels


def read_pixels(text: str) -> Pixels | None:
    """``1024x768`` in any of its spellings, or a bare ``1024`` for a square; else None."""
    if match := _PIXELS.fullmatch(text):
        return int(match[1]), int(match[2])
    return (int(text), int(text)) if _SQUARE.fullmatch(text) else None


def read_ratio(text: str) -> tuple[int, int] | None:
    """``16:9`` as two positive integers; else None."""
    match = _RATIO.fullmatch(text)
    if match is None or int(match[1]) == 0 or int(match[2]) == 0:
        return None
    return int(match[1]), int(match[2])


def fit_ratio(text: str, tier: Tier, *, extended: bool) -> Fit:
    """Serve a ratio word at a tier.

    Raises: InvalidRequest naming ``size`` for a ratio that is not offered, ``resolution`` for a
    ratio that is not offered at that tier.
    """
    sides = read_ratio(text)
    named = next((name for name in TABLE if sides is not None and _same(name, sides)), None)
    if named is None:
        known = ", ".join(f"'{name}'" for name in TABLE)
        message = f"Invalid size '{text}'. Supported ratios are: {known}."
        raise UnmakeableImage(message, param="size", code="invalid_value")
    for ratio, offered_tier, pixels in offered(extended=extended):
        if (ratio, offered_tier) == (named, tier):
            return Fit(ratio, tier, pixels, pixels)
    message = f"The ratio {named} is not offered at resolution '{tier}'."
    raise InvalidRequest(message, param="resolution", code="invalid_value")


def fit_pixels(wanted: Pixels, policy: SizePolicy, *, extended: bool) -> Fit:
    """Serve a size in pixels under a policy.

    A size of the table is passed through. Otherwise ratios are tried from the nearest, and the
    first that has a tier covering the wanted pixels serves; ``nearest`` then gives that tier's
    own pixels, the others exactly what was asked.
    Raises: UnmakeableImage naming ``size``.
    """
    if policy == "strict":
        check_openai(wanted)
    for ratio, tier, pixels in offered(extended=extended):
        if pixels == wanted:
            return Fit(ratio, tier, pixels, pixels)
    if policy == "nearest":
        return _nearest(wanted, extended=extended)
    _check_shape(wanted)
    found = next(_covering(wanted, extended=extended), None)
    if found is None:
        raise _refusal(wanted, extended=extended)
    ratio, tier, pixels = found
    return Fit(ratio, tier, pixels, wanted, (_made_exact(wanted, ratio, pixels),))


def check_openai(wanted: Pixels) -> None:
    """OpenAI's arithmetic for gpt-image-2 sizes, in its order. Raises: UnmakeableImage."""
    width, height = wanted
    least, most = _OPENAI_PIXELS
    if width % _OPENAI_STEP or height % _OPENAI_STEP:
        raise _invalid(wanted, "Width and height must both be divisible by 16.")
    if max(wanted) > _OPENAI_EDGE:
        raise _invalid(wanted, "The longest edge must be less than or equal to 3840.")
    if min(wanted) == 0 or max(wanted) / min(wanted) > WIDEST:
        raise _invalid(wanted, "Long-edge to short-edge ratio must be less than or equal to 3:1.")
    if width * height < least:
        raise _invalid(wanted, "Requested resolution is below the current minimum pixel budget.")
    if width * height > most:
        raise _invalid(wanted, "Requested resolution is above the current maximum pixel budget.")


def crop_share(pixels: Pixels, wanted: Pixels) -> float:
    """The share of ``pixels`` that is cut away to get the shape of ``wanted`` (0 to 1)."""
    have, want = pixels[0] / pixels[1], wanted[0] / wanted[1]
    return 1 - min(have, want) / max(have, want)


def _same(name: str, sides: tuple[int, int]) -> bool:
    width, height = map(int, name.split(":"))
    return width * sides[1] == height * sides[0]


def _distance(name: str, wanted: Pixels) -> float:
    width, height = map(int, name.split(":"))
    return abs(math.log(wanted[0] / wanted[1]) - math.log(width / height))


def _by_ratio(wanted: Pixels, *, extended: bool) -> list[tuple[str, Tier, Pixels]]:
    """All that is on offer, nearest ratio first; within a ratio the smallest tier first."""
    return sorted(offered(extended=extended), key=lambda row: _distance(row[0], wanted))


def _covering(wanted: Pixels, *, extended: bool) -> Iterator[tuple[str, Tier, Pixels]]:
    for ratio, tier, pixels in _by_ratio(wanted, extended=extended):
        covers = pixels[0] >= wanted[0] and pixels[1] >= wanted[1]
        if covers and crop_share(pixels, wanted) <= LARGEST_CROP:
            yield ratio, tier, pixels


def _nearest(wanted: Pixels, *, extended: bool) -> Fit:
    """Snap to the nearest ratio: its smallest tier that covers, else its largest."""
    if min(wanted) < 1:
        raise _invalid(wanted, "Both edges must be at least 1.")
    ranked = _by_ratio(wanted, extended=extended)
    tiers = [row for row in ranked if row[0] == ranked[0][0]]
    covering = [row for row in tiers if row[2][0] >= wanted[0] and row[2][1] >= wanted[1]]
    ratio, tier, pixels = (covering or tiers[-1:])[0]
    snapped = note("size-nearest", requested=_words(wanted), actual=_words(pixels))
    return Fit(ratio, tier, pixels, pixels, (snapped,))


def _check_shape(wanted: Pixels) -> None:
    if min(wanted) < LEAST_EDGE:
        raise _invalid(wanted, f"Both edges must be at least {LEAST_EDGE}.")
    if max(wanted) / min(wanted) > WIDEST:
        raise _invalid(wanted, "Long-edge to short-edge ratio must be less than or equal to 3:1.")


def _made_exact(wanted: Pixels, ratio: str, pixels: Pixels) -> Note:
    share = round(crop_share(pixels, wanted), 3)
    if share == 0:
        return note("size-scaled", from_=_words(pixels))
    return note("size-cropped", from_=ratio, share=share)


def _refusal(wanted: Pixels, *, extended: bool) -> UnmakeableImage:
    """Nothing covers: name the largest of the same shape that can be made."""
    scale = max(
        min(pixels[0] / wanted[0], pixels[1] / wanted[1])
        for _, _, pixels in offered(extended=extended)
        if crop_share(pixels, wanted) <= LARGEST_CROP
    )
    largest = (int(wanted[0] * scale), int(wanted[1] * scale))
    return _invalid(wanted, f"The largest size of this shape is '{_words(largest)}'.")


def _invalid(wanted: Pixels, why: str) -> UnmakeableImage:
    message = f"Invalid size '{_words(wanted)}'. {why}"
    return UnmakeableImage(message, param="size", code="invalid_value")


def _words(pixels: Pixels) -> str:
    return f"{pixels[0]}x{pixels[1]}"
