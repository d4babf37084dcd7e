"""The door back: ``GET /v1/images/generations/{id}``, a job as its owner may see it.

Owns: the endpoint. Must not know: how jobs run, what the object says. Once the pictures are there
the object holds all the fields of the answer that the request itself would have got.
"""

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.openai import generation_task
from gateway.openai.admission import facts_of
from gateway.openai.answering import note_answer
from gateway.openai.delivery import SegmentsResponse
from gateway.openai.desk import Desk, base_url, hang_up
from gateway.openai.responses import note_header, segments, task_header


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
        terms, key = await self._desk.admission.admit(request)
        known = await self._desk.reception.look(key.name, request.path_params["id"])
        glance = generation_task.served(known, terms)
        links = base_url(self._desk.base_urls, request)
        facts.job_id = glance.job.job_id
        facts.upstream_ids = generation_task.upstream_ids(glance)
        facts.model = glance.job.plan.model
        headers = {"x-gateway-task": task_header(facts.upstream_ids)}
        if glance.outcome is None or glance.outcome.error is not None:
            if glance.outcome is None:
                again = self._desk.promises.ask_again(glance)
                headers["retry-after"] = generation_task.retry_after(again)
            headers["content-type"] = "application/json"
            told = json.dumps(generation_task.told(glance, links))
            await Response(told, 200, headers)(scope, receive, send)
            return
        notes = (*glance.job.plan.notes, *glance.outcome.notes)
        if notes:
            headers["x-gateway-notes"] = note_header(notes)
        result = generation_task.result_of(glance, links)
        async with hang_up(receive) as gone:
            response = SegmentsResponse(segments(result), headers, self._desk.shelf, gone)
            try:
                await response(scope, receive, send)
            finally:
                note_answer(facts, response, glance.job.plan, glance.outcome)
            if response.delivered:
                await self._desk.reception.delivered(glance.job.job_id)
