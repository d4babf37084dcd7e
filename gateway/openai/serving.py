"""Serving one request for pictures: identify, read, plan, run, answer.

Owns: the order of these steps, and which manner of answering is done by what. Must not know: how
any step works. The key is identified before a byte of the body is read.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gateway.access import permissions
from gateway.access.keys import Key
from gateway.errors import InvalidRequest, RateLimited, RequestError
from gateway.facts import RequestFacts
from gateway.failpoints import failpoint
from gateway.jobs.deadlines import callers_deadline, own_deadline
from gateway.jobs.wish import Wish
from gateway.openai.admission import facts_of
from gateway.openai.answering import Answering, answer_whole
from gateway.openai.desk import Desk, hang_up
from gateway.openai.idempotency import idempotency_key, is_retry
from gateway.openai.insiders import on_behalf
from gateway.openai.keepalive import answer_patiently
from gateway.openai.later import answer_later, check_webhook
from gateway.openai.manners import Manner, manner_of, passed_over
from gateway.openai.requests import Received, read_request
from gateway.openai.streaming import answer_stream
from gateway.openai.terms import Terms
from gateway.translate.model import Kind, Plan
from gateway.translate.money import reservations
from gateway.translate.plan import make_plan

Answer = Callable[[Answering, Send], Awaitable[None]]

# How each manner is done.
_ANSWERS: Mapping[Manner, Answer] = {
    "whole": answer_whole,
    "stream": answer_stream,
    "whitespace": answer_patiently,
    "later": answer_later,
}


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
            received, manner, wish = await self._wish(request, terms, key, arrived)
        except RequestError:  # what cannot be served counts as a request, if as nothing else
            with contextlib.suppress(RateLimited):
                await self._desk.reception.count(key.name, key.limits)
            raise
        facts.manner = manner if manner != "whole" else None
        async with hang_up(receive) as gone:
            visiting = self._desk.reception.visit(
                wish, retry=retry, request_id=facts.request_id, gone=gone
            )
            async with visiting as visit:
                answering = Answering(
                    self._desk, scope, receive, terms, key, received, wish, visit, gone
                )
                await _ANSWERS[manner](answering, send)

    async def _wish(
        self, request: Request, terms: Terms, key: Key, arrived: float
    ) -> tuple[Received, Manner, Wish]:
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
            manner = _manner(request, key, received)
            if received.webhook_url is not None:
                policy = self._desk.webhook_policy
                check_webhook(received.webhook_url, key.name, terms, policy)
            plan = make_plan(asked, permissions.rules_for(key, terms.rules))
            permissions.check(key, plan)
            named = _named(request)
        except BaseException:
            await received.spool.discard()
            raise
        if manner == "stream" and asked.response_format is None:
            plan = replace(plan, delivery="b64_json")  # events have no other place for a picture
        plan = replace(plan, notes=plan.notes + passed_over(request.headers, manner))
        _note_plan(facts, plan)
        own = own_deadline(self._desk.deadlines, plan.tier, plan.quality)
        # Who is told something all the while, or asks later, runs out of no time of their own.
        callers = callers_deadline(request.headers) if manner == "whole" else None
        wish = Wish(
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
        return received, manner, wish


def _manner(request: Request, key: Key, received: Received) -> Manner:
    """How to answer; who is in the house is answered whole, and waits for nothing else.

    Raises: InvalidRequest for a webhook that this manner of answering has not.
    """
    http = request.scope.get("http_version", "1.1")
    preferences = ", ".join(request.headers.getlist("prefer"))
    headers = {**request.headers, "prefer": preferences}
    manner = manner_of(headers, key, stream=received.stream, http=http)
    if received.webhook_url is not None and manner != "later":
        message = "'webhook_url' is for requests with the header 'Prefer: respond-async'."
        raise InvalidRequest(message, param="webhook_url", code="invalid_value")
    return manner if on_behalf(request.scope) is None else "whole"


def _is_named(request: Request) -> bool:
    inside = on_behalf(request.scope)
    if inside is not None:
        return inside.idempotency_key is not None
    return "idempotency-key" in request.headers


def _named(request: Request) -> str | None:
    """The request's idempotency key. Raises: InvalidRequest."""
    inside = on_behalf(request.scope)
    return inside.idempotency_key if inside is not None else idempotency_key(request.headers)


def _note_plan(facts: RequestFacts, plan: Plan) -> None:
    facts.model, facts.n = plan.model, plan.n
    facts.tier, facts.quality = plan.tier, plan.quality
    facts.notes = plan.notes
