"""The listener with the middleware, a real client, and nothing in the log that should not be."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.clock import SystemClock
from gateway.facts import Crashed, InFlight, RequestEnded
from gateway.ops.middleware import RequestContext
from tests.server.loopback import GET, POST, calling, serving, until


async def reads(request: Request) -> Response:
    return JSONResponse({"size": len(await request.body())})


async def breaks_off(_: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"abc"
        raise RuntimeError("inner secret")

    return StreamingResponse(pieces())


async def crashes(_: Request) -> Response:
    raise RuntimeError("inner secret")


def wrapped() -> tuple[Starlette, list[Any]]:
    events: list[Any] = []
    context = Middleware(
        RequestContext, clock=SystemClock(), emit=events.append, in_flight=InFlight()
    )
    app = Starlette(
        routes=[
            Route("/", reads, methods=["POST"]),
            Route("/a", breaks_off, methods=["GET"]),
            Route("/crash", crashes, methods=["GET"]),
        ],
        middleware=[context],
    )
    return app, events


async def test_a_client_that_hangs_up_while_sending_leaves_one_quiet_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    app, events = wrapped()
    async with serving(app) as listener:
        async with calling(listener) as caller:
            await caller.say(POST + b"Content-Length: 100\r\n\r\nabc")
            await until(lambda: listener._state.tasks)
        await until(lambda: events)
    assert [type(event) for event in events] == [RequestEnded]
    assert events[0].left_early
    assert events[0].status is None
    loggers = {record.name for record in caplog.records}
    assert loggers <= {"asyncio"}


async def test_a_crash_is_answered_in_the_envelope_and_the_connection_kept() -> None:
    app, events = wrapped()
    async with serving(app) as listener, calling(listener) as caller:
        for _ in range(2):
            response = await caller.ask(b"GET /crash HTTP/1.1\r\nHost: h\r\n\r\n")
            assert response.status == 500
            assert response.error["code"] == "server_error"
            assert response.headers["x-request-id"] in response.error["message"]
            assert b"secret" not in response.body
        assert [type(event) for event in events] == [Crashed, RequestEnded] * 2


async def test_a_crash_in_mid_answer_cuts_the_connection() -> None:
    app, events = wrapped()
    async with serving(app) as listener, calling(listener) as caller:
        await caller.say(GET)
        heard = await caller.reader.read()
        assert heard.endswith(b"3\r\nabc\r\n")  # no last chunk: the client knows it was cut
        assert b"secret" not in heard
        assert [type(event) for event in events] == [Crashed, RequestEnded]
        assert listener.connections_open == 0


async def test_a_real_client_gets_ids_and_keeps_its_connection() -> None:
    app, events = wrapped()
    async with serving(app) as listener, httpx.AsyncClient(trust_env=False) as client:
        for number in range(3):
            response = await client.post(
                listener.url, content=bytes(3_000_000), headers={"x-request-id": f"mine-{number}"}
            )
            assert response.json() == {"size": 3_000_000}
            assert response.headers["x-client-request-id"] == f"mine-{number}"
            assert response.headers["x-request-id"] == events[number].request_id
        assert listener.connections_open == 1
