"""Who is told next.

Owns: which of the hooks that are due are begun, so that no key's silent receivers hold up another's
for longer than one call lasts; and which are left alone for a while, because an attempt of theirs
could not be written down. Must not know: how anybody is told, where hooks are kept. Arithmetic in
memory, nothing waits.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.state.hooks import HookRow

_MOST_HELD = 1_000
_GAP = 0.05


@dataclass(slots=True)
class _Held:
    until: float
    times: int


@dataclass(slots=True)
class Turns:
    """At most ``places`` at once, ``of_a_key`` for each key; ``pauses`` are in seconds."""

    places: int
    of_a_key: int
    pauses: Sequence[float]
    _began: dict[str, int] = field(default_factory=dict)
    _count: int = 0
    _held: dict[str, _Held] = field(default_factory=dict)

    def next(self, due: Iterable[HookRow], under_way: Iterable[str]) -> list[HookRow]:
        """Those to begin now; ``due`` in their order, ``under_way`` the key of each that is told.

        A place goes to the key that has the fewest; of those that have as few, to the one whose
        last turn was the longest ago, and to the one that is due the longest.
        """
        busy = Counter(under_way)
        waiting: defaultdict[str, deque[HookRow]] = defaultdict(deque)
        for hook in due:
            waiting[hook.key_name].append(hook)
        chosen: list[HookRow] = []
        while busy.total() < self.places:
            open_to = [name for name in waiting if waiting[name] and busy[name] < self.of_a_key]
            if not open_to:
                break
            name = min(open_to, key=lambda one: (busy[one], self._began.get(one, 0)))
            chosen.append(waiting[name].popleft())
            busy[name] += 1
            self._count += 1
            self._began[name] = self._count
        return chosen

    def hold(self, hook_id: str, now: float, *, longer: bool = True) -> None:
        """Leave one alone for a while, each time for longer unless that is not called for."""
        held = self._held.pop(hook_id, None) or _Held(now, 0)
        pause = self.pauses[min(held.times, len(self.pauses) - 1)]
        while len(self._held) >= _MOST_HELD:
            del self._held[min(self._held, key=lambda one: self._held[one].until)]
        self._held[hook_id] = _Held(now + pause, held.times + longer)

    def free(self, hook_id: str) -> None:
        """What came of an attempt is written: nothing is known of it here any more."""
        self._held.pop(hook_id, None)

    def held(self, now: float) -> frozenset[str]:
        """Those that are left alone now."""
        return frozenset(name for name, held in self._held.items() if held.until > now)

    def wait(self, now: float) -> float | None:
        """In how many seconds the next of them may be told again; None if there is none."""
        later = (held.until - now for held in self._held.values() if held.until > now)
        return min(later, default=None)

    @property
    def gap(self) -> float:
        """Seconds between two looks for what is due.

        Longer while so many are left alone that they may be forgotten: those are told again early.
        """
        return self.pauses[0] if len(self._held) >= _MOST_HELD else _GAP
