"""The ``generation.task`` object: a job as its owner may see it.

Owns: its fields, and what follows from them for headers. Must not know: how jobs run, who is told.
Once the pictures are there, all the fields can be added that the request's own answer would have.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import replace

from gateway.events import State
from gateway.jobs.board import Job
from gateway.jobs.reception import Glance
from gateway.openai.responses import Result, segments, whole_fields
from gateway.openai.terms import Terms

_WAITING = frozenset({State.INTENT, State.CREATING})


def served(glance: Glance, terms: Terms) -> Glance:
    """The job as whoever asked for its pictures is served; what came of it may be one in part."""
    if glance.outcome is None:
        return glance
    return replace(glance, outcome=terms.served(glance.outcome, glance.job.plan.n))


def told(glance: Glance, base_url: str) -> Mapping[str, object]:
    """The object without pictures; an error names those that were made all the same."""
    job, outcome = glance.job, glance.outcome
    error = outcome.error if outcome is not None else None
    return {
        "id": job.job_id,
        "object": "generation.task",
        "created_at": int(job.created_at),
        "status": _status(glance),
        "model": job.plan.model,
        "n": job.plan.n,
        "tasks": [
            {"id": task_id, "status": state.value, "upstream_id": upstream_id}
            for task_id, state, upstream_id in _tasks(glance)
        ],
        "error": whole_fields(error, base_url) if error is not None else None,
    }


def result_of(glance: Glance, base_url: str) -> Result:
    """What is told of a job that has made its pictures, the object's own fields first."""
    outcome = glance.outcome
    images = outcome.images if outcome is not None else ()
    job, fields = glance.job, told(glance, base_url)
    return Result(job.plan, images, int(job.created_at), base_url, fields)


def with_links(glance: Glance, base_url: str) -> tuple[str, bytes]:
    """The status of a job that is over, and the object as JSON, its pictures as links."""
    outcome = glance.outcome
    if outcome is None or outcome.error is not None:
        return _status(glance), json.dumps(told(glance, base_url)).encode()
    result = result_of(glance, base_url)
    linked = replace(result, plan=replace(result.plan, delivery="url"))
    told_whole = b"".join(one for one in segments(linked) if isinstance(one, bytes))
    return _status(glance), told_whole


def upstream_ids(glance: Glance) -> tuple[str, ...]:
    """The vendor's ids, in the plan's order, of the tasks that have one."""
    return tuple(upstream_id for _, _, upstream_id in _tasks(glance) if upstream_id)


def retry_after(seconds: float) -> str:
    """The header for whoever is to ask again so many seconds later."""
    return str(math.ceil(seconds))


def _status(glance: Glance) -> str:
    if glance.outcome is not None:
        return "completed" if glance.outcome.error is None else "failed"
    waiting = all(state in _WAITING for _, state, _ in _tasks(glance))
    return "queued" if waiting else "in_progress"


def _tasks(glance: Glance) -> list[tuple[str, State, str | None]]:
    if isinstance(glance.job, Job):
        return [
            (task.entry.task_id, task.entry.state, task.upstream_id) for task in glance.job.tasks
        ]
    return [(task.task_id, task.state, task.upstream_id) for task in glance.job.tasks]
