"""How long ago a job ended or was delivered, whatever became of the machine's clock since.

Owns: the monotonic moments of what this process has seen, bounded by the longest window that
anybody asks about. Must not know: what the ages are for. What another process saw is known by the
wall clock alone; an age below zero counts as zero.
"""

from gateway.clock import Clock
from gateway.events import JobDelivered, JobEnded


class Ages:
    """Watches the journal; an observer like any other."""

    def __init__(self, clock: Clock, longest: float) -> None:
        self._clock = clock
        self._longest = longest
        self._seen: dict[tuple[type, str], float] = {}

    def __repr__(self) -> str:
        return f"Ages({len(self._seen)} moments)"

    def __call__(self, fact: object) -> None:
        """Note the moment of an end or a delivery."""
        if not isinstance(fact, JobEnded | JobDelivered):
            return
        now = self._clock.monotonic()
        self._seen.pop((type(fact), fact.job_id), None)  # so that the order is that of the moments
        self._seen[type(fact), fact.job_id] = now
        while self._seen:
            oldest = next(iter(self._seen))
            if now - self._seen[oldest] <= self._longest:
                break
            del self._seen[oldest]

    def since_end(self, job_id: str, wall: float | None) -> float:
        """Seconds since a job ended; ``wall`` is when, as written down."""
        return self._since(JobEnded, job_id, wall)

    def since_delivery(self, job_id: str, wall: float | None) -> float:
        """Seconds since a job was last delivered; infinite where it never was."""
        return self._since(JobDelivered, job_id, wall)

    def _since(self, kind: type, job_id: str, wall: float | None) -> float:
        moment = self._seen.get((kind, job_id))
        if moment is not None:
            return self._clock.monotonic() - moment
        return float("inf") if wall is None else max(0.0, self._clock.wall() - wall)
