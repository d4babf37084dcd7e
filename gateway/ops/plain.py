"""From an event to plain values: what JSON can say of any frozen dataclass.

Owns: how an event's class becomes a line's name, its fields the line's keys, and what of a value
is shown. Must not know: which events there are, or how a line is written.
"""

import dataclasses
import enum
import functools
import json
import pathlib
import re
import traceback
from collections.abc import Mapping

from gateway.facts import Remark

_AS_THEY_ARE = frozenset({str, int, bool})
_RESERVED = frozenset({"timestamp", "level", "event", "suppressed"})


@functools.cache
def shape(kind: type) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return an event's name, and its fields with their keys; those hidden in ``repr`` are left."""
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"{kind.__name__} is no dataclass, so no event")
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__).lower()
    shown = [field.name for field in dataclasses.fields(kind) if field.repr]
    return name, tuple((one, f"{one}_" if one in _RESERVED else one) for one in shown)


def shape_of(event: object) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return an event's name, and its fields with their keys."""
    return shape(type(event))  # type: ignore[arg-type]  # a class has a hash


def is_nothing(value: object) -> bool:
    """Return whether a value is not worth a key: zero and false are."""
    return value is None or (isinstance(value, str | tuple | list | dict) and not value)


def plain(value: object) -> object:  # noqa: PLR0911 - one line per kind of value
    """Return what JSON can say of a value: numbers and words, lists and mappings of them."""
    if value is None or type(value) in _AS_THEY_ARE:  # nearly all, so first and fast
        return value
    match value:
        case enum.Enum():
            return value.name.lower()
        case float():
            return round(value, 6)
        case bytes() | bytearray():
            return f"<{len(value)} bytes>"
        case pathlib.PurePath() | str():
            return str(value)
        case BaseException():  # told by our own faults only: without its way here it is no help
            return "".join(traceback.format_exception(value))
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case tuple() | list() | set() | frozenset():
            return [plain(one) for one in value]
    return _other(value)


def _other(value: object) -> object:
    """Show a dataclass by its fields, a note as it is written; of anything else the type alone."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return f"<{type(value).__name__}>"
    if {"name", "params"} == {field.name for field in dataclasses.fields(value)}:
        return _remark(value)  # type: ignore[arg-type]
    shown = [field.name for field in dataclasses.fields(value) if field.repr]
    return {one: plain(getattr(value, one)) for one in shown}


def _remark(note: Remark) -> str:
    """Render a note as it stands in ``x-gateway-notes``."""
    quoted = (
        (key, json.dumps(value) if isinstance(value, str) else value) for key, value in note.params
    )
    return ";".join([note.name, *(f"{key}={value}" for key, value in quoted)])
