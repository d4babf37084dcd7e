"""Posts to addresses that strangers name: where they may go, and what is held for an answer."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.web.brief import MOST, BriefSocket
from gateway.web.policy import Policy
from gateway.web.posts import Interrupted, Posts, Reply
from tests.clocks import FakeClock
from tests.web import faulty
from tests.web.faulty import Behave, answering, closed_port, serving

LISTED = frozenset({"127.0.0.1"})


@contextlib.asynccontextmanager
async def posts(hosts: frozenset[str] = LISTED, seconds: float = 2.0) -> AsyncIterator[Posts]:
    client = Posts(Policy(hosts=hosts), seconds, FakeClock())
    try:
        yield client
    finally:
        await client.close()


async def test_a_body_and_its_headers_arrive_as_they_were_given() -> None:
    seen: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await faulty.request_of(reader))
        writer.write(b"HTTP/1.1 204 No Content\r\nset-cookie: a=b\r\n\r\n")

    async with serving(behave) as server, posts() as client:
        for _ in range(2):
            told = await client.post(f"{server.url}/told?a=1", b'{"a":1}', {"webhook-id": "msg_1"})
            assert told == Reply(204)
        assert server.connections == 2
    head, _, body = seen[1].partition(b"\r\n\r\n")
    assert body == b'{"a":1}'
    assert head.startswith(b"POST /told?a=1 HTTP/1.1")
    assert b"webhook-id: msg_1" in head
    assert b"user-agent: image-gateway" in head.lower()
    assert b"cookie" not in head.lower()
    assert b"authorization" not in head.lower()


@pytest.mark.parametrize(
    ("behave", "reply"),
    [
        (answering(b"fine"), Reply(200)),
        (answering(b"", "302 Found", "location: http://127.0.0.1:1/\r\n"), Reply(302)),
        (answering(b"", "410 Gone"), Reply(410)),
        (answering(b"", "503 Busy", "retry-after: 17\r\n"), Reply(503, 17.0)),
        (answering(b"x" * 5_000_000), Reply(200)),  # nobody reads it
        (faulty.drip, Reply(200)),
    ],
)
async def test_an_answer_is_its_status(behave: Behave, reply: Reply) -> None:
    async with serving(behave) as server, posts() as client:
        assert await client.post(server.url, b"{}", {}) == reply


@pytest.mark.parametrize(
    ("behave", "reason"),
    [(faulty.silence, "timeout"), (faulty.close, ""), (faulty.reset, "")],
)
async def test_what_is_no_answer_is_told_in_a_word(behave: Behave, reason: str) -> None:
    async with serving(behave) as server, posts(seconds=0.3) as client:
        with pytest.raises(Interrupted) as told:
            await client.post(server.url, b"{}", {})
    assert told.value.reason.startswith(reason)
    assert "127.0.0.1" not in told.value.reason


def endless(start: bytes, more: bytes) -> Behave:
    """Sends more and more, as long as it is read."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await faulty.request_of(reader)
        writer.write(start)
        for _ in range(20_000):
            writer.write(more * 100)
            await writer.drain()

    return behave


_HINT = b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n"


@pytest.mark.parametrize(
    ("behave", "outcome"),
    [
        (endless(b"", _HINT), "its answer does not end"),
        (endless(b"", b"HTTP/1.1 100 \r\n\r\n"), "its answer does not end"),
        (endless(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"), None),
        (endless(b"HTTP/1.1 200 ", b"fine"), None),
        (endless(b"", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), Reply(200)),
        (endless(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", b"a"), Reply(200)),
        (
            endless(_HINT * 9 + b"HTTP/1.1 201 \r\ncontent-length: 9999999\r\n\r\n", b"a"),
            Reply(201),
        ),
    ],
)
async def test_of_an_answer_without_end_only_the_beginning_is_read(
    behave: Behave, outcome: Reply | str | None
) -> None:
    told: Reply | str
    read = 0
    counted = BriefSocket._count

    def count(plug: BriefSocket, piece: int) -> None:
        nonlocal read
        read += piece
        counted(plug, piece)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BriefSocket, "_count", count)
        async with serving(behave) as server, posts(seconds=60.0) as client:
            try:
                told = await client.post(server.url, b"{}", {})
            except Interrupted as interrupted:
                told = interrupted.reason
    assert told == outcome or (outcome is None and isinstance(told, str))
    assert 0 < read <= MOST + 4_096


async def test_where_nobody_listens_is_told_too() -> None:
    async with posts() as client:
        with pytest.raises(Interrupted):
            await client.post(f"http://127.0.0.1:{closed_port()}/", b"{}", {})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://127.0.0.1/", "its host is not a public name"),
        ("http://example.com/", "only https is followed"),
        ("https://example.com:8443/", "only port 443 is followed"),
        ("https://[::1]/", "its host is not a public name"),
        ("https://10.0.0.1/", "its host is not a public name"),
        ("https://user@example.com/", "it carries a user name"),
        ("ftp://example.com/", "it is not an http URL"),
    ],
)
async def test_what_the_policy_refuses_is_not_connected_to(url: str, why: str) -> None:
    async with posts(frozenset()) as client:
        with pytest.raises(Interrupted) as told:
            await client.post(url, b"{}", {})
    assert told.value.reason == f"refused: {why}"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1"])
async def test_a_name_that_resolves_to_a_private_address_is_refused_when_connecting(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def resolve(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        public = (family, socket.SOCK_STREAM, 6, "", ("93.184.215.14", port))
        return [public, (family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with posts(frozenset()) as client:
        for _ in range(2):  # at every attempt
            with pytest.raises(Interrupted) as told:
                await client.post("https://hooks.example.com/x", b"{}", {})
            why = "its host resolves to an address that is not public"
            assert told.value.reason == f"refused: {why}"
    assert asked == ["hooks.example.com"] * 2
