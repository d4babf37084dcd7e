"""A request's body as it arrives: bounded in size, in time and in the size of one step.

Owns: the bounds on a body as a whole, and telling a caller who hung up from one who is slow.
Must not know: media types, or what the bytes mean.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from starlette.types import Message, Receive

from gateway.clock import Clock
from gateway.config.sections import ServerBounds
from gateway.errors import BodyTooLarge, BodyTooSlow

SLICE = 32 * 1024
"""Bytes handed on at once: the dearest multipart slice of this size takes about 5 ms to parse."""


_DIGITS = 18


class ClientGone(Exception):
    """The caller hung up before its body was complete; nobody is left to be answered."""


async def stream(
    receive: Receive,
    headers: Mapping[str, str],
    cap: int,
    bounds: ServerBounds,
    clock: Clock,
) -> AsyncGenerator[bytes]:
    """Yield the body in slices, giving way to others after each.

    ``cap`` is in bytes. Raises ``BodyTooLarge`` before reading when the declared length exceeds
    it, else as soon as what came does; ``BodyTooSlow``; ``ClientGone``.
    """
    refuse_declared(headers, cap)
    started, received, more = clock.monotonic(), 0, True
    while more:
        left = seconds_left(bounds, clock.monotonic() - started, received)
        message = await _next_message(receive, left)
        body: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        received += len(body)
        if received > cap:
            raise _too_large(cap)
        for start in range(0, len(body), SLICE):
            yield body[start : start + SLICE]
            await clock.sleep(0)


def refuse_declared(headers: Mapping[str, str], cap: int) -> None:
    """Raise ``BodyTooLarge`` when ``content-length`` alone says so."""
    declared = headers.get("content-length", "").strip()
    # Cut, for int() of thousands of digits would be work for nothing; so many are too many anyway.
    if declared.isdecimal() and int(declared.lstrip("0")[:_DIGITS] or 0) > cap:
        raise _too_large(cap)


def seconds_left(bounds: ServerBounds, elapsed: float, received: int) -> float:
    """Tell how long the next piece may take.

    That is until the body's deadline or until the average rate falls below the least one,
    whichever is sooner; the rate counts once the grace is over.
    """
    deadline = bounds.body_time
    if bounds.body_rate:
        deadline = min(deadline, max(bounds.body_grace, received / bounds.body_rate))
    return deadline - elapsed


async def _next_message(receive: Receive, left: float) -> Message:
    too_slow = BodyTooSlow("The request body did not arrive in time.")
    if left <= 0:
        raise too_slow
    try:
        async with asyncio.timeout(left):
            message = await receive()
    except TimeoutError:
        raise too_slow from None
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def _too_large(cap: int) -> BodyTooLarge:
    return BodyTooLarge(f"Maximum content size limit ({cap} bytes) exceeded.")
