"""Closing slowly, cutting readers that take nothing, and answers given below the application."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.server.listener import Listener
from gateway.server.transport import Book, Refusal, Wire
from tests.server.loopback import (
    GET,
    POST,
    Receive,
    Send,
    answer,
    calling,
    echo,
    pause,
    serving,
    until,
)

Scope = MutableMapping[str, Any]
LARGE = 100_000_000


async def too_large(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without a look at the body."""
    await answer(send, 413, b"too large")


class Source:
    """An application that sends ``size`` bytes and notes how it ended."""

    def __init__(self, size: int, step: int = 65536) -> None:
        self.size = size
        self.step = step
        self.done = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"%d" % self.size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for at in range(0, self.size, self.step):
            body = b"x" * min(self.step, self.size - at)
            more = at + self.step < self.size
            await send({"type": "http.response.body", "body": body, "more_body": more})
        self.done.set()


def send_all_then_read(port: int, size: int) -> bytes:
    """What a simple client does: nothing is read before everything is sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(POST + b"Content-Length: %d\r\n\r\n" % size)
        piece = bytes(1_000_000)
        for _ in range(size // len(piece)):
            sock.sendall(piece)
        heard = b""
        while data := sock.recv(65536):
            heard += data
        return heard


async def test_a_client_that_sends_100_mb_first_still_reads_the_early_answer() -> None:
    async with serving(too_large) as listener:
        heard = await asyncio.to_thread(send_all_then_read, listener.port, LARGE)
        assert heard.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in heard
        assert heard.endswith(b"too large")
        await until(lambda: listener.connections_open == 0)


async def test_httpx_reads_the_early_answer() -> None:
    async def body() -> Any:
        for _ in range(100):
            yield bytes(1_000_000)

    async with serving(too_large) as listener, httpx.AsyncClient(trust_env=False) as client:
        response = await client.post(listener.url, content=body())
        assert (response.status_code, response.text) == (413, "too large")


async def test_a_client_somewhat_beyond_the_bound_hears_so_after_all_its_bytes() -> None:
    async with serving(too_large, body=1_000_000) as listener, calling(listener) as caller:
        await caller.say(POST + b"Content-Length: 1900000\r\n\r\n" + bytes(1_900_000))
        assert (await caller.hear()).status == 413


async def test_patience_with_what_nobody_reads_is_bounded_in_bytes() -> None:
    async with serving(too_large, body=1_000_000) as listener, calling(listener) as caller:
        await caller.say(POST + b"Content-Length: 500000000\r\n\r\n")
        assert (await caller.hear()).status == 413
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await caller.say(bytes(100_000_000))
        await until(lambda: listener.connections_open == 0)


async def test_patience_with_what_nobody_reads_is_bounded_in_time() -> None:
    async with serving(too_large, idle_time=0.2) as listener, calling(listener) as caller:
        assert (await caller.ask(POST + b"Content-Length: 500\r\n\r\n")).status == 413
        assert await caller.is_hung_up_on()
        assert listener.connections_open == 1  # still held, for what might come
        assert listener._book.lingering == 1
        await until(lambda: listener.connections_open == 0)
        assert listener._book.lingering == 0


async def test_an_answer_after_the_whole_body_keeps_the_connection() -> None:
    async with serving(too_large) as listener, calling(listener) as caller:
        for _ in range(2):
            response = await caller.ask(POST + b"Content-Length: 3\r\n\r\nabc")
            assert "connection" not in response.headers


async def test_a_client_that_asks_first_is_told_to_continue() -> None:
    async with serving(echo) as listener, calling(listener) as caller:
        await caller.say(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert await caller.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert json.loads((await caller.ask(b"abc")).body)["body"] == "abc"
        assert (await caller.ask(GET)).status == 200


async def test_a_client_that_asks_first_is_refused_before_it_sends() -> None:
    async with serving(too_large) as listener, calling(listener) as caller:
        head = POST + b"Content-Length: 300000000\r\nExpect: 100-continue\r\n\r\n"
        response = await caller.ask(head)
        assert (response.status, response.headers["connection"]) == (413, "close")
        assert await caller.is_hung_up_on()


async def test_a_reader_that_takes_nothing_is_cut() -> None:
    source = Source(50_000_000)
    async with serving(source, write_time=0.3) as listener, calling(listener) as caller:
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await caller.say(GET)
        began = asyncio.get_running_loop().time()
        await until(lambda: listener.readers_cut == 1)
        assert 0.25 < asyncio.get_running_loop().time() - began < 1.0
        await until(lambda: listener.connections_open == 0)
        await source.done.wait()


async def test_a_reader_that_takes_nothing_of_the_last_bytes_is_cut_too() -> None:
    """The response is complete and the connection closing; only the bytes still wait."""
    source = Source(10_000_000, step=10_000_000)
    async with (
        serving(source, write_time=0.3, idle_time=0.05) as listener,
        calling(listener) as caller,
    ):
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await caller.say(GET)
        await until(source.done.is_set)
        await until(lambda: listener.readers_cut == 1)
        await until(lambda: listener.connections_open == 0)


async def test_a_slow_reader_that_takes_a_little_is_served() -> None:
    size = 12_000_000
    async with serving(Source(size), write_time=0.4) as listener:

        def read_slowly() -> int:
            took = 0
            with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                sock.sendall(GET)
                lull = threading.Event()
                for turn in range(1000):
                    took += (got := len(sock.recv(100_000)))
                    if not got or took > size:
                        break
                    if turn < 8:
                        lull.wait(0.1)
            return took

        assert await asyncio.to_thread(read_slowly) > size
        assert listener.readers_cut == 0


async def test_a_client_that_is_gone_needs_no_goodbye() -> None:
    """The end of our side cannot be sent on a connection that was reset."""

    class Gone(asyncio.Transport):
        aborted = False

        def write_eof(self) -> None:
            raise OSError(107, "Transport endpoint is not connected")

        def is_closing(self) -> bool:
            return self.aborted

        def abort(self) -> None:
            self.aborted = True

        def get_write_buffer_size(self) -> int:
            return 0

    raw = Gone()
    book = Book(ServerBounds(), SystemClock())
    wire = Wire(raw, book, lambda: True)
    wire.close()
    wire.close()
    wire.write(b"unheard")
    assert (raw.aborted, book.lingering) == (True, 0)


async def test_where_the_kernel_does_not_count_the_buffer_alone_is_looked_at() -> None:
    no_socket = socket.socket()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, no_socket.fileno())

    class Full(asyncio.Transport):
        waiting = 1000
        aborted = False

        def get_extra_info(self, name: str, default: object = None) -> object:
            return no_socket

        def write(self, data: object) -> None:
            pass

        def is_closing(self) -> bool:
            return self.aborted

        def abort(self) -> None:
            self.aborted = True

        def get_write_buffer_size(self) -> int:
            return 0 if self.aborted else self.waiting

    raw = Full()
    book = Book(ServerBounds(write_time=0.1), SystemClock())
    wire = Wire(raw, book, lambda: False)
    wire.write(bytes(1000))
    await pause(0.07)
    raw.waiting = 900
    await pause(0.07)
    assert not raw.aborted
    await until(lambda: raw.aborted)
    assert book.cut == 1
    os.close(null)
    no_socket.close()


def test_the_date_is_made_once_a_second() -> None:
    class Still:
        now = 784111777.25

        def wall(self) -> float:
            return self.now

        def monotonic(self) -> float:
            return 0.0

        async def sleep(self, seconds: float) -> None:
            raise AssertionError

    clock = Still()
    book = Book(ServerBounds(), clock)
    first = book.date()
    assert first == [(b"date", b"Sun, 06 Nov 1994 08:49:37 GMT")]
    clock.now += 0.5
    assert book.date() is first
    clock.now += 0.5
    assert book.date() == [(b"date", b"Sun, 06 Nov 1994 08:49:38 GMT")]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (431, "invalid_request_error"),
        (500, "server_error"),
        (503, "service_unavailable_error"),
    ],
)
def test_a_refusal_is_a_whole_response(status: int, kind: str) -> None:
    raw = Refusal(status, "c", "Why.", retry_after=2).response([(b"date", b"now")])
    head, _, body = raw.decode().partition("\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    assert int(lines["content-length"]) == len(body)
    assert lines["retry-after"] == "2"
    assert json.loads(body)["error"]["type"] == kind
    assert Refusal(status, "c", "Why.").response([], head=True).endswith(b"\r\n\r\n")


def test_the_listener_is_told_apart_in_a_debugger() -> None:
    listener = Listener(echo, host="127.0.0.1", port=0, bounds=ServerBounds(), clock=SystemClock())
    assert repr(listener) == "<Listener stopped open=0 refused=0>"
