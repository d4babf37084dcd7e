"""Answering with one JSON body, and with blanks before it for whoever would not wait in silence.

Owns: how long nothing is sent, and what becomes of a failure after the first blank: the connection
is cut. A status of 200 was sent by then, and clients take a body with an ``error`` in it for an
empty success; one that ends too early is an error to all of them. Must not know: what the body
says, how a connection is cut (the server cuts what an application leaves unfinished).
"""

from functools import partial

from starlette.types import Send

from gateway.errors import GatewayError
from gateway.jobs.board import Outcome
from gateway.jobs.deadlines import callers_deadline
from gateway.jobs.reception import CallerLeft
from gateway.openai.answering import (
    Answering,
    give_whole,
    note_late_failure,
    note_left,
    note_pictures,
)
from gateway.openai.delivery import JSON, SegmentsBody, send_head, send_piece
from gateway.openai.heartbeats import begun, interval, is_done_within, kept_alive
from gateway.openai.responses import segments

_HEADERS = {
    "content-type": JSON,
    "x-accel-buffering": "no",  # nginx would keep the blanks to itself
}


async def answer_patiently(answering: Answering, send: Send) -> None:
    """Answer as ever if the pictures come soon; else begin, and send blanks until they do.

    Raises: as ``Answering.outcome``, unless the answer has begun.
    """
    clock, usual = answering.desk.clock, answering.desk.heartbeats.interval
    every = interval(answering.declared, usual)
    async with begun(answering.outcome()) as made:
        if await is_done_within(_silence(answering), made, clock):
            await give_whole(answering, made.result(), send)
            return
        await send_head(send, {**answering.headers(answering.wish.plan.notes), **_HEADERS})
        answering.facts.waits = answering.visit.whereabouts  # nothing is being written yet
        blank = partial(send_piece, send, b" ")
        await blank()
        try:
            outcome = await kept_alive(made, blank, every, clock)
            delivered = await _give(answering, outcome, send)
        except CallerLeft:
            note_left(answering.facts)
            return
        except GatewayError as error:
            note_late_failure(answering.facts, error)
            return
    if delivered:
        await answering.delivered()


def _silence(answering: Answering) -> float:
    """Seconds in which nothing is sent, so that what fails early fails as ever.

    A caller who declares when it gives up hears of us before.
    """
    longest = answering.desk.heartbeats.whitespace_after
    callers = callers_deadline(answering.declared)
    after = longest if callers is None else min(longest, callers)
    return answering.wish.arrived + after - answering.desk.clock.monotonic()


async def _give(answering: Answering, outcome: Outcome, send: Send) -> bool:
    """Send the body and the end; whether somebody got all. Raises: ImageNotFound."""
    answering.notes(outcome)
    body = SegmentsBody(segments(answering.result(outcome)), answering.desk.shelf, answering.gone)
    async with body.opened():
        answering.facts.waits = "write"
        note_pictures(answering.facts, answering.wish.plan, outcome)
        await body.send(send)
    return body.delivered
