"""Serving one request for pictures: identify, read, plan, run, render.

Owns: the order of these steps, and noticing a caller who hangs up. Must not know: how any step
works. The key is identified before a byte of the body is read.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gateway.access import permissions
from gateway.access.keys import Key
from gateway.clock import Clock
from gateway.config.sections import Deadlines
from gateway.errors import RateLimited, RequestError
from gateway.facts import RequestFacts
from gateway.failpoints import failpoint
from gateway.images.shelf import Shelf
from gateway.jobs.board import Outcome
from gateway.jobs.deadlines import callers_deadline, own_deadline
from gateway.jobs.reception import Reception, Visit
from gateway.jobs.wish import Wish
from gateway.openai.admission import Admission, facts_of
from gateway.openai.delivery import SegmentsResponse, abridged
from gateway.openai.idempotency import idempotency_key, is_retry
from gateway.openai.insiders import on_behalf
from gateway.openai.links import BaseUrls
from gateway.openai.requests import Reading, read_request
from gateway.openai.responses import Result, Segment, note_header, segments, task_header
from gateway.openai.terms import Terms
from gateway.translate.model import Kind, Note, Plan, note
from gateway.translate.money import reservations
from gateway.translate.plan import make_plan


@dataclass(frozen=True, slots=True)
class Desk:
    """What serving needs, built once by the app."""

    admission: Admission
    reading: Reading
    reception: Reception
    shelf: Shelf
    base_urls: BaseUrls
    deadlines: Deadlines
    clock: Clock


class ImagesEndpoint:
    """``POST /v1/images/generations`` or ``/edits``, as an ASGI app.

    A ``standing_prompt`` stands in for the caller's own, where the endpoint knows none.
    """

    def __init__(
        self, desk: Desk, kind: Kind, standing_prompt: str | None = None, route: str | None = None
    ) -> None:
        self._desk = desk
        self._kind = kind
        self._standing_prompt = standing_prompt
        self._route = route or f"{kind}s"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises: GatewayError, ClientGone, CallerLeft."""
        arrived = self._desk.clock.monotonic()
        request, facts = Request(scope, receive), facts_of(scope)
        facts.route = self._route
        terms, key = await self._desk.admission.admit(request)
        retry = is_retry(request.headers)
        returning = retry or _is_named(request)
        await self._desk.reception.look_ahead(key.name, key.limits, key.weight, returning=returning)
        try:
            wish = await self._wish(request, terms, key, arrived)
        except RequestError:  # what cannot be served counts as a request, if as nothing else
            with contextlib.suppress(RateLimited):
                await self._desk.reception.count(key.name, key.limits)
            raise
        async with hang_up(receive) as gone:
            visiting = self._desk.reception.visit(
                wish, retry=retry, request_id=facts.request_id, gone=gone
            )
            async with visiting as visit:
                outcome = await self._outcome(facts, visit, wish, gone, terms)
                response = await self._response(request, visit, wish.plan, outcome, gone)
                try:
                    await response(scope, receive, send)
                finally:
                    note_answer(facts, response, wish.plan, outcome)
                # Who is in the house has no picture yet: only what it then fetches was delivered.
                if response.delivered and on_behalf(scope) is None:
                    await self._desk.reception.delivered(visit.job_id)

    async def _wish(self, request: Request, terms: Terms, key: Key, arrived: float) -> Wish:
        """Read and plan it. A refused request leaves nothing on disk."""
        facts = facts_of(request.scope)
        received = await read_request(
            self._kind,
            dict(request.headers),
            request.receive,
            self._desk.reading,
            standing_prompt=self._standing_prompt,
            fetching=facts.fetched,
        )
        failpoint("request.read")
        asked = received.request
        deployment = request.scope["state"].get("deployment")
        if asked.requested_model is None and deployment:
            asked = replace(asked, requested_model=deployment)
        try:
            plan = make_plan(asked, permissions.rules_for(key, terms.rules))
            permissions.check(key, plan)
            named = _named(request)
        except BaseException:
            await received.spool.discard()
            raise
        _note_plan(facts, plan)
        own = own_deadline(self._desk.deadlines, plan.tier, plan.quality)
        callers = callers_deadline(request.headers)
        return Wish(
            plan=plan,
            key_name=key.name,
            arrived=arrived,
            seconds=own if callers is None else min(own, callers),
            own_seconds=own,
            release=received.spool.discard,
            fingerprint=self._desk.reception.fingerprint(key.name, asked),
            idempotency_key=named,
            limits=key.limits,
            weight=key.weight,
            reserved=reservations(plan, terms.prices),
            request_id=facts.request_id,
        )

    async def _outcome(
        self,
        facts: RequestFacts,
        visit: Visit,
        wish: Wish,
        gone: asyncio.Future[None],
        terms: Terms,
    ) -> Outcome:
        """Wait for the pictures. Raises: the job's error, unless partial results are wanted."""
        facts.job_id, facts.joined = visit.job_id, visit.how
        facts.waits, meter = visit.whereabouts, visit.meter()
        try:
            outcome = await visit.wait(wish, gone)
        finally:
            facts.upstream_ids, facts.cost = visit.upstream_ids, visit.cost
            facts.phases.update(meter.read(self._desk.clock.monotonic()))
        if outcome.error is None:
            return outcome
        if terms.partial_results and outcome.images:
            told = note("partial-result", made=len(outcome.images), asked=wish.plan.n)
            return replace(outcome, notes=(*outcome.notes, told))
        raise outcome.error

    async def _response(
        self,
        request: Request,
        visit: Visit,
        plan: Plan,
        outcome: Outcome,
        gone: asyncio.Future[None],
    ) -> SegmentsResponse:
        notes = (*plan.notes, *outcome.notes)
        facts_of(request.scope).notes = notes
        result = Result(plan, outcome.images, int(visit.created_at), self.base_url(request))
        body, inside = segments(result), on_behalf(request.scope)
        if inside is not None:  # who is in the house takes pictures from the shelf, as files
            inside.pictures.extend(shelved.filename for shelved in outcome.images)
            body = list[Segment](await abridged(body, self._desk.shelf))
        return SegmentsResponse(body, _headers(visit, notes), self._desk.shelf, gone)

    def base_url(self, request: Request) -> str:
        """Where this request's links to pictures point."""
        return base_url(self._desk.base_urls, request)


def base_url(base_urls: BaseUrls, request: Request) -> str:
    """Where a request's links to pictures point."""
    peer = request.client.host if request.client else None
    return base_urls.base_url(request.url.scheme, peer, request.headers)


@contextlib.asynccontextmanager
async def hang_up(receive: Receive) -> AsyncIterator[asyncio.Future[None]]:
    """A future that is done once the client has hung up; the body must have been read."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.ensure_future(watch())
    try:
        yield gone
    finally:
        gone.cancel()


def _is_named(request: Request) -> bool:
    inside = on_behalf(request.scope)
    if inside is not None:
        return inside.idempotency_key is not None
    return "idempotency-key" in request.headers


def _named(request: Request) -> str | None:
    """The request's idempotency key. Raises: InvalidRequest."""
    inside = on_behalf(request.scope)
    return inside.idempotency_key if inside is not None else idempotency_key(request.headers)


def _headers(visit: Visit, notes: tuple[Note, ...]) -> dict[str, str]:
    headers = {"x-gateway-task": task_header(visit.upstream_ids)}
    if notes:
        headers["x-gateway-notes"] = note_header(notes)
    if visit.how is not None:
        headers["x-gateway-joined"] = "true"
    return headers


def note_answer(
    facts: RequestFacts, response: SegmentsResponse, plan: Plan, outcome: Outcome
) -> None:
    """Note what an answer holds, if it was begun."""
    if response.begun:
        facts.images = len(outcome.images)
        facts.delivery = plan.delivery if plan.delivery in {"url", "b64_json"} else "other"


def _note_plan(facts: RequestFacts, plan: Plan) -> None:
    facts.model, facts.n = plan.model, plan.n
    facts.tier, facts.quality = plan.tier, plan.quality
    facts.notes = plan.notes
