"""What a memory without a database has, counted as it comes and goes.

Owns: how many tasks are in each state, since when each uncertain one is that, and until when the
pictures of jobs can be claimed that nobody has had. Must not know: rows, who asks.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from gateway.events import State


class Census:
    """Counts tasks by their ids, and jobs by theirs. Times are wall-clock seconds."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._numbers: Counter[State] = Counter()
        self._uncertain: dict[str, float] = {}
        self._unclaimed: dict[str, float] = {}

    @property
    def numbers(self) -> Mapping[State, int]:
        """How many tasks are in each state that any is in."""
        return +self._numbers

    def enter(self, task_id: str, state: State) -> None:
        """A task that is new."""
        self._states[task_id] = state
        self._numbers[state] += 1

    def move(self, task_id: str, state: State, at: float) -> None:
        """A task's state, since then; of a task that is not known nothing is counted."""
        before = self._states.get(task_id)
        if before is None:
            return
        self._states[task_id] = state
        self._numbers[before] -= 1
        self._numbers[state] += 1
        self._uncertain.pop(task_id, None)
        if state is State.UNCERTAIN:
            self._uncertain[task_id] = at

    def leave(self, task_id: str) -> None:
        """A task that is forgotten."""
        self._numbers[self._states.pop(task_id)] -= 1
        self._uncertain.pop(task_id, None)

    def uncertain_for(self, now: float) -> float:
        """For how many seconds the oldest uncertain task has been that; 0 if there is none."""
        return max(0.0, now - min(self._uncertain.values(), default=now))

    def can_be_claimed(self, job_id: str, until: Iterable[float]) -> None:
        """A job is over, and nobody has had its pictures, which die then."""
        moments = list(until)
        if moments:
            self._unclaimed[job_id] = max(moments)

    def is_claimed(self, job_id: str) -> None:
        """A job has no pictures any more that matter."""
        self._unclaimed.pop(job_id, None)

    def unclaimed(self) -> tuple[str, ...]:
        """The jobs whose pictures nobody has had."""
        return tuple(self._unclaimed)

    def living(self, now: float) -> list[str]:
        """Those of them whose pictures live."""
        return [job_id for job_id, until in self._unclaimed.items() if until > now]

    def dead(self, now: float) -> list[str]:
        """The others, by when they died."""
        dead = ((until, job_id) for job_id, until in self._unclaimed.items() if until <= now)
        return [job_id for _, job_id in sorted(dead)]
