"""A loaded configuration as a list, safe to print.

Owns: writing values as a file would hold them, and the mask over secrets. Must not know: where
the list goes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from gateway.config.loader import Loaded
from gateway.config.shape import leaves, render
from gateway.config.units import Unit

MASK = "***"


@dataclass(frozen=True, slots=True)
class Entry:
    """One effective value: plain for JSON, as ``text`` for people, and where it came from."""

    path: str
    value: object
    text: str
    source: str


def entries(loaded: Loaded) -> Iterator[Entry]:
    """List every effective value in the order of the models, secrets masked."""
    for leaf in leaves(loaded.config):
        path = render(leaf.path)
        value = MASK if isinstance(leaf.value, SecretStr) else leaf.value
        yield Entry(path, value, spell(leaf.field, value), loaded.sources[path])


def spell(field: FieldInfo, value: object) -> str:
    """Write a field's value as a file would: ``24h``, ``10GB``, ``null``, ``[a, b]``."""
    unit = unit_of(field)
    if unit is not None and isinstance(value, int | float):
        return unit.spell(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(_word(member) for member in value)}]"
    return _word(value)


def unit_of(field: FieldInfo) -> Unit | None:
    """Return the unit of a field that holds a time or a size."""
    return next((mark for mark in field.metadata if isinstance(mark, Unit)), None)


def _word(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value)
