"""Times, sizes and money as people write them: ``24h``, ``90s``, ``10GB``, ``64MiB``, ``"2.50"``.

Owns: the units, reading them, and writing them back for documents and listings. Must not know:
which setting is which (``sections.py`` says so).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

_NUMBER = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]*)\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Unit:
    """A kind of quantity: its name in documents, an example, and what each suffix is worth.

    ``spoken`` are the suffixes used for writing, largest first.
    """

    word: str
    example: str
    scale: Mapping[str, Decimal]
    spoken: tuple[str, ...]
    whole: bool

    def read(self, value: object) -> object:
        """Turn ``24h``, or ``1e9`` for bytes, into a number; anything else is left as it is."""
        if self.whole and isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, str):
            return value
        match = _NUMBER.fullmatch(value)
        factor = self.scale.get(match[2].lower()) if match else None
        if match is None or factor is None:
            raise ValueError(f"must be a number with a unit, such as {self.example}")
        amount = Decimal(match[1]) * factor
        if not self.whole:
            return float(amount)
        if amount != int(amount):
            raise ValueError(f"must come to a whole number of {self.word}")
        return int(amount)

    def spell(self, value: float) -> str:
        """Write a number with the largest suffix that divides it: ``spell(86400)`` is ``24h``."""
        amount = Decimal(str(value))
        for suffix in self.spoken:
            count = amount / self.scale[suffix.lower()]
            if amount and count == int(count):
                return f"{int(count)}{suffix}"
        return f"{value:g}" if isinstance(value, float) else str(value)


SECONDS = Unit(
    word="seconds",
    example="24h or 90s",
    scale={
        "": Decimal(1),
        "ms": Decimal("0.001"),
        "s": Decimal(1),
        "m": Decimal(60),
        "h": Decimal(3600),
        "d": Decimal(86400),
    },
    spoken=("h", "m", "s", "ms"),
    whole=False,
)
BYTES = Unit(
    word="bytes",
    example="64MB or 10GB",
    scale={
        "": Decimal(1),
        "b": Decimal(1),
        "kb": Decimal(10**3),
        "mb": Decimal(10**6),
        "gb": Decimal(10**9),
        "kib": Decimal(2**10),
        "mib": Decimal(2**20),
        "gib": Decimal(2**30),
    },
    spoken=("GB", "MB", "kB", "GiB", "MiB", "KiB"),
    whole=True,
)


MICRO = 1_000_000  # money is counted in millionths of a dollar, and is always whole


@dataclass(frozen=True, slots=True)
class Money(Unit):
    """US dollars outside, whole micro-dollars inside."""

    def read(self, value: object) -> object:
        """Turn ``"2.50"`` or ``2.5`` into 2,500,000; what is no number is left as it is."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return value
        try:
            amount = Decimal(str(value).strip()) * MICRO
        except InvalidOperation:
            raise ValueError(f"must be an amount of {self.word}, such as {self.example}") from None
        if not amount.is_finite() or amount != int(amount):
            raise ValueError("must be an amount with at most six decimals")
        return int(amount)

    def spell(self, value: float) -> str:
        """Write micro-dollars as dollars: ``spell(2500000)`` is ``2.5``."""
        dollars = f"{Decimal(value) / MICRO:f}"
        return dollars.rstrip("0").rstrip(".") if "." in dollars else dollars


USD = Money(word="US dollars", example='"2.50"', scale={}, spoken=(), whole=True)
