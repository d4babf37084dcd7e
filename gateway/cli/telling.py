"""How times, sizes, money and foreign texts are told on a terminal.

Owns: those words, and tables of them. Must not know: what they are about.
"""

import datetime as dt
import textwrap
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation

import click

from gateway.config.units import BYTES

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_TWO_DIGITS = 10
_WIDTH = 100


def moment(at: float) -> str:
    """A moment in UTC, to the second."""
    try:
        return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return "at no time that there is"


def duration(seconds: float) -> str:
    """How long, to be read at a glance: ``0.4 s``, ``12 s``, ``3 min``, ``5 h``, ``2 d``."""
    if seconds < _TWO_DIGITS:
        return f"{max(0.0, seconds):.1f} s"
    for unit, word in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit:.0f} {word}"
    return f"{seconds:.0f} s"


def elapsed(seconds: float) -> str:
    """A moment in a story: ``+12.1 s``, ``+3 min 04 s``, ``+2 h 05 min``."""
    if seconds < 0:
        return f"{seconds:.1f} s"
    if seconds < 2 * _MINUTE:
        return f"+{seconds:.1f} s"
    whole = int(seconds)
    if whole < 2 * _HOUR:
        return f"+{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"+{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"


def size(count: int) -> str:
    """How many bytes, roughly: ``812 B``, ``1.4 MB``."""
    for suffix in BYTES.spoken:
        scale = int(BYTES.scale[suffix.lower()])
        if "i" not in suffix and count >= scale:
            return f"{count / scale:.1f} {suffix}"
    return f"{count} B"


def money(costs: Iterable[str | None]) -> str:
    """What several things cost together, in dollars; empty where nothing is known."""
    amounts = [amount for cost in costs if (amount := dollars(cost)) is not None]
    return f"${sum(amounts, Decimal(0)):f}" if amounts else ""


def dollars(cost: str | None) -> Decimal | None:
    """A cost as the vendor told it; None where that is no number."""
    try:
        amount = Decimal(cost or "")
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def counted(number: int, word: str, words: str | None = None) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number:,} {word if number == 1 else words or f'{word}s'}"


def plain(text: str) -> str:
    """A text from elsewhere, on one line, without what would do something to a terminal."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def paragraph(text: str, indent: int) -> str:
    """A text in lines of a terminal's width, none of its words broken: they may be ids."""
    margin = " " * indent
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def loud(text: str) -> str:
    """What must not be overlooked: bold where that can be shown."""
    return click.style(text, bold=True)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they must be, under a head; columns of nothing are left out."""
    listed = [tuple(plain(cell) for cell in row) for row in rows]
    kept = [column for column in range(len(head)) if any(row[column] for row in listed)]
    lines = [tuple(head[column] for column in kept)]
    lines += [tuple(row[column] for column in kept) for row in listed]
    widths = [max(len(line[column]) for line in lines) for column in range(len(kept))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
