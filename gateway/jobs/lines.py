"""Who waits, in lines by key, and whose turn is next: start-time fair queueing.

Owns: the order. A key that waits gets its share by its weight whatever the others ask; none is
punished for having had more while nobody else waited, and none saves anything up. Must not know:
what a turn is, when there is one, how anybody is told. Arithmetic in memory; nothing waits here.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

W = TypeVar("W")


@dataclass(slots=True, eq=False)
class _Line(Generic[W]):
    """One key's; ``start`` is the virtual time its next turn begins at."""

    weight: int
    start: float
    waiting: deque[W] = field(default_factory=deque)


class Lines(Generic[W]):
    """Lines of whatever waits; each of it is there once."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line[W]] = {}
        self._virtual = 0.0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[W]:
        """All that wait, line by line."""
        return (one for line in self._lines.values() for one in line.waiting)

    def add(self, key_name: str, weight: int, one: W) -> None:
        """Somebody waits, at the end of a key's line."""
        line = self._lines.get(key_name)
        if line is None:
            line = self._lines[key_name] = _Line(weight, self._virtual)
        if not line.waiting:
            line.start = max(line.start, self._virtual)
        line.weight = weight
        line.waiting.append(one)
        self._count += 1

    def remove(self, key_name: str, one: W) -> None:
        """Somebody who waits does so no longer."""
        self._lines[key_name].waiting.remove(one)
        self._count -= 1

    def of(self, key_name: str) -> tuple[W, ...]:
        """A key's, the first first."""
        line = self._lines.get(key_name)
        return tuple(line.waiting) if line is not None else ()

    def first(self) -> W:
        """Whose turn is next; there must be somebody."""
        return self._next().waiting[0]

    def served(self) -> None:
        """The first has its turn: its key has had its share for now. It is removed by itself."""
        line = self._next()
        self._virtual = line.start
        line.start += 1 / line.weight

    def forget(self) -> None:
        """Nobody waits, and nothing is under way: whatever was, everybody begins alike."""
        self._lines.clear()
        self._virtual = 0.0

    def ahead(self, key_name: str, weight: int) -> int:
        """How many have their turn before one more of a key."""
        own = self._lines.get(key_name)
        count = len(own.waiting) if own else 0
        others = (line for name, line in self._lines.items() if name != key_name)
        share = (count + 1) / weight
        return count + sum(
            min(len(line.waiting), math.ceil(share * line.weight)) for line in others
        )

    def in_order(self) -> list[W]:
        """All that wait, in the order of their turns if nobody came or left."""
        places = [
            (line.start + count / line.weight, one)
            for line in self._lines.values()
            for count, one in enumerate(line.waiting)
        ]
        places.sort(key=lambda place: place[0])
        return [one for _, one in places]

    def _next(self) -> _Line[W]:
        waited_in = (line for line in self._lines.values() if line.waiting)
        return min(waited_in, key=lambda line: line.start)
