"""Figures in words: times, sizes, shares and money as people read them.

Owns: units, rounding, and how exact a figure is told. Must not know: what a figure is of.
Where a value is told roughly, whoever shows it puts the exact one beside it.
"""

import math
from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_JUST_NOW = 2.0
_CENT = 10_000
_MICRO = 1_000_000
_STEP = 1_000.0
_TEENS = (11, 12, 13)
_TENTHS_BELOW = 10


def count(number: int) -> str:
    """``1,234``."""
    return f"{number:,}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 task``, ``2 tasks``; ``many`` where an s does not do."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def amount(number: float) -> str:
    """A figure that is no whole number, with one decimal where that says something: ``4.2``."""
    return f"{number:,.1f}".removesuffix(".0") if abs(number) < _TENTHS_BELOW else f"{number:,.0f}"


def share(part: float) -> str:
    """``87 %`` of 0.87."""
    return f"{part * 100:.0f} %"


def span(seconds: float) -> str:
    """How long: ``12 s``, ``2 min 5 s``, ``1 h 12 min``, ``3 d 4 h``."""
    whole = max(0, int(seconds))
    for unit, name, lesser, small in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // lesser
            return f"{whole // unit} {name}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def ago(then: float, now: float) -> str:
    """``just now``, ``12 s ago``; what a clock that was set puts into the future is now."""
    passed = now - then
    return "just now" if passed < _JUST_NOW else f"{span(passed)} ago"


def moment(at: float) -> str:
    """Wall-clock seconds as ``2026-11-23 13:05:12 UTC``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def dollars(micro: int) -> str:
    """Micro-dollars: ``$1,234.50``, and ``$0.0042`` where cents would say too little."""
    value = micro / _MICRO
    if micro % _CENT == 0 or abs(micro) >= _MICRO:
        return f"${value:,.2f}"
    return f"${value:.6f}".rstrip("0")


def balance(usd: float | None) -> str:
    """An account's balance in dollars; none is unknown, infinity no bound."""
    if usd is None or math.isnan(usd):
        return "not known"
    return "without a bound" if math.isinf(usd) else f"${usd:,.2f}"


def size(number: int) -> str:
    """Bytes: ``812 B``, ``1.5 MB``; thousands, as disks are sold."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < _STEP:
            return f"{amount(value)} {unit}"
        value /= _STEP
    return f"{amount(value)} TB"


def ordinal(number: int) -> str:
    """``1st``, ``12th``."""
    if number % 100 in _TEENS:
        return f"{number:,}th"
    return f"{number:,}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
