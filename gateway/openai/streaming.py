"""Answering with a stream of server-sent events: the first byte at once, then the pictures.

Owns: the order of comments, events and the end, and what becomes of a failure once a stream has
begun: an event, for a status was sent already. Must not know: how a job is made, how an event
looks (``frames.py``). The vendor's tasks have no partial pictures, so none are sent: fewer than
were asked for are legal.
"""

from functools import partial

from starlette.types import Send

from gateway.errors import GatewayError
from gateway.jobs.board import Outcome
from gateway.jobs.reception import CallerLeft
from gateway.openai.answering import Answering, note_late_failure, note_left, note_pictures
from gateway.openai.delivery import SegmentsBody, send_end, send_head, send_piece
from gateway.openai.frames import comment, completed, failed
from gateway.openai.heartbeats import begun, interval, kept_alive
from gateway.openai.responses import note_header, task_header
from gateway.translate.model import Note

_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would keep comments until they fill a buffer
}


async def answer_stream(answering: Answering, send: Send) -> None:
    """Answer at once, and go on until the pictures or a failure were told.

    Raises: as ``Answering.outcome``, what is known to have failed when it is asked for. What comes
    later cannot be raised: the answer has begun.
    """
    plan = answering.wish.plan
    known = await answering.outcome() if answering.visit.outcome.done() else None
    await send_head(send, {**answering.headers(plan.notes), **_HEADERS})
    await send_piece(send, comment(f"job {answering.visit.job_id}"))
    delivered = False
    try:
        outcome = known or await _outcome(answering, send)
        delivered = await _give(answering, outcome, send)
    except CallerLeft:
        note_left(answering.facts)
    except GatewayError as error:
        note_late_failure(answering.facts, error)
        await send_piece(send, failed(error, answering.base_url))
        await send_end(send)
    if delivered:
        await answering.delivered()


async def _outcome(answering: Answering, send: Send) -> Outcome:
    """Wait, with a comment now and then. Raises: as ``Answering.outcome``."""
    desk = answering.desk
    ping = partial(send_piece, send, comment("ping"))
    usual = desk.heartbeats.interval
    async with begun(answering.outcome()) as made:
        return await kept_alive(made, ping, interval(answering.declared, usual), desk.clock)


async def _give(answering: Answering, outcome: Outcome, send: Send) -> bool:
    """Send the pictures and the end; whether somebody got all. Raises: ImageNotFound."""
    facts, plan = answering.facts, answering.wish.plan
    answering.notes(outcome)
    body = SegmentsBody(completed(answering.result(outcome)), answering.desk.shelf, answering.gone)
    async with body.opened():
        facts.waits = "write"
        note_pictures(facts, plan, outcome)
        for line in _told_late(answering, outcome.notes):
            await send_piece(send, comment(line))
        await body.send(send)
    return body.delivered


def _told_late(answering: Answering, notes: tuple[Note, ...]) -> list[str]:
    """What would have been a header, had it been known when the stream began."""
    lines = [f"x-gateway-task: {task_header(answering.visit.upstream_ids)}"]
    if notes:
        lines.append(f"x-gateway-notes: {note_header(notes)}")
    return lines
