"""The hooks of a memory that ends with the process.

Owns: the rows of hooks in dicts. Must not know: jobs, beyond the one it is handed.
"""

import heapq
from collections.abc import Container
from dataclasses import dataclass, replace

from gateway.state.base import JobRow
from gateway.state.hooks import MOST_OF_A_JOB, DueHooks, HookRow, TooManyHooks


@dataclass(frozen=True, slots=True)
class _Kept:
    """A row, and when it came; of one that is due at the same time the first is told first."""

    number: int
    row: HookRow

    @property
    def turn(self) -> tuple[float, int]:
        return self.row.due_at or 0.0, self.number


class Hooks:
    """Rows by job and address; those that are to be told by key, too."""

    def __init__(self) -> None:
        self._of_job: dict[str, dict[str, _Kept]] = {}
        self._waiting: dict[str, dict[int, _Kept]] = {}
        self._count = 0

    @property
    def pending(self) -> int:
        """How many are to be told, now or later."""
        return sum(len(waiting) for waiting in self._waiting.values())

    def add(self, hook: HookRow, job: JobRow, at: float) -> None:
        """A job is to be told to an address, unless it is known; what was given up begins anew.

        Raises: TooManyHooks.
        """
        known = self._of_job.get(job.job_id, {})
        before = known.get(hook.url)
        if before is None:
            if len(known) >= MOST_OF_A_JOB:
                raise TooManyHooks(job.job_id)
            self._count += 1
            before = _Kept(self._count, replace(hook, key_name=job.key_name))
        elif before.row.given_up_at is None:
            return
        due_at = at if job.ended_at is not None else None
        self._keep(before, replace(before.row.anew(due_at), ended_at=job.ended_at))

    def turned(self, job_id: str, due_at: float | None) -> None:
        """A job has ended at that time, or is taken up again (None)."""
        for kept in tuple(self._of_job.get(job_id, {}).values()):
            self._keep(kept, replace(kept.row.anew(due_at), ended_at=due_at))

    def tried(self, hook: HookRow) -> None:
        """What came of an attempt, if it was about the job's last end."""
        kept = self._of_job.get(hook.job_id, {}).get(hook.url)
        if kept is not None and kept.row.ended_at == hook.ended_at:
            self._keep(kept, hook)

    def due(self, now: float, most: int, without: Container[str]) -> DueHooks:
        """Those due by now but for some, by their ids; at most so many of each key."""
        found: list[_Kept] = []
        later: list[float] = []
        for waiting in self._waiting.values():
            due = []
            for kept in waiting.values():
                at, _ = kept.turn
                if at > now:
                    later.append(at)
                elif kept.row.hook_id not in without:
                    due.append(kept)
            found += heapq.nsmallest(most, due, key=lambda one: one.turn)
        found.sort(key=lambda one: one.turn)
        return DueHooks(tuple(one.row for one in found), min(later, default=None))

    def forget(self, job_id: str) -> None:
        """A job is forgotten."""
        for kept in self._of_job.pop(job_id, {}).values():
            self._wait_no_more(kept)

    def _keep(self, kept: _Kept, row: HookRow) -> None:
        self._wait_no_more(kept)
        now = replace(kept, row=row)
        self._of_job.setdefault(row.job_id, {})[row.url] = now
        if row.due_at is not None:
            self._waiting.setdefault(row.key_name, {})[kept.number] = now

    def _wait_no_more(self, kept: _Kept) -> None:
        waiting = self._waiting.get(kept.row.key_name, {})
        waiting.pop(kept.number, None)
        if not waiting:
            self._waiting.pop(kept.row.key_name, None)
