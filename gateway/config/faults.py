"""Faults of a configuration, and the words for them.

Owns: ``Fault``, ``ConfigFaults``, and pydantic's findings → sentences for an operator. Must not
know: files, YAML, the environment. No sentence repeats a value: it may be a secret.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.config.shape import FILE_SUFFIX, Slot, at, is_secret, render, settings
from gateway.config.yaml12 import Path

_SHOWN = re.compile(r"(?!sk-)[\w./:@<-][\w./:@< -]{0,63}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value stands: a file, or the name of an environment variable; line from 1.

    ``secret_file`` is set where the value itself lies in a file named there.
    """

    file: str
    line: int | None = None
    secret_file: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}, {self.secret_file}" if self.secret_file else place


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, where it stands, and the setting's path (empty for a file's)."""

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        place = str(Origin(self.file, self.line))
        return ": ".join(word for word in (place, self.path, self.message) if word)


@dataclass(frozen=True, slots=True)
class Flaw:
    """What the models find at a path: pydantic's name for it, its bounds, and the value."""

    path: Path
    kind: str
    bounds: Mapping[str, object]
    value: object = field(repr=False)


class ConfigFaults(Exception):
    """A configuration that cannot be used; ``faults`` holds every reason, its text one per line.

    ``files`` are those it is made from, as far as that could be told.
    """

    def __init__(self, faults: Iterable[Fault], files: Iterable[str] = ()) -> None:
        self.faults = tuple(faults)
        self.files = tuple(files)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def spoken(path: Path) -> str:
    """Write a path for a person; a name that might be a misplaced secret becomes ``…``."""
    return render(tuple(part if isinstance(part, int) else shown(part) for part in path))


def shown(name: str) -> str:
    """Return a name that a file holds, or ``…`` where it is long, odd or looks like a key."""
    return name if _SHOWN.fullmatch(name) else "…"


def unknown(path: Path) -> tuple[Path, str]:
    """Say that a name is not known, with the nearest that is; gives path and sentence."""
    above, name = path[:-1], str(path[-1])
    here = at(above) or Slot(str)
    near = difflib.get_close_matches(name, here.names(), n=1)
    if near:
        return path, f"unknown name; did you mean {near[0]}?"
    elsewhere = [known.path for known in settings() if known.path.rpartition(".")[2] == name]
    if elsewhere:
        return path, f"unknown name here; did you mean {elsewhere[0]}?"
    if any(map(str.isdigit, name)) and any(map(_holds_secret, here.names())):
        path = (*above, "…")
    return path, f"unknown name; known here: {', '.join(here.names())}"


def _holds_secret(name: str) -> bool:
    return name.endswith(FILE_SUFFIX)


def sentence(flaw: Flaw) -> str:
    """Put a flaw into words."""
    if flaw.kind == "missing":
        return f"is required{_secret_hint(flaw.path)}"
    if flaw.kind == "value_error":
        return str(flaw.bounds["error"])
    if flaw.kind == "literal_error":
        return f"must be {flaw.bounds['expected']}"
    if flaw.kind in _BOUNDS:
        sign, words = _BOUNDS[flaw.kind]
        bound = flaw.bounds[sign]
        return words.format(f"{bound:g}" if isinstance(bound, float) else bound)
    empty = ", not empty" if flaw.value is None else ""
    quoted = "; put it in quotes" if flaw.kind == "string_type" and _is_typed(flaw.value) else ""
    return f"{_TYPES.get(flaw.kind, 'is not valid')}{empty}{quoted}"


def _is_typed(value: object) -> bool:
    return isinstance(value, bool | int | float)


def _secret_hint(path: Path) -> str:
    above, name = at(path[:-1]), str(path[-1])
    section = above.section if above else None
    if section is None or name not in section.model_fields:
        return ""
    return f" (or {name}{FILE_SUFFIX})" if is_secret(section.model_fields[name]) else ""


_BOUNDS = {
    "greater_than_equal": ("ge", "must be {} or more"),
    "greater_than": ("gt", "must be more than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "string_too_long": ("max_length", "must be at most {} characters"),
    "string_too_short": ("min_length", "must be at least {} character long"),
    "too_short": ("min_length", "must have at least {} entry"),
}
_TYPES = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of names to settings",
    "model_type": "must be a mapping of names to settings",
}
