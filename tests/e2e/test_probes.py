"""What orchestrators are told of a gateway in every state it can be in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.failpoints import arm
from tests.e2e.stand import Stand, config, standing

WISH: dict[str, Any] = {"model": "gpt-image-2", "size": "1024x1024", "quality": "low"}


@contextlib.asynccontextmanager
async def operators(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(gateway.operators)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def probe(gateway: Gateway, path: str) -> tuple[int, str]:
    async with operators(gateway) as client:
        answer = await client.get(path)
    return answer.status_code, answer.text


@pytest.fixture
def _disarmed() -> Iterator[None]:
    yield
    arm("")


async def test_a_gateway_that_serves_lists_what_it_looked_at(stand: Stand) -> None:
    status, text = await probe(stand.gateway, "/readyz?verbose")
    assert status == 200
    checks = ("loops", "ledger", "queue", "draining")
    assert text == "".join(f"[+]{name} ok\n" for name in checks) + "readyz check passed\n"
    assert await probe(stand.gateway, "/startupz") == (200, "ok")
    assert await probe(stand.gateway, "/livez") == (200, "ok")


async def test_one_that_has_not_started_is_alive_and_not_ready(tmp_path: Path) -> None:
    gateway = Gateway(config(tmp_path, "http://127.0.0.1:9", {}), SystemClock(), lambda _: None)
    assert await probe(gateway, "/livez") == (200, "ok")
    assert (await probe(gateway, "/startupz"))[0] == 503
    assert await probe(gateway, "/readyz") == (503, "not ready: loops, ledger")
    await gateway.start()
    assert await probe(gateway, "/readyz") == (200, "ok")
    await gateway.stop()
    assert await probe(gateway, "/readyz") == (503, "not ready: loops, ledger")


async def test_a_vendor_that_is_down_is_no_reason_to_be_unready(stand: Stand) -> None:
    stand.vendor_fails({"where": "create", "kind": "bad_gateway", "times": None})
    async with stand.client() as client:
        for _ in range(12):
            with pytest.raises(openai.APIStatusError):
                await client.images.generate(prompt="fog", **WISH)
    assert await probe(stand.gateway, "/readyz") == (200, "ok")


async def test_a_full_queue_is_and_only_for_as_long_as_it_is(tmp_path: Path) -> None:
    async with standing(tmp_path, upstream={"max_tasks": 1}, queue={"requests": 1}) as stand:
        stand.vendor_is(speed=10)
        async with stand.client(timeout=30) as client:
            first = asyncio.create_task(client.images.generate(prompt="fog", **WISH))
            await stand.until(lambda: stand.purchases)
            second = asyncio.create_task(client.images.generate(prompt="rain", **WISH))
            await until_told(stand, "[-]queue failed: 1 of at most 1 wait\n")
            assert await probe(stand.gateway, "/livez") == (200, "ok")
            await asyncio.gather(first, second)
        assert await probe(stand.gateway, "/readyz") == (200, "ok")


async def until_told(stand: Stand, line: str) -> None:
    async with asyncio.timeout(10):
        while line not in (told := await probe(stand.gateway, "/readyz?verbose"))[1]:
            await SystemClock().sleep(0.01)
    assert told[0] == 503


@pytest.mark.usefixtures("_disarmed")
async def test_a_ledger_that_cannot_be_written_is_until_it_can_again(stand: Stand) -> None:
    arm("ledger.commit=enospc")
    async with stand.client() as client:
        with pytest.raises(openai.InternalServerError, match="503"):
            await client.images.generate(prompt="fog", **WISH)
    assert await probe(stand.gateway, "/readyz") == (503, "not ready: ledger")
    assert await probe(stand.gateway, "/livez") == (200, "ok")
    assert await probe(stand.gateway, "/startupz") == (200, "ok")
    arm("")
    await until_ready(stand)


async def until_ready(stand: Stand) -> None:
    async with asyncio.timeout(20):
        while (await probe(stand.gateway, "/readyz"))[0] != 200:
            await SystemClock().sleep(0.02)


async def test_once_the_stop_is_announced_it_is_unready_and_serves_on(stand: Stand) -> None:
    stand.gateway.announce_drain()
    assert await probe(stand.gateway, "/readyz") == (503, "not ready: draining")
    async with stand.client() as client:
        assert (await client.images.generate(prompt="fog", **WISH)).data
    assert await probe(stand.gateway, "/livez") == (200, "ok")


async def test_probes_leave_no_line_in_the_log(stand: Stand) -> None:
    before = len(stand.facts)
    for path in ("/livez", "/startupz", "/readyz", "/readyz?verbose", "/nowhere"):
        await probe(stand.gateway, path)
    assert stand.facts[before:] == []
