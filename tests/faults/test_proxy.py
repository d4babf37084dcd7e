"""The proxy does to bytes what it is told, and counts only what it did."""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway.clock import SystemClock
from tests.faults.mishaps import AFTER_HEAD, Mishap, Request, body_of, respoken
from tests.faults.proxy import Proxy, proxying

CREATE = "/v1/images/generations"
CLOCK = SystemClock()
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nobody here speaks TLS: no world's certificates


@dataclass
class Vendor:
    """Answers with what it got; ``got`` are the requests' bytes."""

    port: int
    got: list[bytes]


@contextlib.asynccontextmanager
async def vendor() -> AsyncIterator[Vendor]:
    got: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = [line for line in lines if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
        got.append(head + body)
        said = json.dumps({"number": len(got)}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield Vendor(server.sockets[0].getsockname()[1], got)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Proxy, Vendor]]:
    async with vendor() as far, proxying(f"127.0.0.1:{far.port}", seed=5) as proxy:
        yield proxy, far


async def post(proxy: Proxy, path: str = CREATE, content: bytes = b"{}") -> httpx.Response:
    async with httpx.AsyncClient(timeout=1.0, verify=PLAIN) as client:
        return await client.post(f"{proxy.url}{path}", content=content)


async def get(proxy: Proxy, path: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=1.0, verify=PLAIN) as client:
        return await client.get(f"{proxy.url}{path}")


async def idle(proxy: Proxy) -> None:
    async with asyncio.timeout(2):
        while proxy._serving:
            await CLOCK.sleep(0.01)


async def heard(proxy: Proxy, seconds: float = 2.0) -> tuple[bytes, type[OSError] | None]:
    """What comes back on a raw connection, and how it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}" % CREATE.encode())
    said = b""
    try:
        async with asyncio.timeout(seconds):
            while piece := await reader.read(1000):
                said += piece
    except ConnectionError as error:
        return said, type(error)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return said, None


async def test_a_request_and_its_answer_go_through_whole(pair: tuple[Proxy, Vendor]) -> None:
    proxy, far = pair
    body = b"x" * 300_000
    answer = await post(proxy, content=body)
    assert answer.json() == {"number": 1}
    assert far.got[0].endswith(b"connection: close\r\n\r\n" + body)
    assert proxy.asked == {f"POST {CREATE}": 1}
    assert proxy.struck == {}


async def test_a_chunked_request_goes_through_whole(pair: tuple[Proxy, Vendor]) -> None:
    proxy, far = pair
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    assert len(far.got) == 1


@pytest.mark.parametrize(
    ("method", "path", "where"),
    [
        ("POST", CREATE, "create"),
        ("GET", f"{CREATE}/tsk_1", "status"),
        ("POST", "/v1/uploads/images", "upload"),
        ("GET", "/files/images/a/b.png", "file"),
    ],
)
async def test_a_mishap_strikes_where_it_is_aimed(
    pair: tuple[Proxy, Vendor], method: str, path: str, where: Any
) -> None:
    proxy, _ = pair
    text = b"HTTP/1.1 418 Teapot\r\ncontent-length: 0\r\n\r\n"
    proxy.script(Mishap("say", where=where, text=text))
    asked: list[tuple[str, Callable[[], Awaitable[httpx.Response]]]] = [
        ("create", lambda: post(proxy)),
        ("status", lambda: get(proxy, f"{CREATE}/tsk_1")),
        ("upload", lambda: post(proxy, "/v1/uploads/images")),
        ("file", lambda: get(proxy, "/files/images/a/b.png")),
    ]
    assert [name for name, ask in asked if (await ask()).status_code == 418] == [where]
    assert proxy.asked[f"{method} {path}"] == 1


@pytest.mark.parametrize("at", [0, 1, 12, 40])
async def test_a_reset_comes_after_so_many_bytes(pair: tuple[Proxy, Vendor], at: int) -> None:
    proxy, far = pair
    proxy.script(Mishap("reset", at=at))
    said, end = await heard(proxy)
    assert (len(said), end) == (at, ConnectionResetError)
    assert len(far.got) == proxy.struck["reset"] == 1


async def test_a_reset_beyond_the_answers_end_is_none(pair: tuple[Proxy, Vendor]) -> None:
    proxy, _ = pair
    proxy.script(Mishap("reset", at=600))
    said, end = await heard(proxy)
    assert said.endswith(b'{"number": 1}')
    assert end is None
    assert proxy.struck["reset"] == 0


async def test_a_reset_after_the_request_may_keep_it_from_the_vendor(
    pair: tuple[Proxy, Vendor],
) -> None:
    proxy, far = pair
    proxy.script(Mishap("reset", forwarded=False))
    assert await heard(proxy) == (b"", ConnectionResetError)
    assert far.got == []


@pytest.mark.parametrize("at", [0, 20])
async def test_a_close_truncates(pair: tuple[Proxy, Vendor], at: int) -> None:
    proxy, _ = pair
    proxy.script(Mishap("close", at=at))
    said, end = await heard(proxy)
    assert (len(said), end) == (at, None)


@pytest.mark.parametrize(("kind", "end"), [("hang_up", None), ("slam", ConnectionResetError)])
async def test_a_connection_may_end_before_anything_is_read(
    pair: tuple[Proxy, Vendor], kind: Any, end: type[OSError] | None
) -> None:
    proxy, far = pair
    proxy.script(Mishap(kind, times=1))
    said, ended = await heard(proxy)
    # A close with unread bytes is a reset to the other side, so only the latter is told apart.
    assert said == b""
    assert end is None or ended is end
    assert far.got == []
    assert (await post(proxy)).status_code == 200


async def test_silence_lasts_as_long_as_the_caller_stays(pair: tuple[Proxy, Vendor]) -> None:
    proxy, far = pair
    proxy.script(Mishap("silence"))
    with pytest.raises(TimeoutError):
        await heard(proxy, seconds=0.2)
    assert len(far.got) == 1
    await idle(proxy)


@pytest.mark.parametrize("at", [0, AFTER_HEAD])
async def test_drops_come_one_by_one(pair: tuple[Proxy, Vendor], at: int) -> None:
    proxy, _ = pair
    proxy.script(Mishap("drip", at=at, step=5, seconds=0.005))
    assert (await post(proxy)).json() == {"number": 1}
    proxy.script(Mishap("drip", at=at, step=1, seconds=30))
    with pytest.raises(TimeoutError):
        await heard(proxy, seconds=0.2)
    assert proxy.struck["drip"] == 2


async def test_a_request_may_arrive_late_or_in_drops(pair: tuple[Proxy, Vendor]) -> None:
    proxy, far = pair
    proxy.script(Mishap("late", seconds=0.05, times=1), Mishap("slow_request", step=20))
    assert (await post(proxy)).json() == {"number": 1}
    assert (await post(proxy)).json() == {"number": 2}
    assert proxy.struck == {"late": 1, "slow_request": 1}
    assert len(far.got) == 2


async def test_it_can_talk_without_end(pair: tuple[Proxy, Vendor]) -> None:
    proxy, far = pair
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    proxy.script(
        Mishap("say", text=head, filler=b"1000\r\n" + b"x" * 0x1000 + b"\r\n", forwarded=False)
    )
    async with (
        httpx.AsyncClient(verify=PLAIN) as client,
        client.stream("POST", f"{proxy.url}/") as answer,
    ):
        got = 0
        async for piece in answer.aiter_raw():
            got += len(piece)
            if got > 100_000:
                break
    assert far.got == []


async def test_a_spoiled_answer_is_what_was_made_of_it(pair: tuple[Proxy, Vendor]) -> None:
    proxy, _ = pair
    proxy.script(Mishap("spoil", spoiled=lambda answer: respoken(answer, body_of(answer)[:4])))
    answer = await post(proxy)
    assert (answer.content, answer.headers["content-length"]) == (b'{"nu', "4")


def test_a_length_and_a_type_may_be_told_wrongly() -> None:
    answer = b"H\r\nContent-Length: 9\r\n\r\nx"
    assert respoken(answer, b"ab") == b"H\r\ncontent-length: 2\r\n\r\nab"
    told = respoken(answer, body_of(answer), told=7, media_type="a/b")
    assert told == b"H\r\ncontent-length: 7\r\ncontent-type: a/b\r\n\r\nx"


async def test_a_request_may_reach_the_vendor_twice(pair: tuple[Proxy, Vendor]) -> None:
    proxy, far = pair
    proxy.script(Mishap("twice"))
    assert (await post(proxy)).json() == {"number": 2}
    assert far.got[0] == far.got[1]


async def test_a_mishap_waits_its_turn_and_strikes_so_often(pair: tuple[Proxy, Vendor]) -> None:
    proxy, _ = pair
    text = b"HTTP/1.1 418 Teapot\r\ncontent-length: 0\r\n\r\n"
    proxy.script(Mishap("say", after=2, times=1, text=text))
    assert [(await post(proxy)).status_code for _ in range(4)] == [200, 200, 418, 200]


async def test_a_mishap_that_could_not_strike_is_for_the_next(pair: tuple[Proxy, Vendor]) -> None:
    proxy, _ = pair
    long = Mishap("reset", times=1, at=600)
    proxy.script(long)
    await post(proxy)
    await idle(proxy)
    assert proxy.struck["reset"] == 0
    assert proxy.choose(Request("POST", CREATE, b"")) is long
    assert proxy.choose(Request("POST", CREATE, b"")) is None


async def test_chance_is_the_seeds() -> None:
    async def statuses(seed: int) -> list[int]:
        async with vendor() as far, proxying(f"127.0.0.1:{far.port}", seed) as proxy:
            text = b"HTTP/1.1 418 Teapot\r\ncontent-length: 0\r\n\r\n"
            proxy.script(Mishap("say", share=0.5, text=text))
            return [(await post(proxy)).status_code for _ in range(12)]

    first, again, other = await statuses(1), await statuses(1), await statuses(2)
    assert first == again != other
    assert set(first) == {200, 418}


async def test_a_door_that_is_shut_refuses_and_keeps_its_port(pair: tuple[Proxy, Vendor]) -> None:
    proxy, _ = pair
    await proxy.refuse()
    with pytest.raises(httpx.ConnectError):
        await post(proxy)
    with socket.socket() as taker, pytest.raises(OSError, match="in use"):
        taker.bind(("127.0.0.1", proxy.port))
    await proxy.open()
    assert (await post(proxy)).status_code == 200


async def test_a_clogged_door_neither_refuses_nor_lets_in(pair: tuple[Proxy, Vendor]) -> None:
    proxy, far = pair
    await proxy.clog()
    with pytest.raises(httpx.ConnectTimeout):
        async with httpx.AsyncClient(timeout=0.3, verify=PLAIN) as client:
            await client.get(proxy.url)
    assert far.got == []
    await proxy.open()
    assert (await post(proxy)).status_code == 200
