"""One request whose job is under way, and the plain way to answer it: whole, once it is made.

Owns: waiting for the job, what an answer is rendered from, and that what was handed over is noted.
Must not know: how a request became a job, or the other ways of answering (``manners.py`` tells
which there are), which are built from the same steps.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gateway.access.keys import Key
from gateway.errors import GatewayError
from gateway.facts import RequestFacts
from gateway.jobs.board import Outcome
from gateway.jobs.reception import Visit
from gateway.jobs.wish import Wish
from gateway.openai.admission import facts_of
from gateway.openai.delivery import SegmentsResponse, abridged
from gateway.openai.desk import Desk, base_url
from gateway.openai.insiders import on_behalf
from gateway.openai.rejections import rejection
from gateway.openai.requests import Received
from gateway.openai.responses import Result, Segment, note_header, row_for, segments, task_header
from gateway.openai.terms import Terms
from gateway.translate.model import Note, Plan

# What proxies log for a client that left before its answer.
_CLIENT_CLOSED = 499


@dataclass(frozen=True, slots=True)
class Answering:
    """What answering one request needs; ``gone`` is done once its caller has hung up."""

    desk: Desk
    scope: Scope
    receive: Receive
    terms: Terms
    key: Key
    received: Received
    wish: Wish
    visit: Visit
    gone: asyncio.Future[None]

    @property
    def facts(self) -> RequestFacts:
        """What is noted of the request."""
        return facts_of(self.scope)

    @property
    def declared(self) -> Mapping[str, str]:
        """The request's headers, with names in lower case."""
        return Request(self.scope).headers

    @property
    def base_url(self) -> str:
        """Where this request's links point."""
        return base_url(self.desk.base_urls, Request(self.scope))

    async def outcome(self) -> Outcome:
        """Wait for the pictures; to be called once.

        Raises: the job's error, unless partial results are wanted; DeadlineExceeded, CallerLeft.
        """
        facts, visit, wish = self.facts, self.visit, self.wish
        facts.job_id, facts.joined = visit.job_id, visit.how
        facts.waits, meter = visit.whereabouts, visit.meter()
        try:
            outcome = await visit.wait(wish, self.gone)
        finally:
            facts.upstream_ids, facts.cost = visit.upstream_ids, visit.cost
            facts.phases.update(meter.read(self.desk.clock.monotonic()))
        served = self.terms.served(outcome, wish.plan.n)
        if served.error is not None:
            raise served.error
        return served

    def notes(self, outcome: Outcome) -> tuple[Note, ...]:
        """What was adjusted, by the plan and on the way; it is noted, too."""
        notes = (*self.wish.plan.notes, *outcome.notes)
        self.facts.notes = notes
        return notes

    def result(self, outcome: Outcome) -> Result:
        """What the answer tells."""
        return Result(self.wish.plan, outcome.images, int(self.visit.created_at), self.base_url)

    def headers(self, notes: tuple[Note, ...]) -> dict[str, str]:
        """The headers that tell of the job, as far as they are known by now."""
        headers = {}
        if self.visit.upstream_ids:
            headers["x-gateway-task"] = task_header(self.visit.upstream_ids)
        if notes:
            headers["x-gateway-notes"] = note_header(notes)
        if self.visit.how is not None:
            headers["x-gateway-joined"] = "true"
        return headers

    async def delivered(self) -> None:
        """An answer with all pictures was handed over, and nobody had hung up.

        Who is in the house has no picture yet: only what it then fetches was delivered.
        """
        if on_behalf(self.scope) is None:
            await self.desk.reception.delivered(self.visit.job_id)


async def answer_whole(answering: Answering, send: Send) -> None:
    """Answer when the pictures are there, in one JSON body. Raises: as ``outcome``."""
    await give_whole(answering, await answering.outcome(), send)


async def give_whole(answering: Answering, outcome: Outcome, send: Send) -> None:
    """Answer with pictures that are there, in one JSON body. Raises: ImageNotFound."""
    result = answering.result(outcome)
    shelf, inside = answering.desk.shelf, on_behalf(answering.scope)
    body = segments(result)
    if inside is not None:  # who is in the house takes pictures from the shelf, as files
        inside.pictures.extend(shelved.filename for shelved in outcome.images)
        body = list[Segment](await abridged(body, shelf))
    headers = answering.headers(answering.notes(outcome))
    response = SegmentsResponse(body, headers, shelf, answering.gone)
    try:
        await response(answering.scope, answering.receive, send)
    finally:
        note_answer(answering.facts, response, answering.wish.plan, outcome)
    if response.delivered:
        await answering.delivered()


def note_answer(
    facts: RequestFacts, response: SegmentsResponse, plan: Plan, outcome: Outcome
) -> None:
    """Note what an answer holds, if it was begun."""
    if response.begun:
        note_pictures(facts, plan, outcome)


def note_pictures(facts: RequestFacts, plan: Plan, outcome: Outcome) -> None:
    """Note what an answer that was begun holds."""
    facts.images = len(outcome.images)
    facts.delivery = plan.delivery if plan.delivery in {"url", "b64_json"} else "other"


def note_late_failure(facts: RequestFacts, error: GatewayError) -> None:
    """Note an error that came when the answer had begun: operators count by what it was."""
    row = row_for(error)
    facts.error_code, facts.rejection = error.code or row.code, rejection(error)
    facts.late_status = row.status


def note_left(facts: RequestFacts) -> None:
    """Note that the caller left when the answer had begun: as if it had not, for it got nothing."""
    facts.late_status = _CLIENT_CLOSED
