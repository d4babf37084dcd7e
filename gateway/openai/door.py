"""The door back: ``GET /v1/images/generations/{id}``, a job as its owner may see it.

Owns: the ``generation.task`` object. Must not know: how jobs run. Once the pictures are there the
object holds all the fields of the answer that the request itself would have got.
"""

import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.events import State
from gateway.jobs.board import Job
from gateway.jobs.reception import Glance
from gateway.openai.admission import facts_of
from gateway.openai.answering import note_answer
from gateway.openai.delivery import SegmentsResponse
from gateway.openai.desk import Desk, base_url, hang_up
from gateway.openai.responses import Result, note_header, segments, task_header, told_fields

_COME_BACK = "2"
_WAITING = frozenset({State.INTENT, State.CREATING})


class GenerationEndpoint:
    """``GET /v1/images/generations/{id}``, as an ASGI app."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell where the job stands, with its pictures once it is done.

        Raises: Unauthenticated, GenerationNotFound.
        """
        request, facts = Request(scope, receive), facts_of(scope)
        facts.route = "generation"
        _, key = await self._desk.admission.admit(request)
        glance = await self._desk.reception.look(key.name, request.path_params["id"])
        facts.job_id, facts.upstream_ids = glance.job.job_id, _upstream_ids(glance)
        facts.model = glance.job.plan.model
        told = _told(glance)
        headers = {"x-gateway-task": task_header(facts.upstream_ids)}
        if glance.outcome is None or glance.outcome.error is not None:
            if glance.outcome is None:
                headers["retry-after"] = _COME_BACK
            headers["content-type"] = "application/json"
            await Response(json.dumps(told), 200, headers)(scope, receive, send)
            return
        notes = (*glance.job.plan.notes, *glance.outcome.notes)
        if notes:
            headers["x-gateway-notes"] = note_header(notes)
        base = base_url(self._desk.base_urls, request)
        result = Result(
            glance.job.plan, glance.outcome.images, int(glance.job.created_at), base, told
        )
        async with hang_up(receive) as gone:
            response = SegmentsResponse(segments(result), headers, self._desk.shelf, gone)
            try:
                await response(scope, receive, send)
            finally:
                note_answer(facts, response, glance.job.plan, glance.outcome)
            if response.delivered:
                await self._desk.reception.delivered(glance.job.job_id)


def _told(glance: Glance) -> Mapping[str, object]:
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
        "error": told_fields(error) if error is not None else None,
    }


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


def _upstream_ids(glance: Glance) -> tuple[str, ...]:
    return tuple(upstream_id for _, _, upstream_id in _tasks(glance) if upstream_id)
