"""How single values are read: one function per type, lenient or strict.

Owns: what counts as absent, and turning a client's value into a typed one or a refusal that
names the parameter (``openai-images-api`` sections 6.1 and 12). Must not know: which parameters
there are (``parameters.py``), or what a size or quality is worth (the planner judges).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.openai import faults
from gateway.openai.faults import Json
from gateway.openai.lifting import Lifted
from gateway.translate.model import Kind

T = TypeVar("T")

LONGEST_WORD = 64

_ABSENT = frozenset({"", "null", "undefined"})
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_INTEGER = re.compile(r"\s*([+-]?\d{1,18})(?:\.0*)?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Given:
    """What a body holds, and how it is to be read.

    In a form all values are text, so numbers in words are its numbers, also when ``strict``.
    """

    kind: Kind
    values: Mapping[str, Json]
    form: bool = False
    strict: bool = False
    lifted: Mapping[str, Lifted] = field(default_factory=dict)

    def absent(self, value: Json) -> bool:
        """Whether a value says nothing: null, and if lenient what clients put in its place."""
        if value is None:
            return True
        return not self.strict and isinstance(value, str) and value.strip().lower() in _ABSENT


Read = Callable[[str, Json, Given], T]
"""(name, a value that is not absent, how to read) to the typed value, or ``InvalidRequest``."""


@dataclass(frozen=True, slots=True)
class Parameter(Generic[T]):
    """A parameter's name and how it is read."""

    name: str
    read: Read[T]

    def of(self, given: Given) -> T | None:
        """Read the value; ``None`` when absent. Raises ``InvalidRequest``."""
        value = given.values.get(self.name)
        return None if given.absent(value) else self.read(self.name, value, given)


def text(longest: int, *, numbers: bool = False) -> Read[str]:
    """Read a string of at most ``longest`` characters; with ``numbers`` integers leniently too."""

    def read(name: str, value: Json, given: Given) -> str:
        if numbers and not given.strict and isinstance(value, int) and not isinstance(value, bool):
            value = faults.quoted(value)
        if not isinstance(value, str):
            raise faults.mistyped(name, "a string", value)
        if value in given.lifted:
            raise faults.too_long(name, longest, given.lifted[value].length)
        if len(value) > longest:
            raise faults.too_long(name, longest, len(value))
        return _unicode(name, value)

    return read


def word(longest: int = LONGEST_WORD, *, numbers: bool = False) -> Read[str]:
    """Read a short text whose case and outer spaces mean nothing."""
    inner = text(longest, numbers=numbers)

    def read(name: str, value: Json, given: Given) -> str:
        return inner(name, value, given).strip().lower()

    return read


def integer(low: int, high: int) -> Read[int]:
    """Read an integer of ``low..high``; leniently ``2.0`` and ``"2"`` are integers."""

    def read(name: str, value: Json, given: Given) -> int:
        number = as_integer(value, given)
        if number is None:
            raise faults.mistyped(name, "an integer", value)
        if not low <= number <= high:
            raise faults.out_of_range(name, number, low, high)
        return number

    return read


def flag(name: str, value: Json, given: Given) -> bool:
    """Read a boolean; leniently, and in forms, its usual spellings.

    What PHP makes of false in a form is nothing at all.
    """
    if isinstance(value, bool):
        return value
    words = given.form or not given.strict
    if words and isinstance(value, str | int):
        spelt = str(value).strip().lower()
        if given.form and not spelt:
            return False
        if spelt in _TRUE | _FALSE:
            return spelt in _TRUE
    raise faults.mistyped(name, "a boolean", value)


WordT = TypeVar("WordT", bound=str)


def choice(*words: WordT, synonyms: Mapping[str, WordT] | None = None) -> Read[WordT]:
    """Read one of ``words``; leniently in any case, or a synonym."""
    meanings: dict[str, WordT] = {word: word for word in words}

    def read(name: str, value: Json, given: Given) -> WordT:
        if not isinstance(value, str):
            listed = ", ".join(f"'{each}'" for each in words)
            raise faults.mistyped(name, f"one of {listed}", value)
        if value in given.lifted:
            raise faults.too_long(name, LONGEST_WORD, given.lifted[value].length)
        if given.strict:
            found = meanings.get(value)
        else:
            found = (meanings | dict(synonyms or {})).get(value.strip().lower())
        if found is None:
            raise faults.unsupported(name, value, words)
        return found

    return read


def as_integer(value: Json, given: Given) -> int | None:
    """Return the integer that ``value`` is, or leniently means; ``None`` if none."""
    words = given.form or not given.strict
    if isinstance(value, str) and words and (match := _INTEGER.fullmatch(value)):
        return int(match[1])
    if isinstance(value, float) and not given.strict and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return None


def _unicode(name: str, value: str) -> str:
    """Refuse lone surrogates: half a character, or bytes of a form that are no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise faults.invalid(name, f"Invalid '{name}': it is not valid Unicode text.") from None
    return value
