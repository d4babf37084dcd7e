"""Token counts for the ``usage`` object of an answer.

Owns: the published arithmetic of gpt-image-2 tokens; integers that add up. Must not know: prices
or wire shapes. The formulas are the community's, checked against figures that OpenAI quotes
(1024x1024: 196 low, 1756 medium, 7024 high).
"""

import math
from dataclasses import dataclass, replace

from gateway.translate.model import Picture, Plan, Quality, RemotePicture

_FACTOR: dict[Quality, int] = {"low": 16, "medium": 48, "high": 96}
_PATCH = 32
_PATCH_BUDGET = 1536
_SMALL_EDGE = 1024
# A picture that only the vendor sees is counted as a 1024x1024 one.
_UNSEEN = (1024, 1024)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer."""

    text: int
    image: int
    output: int

    @property
    def input(self) -> int:
        """Text and pictures that went in."""
        return self.text + self.image

    @property
    def total(self) -> int:
        """In and out."""
        return self.input + self.output


def output_tokens(width: int, height: int, quality: Quality) -> int:
    """Tokens of one picture of these pixels at this quality."""
    factor = _FACTOR[quality]
    long, short = max(width, height), min(width, height)
    rows = (2 * factor * short + long) // (2 * long)
    return math.ceil(factor * rows * (2_000_000 + width * height) / 4_000_000)


def text_tokens(prompt: str) -> int:
    """An estimate: a quarter of the UTF-8 bytes, at least one."""
    return max(1, math.ceil(len(prompt.encode("utf-8", "replace")) / 4))


def picture_tokens(width: int, height: int) -> int:
    """Tokens of one picture that goes in: 32-pixel patches within a budget."""
    if max(width, height) < _SMALL_EDGE:
        factor = min(2.0, _SMALL_EDGE / max(width, height))
        width, height = round(width * factor), round(height * factor)
    width, height = min(width, 3 * height), min(height, 3 * width)
    patches = math.ceil(width / _PATCH) * math.ceil(height / _PATCH)
    if patches > _PATCH_BUDGET:
        shrink = math.sqrt(_PATCH_BUDGET / patches)
        wide = max(1, math.floor(math.ceil(width / _PATCH) * shrink))
        patches = wide * max(1, math.floor(math.ceil(height / _PATCH) * shrink))
    return patches


def usage(plan: Plan, actual: tuple[tuple[int, int], ...]) -> Usage:
    """Usage of a served plan; ``actual`` are the pixels the vendor made, one pair per picture.

    Where the table promised pixels, those count: they are what was bought.
    """
    first = plan.tasks[0]
    sources = (*first.references, *((first.mask,) if first.mask else ()))
    image = sum(picture_tokens(*_measured(source)) for source in sources)
    output = sum(output_tokens(*(plan.bought or pixels), plan.quality) for pixels in actual)
    text = text_tokens(first.prompt) if plan.text_tokens is None else plan.text_tokens
    return Usage(text=text, image=image, output=output)


def without_prompt(plan: Plan) -> Plan:
    """The plan as it is kept once its prompt is of no more use; its usage stays the same."""
    if plan.text_tokens is not None:
        return plan
    tasks = tuple(replace(task, prompt="") for task in plan.tasks)
    return replace(plan, tasks=tasks, text_tokens=text_tokens(plan.tasks[0].prompt))


def _measured(source: Picture | RemotePicture) -> tuple[int, int]:
    return (source.width, source.height) if isinstance(source, Picture) else _UNSEEN
