"""Landscapes as geometry: what stands behind the words of a simulated picture.

Owns: palettes, ridges, suns, stars and clouds, all chosen by a seed, in coordinates of the unit
square. Must not know: Pillow, pixels, tasks. Equal seeds give equal scenes.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one time of day: the sky from top to horizon, then the land from far to near."""

    sky: tuple[Colour, Colour, Colour]
    disc: Colour
    far: Colour
    near: Colour
    night: bool = False


@dataclass(frozen=True, slots=True)
class Disc:
    """A sun or a moon; the radius is a share of the shorter edge."""

    centre: Point
    radius: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Layer:
    """A piece of land: everything below the line of ``ridge``, which runs from x=0 to x=1."""

    colour: Colour
    ridge: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole landscape; ``stars`` and ``clouds`` may be empty.

    A cloud is ``(x, y, length, thickness)``.
    """

    sky: tuple[Colour, Colour, Colour]
    disc: Disc
    stars: tuple[Point, ...]
    clouds: tuple[tuple[float, float, float, float], ...]
    layers: tuple[Layer, ...]


PALETTES = (
    Palette(
        ((38, 70, 132), (226, 128, 116), (255, 209, 140)),
        (255, 240, 200),
        (176, 96, 118),
        (43, 28, 62),
    ),
    Palette(
        ((92, 170, 216), (168, 214, 232), (245, 240, 220)),
        (255, 252, 232),
        (140, 182, 188),
        (28, 84, 92),
    ),
    Palette(
        ((9, 14, 40), (28, 44, 96), (84, 88, 150)),
        (240, 240, 224),
        (58, 66, 120),
        (8, 10, 30),
        night=True,
    ),
    Palette(
        ((250, 190, 150), (252, 214, 176), (255, 240, 214)),
        (232, 92, 74),
        (228, 160, 132),
        (112, 48, 62),
    ),
    Palette(
        ((14, 52, 66), (40, 122, 124), (190, 220, 176)),
        (250, 246, 206),
        (70, 140, 128),
        (8, 36, 44),
    ),
    Palette(
        ((62, 32, 92), (170, 72, 134), (250, 150, 122)),
        (255, 222, 160),
        (132, 62, 122),
        (32, 14, 54),
    ),
    Palette(
        ((206, 220, 232), (226, 234, 240), (246, 246, 244)),
        (255, 255, 255),
        (168, 186, 202),
        (58, 78, 100),
    ),
    Palette(
        ((6, 24, 34), (14, 70, 78), (78, 156, 120)),
        (226, 248, 224),
        (26, 86, 84),
        (3, 16, 24),
        night=True,
    ),
)


def scene(seed: str) -> Scene:
    """Compose the landscape that belongs to ``seed``."""
    dice = random.Random(seed)  # noqa: S311 - a picture, not a secret
    palette = dice.choice(PALETTES)
    ridge = dice.choice((_hills, _peaks, _pines, _city, _waves))
    disc = Disc(
        (dice.uniform(0.15, 0.85), dice.uniform(0.16, 0.42)), dice.uniform(0.06, 0.15), palette.disc
    )
    return Scene(
        palette.sky,
        disc,
        _stars(dice) if palette.night else (),
        () if palette.night else _clouds(dice),
        _land(dice, palette, ridge),
    )


def between(first: Colour, second: Colour, share: float) -> Colour:
    """Mix two colours; ``share`` 0 gives the first, 1 the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _stars(dice: random.Random) -> tuple[Point, ...]:
    return tuple((dice.random(), dice.random() * 0.55) for _ in range(90))


def _clouds(dice: random.Random) -> tuple[tuple[float, float, float, float], ...]:
    return tuple(
        (
            dice.uniform(-0.2, 0.9),
            dice.uniform(0.05, 0.4),
            dice.uniform(0.15, 0.45),
            dice.uniform(0.006, 0.018),
        )
        for _ in range(dice.randint(2, 6))
    )


def _land(
    dice: random.Random,
    palette: Palette,
    ridge: Callable[[random.Random, float], tuple[Point, ...]],
) -> tuple[Layer, ...]:
    count = dice.randint(4, 6)
    layers = []
    for index in range(count):
        share = index / (count - 1)
        colour = between(palette.far, palette.near, share)
        # The line falls towards the viewer, and only the far half is drawn in the scene's style:
        # the near half lies under the words and stays calm.
        top = 0.44 + 0.42 * share
        layers.append(Layer(colour, (ridge if share < 0.8 else _hills)(dice, top)))  # noqa: PLR2004
    return tuple(layers)


def _hills(dice: random.Random, top: float) -> tuple[Point, ...]:
    waves = [
        (dice.uniform(0.6, 3.5), dice.uniform(0, math.tau), dice.uniform(0.01, 0.035))
        for _ in range(3)
    ]
    return tuple(
        (x / 96, top + sum(a * math.sin(f * math.tau * x / 96 + p) for f, p, a in waves))
        for x in range(97)
    )


def _peaks(dice: random.Random, top: float) -> tuple[Point, ...]:
    heights = [dice.uniform(-0.03, 0.03), dice.uniform(-0.03, 0.03)]
    swing = 0.11
    while len(heights) < 65:  # noqa: PLR2004 - midpoints of midpoints: 3, 5, 9 … 65
        halved: list[float] = []
        for left, right in pairwise(heights):
            halved += [left, (left + right) / 2 + dice.uniform(-swing, swing)]
        heights = [*halved, heights[-1]]
        swing *= 0.52
    return tuple((i / 64, top - 0.03 + height) for i, height in enumerate(heights))


def _pines(dice: random.Random, top: float) -> tuple[Point, ...]:
    ground = _hills(dice, top)
    points: list[Point] = []
    for x, y in ground[:-1]:
        tall = dice.uniform(0.012, 0.05)
        points += [(x, y), (x + 0.4 / 96, y - tall), (x + 0.8 / 96, y)]
    return (*points, ground[-1])


def _city(dice: random.Random, top: float) -> tuple[Point, ...]:
    points: list[Point] = []
    x = 0.0
    while x < 1:
        width = dice.uniform(0.018, 0.05)
        roof = top + dice.uniform(-0.12, 0.03)
        points += [(x, roof), (min(1.0, x + width), roof)]
        x += width
    return tuple(points)


def _waves(dice: random.Random, top: float) -> tuple[Point, ...]:
    phase, count = dice.uniform(0, math.tau), dice.randint(3, 9)
    return tuple(
        (x / 96, top + 0.05 + 0.012 * math.sin(count * math.tau * x / 96 + phase))
        for x in range(97)
    )
