"""What serving needs, built once by the app.

Owns: the desk that every endpoint works at, where a request's links point, and noticing a caller
who hangs up. Must not know: endpoints.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import Receive

from gateway.clock import Clock
from gateway.config.answers import Heartbeats
from gateway.config.sections import Deadlines
from gateway.images.shelf import Shelf
from gateway.jobs.promises import Promises
from gateway.jobs.reception import Reception
from gateway.openai.admission import Admission
from gateway.openai.links import BaseUrls
from gateway.openai.requests import Reading
from gateway.web.policy import Policy


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts that serve a request."""

    admission: Admission
    reading: Reading
    reception: Reception
    promises: Promises
    shelf: Shelf
    base_urls: BaseUrls
    deadlines: Deadlines
    clock: Clock
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
    webhook_policy: Policy = field(default_factory=Policy)


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
