"""A job in outline, as ``tasks list`` and ``tasks show`` both tell it.

Owns: the words for a task's state and for who has had its pictures, and a job as JSON. Must not
know: tables, stories, files.
"""

from gateway.cli.telling import money
from gateway.events import State
from gateway.state.reading import UNCLAIMED
from gateway.state.records import JobRecord, TaskRecord

# What costs money or time until somebody looks: told first and loudly.
LOUD = (State.UNCERTAIN, State.LOST)


def state_word(task: TaskRecord) -> str:
    """A task's state; in parentheses where another task has taken over its place."""
    word = task.state.upper() if task.state in LOUD else task.state.value
    return f"({word})" if task.replaced else word


def fate(job: JobRecord, now: float, task: TaskRecord | None = None) -> str:
    """Who has had the pictures of a job, or of one of its tasks; nothing where there are none."""
    about = [one for one in job.pictures if task is None or one.task_id == task.task_id]
    if not about or job.ended_at is None:
        return ""
    if job.delivered_at is not None:
        return "delivered"
    left = [picture for picture in about if picture.fetched_at is None]
    if not left:
        return "fetched"
    return UNCLAIMED.upper() if any(one.expires_at > now for one in left) else "expired"


def plain_job(job: JobRecord, now: float) -> dict[str, object]:
    """A job as JSON, without its pictures."""
    return {
        "job_id": job.job_id,
        "state": job.word,
        "key": job.key_name,
        "created_at": job.created_at,
        "ended_at": job.ended_at,
        "delivered": fate(job, now).lower() or None,
        "delivered_at": job.delivered_at,
        "kind": job.plan.kind,
        "model": job.plan.model,
        "requested_model": job.plan.requested_model,
        "n": job.plan.n,
        "tier": job.plan.tier,
        "quality": job.plan.quality,
        "cost_usd": money(task.cost_usd for task in job.tasks).removeprefix("$") or None,
        "tasks": [
            {
                "task_id": task.task_id,
                "place": task.place,
                "state": task.state.value,
                "replaced": task.replaced,
                "upstream_id": task.upstream_id,
                "accepted_at": task.accepted_at,
                "cost_usd": task.cost_usd,
            }
            for task in job.tasks
        ],
    }
