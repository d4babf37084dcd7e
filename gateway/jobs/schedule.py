"""When to ask the vendor next: pure arithmetic over what is known of a task and its kind.

Owns: the table of intervals by tier and quality, the jitter, and what is learned from finished
tasks. Must not know: clocks, I/O, the account's allowance. All values are seconds of age since the
task was accepted.

The law: ask nothing before the earliest plausible end, then steadily. A steady gap beats a
growing one at equal numbers of questions, because a task that is late is not less likely to end
in the next second; only far beyond the expected end does the gap grow, up to a cap.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.translate.model import Quality, Tier

# Enough finished tasks of a kind to believe them rather than the table.
ENOUGH = 10
REMEMBERED = 200
_EARLY_SHARE = 0.05
_JITTER = 0.15
_LATE = 30  # gaps
_CAP = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """``first``: age of the first question; ``gap``: seconds between questions."""

    first: float
    gap: float


# Typical durations from the vendor's page and live clients: 5 to 30 s, 4k at high over 120 s.
TABLE: Mapping[tuple[Tier, Quality], Pace] = {
    ("1k", "low"): Pace(3.0, 2.0),
    ("1k", "medium"): Pace(4.0, 3.0),
    ("1k", "high"): Pace(6.0, 4.0),
    ("2k", "low"): Pace(4.0, 3.0),
    ("2k", "medium"): Pace(6.0, 4.0),
    ("2k", "high"): Pace(10.0, 5.0),
    ("4k", "low"): Pace(6.0, 4.0),
    ("4k", "medium"): Pace(12.0, 5.0),
    ("4k", "high"): Pace(25.0, 6.0),
}


def next_ask(pace: Pace, asked: int, age: float, chance: float) -> float:
    """Seconds to wait before the next question.

    ``asked`` questions were put so far, the task is ``age`` seconds old, ``chance`` is a uniform
    number in [0, 1) that spreads tasks which started together.
    """
    spread = 1 + _JITTER * (2 * chance - 1)
    if asked == 0:
        return max(0.0, pace.first * spread - age)
    late = max(1.0, age / (pace.first + _LATE * pace.gap))
    return min(max(_CAP, pace.gap), pace.gap * late) * spread


@dataclass(slots=True)
class Experience:
    """Durations of finished tasks, by tier and quality; bounded, old ones are forgotten.

    ``scale`` multiplies the table, not what is observed.
    """

    scale: float = 1.0
    seen: dict[tuple[Tier, Quality], deque[float]] = field(default_factory=dict)

    def observe(self, tier: Tier, quality: Quality, seconds: float) -> None:
        """Remember how long a task took from acceptance to being noticed."""
        kept = self.seen.setdefault((tier, quality), deque(maxlen=REMEMBERED))
        kept.append(seconds)

    def least(self, tier: Tier, quality: Quality) -> float:
        """Seconds that no task of a kind was quicker than; 0 while too few were seen."""
        durations = self.seen.get((tier, quality), ())
        return min(durations) if len(durations) >= ENOUGH else 0.0

    def typical(self, tier: Tier, quality: Quality) -> float:
        """Seconds that half of a kind's tasks took; by the table while too few were seen."""
        durations = self.seen.get((tier, quality), ())
        if len(durations) >= ENOUGH:
            return sorted(durations)[len(durations) // 2]
        known = TABLE[tier, quality]
        return (known.first + 2 * known.gap) * self.scale

    def pace(self, tier: Tier, quality: Quality) -> Pace:
        """The table's pace, its first question moved to where tasks of this kind begin to end."""
        known = TABLE[tier, quality]
        known = Pace(known.first * self.scale, known.gap * self.scale)
        durations = self.seen.get((tier, quality), ())
        if len(durations) < ENOUGH:
            return known
        early = sorted(durations)[int(len(durations) * _EARLY_SHARE)]
        return Pace(min(max(early - known.gap / 2, known.gap / 2), 4 * known.first), known.gap)
