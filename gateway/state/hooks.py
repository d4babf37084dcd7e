"""Whom a job's end is to be told: one row for each job and address.

Owns: the rows, and what becomes of one as its job ends, is taken up again, and is told. Must not
know: backends, how anybody is told. All times are wall-clock seconds since the Unix epoch.
"""

from dataclasses import dataclass, replace

MOST_OF_A_JOB = 8
"""So many addresses one job's end is told to."""


class TooManyHooks(Exception):
    """A job's end is to be told to as many addresses as it may be."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


@dataclass(frozen=True, slots=True)
class HookRow:
    """An address that is told the end of a job, once for each end it comes to.

    ``base_url`` is where links to its pictures point. ``due_at`` is when it is to be told, None
    while there is nothing to tell. What else is known is of the job's last end (``ended_at``):
    how many ``attempts`` there were, what the last one's ``answer`` was, when it was told, or given
    up. ``key_name`` and ``ended_at`` are the job's, and known where the row is read.
    """

    hook_id: str
    job_id: str
    url: str
    base_url: str
    attempts: int = 0
    due_at: float | None = None
    told_at: float | None = None
    given_up_at: float | None = None
    answer: str | None = None
    key_name: str = ""
    ended_at: float | None = None

    def anew(self, due_at: float | None) -> "HookRow":
        """As it stands when its job has come to an end, or to none after all."""
        return replace(self, attempts=0, due_at=due_at, told_at=None, given_up_at=None, answer=None)


@dataclass(frozen=True, slots=True)
class DueHooks:
    """Those that are to be told now, the longest due first; ``next_at`` is when others are."""

    hooks: tuple[HookRow, ...] = ()
    next_at: float | None = None
