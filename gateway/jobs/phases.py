"""Where a request's time goes while its job is worked on: pure arithmetic.

Owns: a watch for each task (waiting for its turn, at the vendor, neither), and what of that one
request waited for. Must not know: clocks, who waits, what is done. Times are monotonic seconds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Phase = Literal["queue", "upstream"]


@dataclass(slots=True)
class Watch:
    """One task's: what is over of each phase, and which one it is in since when.

    The vendor's phase ends with the last picture ``fetched``, which is known only when the task
    has ``ended``: until then another may have to be fetched, or the same again.
    """

    queue: float = 0.0
    upstream: float = 0.0
    phase: Phase | None = None
    since: float = 0.0
    fetched: float | None = None
    ended: float | None = None

    def enter(self, phase: Phase | None, now: float) -> None:
        """From now on the task is in a phase, or in none."""
        self._add(now)
        self.phase, self.since = phase, now

    def end(self, now: float) -> None:
        """Nothing more is done for the task."""
        at_vendor = self.phase == "upstream" and self.fetched is not None
        self._add(max(self.since, self.fetched or 0.0) if at_vendor else now)
        self.phase, self.ended = None, now

    def read(self, now: float) -> tuple[float, float]:
        """Seconds of waiting for its turns, and at the vendor, by now."""
        so_far = max(0.0, now - self.since)
        queue = self.queue + (so_far if self.phase == "queue" else 0.0)
        return queue, self.upstream + (so_far if self.phase == "upstream" else 0.0)

    def _add(self, now: float) -> None:
        self.queue, self.upstream = self.read(now)


class Meter:
    """What of a request's waiting is whose, of a job with these tasks' watches.

    Of several tasks the one that ended last made the request wait. Whoever ``joined`` a job that
    was going already waited for the vendor, unless the task waited for its turn.
    """

    def __init__(self, watches: Sequence[Watch], now: float, *, joined: bool) -> None:
        self._watches = tuple(watches)
        self._began = now
        self._joined = joined
        self._queued = [watch.read(now)[0] for watch in watches]

    def read(self, now: float) -> Mapping[str, float]:
        """Seconds of each phase by now."""
        if not self._watches:
            return {"queue": 0.0, "upstream": now - self._began}
        last = max(range(len(self._watches)), key=lambda place: self._end(place, now))
        queue, upstream = self._watches[last].read(now)
        if self._joined:
            queue -= self._queued[last]
            upstream = max(0.0, now - self._began - queue)
        return {"queue": queue, "upstream": upstream}

    def _end(self, place: int, now: float) -> tuple[float, float]:
        """When a task ended; of those that go on, the one that waited longest is the last."""
        watch = self._watches[place]
        return (math.inf if watch.ended is None else watch.ended), watch.read(now)[0]
