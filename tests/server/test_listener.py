"""Starting, stopping, and the signals of the process."""

import asyncio
import errno
import os
import signal
from collections.abc import MutableMapping
from typing import Any

import pytest

from gateway.server.listener import Listener, run_until_signal
from gateway.server.sockets import ListenError
from tests.server.loopback import (
    GET,
    POST,
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

Scope = MutableMapping[str, Any]


async def test_a_taken_port_is_said_in_words() -> None:
    async with serving(echo) as first:
        second = listener_for(echo, port=first.port)
        with pytest.raises(ListenError, match="in use by another program") as caught:
            await second.start()
        assert f"cannot listen on 127.0.0.1:{first.port}" in str(caught.value)
        assert caught.value.errno == errno.EADDRINUSE
        assert isinstance(caught.value, OSError)
        await second.stop(0)


@pytest.mark.parametrize(
    ("host", "why"),
    [("192.0.2.1", "no such address"), ("no-such-name.invalid", "name is not known")],
)
async def test_an_address_that_cannot_be_is_said_in_words(host: str, why: str) -> None:
    with pytest.raises(ListenError, match=why):
        await listener_for(echo, host=host).start()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:9"),
        ("", "http://127.0.0.1:9"),
        ("::", "http://[::1]:9"),
        ("example.org", "http://example.org:9"),
    ],
)
def test_the_url_is_one_this_machine_can_use(host: str, url: str) -> None:
    assert listener_for(echo, host=host, port=9).url == url


async def test_the_repr_tells_what_is_going_on() -> None:
    async with serving(echo) as listener, calling(listener) as caller:
        await caller.ask(GET)
        assert repr(listener) == f"<Listener {listener.url} open=1 refused=0>"


async def test_stopping_lets_a_running_request_finish() -> None:
    slow = Slow()
    async with serving(slow) as listener, calling(listener) as caller:
        await caller.say(GET)
        await until(lambda: slow.running)
        stopping = asyncio.create_task(listener.stop(5))
        await pause(0.05)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", listener.port)
        assert not stopping.done()
        slow.go.set()
        response = await caller.hear()
        assert (response.status, response.headers["connection"]) == (200, "close")
        await asyncio.wait_for(stopping, 1)


async def test_stopping_closes_idle_connections_at_once() -> None:
    async with serving(echo) as listener, calling(listener) as caller:
        await caller.ask(GET)
        await asyncio.wait_for(listener.stop(5), 1)
        assert await caller.is_hung_up_on()


async def test_after_the_grace_a_caller_is_told_to_come_back() -> None:
    slow = Slow()
    async with serving(slow) as listener, calling(listener) as caller:
        await caller.say(GET)
        await until(lambda: slow.running)
        await asyncio.wait_for(listener.stop(0.1), 1)
        response = await caller.hear()
        assert response.status == 503
        assert response.headers["x-should-retry"] == "true"
        assert response.error["code"] == "server_is_stopping"
        assert slow.cancelled
        assert await caller.is_hung_up_on()


async def test_after_the_grace_a_lingering_connection_is_cut() -> None:
    async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 413)

    async with serving(refuses) as listener, calling(listener) as caller:
        await caller.ask(POST + b"Content-Length: 999\r\n\r\n")
        await asyncio.wait_for(listener.stop(0.05), 1)
        await until(lambda: listener.connections_open == 0)


async def test_stopping_waits_for_what_a_request_does_after_its_last_byte() -> None:
    tidied = asyncio.Event()

    async def tidies(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send)
        await pause(0.1)
        tidied.set()

    async with serving(tidies) as listener, calling(listener) as caller:
        await caller.ask(GET)
        await listener.stop(5)
        assert tidied.is_set()


async def run_two(slow: Slow, **given: Any) -> tuple[Listener, Listener, asyncio.Task[None]]:
    clients, operators = listener_for(slow), listener_for(echo)
    running = asyncio.create_task(run_until_signal([clients, operators], **given))
    await until(lambda: clients.port)  # which starts last
    return clients, operators, running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_two_listeners_stop_at_a_signal(number: signal.Signals) -> None:
    said: list[str] = []

    async def on_stop() -> None:
        async with calling(clients) as caller:  # everything still listens
            said.append(str((await caller.ask(GET)).status))

    slow = Slow()
    slow.go.set()
    clients, operators, running = await run_two(slow, grace=5, on_stop=on_stop)
    for listener in (clients, operators):
        async with calling(listener) as caller:
            assert (await caller.ask(GET)).status == 200
    os.kill(os.getpid(), number)
    await asyncio.wait_for(running, 2)
    assert said == ["200"]
    assert repr(clients).startswith("<Listener stopped")
    assert repr(operators).startswith("<Listener stopped")


async def test_the_operators_listener_serves_until_the_clients_one_has_stopped() -> None:
    slow = Slow()
    clients, operators, running = await run_two(slow, grace=5)
    async with calling(clients) as caller:
        await caller.say(GET)
        await until(lambda: slow.running)
        os.kill(os.getpid(), signal.SIGTERM)
        await pause(0.05)
        async with calling(operators) as probe:
            assert (await probe.ask(GET)).status == 200
        slow.go.set()
        assert (await caller.hear()).status == 200
    await asyncio.wait_for(running, 2)


async def test_a_second_signal_stops_at_once() -> None:
    slow = Slow()
    clients, _, running = await run_two(slow, grace=60)
    async with calling(clients) as caller:
        await caller.say(GET)
        await until(lambda: slow.running)
        os.kill(os.getpid(), signal.SIGTERM)
        await pause(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, 2)
        assert slow.cancelled
        assert (await caller.hear()).status == 503


async def test_a_listener_that_cannot_start_stops_those_that_did() -> None:
    async with serving(echo) as taken:
        first, second = listener_for(echo, port=taken.port), listener_for(echo)
        with pytest.raises(ListenError):
            await run_until_signal([first, second], grace=1)
        assert second.port
        assert repr(second).startswith("<Listener stopped")


async def test_the_first_listener_accepts_nobody_before_the_others_do() -> None:
    async with serving(echo) as taken:
        first, second = listener_for(echo), listener_for(echo, port=taken.port)
        told: list[str] = []
        with pytest.raises(ListenError):
            await run_until_signal([first, second], grace=1, on_start=lambda: told.append("start"))
        assert not first.port
        assert told == []


async def test_it_is_told_once_all_accept() -> None:
    told: list[bool] = []
    listeners = [listener_for(echo), listener_for(echo)]
    asked = asyncio.Event()
    asked.set()

    def on_start() -> None:
        told.append(all(listener.port for listener in listeners))

    await run_until_signal(listeners, grace=1, on_start=on_start, asked=asked)
    assert told == [True]


async def test_signals_that_somebody_hears_already_stop_it_too() -> None:
    signals: asyncio.Queue[None] = asyncio.Queue()
    signals.put_nowait(None)
    await asyncio.wait_for(run_until_signal([listener_for(echo)], grace=1, signals=signals), 2)
    assert signals.empty()


async def test_asking_from_within_stops_them_as_a_signal_does() -> None:
    said: list[str] = []

    async def on_signal() -> None:
        said.append("heard")

    async def on_stop() -> None:
        said.append("stopping")

    asked = asyncio.Event()
    slow = Slow()
    slow.go.set()
    clients, _, running = await run_two(
        slow, grace=5, on_signal=on_signal, on_stop=on_stop, asked=asked
    )
    async with calling(clients) as caller:
        assert (await caller.ask(GET)).status == 200
    assert not running.done()
    asked.set()
    await asyncio.wait_for(running, 2)
    assert said == ["heard", "stopping"]


async def test_after_asking_from_within_a_signal_hurries() -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    asked = asyncio.Event()
    asked.set()
    _, _, running = await run_two(Slow(), grace=5, on_signal=for_ever, asked=asked)
    await pause(0.05)
    assert not running.done()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 2)


async def test_the_signals_are_given_back() -> None:
    _, _, running = await run_two(Slow(), grace=1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
