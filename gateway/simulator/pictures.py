"""Draws what a commission asks for, at exactly its pixels, and says that it is simulated.

Owns: everything done with Pillow here: measuring what was sent, painting a scene, setting words,
thumbnails, masks, encoding. Must not know: tasks, HTTP, where bytes are kept. Synchronous and
slow (20 ms to 1 s): never call it on the event loop, and draw in one thread only.

A masked edit: with alpha 0 the mask opens a hole in which every pixel is new and none equals the
old one; at 255 not one pixel changes (for png, which loses nothing); between, both are blended.
"""

import io
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageFont, PngImagePlugin

from gateway.simulator.lettering import LEADING, Block, fit, pack, printable
from gateway.simulator.scenery import Colour, Scene, between, scene

Size = tuple[int, int]
Box = tuple[int, int, int, int]

MIME = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
"""Formats this vendor takes in, by Pillow's name."""

_FONT = "NotoSansCJKsc-subset.woff2"
_PAINTED = 2_200_000
"""Pixels a scene is painted with, at most: larger ones are painted smaller and scaled up."""
_INK: Colour = (250, 250, 246)
_SHADE: Colour = (14, 16, 24)
_LONGEST = 4_000
"""Characters of a prompt that are considered; more would never fit legibly."""


class NotAPicture(ValueError):
    """The bytes are no picture of a known format, or are broken."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a picture's header says; ``alpha`` means a channel or a transparent palette entry."""

    width: int
    height: int
    mime: str
    alpha: bool


@dataclass(frozen=True, slots=True)
class Commission:
    """One picture to draw.

    ``references`` are encoded pictures, or a text where the vendor would have fetched an address;
    so may ``mask`` be, which then opens an ellipse.
    ``compression`` is the JPEG encoder's quality, 0 to 100. ``facts`` is the small print.
    """

    seed: str
    prompt: str = field(repr=False)
    width: int
    height: int
    facts: tuple[str, ...] = ()
    corner: str = ""
    output_format: Literal["png", "jpeg"] = "png"
    compression: int = 100
    transparent: bool = False
    references: tuple[bytes | str, ...] = field(default=(), repr=False)
    mask: bytes | str | None = field(default=None, repr=False)


def measure(data: bytes) -> Measured:
    """Read the header of a picture. Raises ``NotAPicture``."""
    picture = _opened(data)
    alpha = "A" in picture.getbands() or "transparency" in picture.info
    return Measured(picture.width, picture.height, MIME[picture.format or ""], alpha)


def draw(commission: Commission) -> bytes:
    """Paint and encode. Raises ``NotAPicture`` where a reference or the mask is broken."""
    references = [_reference(item) for item in commission.references]
    if commission.mask is not None and references:
        picture = _retouched(commission, references[0])
    else:
        picture = _poster(commission, (commission.width, commission.height), references)
        if commission.transparent and commission.output_format == "png":
            picture.putalpha(_vignette(picture.size))
    return _encoded(picture, commission)


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=tuple(MIME))
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise NotAPicture("not a picture of a known format") from error


def _decoded(data: bytes) -> Image.Image:
    picture = _opened(data)
    try:
        picture.load()
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise NotAPicture("a broken picture") from error
    alpha = "A" in picture.getbands() or "transparency" in picture.info
    return picture.convert("RGBA" if alpha else "RGB")


def _reference(item: bytes | str) -> Image.Image:
    if isinstance(item, bytes):
        return _decoded(item)
    picture = _painted(scene(item), (768, 768))
    box = (60, 284, 708, 484)
    _panel(picture, box)
    words = fit(printable(item), (box[2] - box[0] - 48, 160), (44, 36, 28, 22, 18), _width)
    _set(ImageDraw.Draw(picture), words, (box[0] + 24, box[1] + 20))
    return picture


# ── a whole picture ──


def _poster(
    commission: Commission, size: Size, references: list[Image.Image], inset: float = 0.04
) -> Image.Image:
    """Paint the scene and set the words; ``inset`` is the share of each edge kept free of them."""
    picture = _painted(scene(commission.seed), size)
    gap = round(min(size) * 0.04)
    side, end = round(size[0] * inset), round(size[1] * inset)
    if inset <= 0.04:  # noqa: PLR2004 - the ordinary margin is the same on all four sides
        side = end = gap
    frame = (side, end, size[0] - side, size[1] - end)
    top = _caption(picture, commission, frame, 0.34 if references else 0.46)
    type_size = max(10, round(min(size) * 0.036))
    _tag(picture, "simulated", frame[:2], type_size)
    if commission.corner:
        _tag(picture, commission.corner, (frame[2], frame[1]), type_size, right=True)
    _thumbnails(picture, references, (frame[0], frame[1] + 2 * type_size, frame[2], top))
    return picture


def _caption(picture: Image.Image, commission: Commission, frame: Box, share: float) -> int:
    """Set prompt and small print on a panel at the frame's foot; return the panel's top."""
    unit = min(picture.size) / 100
    pad = round(3.2 * unit)
    room = frame[2] - frame[0] - 2 * pad
    small = max(9, round(2.4 * unit))
    lines = pack(commission.facts, room / small, _width)
    facts = Block(small, tuple(lines), whole=True)
    most = (frame[3] - frame[1]) * share
    words = fit(printable(commission.prompt[:_LONGEST]), (room, most), _ladder(unit), _width)
    top = round(frame[3] - words.height - facts.height - 2.3 * pad)
    _panel(picture, (frame[0], top, frame[2], frame[3]))
    pen = ImageDraw.Draw(picture)
    left = frame[0] + pad
    _set(pen, words, (left, top + pad - round(words.size * 0.25)))
    foot = round(frame[3] - pad * 0.8 - facts.height)
    _set(pen, facts, (left, foot), between(_INK, _SHADE, 0.25))
    return top


def _ladder(unit: float) -> list[int]:
    return [max(9, round(unit * share)) for share in (7.6, 6.2, 5, 4.1, 3.4, 2.8, 2.3)]


def _painted(subject: Scene, size: Size) -> Image.Image:
    # Painted somewhat larger than needed and scaled down, edges come out smooth; a very large
    # picture is painted smaller and scaled up, which keeps 4k within a second.
    width, height = size
    factor = min(1.5, (_PAINTED / (width * height)) ** 0.5)
    wide, high = max(1, round(width * factor)), max(1, round(height * factor))
    canvas = _sky(subject, (wide, high))
    pen = ImageDraw.Draw(canvas)
    x, y = subject.disc.centre[0] * wide, subject.disc.centre[1] * high
    radius = subject.disc.radius * min(wide, high)
    for share, mix in ((1.9, 0.12), (1.4, 0.3), (1.0, 1.0)):
        glow = between(subject.sky[1], subject.disc.colour, mix)
        reach = radius * share
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=glow)
    for cloud_x, cloud_y, length, thick in subject.clouds:
        colour = between(subject.sky[1], (255, 255, 255), 0.35)
        edges = (
            cloud_x * wide,
            cloud_y * high,
            (cloud_x + length) * wide,
            (cloud_y + thick) * high,
        )
        pen.rounded_rectangle(edges, radius=thick * high / 2, fill=colour)
    dot = max(1.0, min(wide, high) / 700)
    for star_x, star_y in subject.stars:
        at = (star_x * wide, star_y * high)
        pen.ellipse((at[0] - dot, at[1] - dot, at[0] + dot, at[1] + dot), fill=_INK)
    for layer in subject.layers:
        line = [(point[0] * wide, point[1] * high) for point in layer.ridge]
        pen.polygon([(0, high), *line, (wide, line[-1][1]), (wide, high)], fill=layer.colour)
    return canvas if canvas.size == size else canvas.resize(size, Image.Resampling.BILINEAR)


def _sky(subject: Scene, size: Size) -> Image.Image:
    top, middle, horizon = subject.sky
    rows = 128
    strip = Image.new("RGB", (1, rows))
    half = rows // 2
    strip.putdata(
        [between(top, middle, row / half) for row in range(half)]
        + [between(middle, horizon, row / half) for row in range(half)]
    )
    sky = strip.resize((1, max(1, round(size[1] * 0.75))), Image.Resampling.BILINEAR)
    canvas = Image.new("RGB", size, horizon)
    canvas.paste(sky.resize((size[0], sky.height), Image.Resampling.NEAREST), (0, 0))
    return canvas


def _panel(picture: Image.Image, box: Box, colour: Colour = _SHADE, share: float = 0.66) -> None:
    if box[2] <= box[0] or box[3] <= box[1]:
        return  # too small a picture for words
    region = picture.crop(box)
    tinted = Image.blend(region, Image.new("RGB", region.size, colour), share)
    shape = Image.new("L", region.size, 0)
    radius = max(2, min(picture.size) // 50)
    ImageDraw.Draw(shape).rounded_rectangle(
        (0, 0, region.width - 1, region.height - 1), radius, 255
    )
    picture.paste(tinted, box[:2], shape)


def _tag(
    picture: Image.Image, text: str, at: tuple[int, int], size: int, *, right: bool = False
) -> None:
    size = max(10, size)
    wide, high = round(_width(text) * size + size * 1.2), round(size * 1.7)
    left = at[0] - wide if right else at[0]
    _panel(picture, (left, at[1], left + wide, at[1] + high))
    pen = ImageDraw.Draw(picture)
    pen.text((left + wide / 2, at[1] + high / 2), text, fill=_INK, font=_font(size), anchor="mm")


def _thumbnails(picture: Image.Image, references: list[Image.Image], room: Box) -> None:
    if not references:
        return
    gap = max(4, min(picture.size) // 80)
    rows = 1 if len(references) <= 6 else 2  # noqa: PLR2004 - more than six in a row are too small
    columns = -(-len(references) // rows)
    edge = min(
        (room[2] - room[0] - gap * (columns - 1)) // columns,
        (room[3] - room[1] - gap * (rows + 1)) // rows,
        min(picture.size) // 4,
    )
    if edge < 16:  # noqa: PLR2004 - nothing could be seen
        return
    for index, reference in enumerate(references):
        small = _fitted(reference, edge)
        left = room[0] + (index % columns) * (edge + gap)
        top = room[3] - gap - (rows - index // columns) * (edge + gap) + gap
        frame = Image.new("RGB", (edge, edge), _INK)
        frame.paste(small, (3, 3), small if small.mode == "RGBA" else None)
        picture.paste(frame, (left, top))


def _fitted(reference: Image.Image, edge: int) -> Image.Image:
    side = min(reference.size)
    left, top = (reference.width - side) // 2, (reference.height - side) // 2
    square = reference.crop((left, top, left + side, top + side))
    return square.resize((edge - 6, edge - 6), Image.Resampling.BILINEAR, reducing_gap=2.0)


def _vignette(size: Size) -> Image.Image:
    shape = Image.new("L", size, 0)
    inset = min(size) // 50
    edges = (inset, inset, size[0] - inset - 1, size[1] - inset - 1)
    ImageDraw.Draw(shape).rounded_rectangle(edges, min(size) // 8, 255)
    return shape


# ── words ──


@lru_cache(maxsize=12)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # The layout is Pillow's own: the subset has no tables for anything finer.
    file = io.BytesIO((resources.files("gateway.simulator") / "fonts" / _FONT).read_bytes())
    return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=8192)
def _advance(character: str) -> float:
    return _font(100).getlength(character) / 100


def _width(text: str) -> float:
    return sum(map(_advance, text))


def _set(
    pen: ImageDraw.ImageDraw, block: Block, at: tuple[int, int], colour: Colour = _INK
) -> None:
    font = _font(block.size)
    for index, line in enumerate(block.lines):
        pen.text((at[0], at[1] + index * block.size * LEADING), line, fill=colour, font=font)


# ── masks ──


def _retouched(commission: Commission, reference: Image.Image) -> Image.Image:
    size = (commission.width, commission.height)
    old = reference if reference.size == size else reference.resize(size, Image.Resampling.BICUBIC)
    alpha = _openness(commission.mask, size)
    opening = ImageChops.invert(alpha)
    box = opening.getbbox()
    if box is None:
        return old
    new = Image.new("RGB", size)
    new.paste(_poster(commission, (box[2] - box[0], box[3] - box[1]), [], inset=0.15), box[:2])
    new = new.convert(old.mode)
    hole = alpha.point(lambda value: 255 if value == 0 else 0)
    return Image.composite(_differing(new, old, hole), old, opening)


def _openness(mask: bytes | str | None, size: Size) -> Image.Image:
    """Take the mask's alpha at ``size``; an address stands for an ellipse in the middle."""
    if isinstance(mask, bytes):
        alpha = _decoded(mask).convert("RGBA").getchannel("A")
        return alpha if alpha.size == size else alpha.resize(size, Image.Resampling.NEAREST)
    alpha = Image.new("L", size, 255)
    width, height = size
    edges = (width // 4, height // 4, width * 3 // 4, height * 3 // 4)
    ImageDraw.Draw(alpha).ellipse(edges, fill=0)
    return alpha


def _differing(new: Image.Image, old: Image.Image, hole: Image.Image) -> Image.Image:
    """Shift, by little, the red of those pixels of the hole that happen to equal the old ones."""
    bands = ImageChops.difference(new, old).split()
    distance = bands[0]
    for band in bands[1:]:
        distance = ImageChops.lighter(distance, band)
    equal = ImageChops.multiply(distance.point(lambda value: 0 if value else 255), hole)
    red, *others = new.split()
    shifted = red.point(lambda value: value + 12 if value < 128 else value - 12)  # noqa: PLR2004
    return Image.merge(new.mode, [Image.composite(shifted, red, equal), *others])


# ── bytes ──


def _encoded(picture: Image.Image, commission: Commission) -> bytes:
    out = io.BytesIO()
    if commission.output_format == "jpeg":
        picture.convert("RGB").save(
            out, "JPEG", quality=max(1, commission.compression), comment="simulated"
        )
        return out.getvalue()
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "simulated")
    picture.save(out, "PNG", compress_level=1, pnginfo=info)
    return out.getvalue()
