"""Not too often: of lines that come in a flood some are let through, and the rest is counted.

Owns: a token bucket per flood, and what was suppressed, in all and since it was last told. Must not
know: what the lines say, or which of them may be suppressed.
"""

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.clock import Clock

K = TypeVar("K", bound=Hashable)

_RATE = 20.0  # lines per second of one flood
_BURST = 40.0
_OVER = 1.0  # seconds without a line, after which a flood is over


@dataclass(slots=True)
class _Bucket:
    """``tokens`` as they were ``since``, and how many were ``suppressed`` after the last line."""

    tokens: float
    since: float
    suppressed: int = 0


class Floods(Generic[K]):
    """One bucket for each kind; may be asked from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[K, _Bucket] = {}
        self._suppressed = 0

    @property
    def suppressed(self) -> int:
        """Lines left out since the start."""
        return self._suppressed

    def admit(self, kind: K) -> int | None:
        """Return how many were suppressed since the last one admitted; ``None`` for "not now"."""
        now = self._clock.monotonic()
        with self._lock:
            bucket = self._buckets.setdefault(kind, _Bucket(_BURST, now))
            bucket.tokens = min(_BURST, bucket.tokens + (now - bucket.since) * _RATE)
            bucket.since = now
            if bucket.tokens < 1:
                bucket.suppressed += 1
                self._suppressed += 1
                return None
            bucket.tokens -= 1
            told, bucket.suppressed = bucket.suppressed, 0
            return told

    def over(self) -> list[tuple[K, int]]:
        """Return what floods that have stopped left untold; it counts as told from here on."""
        return self._untold(self._clock.monotonic() - _OVER)

    def untold(self) -> list[tuple[K, int]]:
        """Return what any flood left untold; it counts as told from here on."""
        return self._untold(self._clock.monotonic())

    def _untold(self, until: float) -> list[tuple[K, int]]:
        with self._lock:
            left = [
                (kind, bucket)
                for kind, bucket in self._buckets.items()
                if bucket.suppressed and bucket.since <= until
            ]
            counts = [(kind, bucket.suppressed) for kind, bucket in left]
            for _, bucket in left:
                bucket.suppressed = 0
        return counts

    def __repr__(self) -> str:
        return f"<Floods of {len(self._buckets)} kinds, suppressed={self._suppressed}>"
