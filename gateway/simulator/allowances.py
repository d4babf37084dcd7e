"""The account's allowance: token buckets for submits and for queries, with their headers.

Owns: how many calls pass, what a refused one is told. Must not know: which calls there are. The
page gives rates and bursts; the meaning of ``-Reset`` is unpublished, here it is the seconds until
the bucket is full. A refused call takes nothing.
"""

import math
from collections.abc import Mapping

from gateway.clock import Clock
from gateway.simulator.envelopes import Refused, refusal


class Allowance:
    """One bucket of ``burst`` tokens, refilled at ``rate`` per second."""

    def __init__(self, clock: Clock, category: str, rate: float, burst: int) -> None:
        self._clock = clock
        self._category = category
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled = clock.monotonic()
        self.refused = 0

    def __repr__(self) -> str:
        return f"Allowance({self._category}, {self._tokens:.1f} of {self._burst})"

    def take(self) -> Mapping[str, str]:
        """Take a token and return the headers for the answer. Raises ``Refused`` when empty."""
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            self.refused += 1
            wait = max(1, math.ceil((1 - self._tokens) / self._rate))
            raise Refused(refusal("throttled", retry_after=str(wait), headers=self._headers()))
        self._tokens -= 1
        return self._headers()

    def _headers(self) -> Mapping[str, str]:
        return {
            "x-ratelimit-limit": str(round(self._rate * 60)),
            "x-ratelimit-remaining": str(int(self._tokens)),
            "x-ratelimit-reset": str(math.ceil((self._burst - self._tokens) / self._rate)),
            "x-ratelimit-category": self._category,
        }
