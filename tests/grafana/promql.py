"""PromQL, read as far as tests need it: which series a query names, and which labels it uses.

Owns: taking selectors and groupings out of a query's text. Must not know: which there should be.
Whether a query is PromQL at all is Prometheus' own to say.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SETS = frozenset({"and", "or", "unless"})
_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = _SETS | _LISTS | {"offset", "bool"}
_TOKEN = re.compile(
    r"""
    (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<number>[0-9.]+(?:e[+-]?[0-9]+)?[a-z]*)
  | (?P<variable>\$[a-z_]+)
  | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){}\[\],:])
  | (?P<space>\s+)
    """,
    re.VERBOSE,
)


class Unreadable(Exception):
    """This is no PromQL that is used here."""


@dataclass(frozen=True, slots=True)
class Matcher:
    label: str
    how: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """A series' name, what is asked of its labels, over which time, within which function."""

    name: str
    matchers: tuple[Matcher, ...]
    over: str
    function: str
    place: int


@dataclass(frozen=True, slots=True)
class Grouping:
    """Labels after ``by``, ``on`` and their like, and the selectors that they are about."""

    word: str
    labels: tuple[str, ...]
    about: tuple[Selector, ...]


def tokens(query: str) -> list[str]:
    """The words and signs of a query. Raises: Unreadable."""
    found, place = [], 0
    while place < len(query):
        match = _TOKEN.match(query, place)
        if match is None:
            raise Unreadable(f"{query[place : place + 20]!r} in {query}")
        if match.lastgroup != "space":
            found.append(match[0])
        place = match.end()
    return found


def selectors(query: str) -> list[Selector]:
    """Every selector of a query, in order."""
    return list(_selectors(tokens(query)))


def groupings(query: str) -> list[Grouping]:
    """Every grouping of a query; what ``on`` and its like are about is the whole query."""
    words = tokens(query)
    every = list(_selectors(words))
    found = []
    for place, word in enumerate(words):
        if word not in _LISTS or words[place + 1] != "(":
            continue
        end = _closing(words, place + 1)
        labels = tuple(one for one in words[place + 2 : end] if one != ",")
        about = every
        if word in {"by", "without"}:
            last = _closing(words, end + 1)
            about = [one for one in every if end < one.place < last]
        found.append(Grouping(word, labels, tuple(about)))
    return found


def _selectors(words: list[str]) -> Iterator[Selector]:
    functions: list[str] = []
    place = 0
    while place < len(words):
        word, following = words[place], "".join(words[place + 1 : place + 2])
        if word == "(":
            functions.append("")
        elif word == ")":
            functions.pop()
        elif word in _LISTS and following == "(":
            place = _closing(words, place + 1)  # labels, no series
        elif _is_name(word) and word not in _SETS and following == "(":
            functions.append(word)
            place += 1
        elif _is_name(word) and word not in _WORDS and following not in {"by", "without"}:
            selector, place = _selector(words, place, functions[-1] if functions else "")
            yield selector
            continue
        place += 1


def _selector(words: list[str], place: int, function: str) -> tuple[Selector, int]:
    begun, matchers, over = place, [], ""
    place += 1
    if words[place : place + 1] == ["{"]:
        end = words.index("}", place)
        inside = [one for one in words[place + 1 : end] if one != ","]
        matchers = [
            Matcher(label, how, value.strip('"'))
            for label, how, value in zip(inside[::3], inside[1::3], inside[2::3], strict=True)
        ]
        place = end + 1
    if words[place : place + 1] == ["["]:
        end = words.index("]", place)
        over = "".join(words[place + 1 : end])
        place = end + 1
    return Selector(words[begun], tuple(matchers), over, function, begun), place


def _closing(words: list[str], opening: int) -> int:
    depth = 0
    for place in range(opening, len(words)):
        depth += {"(": 1, ")": -1}.get(words[place], 0)
        if depth == 0:
            return place
    raise Unreadable(" ".join(words))


def _is_name(word: str) -> bool:
    return re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", word) is not None
