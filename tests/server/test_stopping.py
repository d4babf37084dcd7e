"""How a listener stops: nobody who was let in goes without an answer, and with a socket that
somebody else holds nobody is turned away.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.server import framing
from gateway.server.listener import Listener, run_until_signal
from tests.clocks import FakeClock
from tests.server.loopback import (
    GET,
    POST,
    App,
    Caller,
    Receive,
    Send,
    Slow,
    answer,
    calling,
    echo,
    listener_for,
    pause,
    serving,
    until,
)


@pytest.fixture
def held() -> Iterator[socket.socket]:
    """A listening socket in the hands of whoever starts one process after the other."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@asynccontextmanager
async def next_on(held: socket.socket, app: App) -> AsyncIterator[Listener]:
    """A listener on a copy of the held socket, as the next process has it."""
    listener = listener_for(app, sockets=[held.dup()])
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop(0)


def asks(held: socket.socket) -> socket.socket:
    """A caller who connects and asks at once, whether somebody accepts or not."""
    caller = socket.create_connection(held.getsockname())
    caller.sendall(GET)
    caller.settimeout(0)
    return caller


def named(name: str) -> App:
    """An application that says which process it is in."""

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await answer(send, body=name.encode())

    return app


async def answered(callers: list[socket.socket]) -> list[bytes]:
    """The body that each of them hears, of an answer that is well."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        heard = [await loop.sock_recv(caller, 1000) for caller in callers]
    for caller in callers:
        caller.close()
    assert {one.partition(b"\r\n")[0] for one in heard} == {b"HTTP/1.1 200 OK"}
    return [one.rpartition(b"\r\n")[2] for one in heard]


async def test_winding_down_leaves_newcomers_to_the_next_who_accepts(held: socket.socket) -> None:
    async with next_on(held, named("old")) as old:
        await old.wind_down()
        newcomer = asks(held)
        await pause(0.05)
        async with next_on(held, named("new")):
            assert await answered([newcomer]) == [b"new"]


async def test_closing_our_copy_leaves_the_socket_open_and_its_backlog_whole(
    held: socket.socket,
) -> None:
    async with next_on(held, named("old")) as old:
        await old.wind_down()
        before = asks(held)
    assert repr(old).startswith("<Listener stopped")
    after = asks(held)
    async with next_on(held, named("new")):
        assert await answered([before, after]) == [b"new", b"new"]


@pytest.mark.parametrize("turns", range(7))
async def test_whoever_is_just_being_let_in_is_answered_by_the_one_or_the_other(
    held: socket.socket, turns: int
) -> None:
    async with next_on(held, named("old")) as old:
        callers = [asks(held) for _ in range(20)]
        for _ in range(turns):  # of the loop: accepted, let in, read, answered
            await asyncio.sleep(0)  # noqa: TID251 - exactly one
        await old.stop(5)
    async with next_on(held, named("new")):
        assert set(await answered(callers)) <= {b"old", b"new"}


@pytest.mark.parametrize("inherited", [True, False])
async def test_idle_connections_are_closed(held: socket.socket, *, inherited: bool) -> None:
    given: dict[str, Any] = {"sockets": [held.dup()]} if inherited else {}
    listener = listener_for(echo, **given)
    await listener.start()
    async with calling(listener) as caller:
        assert "connection" not in (await caller.ask(GET)).headers
        await listener.wind_down()
        assert await caller.is_hung_up_on()
    await listener.stop(0)


async def test_what_is_asked_before_the_close_is_read_is_answered(held: socket.socket) -> None:
    async with next_on(held, echo) as listener, calling(listener) as caller:
        await caller.ask(GET)
        caller.writer.write(GET)  # it lies in the kernel when the winding down begins
        await listener.wind_down()
        response = await caller.hear()
        assert (response.status, response.headers["connection"]) == (200, "close")
        assert await caller.is_hung_up_on()


async def test_a_request_under_way_is_answered_and_told_that_this_was_the_last() -> None:
    slow = Slow()
    async with serving(slow) as listener, calling(listener) as caller:
        await caller.say(GET)
        await until(lambda: slow.running)
        await listener.wind_down()
        slow.go.set()
        response = await caller.hear()
        assert (response.status, response.headers["connection"]) == (200, "close")
        assert await caller.is_hung_up_on()


async def test_requests_sent_ahead_are_all_answered_and_the_last_says_close() -> None:
    slow = Slow()
    async with serving(slow) as listener, calling(listener) as caller:
        await caller.say(GET * 3)
        await until(lambda: slow.running)
        await listener.wind_down()
        slow.go.set()
        responses = [await caller.hear() for _ in range(3)]
        assert [response.status for response in responses] == [200] * 3
        assert responses[-1].headers["connection"] == "close"
        assert await caller.is_hung_up_on()


async def test_a_request_of_which_half_has_come_is_answered() -> None:
    async with serving(echo) as listener, calling(listener) as caller:
        await caller.ask(GET)
        await caller.say(GET[:20])
        await pause(0.05)
        await listener.wind_down()
        stopping = asyncio.create_task(listener.stop(5))
        response = await caller.ask(GET[20:])
        assert (response.status, response.headers["connection"]) == (200, "close")
        await asyncio.wait_for(stopping, 2)


async def test_a_request_that_has_not_come_whole_in_time_is_told_to_come_back() -> None:
    async with serving(echo) as listener, calling(listener) as caller:
        await caller.say(GET[:20])
        await pause(0.05)
        await listener.stop(0)
        response = await caller.hear()
        assert (response.status, response.error["code"]) == (503, "server_is_stopping")
        assert response.headers["x-should-retry"] == "true"
        assert await caller.is_hung_up_on()


async def test_a_caller_who_was_let_in_and_has_not_asked_yet_is_answered() -> None:
    async with serving(echo) as listener, calling(listener) as caller:
        await until(lambda: listener.connections_open)
        await listener.wind_down()
        stopping = asyncio.create_task(listener.stop(5))
        await pause(0.05)
        response = await caller.ask(GET)
        assert (response.status, response.headers["connection"]) == (200, "close")
        await asyncio.wait_for(stopping, 2)


async def test_the_time_to_ask_ends_when_it_is_asked() -> None:
    slow = Slow()
    async with serving(slow, idle_time=0.1) as listener, calling(listener) as caller:
        await until(lambda: listener.connections_open)
        await listener.wind_down()
        await caller.say(GET)
        await until(lambda: slow.running)
        await pause(0.2)
        slow.go.set()
        assert (await caller.hear()).status == 200


async def test_a_caller_who_never_asks_does_not_hold_the_stop_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(framing, "_ON_ITS_WAY", 0.1)
    async with serving(echo) as listener, calling(listener) as caller:
        await until(lambda: listener.connections_open)
        await listener.wind_down()
        await asyncio.wait_for(listener.stop(60), 5)
        assert await caller.is_hung_up_on()


async def test_a_socket_of_our_own_accepts_while_it_winds_down_and_says_close() -> None:
    async with serving(echo) as listener:
        await listener.wind_down()
        for _ in range(2):
            async with calling(listener) as caller:
                response = await caller.ask(GET)
                assert (response.status, response.headers["connection"]) == (200, "close")
                assert await caller.is_hung_up_on()


async def test_a_listener_that_is_started_again_keeps_connections_again() -> None:
    async with serving(echo) as listener:
        await listener.stop(0)
        await listener.start()
        async with calling(listener) as caller:
            assert "connection" not in (await caller.ask(GET)).headers


class Told:
    """What was called when; ``clock`` stands for the delay between signal and stop."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.said: list[str] = []

    async def on_signal(self) -> None:
        self.said.append("signal")
        await self.clock.sleep(30)

    async def on_stop(self) -> None:
        self.said.append("stop")

    @asynccontextmanager
    async def running(self, *listeners: Listener) -> AsyncIterator[asyncio.Task[None]]:
        serving = asyncio.create_task(
            run_until_signal(listeners, grace=5, on_signal=self.on_signal, on_stop=self.on_stop)
        )
        await until(lambda: listeners[0].port)  # which starts last
        try:
            yield serving
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


def tell() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def kept(caller: Caller) -> bool:
    return "connection" not in (await caller.ask(GET)).headers


async def test_between_signal_and_stop_everything_is_served_as_before(held: socket.socket) -> None:
    told = Told()
    inherited, own = listener_for(echo, sockets=[held.dup()]), listener_for(echo)
    async with told.running(inherited, own) as serving, calling(inherited) as early:
        assert await kept(early)
        tell()
        await until(lambda: told.said)
        assert await kept(early)
        for listener in (inherited, own):
            async with calling(listener) as newcomer:
                assert await kept(newcomer)
        assert told.said == ["signal"]
        await told.clock.advance(30)
        assert await early.is_hung_up_on()
        await asyncio.wait_for(serving, 2)
        assert told.said == ["signal", "stop"]


async def test_a_second_signal_ends_the_delay_and_the_stop_has_its_grace() -> None:
    told, slow = Told(), Slow()
    listener = listener_for(slow)
    async with told.running(listener) as serving, calling(listener) as caller:
        await caller.say(GET)
        await until(lambda: slow.running)
        tell()
        await until(lambda: told.said)
        tell()
        await until(lambda: told.said == ["signal", "stop"])
        await pause(0.05)
        assert not serving.done()
        slow.go.set()
        assert (await caller.hear()).status == 200
        await asyncio.wait_for(serving, 2)
        assert not slow.cancelled


async def test_an_inherited_socket_is_let_go_before_on_stop(held: socket.socket) -> None:
    waits: list[socket.socket] = []

    async def on_stop() -> None:
        waits.append(asks(held))
        await pause(0.1)

    listener = listener_for(named("old"), sockets=[held.dup()])
    serving = asyncio.create_task(run_until_signal([listener], grace=5, on_stop=on_stop))
    await until(lambda: listener.port)
    tell()
    await asyncio.wait_for(serving, 2)
    async with next_on(held, named("new")):
        assert await answered(waits) == [b"new"]


async def test_a_body_that_still_comes_is_read_and_answered(held: socket.socket) -> None:
    async with next_on(held, echo) as listener, calling(listener) as caller:
        await caller.say(POST + b"Content-Length: 4\r\n\r\nab")
        await pause(0.05)
        await listener.wind_down()
        response = await caller.ask(b"cd")
        assert (response.status, response.headers["connection"]) == (200, "close")
        assert b'"body": "abcd"' in response.body
