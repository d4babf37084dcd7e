"""How long a caller waits: pure arithmetic.

Owns: the deadline by tier and quality, and what a caller's own time-out makes of it. Must not
know: clocks. Seconds from the request's arrival.
"""

from collections.abc import Mapping

from gateway.config.sections import Deadlines
from gateway.translate.model import Quality, Tier

_MARGIN = 5.0
# Of a short time-out a margin of five seconds would leave nothing.
_LEAST_SHARE = 0.8
_HINTS = ("x-stainless-read-timeout", "x-stainless-timeout")


def own_deadline(section: Deadlines, tier: Tier, quality: Quality) -> float:
    """The configured deadline; low quality gets half."""
    by_tier: Mapping[Tier, float] = {
        "1k": section.tier_1k,
        "2k": section.tier_2k,
        "4k": section.tier_4k,
    }
    return by_tier[tier] / 2 if quality == "low" else by_tier[tier]


def callers_deadline(headers: Mapping[str, str]) -> float | None:
    """When an SDK that declares its time-out wants its answer; header names in lower case."""
    for name in _HINTS:
        try:
            seconds = float(headers.get(name, ""))
        except ValueError:
            continue
        if 0 < seconds < float("inf"):
            return max(seconds - _MARGIN, seconds * _LEAST_SHARE)
    return None
