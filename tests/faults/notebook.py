"""What an onlooker of a history knows who sees all of it: gateway, ledger, vendor and users.

Owns: the story, short names, breaches, and who is told of what. Nothing here acts.
"""

from collections import Counter
from dataclasses import dataclass, field

from tests.clocks import VirtualClock


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened: in which process, by which clock."""

    process: int
    monotonic: float
    wall: float


@dataclass
class Notebook:
    """The story so far; once ``closed`` nothing is added."""

    clock: VirtualClock
    story: list[str] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    names: dict[str, str] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    job_of: dict[str, str] = field(default_factory=dict)
    whose: dict[str, str] = field(default_factory=dict)
    ends: dict[str, Moment] = field(default_factory=dict)
    failed: dict[str, bool] = field(default_factory=dict)
    deliveries: dict[str, Moment] = field(default_factory=dict)
    closed: bool = False

    def name(self, long: str) -> str:
        """A short name for a job's or a task's id."""
        if long not in self.names:
            kind = long.partition("_")[0]
            self.kinds[kind] += 1
            self.names[long] = f"{kind}{self.kinds[kind]}"
        return self.names[long]

    def note(self, text: str) -> None:
        if not self.closed:
            self.story.append(f"{self.clock.monotonic() - 1_000:9.3f} {text}")

    def breach(self, text: str) -> None:
        if not self.closed:
            self.breaches.append(text)
            self.note(f"!! {text}")

    def count(self, name: str) -> None:
        if not self.closed:
            self.counts[name] += 1

    def age(self, moment: Moment, process: int) -> float:
        """How old something may count as: another process knows it by the wall clock alone."""
        age = self.clock.monotonic() - moment.monotonic
        return age if moment.process == process else max(age, self.clock.wall() - moment.wall)
