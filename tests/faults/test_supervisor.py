"""Processes that the proofs start: handed what they need, and never left behind."""

import asyncio
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import httpx
import pytest

from gateway.clock import SystemClock
from tests.cli.processes import PATIENCE, environment
from tests.faults import debian
from tests.faults.keeping import Command, Stuck, keeping
from tests.faults.nginx import proxying
from tests.faults.supervisor import KEY, GatewayEnded, Supervisor, supervising, told
from tests.faults.users import using
from tests.faults.wishes import Wish

WISH = Wish("one", 0.5)

ORPHANING = """
import asyncio, signal, sys
from pathlib import Path
from tests.faults.keeping import Command, keeping

async def main():
    async with keeping() as keeper:
        child = await keeper.start(
            Command(["-c", "sleep 1000 & echo $!; wait"], Path("."), Path("log"), program="sh")
        )
        frozen = await keeper.start(Command(["1000"], Path("."), Path("log"), program="sleep"))
        frozen.send(signal.SIGSTOP)
        print(child.pid, frozen.pid, flush=True)
        await asyncio.sleep(1000)

asyncio.run(main())
"""


async def gone(pid: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while running(pid):
            await SystemClock().sleep(0.01)


def running(pid: int) -> bool:
    """A process that is dead and not buried yet does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may go while it is looked at
        return False


def sleeping(folder: Path, *arguments: str) -> Command:
    return Command(arguments or ("1000",), folder, folder / "log", program="sleep")


async def test_children_end_with_the_block_frozen_ones_too(tmp_path: Path) -> None:
    async with keeping() as keeper:
        children = [await keeper.start(sleeping(tmp_path)) for _ in range(3)]
        children[0].send(signal.SIGSTOP)
        assert all(running(child.pid) for child in children)
    assert not any(running(child.pid) for child in children)
    assert [child.ended.result() for child in children] == [-9] * 3


async def test_nobody_outlives_a_test_that_is_killed(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHANING, cwd=tmp_path, env=environment(), stdout=PIPE
    )
    assert process.stdout is not None
    children = [int(pid) for pid in (await process.stdout.readline()).split()]
    while not (tmp_path / "log").read_text().endswith("\n"):
        await SystemClock().sleep(0.01)
    grandchild = int((tmp_path / "log").read_text())
    assert all(running(pid) for pid in (*children, grandchild))
    process.kill()
    await process.wait()
    for pid in (*children, grandchild):
        await gone(pid)


async def test_a_child_tells_how_it_ended(tmp_path: Path) -> None:
    async with keeping() as keeper:
        child = await keeper.start(
            Command(("-c", "echo told; exit 7"), tmp_path, tmp_path / "log", program="sh")
        )
        assert await child.wait() == 7
        child.send(signal.SIGTERM)  # to nobody
        assert child.tail() == "told"
        killed = await keeper.start(sleeping(tmp_path))
        killed.send(signal.SIGKILL)
        assert await killed.wait() == -signal.SIGKILL
        with pytest.raises(Stuck):
            await (await keeper.start(sleeping(tmp_path))).wait(0)


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with keeping() as keeper:
        child = await keeper.start(Command((), tmp_path, tmp_path / "log", program="no-such"))
        assert await child.wait() == 70
        assert "FileNotFoundError" in child.tail()
        assert "no-such" in child.tail()


@pytest.mark.parametrize("warm", [True, False])
async def test_a_gateway_is_exchanged_while_its_callers_wait(tmp_path: Path, *, warm: bool) -> None:
    async with supervising(tmp_path / "world", warm=warm) as supervisor:
        await supervisor.vendor.takes(WISH.seconds)
        async with using(supervisor.url, max_retries=0) as user:
            waiting = asyncio.create_task(user.ask(WISH))
            await supervisor.start_ready()  # whoever asked before is served
            assert (await waiting).answered
            first = supervisor.process
            assert await supervisor.terminate() >= 0
            assert first.ended.result() == 0
            waiting = asyncio.create_task(user.ask(Wish("two", 0.5)))
            await supervisor.start_ready()
            assert (await waiting).answered
        assert supervisor.process.pid != first.pid
        await supervisor.kill()
        assert supervisor.process.ended.result() == -signal.SIGKILL
        with pytest.raises(GatewayEnded):
            await supervisor.kill()
        assert len(await supervisor.vendor.purchases()) == 2
        assert supervisor.faults() == []
    assert sorted(path.name for path in (tmp_path / "world").glob("gateway-*")) == [
        "gateway-001.log",
        "gateway-002.log",
    ]


async def test_a_gateway_that_ends_at_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    async with supervising(tmp_path / "world", upstream={"base_url": "ftp://x"}) as supervisor:
        with pytest.raises(GatewayEnded, match=r"upstream\.base_url") as caught:
            await supervisor.start_ready()
    assert caught.value.code == 2


async def test_a_fail_point_kills_where_it_was_told(tmp_path: Path) -> None:
    async with supervising(tmp_path / "world") as supervisor:
        await supervisor.vendor.takes(WISH.seconds)
        await supervisor.start_ready(failpoints="intent.written=kill:1")
        async with using(supervisor.url) as user:
            asked = asyncio.create_task(user.ask(WISH))
            assert await supervisor.process.wait() == -signal.SIGKILL
            assert await supervisor.vendor.bought() == 0
            await supervisor.start_ready()
            assert (await asked).answered
        assert await supervisor.vendor.bought() == 1


async def test_who_streams_is_told_that_the_gateway_stops_and_collects_from_the_next(
    tmp_path: Path,
) -> None:
    wish = Wish("streamed", 5.0)
    headers = {"authorization": f"Bearer {KEY}"}
    async with supervising(tmp_path / "world") as supervisor:
        await supervisor.start_ready()
        await supervisor.vendor.takes(wish.seconds)
        async with httpx.AsyncClient(
            base_url=supervisor.url, trust_env=False, headers=headers, timeout=30
        ) as client:
            body = {**wish.body, "stream": True}
            async with client.stream("POST", "/v1/images/generations", json=body) as answer:
                pieces = answer.aiter_bytes()
                said = await anext(pieces)
                while await supervisor.vendor.bought() == 0:
                    await SystemClock().sleep(0.01)
                gone = asyncio.ensure_future(supervisor.terminate())
                said += b"".join([piece async for piece in pieces])
            await gone
            assert said.count(b"event: ") == 1
            assert b"event: error\n" in said
            assert b'"server_is_draining"' in said
            await supervisor.start_ready()
            retry = {"x-stainless-retry-count": "1"}
            again = await client.post("/v1/images/generations", json=body, headers=retry)
            assert again.headers["x-gateway-joined"] == "true"
            assert b"event: image_generation.completed\n" in again.content
        assert await supervisor.vendor.bought() == 1


async def test_a_frozen_gateway_says_nothing_until_it_goes_on(tmp_path: Path) -> None:
    async with supervising(tmp_path / "world") as supervisor:
        await supervisor.start_ready()
        async with httpx.AsyncClient(base_url=supervisor.url, trust_env=False) as client:
            await frozen(supervisor)
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/v1/models", timeout=0.3)
            supervisor.thaw()
            assert (await client.get("/v1/models")).status_code == 401


async def frozen(supervisor: Supervisor) -> None:
    supervisor.freeze()
    stat = Path(f"/proc/{supervisor.process.pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "T":
        await SystemClock().sleep(0.01)


def test_half_a_line_of_a_log_is_passed_by(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert told(log, "crashed") == []
    log.write_text('{"event": "crashed", "n": 1}\n[1]\nTraceback\n{"event": "created"}\n{"eve')
    assert told(log, "crashed") == [{"event": "crashed", "n": 1}]


@pytest.mark.clients
async def test_nginx_gives_up_and_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        upstream = "http://{}:{}".format(*silent.getsockname())
        async with proxying(tmp_path / "nginx", upstream, read_timeout=1) as proxy:
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(proxy.url)
            assert answer.status_code == 504
            assert proxy.statuses() == [504]


def test_a_machine_without_debians_tools_is_told_which_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(debian.Missing, match="nginx: there is no apt-get"):
        debian.program("nginx", "usr/sbin/nginx", tmp_path)
