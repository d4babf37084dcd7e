"""Answering at once, for a job that is asked for later, or told by a webhook.

Owns: the 202 and what it says, and which addresses may be told. Must not know: how jobs run, how
anybody is told. Whatever is refused before a job is begun is an ordinary error. The promise is
marked only once the answer was handed over whole and nobody had hung up.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.responses import Response
from starlette.types import Send

from gateway.errors import InvalidRequest
from gateway.openai import generation_task
from gateway.openai.answering import Answering
from gateway.openai.terms import Terms
from gateway.state.hooks import MOST_OF_A_JOB, TooManyHooks
from gateway.web.policy import AddressRefused, Policy

_ACCEPTED = 202


async def answer_later(answering: Answering, send: Send) -> None:
    """Say where to ask, as soon as the ledger has the job.

    Raises: what kept the job from being begun, LedgerUnavailable, CallerLeft; InvalidRequest where
    so many are told of the job already.
    """
    facts, visit, promises = answering.facts, answering.visit, answering.desk.promises
    facts.job_id, facts.joined, facts.waits = visit.job_id, visit.how, "write"
    begun = await promises.begun(visit, answering.gone)
    glance = generation_task.served(begun, answering.terms)
    url = answering.received.webhook_url
    if url is not None:
        with _so_many():
            await promises.tell(visit, url, answering.base_url)
    facts.upstream_ids, facts.cost = visit.upstream_ids, visit.cost
    headers = {
        "content-type": "application/json",
        "location": f"{answering.base_url}/v1/images/generations/{visit.job_id}",
        "preference-applied": "respond-async",
    }
    outcome = glance.outcome
    if outcome is None:
        headers["retry-after"] = generation_task.retry_after(promises.ask_again(glance))
    notes = answering.wish.plan.notes + (outcome.notes if outcome is not None else ())
    told = {name: value for name, value in answering.headers(notes).items() if value}
    body = json.dumps(generation_task.told(glance, answering.base_url))
    response = Response(body, _ACCEPTED, {**headers, **told})
    await response(answering.scope, answering.receive, send)
    if not answering.gone.done():
        await promises.keep(visit)


def check_webhook(url: str, key_name: str, terms: Terms, policy: Policy) -> None:
    """Whether a caller may be told there. Raises: InvalidRequest."""
    if not terms.webhook_secrets.get(key_name):
        message = "'webhook_url' cannot be used: webhooks are not configured for this key."
        raise InvalidRequest(message, param="webhook_url", code="invalid_value")
    try:
        policy.check(url)
    except AddressRefused as refused:
        message = f"'webhook_url' cannot be used: {refused}."
        raise InvalidRequest(message, param="webhook_url", code="invalid_value") from None


@contextmanager
def _so_many() -> Iterator[None]:
    try:
        yield
    except TooManyHooks:
        message = (
            f"'webhook_url' cannot be used: {MOST_OF_A_JOB} others are told of this job already."
        )
        raise InvalidRequest(message, param="webhook_url", code="invalid_value") from None
