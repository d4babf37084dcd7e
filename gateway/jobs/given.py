"""Which job a key of the house's own was given that was begun under another key, or under none.

Owns: what this process has given of late, bounded in number and by the pictures' lifetime. Must not
know: what may be given to whom. The ledger has it too, a moment later and for longer; but an equal
request must find it at once.
"""

from gateway.clock import Clock

# Far more than people press in a lifetime of their pictures.
_MOST = 1_000


class Given:
    """The newest jobs that were given, by the names of their new keys; ``lifetime`` in seconds."""

    def __init__(self, clock: Clock, lifetime: float, most: int = _MOST) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._most = most
        self._jobs: dict[tuple[str, str], tuple[str, float]] = {}

    def __repr__(self) -> str:
        return f"Given({len(self._jobs)} jobs)"

    def note(self, key_name: str, idempotency_key: str, job_id: str) -> None:
        """A job is given to a key; what was given to it before no longer counts."""
        now = self._clock.monotonic()
        self._jobs.pop((key_name, idempotency_key), None)  # so that the order is that of the times
        self._jobs[key_name, idempotency_key] = (job_id, now)
        while len(self._jobs) > self._most or self._is_past(next(iter(self._jobs)), now):
            del self._jobs[next(iter(self._jobs))]

    def of(self, key_name: str, idempotency_key: str) -> str | None:
        """The id of the job that a key was given."""
        place = (key_name, idempotency_key)
        if place not in self._jobs or self._is_past(place, self._clock.monotonic()):
            return None
        return self._jobs[place][0]

    def _is_past(self, place: tuple[str, str], now: float) -> bool:
        return now - self._jobs[place][1] > self._lifetime
