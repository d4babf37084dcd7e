"""One process after the other on a socket that we hold, as systemd does."""

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.cli.conftest import KEY
from tests.cli.processes import PATIENCE, running
from tests.cli.served import get, serving


@pytest.fixture
def held() -> Iterator[socket.socket]:
    """Where callers come in, whichever process serves."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def url(sock: socket.socket) -> str:
    return f"http://127.0.0.1:{sock.getsockname()[1]}"


async def test_who_comes_between_two_processes_waits_and_is_answered(
    config: Path, held: socket.socket
) -> None:
    with serving(config, [held]) as first:
        assert first.url == url(held)
        told = [(line["listener"], line["inherited"]) for line in first.told("listening")]
        assert told == [("clients", True), ("operators", False)]
        assert (await asyncio.to_thread(get, f"{first.url}/v1/models"))[0] == 200
        assert await asyncio.to_thread(first.process.end, signal.SIGTERM) == 0
        assert not first.process.err
    waiting = asyncio.create_task(asyncio.to_thread(get, f"{url(held)}/v1/models"))
    with serving(config, [held]) as second:
        status, text = await asyncio.wait_for(waiting, PATIENCE)
        assert (status, json.loads(text)["object"]) == (200, "list")
        assert await asyncio.to_thread(second.process.end, signal.SIGTERM) == 0


async def test_both_listeners_can_be_inherited(config: Path, held: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        names = "operators:clients"
        with serving(config, [other, held], LISTEN_FDNAMES=names) as served:
            assert (served.url, served.operators) == (url(held), url(other))
            assert await asyncio.to_thread(served.probe, "/livez") == (200, "ok")
            assert await asyncio.to_thread(served.process.end, signal.SIGTERM) == 0


async def test_users_of_the_sdk_notice_nothing_of_an_exchange(
    config: Path, held: socket.socket
) -> None:
    over = asyncio.Event()

    async def user() -> int:
        answers = 0
        async with openai.AsyncOpenAI(base_url=f"{url(held)}/v1", api_key=KEY) as client:
            while not over.is_set():
                assert (await client.models.list()).data
                answers += 1
        return answers

    users: list[asyncio.Task[int]] = []
    for _ in range(3):
        with serving(config, [held]) as served:
            users = users or [asyncio.create_task(user()) for _ in range(8)]
            before = [await asyncio.to_thread(get, f"{served.url}/v1/models") for _ in range(5)]
            assert {status for status, _ in before} == {200}
            assert await asyncio.to_thread(served.process.end, signal.SIGTERM) == 0
            statuses = {line["status"] for line in served.told("request_ended")}
            assert statuses == {200}  # nobody who was let in was sent away
    with serving(config, [held]):
        over.set()
        answers = await asyncio.wait_for(asyncio.gather(*users), PATIENCE)
    assert min(answers) > 0


async def test_during_the_delay_only_the_probe_says_that_it_will_stop(config: Path) -> None:
    config.write_text(f"{config.read_text()}drain: {{delay: 10m}}\n")
    with serving(config) as served:
        served.process.send(signal.SIGTERM)
        stopping = json.loads(await asyncio.to_thread(served.process.until, '"stopping"'))
        assert (stopping["jobs"], stopping["delay"]) == (0, 600)
        assert await asyncio.to_thread(served.probe, "/readyz") == (503, "not ready: draining")
        for _ in range(2):
            assert (await asyncio.to_thread(get, f"{served.url}/v1/models"))[0] == 200
        assert await asyncio.to_thread(served.process.end, signal.SIGTERM) == 0
        assert [line["event"] for line in served.lines()][-1] == "stopped"


def test_a_socket_nobody_would_accept_on_is_refused(config: Path, held: socket.socket) -> None:
    command = ("serve", "--config", config.name)
    names = "clients:stored"
    with (
        held.dup() as more,
        running(config.parent, *command, sockets=[held, more], LISTEN_FDNAMES=names) as process,
    ):
        assert process.end() == 1
        assert process.err == (
            "LISTEN_FDNAMES: nobody would accept on descriptor 4, "
            "called 'stored' and not one of clients, operators\n"
        )
        (line,) = map(json.loads, process.out)
        assert (line["event"], line["reason"]) == ("start_failed", process.err.strip())


def test_a_unix_socket_is_refused(config: Path, tmp_path: Path) -> None:
    command = ("serve", "--config", config.name)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "socket"))
        sock.listen()
        with running(config.parent, *command, sockets=[sock]) as process:
            assert process.end() == 1
            assert process.err == (
                "cannot listen on the inherited descriptor 3: it is a Unix socket; "
                "callers come over TCP, so give it a port\n"
            )
