"""Setting type: breaking a prompt into lines, and finding the largest size that fits a box.

Owns: where a line may break in Latin and in Chinese, sizes, the ellipsis. Must not know: fonts or
Pillow; whoever calls says how wide a character is, as a share of the type size.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

Measure = Callable[[str], float]

LEADING = 1.36
"""Distance of two base lines, as a share of the type size; Chinese needs more than Latin."""

_WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_OPENING = "「『（【《〈“‘(\\["  # noqa: RUF001 - Chinese punctuation
_CLOSING = "，。、！？；：」』）】》〉”’…·,.!?;:)\\]"  # noqa: RUF001 - the same
_TOKEN = re.compile(
    rf"[{_OPENING}]*(?:[{_WIDE}]|[^\s{_WIDE}{_OPENING}]+)[{_CLOSING}]*|[{_OPENING}{_CLOSING}]+|\s+"
)


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one size; ``whole`` is false where the end had to be left out."""

    size: int
    lines: tuple[str, ...]
    whole: bool

    @property
    def height(self) -> float:
        """From the top of the first line to the bottom of the last, in pixels."""
        return len(self.lines) * self.size * LEADING


def printable(text: str) -> str:
    """One paragraph: runs of white space become a blank, control characters vanish."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def wrap(text: str, width: float, measure: Measure, most: int) -> tuple[list[str], bool]:
    """Break ``text`` into at most ``most`` lines of ``width``; the flag says all of it is there.

    ``width`` and ``measure`` are in the same unit. A word wider than a line is cut.
    """
    lines = list(islice(_lines(text, width, measure), most + 1))
    if len(lines) <= most:
        return lines, True
    last = lines[most - 1]
    while last and measure(last + "…") > width:
        last = last[:-1]
    return [*lines[: most - 1], last.rstrip() + "…"], False


def fit(text: str, box: tuple[float, float], sizes: Sequence[int], measure: Measure) -> Block:
    """Set ``text`` in the largest of ``sizes`` (descending) that holds it in ``box`` (pixels)."""
    width, height = box
    block = Block(sizes[-1], (), whole=False)
    for size in sizes:
        most = max(1, int(height / (size * LEADING)))
        lines, whole = wrap(text, width / size, measure, most)
        block = Block(size, tuple(lines), whole)
        if whole:
            break
    return block


def pack(items: Sequence[str], width: float, measure: Measure, gap: str = "   ") -> list[str]:
    """Fill lines with whole ``items``, ``gap`` between two; only an item too wide is broken."""
    lines: list[str] = []
    for item in items:
        if lines and measure(lines[-1] + gap + item) <= width:
            lines[-1] += gap + item
        else:
            lines += wrap(item, width, measure, len(item) + 1)[0]
    return lines


def _lines(text: str, width: float, measure: Measure) -> Iterator[str]:
    line = ""
    for found in _TOKEN.finditer(text):
        token = found[0]
        if not line and token.isspace():
            continue
        if measure(line + token.rstrip()) <= width:
            line += token
            continue
        if line.strip():
            yield line.rstrip()
        line = "" if token.isspace() else token
        while measure(line) > width and len(line) > 1:
            cut = _longest(line, width, measure)
            yield line[:cut]
            line = line[cut:]
    if line.strip():
        yield line.rstrip()


def _longest(word: str, width: float, measure: Measure) -> int:
    cut = 1
    while cut < len(word) and measure(word[: cut + 1]) <= width:
        cut += 1
    return cut
