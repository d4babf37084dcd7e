"""Waiting for something while signs of life are given.

Owns: how long until the next sign, and that what is waited for has ended when nobody waits any
more. Must not know: what is waited for, or what the signs are.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from gateway.clock import Clock
from gateway.jobs.deadlines import callers_deadline

T = TypeVar("T")

_SOONEST = 0.5


def interval(headers: Mapping[str, str], usual: float) -> float:
    """Seconds between two signs; header names in lower case.

    Who declares that it waits for a shorter time is given two signs in it: an SDK does not ask
    again for what has begun.
    """
    callers = callers_deadline(headers)
    return usual if callers is None else min(usual, max(_SOONEST, callers / 2))


@contextlib.asynccontextmanager
async def begun(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Have it done meanwhile; what is not done at the block's end is cancelled, and has ended."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def is_done_within(seconds: float, task: asyncio.Task[T], clock: Clock) -> bool:
    """Wait for it, but no longer; whether it is done, however it ended."""
    timer = asyncio.ensure_future(clock.sleep(max(0.0, seconds)))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
    return task.done()


async def kept_alive(
    task: asyncio.Task[T], beat: Callable[[], Awaitable[None]], interval: float, clock: Clock
) -> T:
    """Its result, or what it raises; until then ``beat`` every ``interval`` seconds."""
    while not await is_done_within(interval, task, clock):
        await beat()
    return task.result()
