"""What a proof of a promise is: how it is asked for, and what it answers.

A proof is run with a number of trials and a seed, and says what it counted and what broke the
promise. ``./run test`` runs every proof with its light number, ``./run prove`` with its full one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Assignment:
    """How often, by which chance, where files may go (an empty folder), whom to tell progress.

    A proof that is run in parts (resumed) gets ``first`` as the number of its first trial, so that
    no two parts do the same; all its chance comes from ``(seed, trial number)``.
    """

    trials: int
    seed: int
    folder: Path
    tell: Callable[[str], None]
    first: int = 0


@dataclass(slots=True)
class Findings:
    """What was counted (sums over trials), and every breach in a sentence that can be repeated.

    ``worst`` are figures of which the largest counts, seconds or bytes.
    """

    counts: dict[str, int] = field(default_factory=dict)
    worst: dict[str, float] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)

    def count(self, name: str, by: int = 1) -> None:
        """Count something."""
        self.counts[name] = self.counts.get(name, 0) + by

    def measure(self, name: str, value: float) -> None:
        """Keep the largest."""
        self.worst[name] = max(value, self.worst.get(name, value))

    def breach(self, sentence: str) -> None:
        """The promise was broken: say by what, with the trial's number."""
        self.breaches.append(sentence)

    def add(self, other: "Findings") -> None:
        """Take another part's findings in."""
        for name, number in other.counts.items():
            self.count(name, number)
        for name, value in other.worst.items():
            self.measure(name, value)
        self.breaches += other.breaches


@dataclass(frozen=True, slots=True)
class Proof:
    """One way to try a promise (``R3``). ``light`` and ``full`` are numbers of trials.

    One that is too long for light numbers has none of them, and is run with ``--full`` alone.
    ``part`` is how many trials are run before a resumable record is written.
    """

    promise: str
    name: str
    sentence: str
    light: int
    full: int
    run: Callable[[Assignment], Awaitable[Findings]]
    part: int = 100
    goals: Mapping[str, str] = field(default_factory=dict)
