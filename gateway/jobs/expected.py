"""When a job is likely to end: arithmetic over what is known of it and of its kind.

Owns: the guess. Must not know: clocks, who is told it.
"""

from gateway.jobs.board import Job
from gateway.jobs.schedule import Experience


def expected(job: Job, experience: Experience, now: float) -> float | None:
    """Seconds until a live job is likely to end: its wait, and what its kind of task takes.

    None once it has taken longer than half of its kind do: then nobody can say. ``now`` is
    monotonic.
    """
    spec = job.tasks[0].spec
    typical = experience.typical(spec.tier, spec.quality)
    if job.place is not None:
        return job.place.expected + typical
    begun = [task.accepted_at for task in job.tasks if task.accepted_at is not None]
    left = max(begun, default=now) + typical - now
    return left if left > 0 else None
