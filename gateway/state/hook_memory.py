"""The hooks of a memory that ends with the process.

Owns: the rows of hooks in dicts. Must not know: jobs, beyond the id, key and end it is handed.
"""

from collections import Counter
from dataclasses import replace

from gateway.state.base import JobRow
from gateway.state.hooks import DueHooks, HookRow


class Hooks:
    """Rows by job and address."""

    def __init__(self) -> None:
        self._of_job: dict[str, dict[str, HookRow]] = {}

    @property
    def pending(self) -> int:
        """How many are to be told, now or later."""
        return sum(hook.due_at is not None for hook in self._all())

    def add(self, hook: HookRow, job: JobRow, at: float) -> None:
        """A job is to be told to an address, unless it is known; what was given up begins anew."""
        known = self._of_job.setdefault(job.job_id, {})
        before = known.get(hook.url)
        if before is None or before.given_up_at is not None:
            due_at = at if job.ended_at is not None else None
            known[hook.url] = (before or hook).anew(due_at)

    def turned(self, job_id: str, due_at: float | None) -> None:
        """A job has ended at that time, or is taken up again (None)."""
        hooks = self._of_job.get(job_id, {})
        for url, hook in hooks.items():
            hooks[url] = hook.anew(due_at)

    def tried(self, hook: HookRow, job: JobRow) -> None:
        """What came of an attempt, if it was about the job's last end."""
        known = self._of_job.get(hook.job_id, {})
        if job.ended_at == hook.ended_at and hook.url in known:
            known[hook.url] = replace(hook, key_name="", ended_at=None)

    def due(self, now: float, most: int, jobs: dict[str, JobRow]) -> DueHooks:
        """Those due by now, at most so many of each key; ``jobs`` are theirs, by id."""
        waiting = sorted(
            ((hook.due_at, place, hook) for place, hook in enumerate(self._all()) if hook.due_at),
            key=lambda one: one[:2],
        )
        found, of_key = [], Counter[str]()
        for at, _, hook in waiting:
            job = jobs[hook.job_id]
            of_key[job.key_name] += at <= now
            if at <= now and of_key[job.key_name] <= most:
                found.append(replace(hook, key_name=job.key_name, ended_at=job.ended_at))
        later = (at for at, _, _ in waiting if at > now)
        return DueHooks(tuple(found), min(later, default=None))

    def jobs(self) -> tuple[str, ...]:
        """The jobs that have hooks."""
        return tuple(self._of_job)

    def forget(self, job_id: str) -> None:
        """A job is forgotten."""
        self._of_job.pop(job_id, None)

    def _all(self) -> list[HookRow]:
        return [hook for hooks in self._of_job.values() for hook in hooks.values()]
