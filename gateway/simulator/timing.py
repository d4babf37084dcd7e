"""How long a picture takes, and how far it is.

Owns: the distribution of durations per tier and quality, and the curve of progress. Must not
know: clocks (times are arguments), settings. The medians follow what clients of the live service
report: seconds for drafts, half a minute to two for the usual, more than two for 4k at high.
"""

import math
import random
from collections.abc import Mapping

from gateway.simulator.orders import TIERS, Quality, Tier

MEDIANS: Mapping[Quality, tuple[float, float, float]] = {
    "low": (8.0, 14.0, 30.0),
    "medium": (16.0, 28.0, 60.0),
    "high": (30.0, 55.0, 130.0),
}
"""Seconds for one picture at 1k, 2k, 4k."""

_SPREAD = 0.35
_MORE_IMAGES = 0.15
_WAITING = 0.1


def duration(tier: Tier, quality: Quality, n: int, dice: random.Random) -> float:
    """Draw the seconds from acceptance to the end: log-normal, within a quarter and four times."""
    median = MEDIANS[quality][TIERS.index(tier)] * (1 + _MORE_IMAGES * (n - 1))
    drawn = median * math.exp(dice.gauss(0, _SPREAD))
    return min(max(drawn, median / 4), median * 4)


def waiting(whole: float) -> float:
    """Say which part of a duration is spent in the queue."""
    return whole * _WAITING


def progress(elapsed: float, whole: float) -> int:
    """Percent done while working: quick at first, never 100 before the end."""
    if whole <= 0 or math.isinf(whole):
        return 35
    share = min(max(elapsed / whole, 0.0), 1.0)
    return min(99, max(1, round(100 * math.pow(share, 0.8))))
