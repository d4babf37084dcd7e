"""What each fault of the network is held for, on each engine, over real sockets."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator

import pytest

from gateway.config.sections import Upstream
from gateway.web.clients import (
    CallFailed,
    Files,
    Interrupted,
    NotConnected,
    Outgoing,
    Part,
    PublicResolver,
)
from gateway.web.policy import Policy
from tests.web import faulty
from tests.web.faulty import Behave, answering, serving


@contextlib.asynccontextmanager
async def outgoing(**changes: object) -> AsyncIterator[Outgoing]:
    settings = {"api_key": "k", "create_time": 0.5, "connect_time": 0.3, **changes}
    client = Outgoing(Upstream.model_validate(settings))
    try:
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def files() -> AsyncIterator[Files]:
    section = Upstream.model_validate({"api_key": "k", "download_time": 0.5})
    client = Files(section, Policy(hosts=frozenset({"127.0.0.1"})))
    try:
        yield client
    finally:
        await client.close()


SENT: list[tuple[str, Behave]] = [
    ("reset after the request was read", faulty.reset),
    ("closed without an answer", faulty.close),
    ("half an answer", faulty.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{")),
    ("half a header", faulty.raw(b"HTTP/1.1 200 O")),
    ("not HTTP at all", faulty.raw(b"SSH-2.0-OpenSSH\r\n\r\n")),
    ("no answer in time", faulty.silence),
    ("a slow drip", faulty.drip),
    ("too long an answer", answering(b"x" * 2_000_000)),
]


@pytest.mark.parametrize(("fault", "behave"), SENT, ids=[name for name, _ in SENT])
async def test_a_create_that_had_left_is_never_held_for_unsent(fault: str, behave: Behave) -> None:
    async with serving(behave) as server, outgoing(answer_bytes=1_000_000) as client:
        with pytest.raises(CallFailed) as caught:
            await client.create(f"{server.url}/x", b"{}", {})
        assert isinstance(caught.value, Interrupted)
        assert server.connections == 1


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:{faulty.closed_port()}/x",
        "http://nowhere.invalid/x",
        "ftp://127.0.0.1/x",
    ],
    ids=["connection refused", "unknown host", "no such protocol"],
)
async def test_a_create_without_a_connection_is_held_for_unsent(url: str) -> None:
    async with outgoing() as client:
        with pytest.raises(NotConnected):
            await client.create(url, b"{}", {})


async def test_every_create_has_a_connection_of_its_own() -> None:
    async with serving(answering(b"{}")) as server, outgoing() as client:
        for _ in range(3):
            answer = await client.create(f"{server.url}/x", b"{}", {"x-a": "b"})
            assert answer.status == 200
        assert server.connections == 3


@pytest.mark.parametrize(("fault", "behave"), SENT, ids=[name for name, _ in SENT])
async def test_any_fault_of_a_repeatable_call_is_one_exception(fault: str, behave: Behave) -> None:
    async with serving(behave) as server, outgoing(answer_bytes=1_000_000) as client:
        with pytest.raises(Interrupted):
            await client.call("GET", f"{server.url}/x", {}, 0.5)


async def test_a_repeatable_call_that_finds_nobody_is_the_same_exception() -> None:
    async with outgoing() as client:
        with pytest.raises(Interrupted):
            await client.call("GET", f"http://127.0.0.1:{faulty.closed_port()}/x", {}, 0.5)


async def test_an_answer_comes_whole_with_lower_case_headers() -> None:
    behave = answering(b'{"a":1}', "429 Too Many", "Retry-After: 3\r\n")
    async with serving(behave) as server, outgoing() as client:
        answer = await client.call("GET", f"{server.url}/x", {}, 1)
        assert (answer.status, answer.body) == (429, b'{"a":1}')
        assert answer.headers["retry-after"] == "3"


async def test_a_part_is_sent_as_a_file() -> None:
    seen: list[bytes] = []

    async def behave(reader: object, writer: object) -> None:
        seen.append(await faulty.request_of(reader))  # type: ignore[arg-type]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")  # type: ignore[attr-defined]

    async with serving(behave) as server, outgoing() as client:
        part = Part("file", "a.png", "image/png", io.BytesIO(b"bytes of a picture"))
        await client.call("POST", f"{server.url}/x", {"authorization": "Bearer k"}, 1, part)
    (request,) = seen
    assert b'name="file"; filename="a.png"' in request
    assert b"bytes of a picture" in request
    assert b"authorization: bearer k" in request.lower()


async def test_a_file_is_streamed_undecoded_and_without_a_key() -> None:
    behave = answering(b"bytes", headers="Content-Type: image/png\r\n")
    async with (
        serving(behave) as server,
        files() as client,
        client.open(f"{server.url}/x") as stream,
    ):
        assert stream.status == 200
        assert stream.headers["content-type"] == "image/png"
        assert b"".join([chunk async for chunk in stream.chunks]) == b"bytes"


async def test_a_file_cut_short_is_an_interruption() -> None:
    behave = faulty.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf")
    async with serving(behave) as server, files() as client:
        with pytest.raises(Interrupted):
            async with client.open(f"{server.url}/x") as stream:
                _ = [chunk async for chunk in stream.chunks]


async def test_a_name_that_resolves_to_this_machine_is_not_connected_to() -> None:
    with pytest.raises(OSError, match="not public"):
        await PublicResolver(Policy()).resolve("localhost", 80)
    exempt = PublicResolver(Policy(hosts=frozenset({"localhost"})))
    assert await exempt.resolve("localhost", 80)
    await exempt.close()


async def test_a_redirect_is_told_not_followed() -> None:
    behave = answering(b"", "302 Found", "location: http://127.0.0.1:1/\r\n")
    async with (
        serving(behave) as server,
        files() as client,
        client.open(f"{server.url}/x") as stream,
    ):
        assert stream.status == 302


async def test_no_host_can_leave_a_cookie_here() -> None:
    seen: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await faulty.request_of(reader))
            writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\n{}")

    async with serving(behave) as server, files() as client:
        for _ in range(2):
            async with client.open(f"{server.url}/x") as stream:
                _ = [chunk async for chunk in stream.chunks]
    async with serving(behave) as server, outgoing() as caller:
        for _ in range(2):
            await caller.call("GET", f"{server.url}/x", {}, 1)
    assert len(seen) == 4
    assert not any(b"cookie" in request.lower() for request in seen)
