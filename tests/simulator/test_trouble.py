import asyncio

import httpx
import pytest

from gateway.clock import SystemClock
from gateway.simulator.faults import Fault
from gateway.simulator.trouble import stalled
from tests.simulator.house import ORDER, FakeClock, House, listening
from tests.simulator.house import house as opened


async def _link(house: House) -> str:
    name = (await house.create()).json()["id"]
    while True:
        told = (await house.status(name)).json()
        if told["status"] == "completed":
            url: str = told["result"]["data"][0]["url"]
            return url
        await SystemClock().sleep(0.01)


async def _count(client: httpx.AsyncClient, url: str, got: list[int]) -> None:
    async with client.stream("GET", url) as answer:
        async for piece in answer.aiter_raw():
            got[0] += len(piece)


async def test_a_cut_create_is_bought_and_its_answer_lost() -> None:
    async with listening(SystemClock(), (Fault("create", "cut"),)) as house:
        with pytest.raises(httpx.RemoteProtocolError):
            await house.create(client_business_id="gw-1")
        assert (await house.control("purchases"))["by_client_business_id"] == {"gw-1": 1}
        assert (await house.status("gw-1")).status_code == 200


async def test_a_create_cut_before_buys_nothing() -> None:
    async with listening(SystemClock(), (Fault("create", "cut_before"),)) as house:
        with pytest.raises(httpx.RemoteProtocolError):
            await house.create()
        assert (await house.control("purchases"))["purchases"] == 0


async def test_a_stalled_create_is_bought_at_once_and_answered_late() -> None:
    async with opened(faults=(Fault("create", "stall", seconds=90),)) as house:
        before = house.clock.now
        assert (await house.create()).status_code == 200
        assert house.clock.now - before == 90
        (task,) = (await house.control("purchases"))["tasks"]
        assert task["created_at"] == 1_790_000_000


async def test_a_create_stalled_before_is_bought_late() -> None:
    async with opened(faults=(Fault("create", "stall_before", seconds=90),)) as house:
        assert (await house.create()).status_code == 200
        (task,) = (await house.control("purchases"))["tasks"]
        assert task["created_at"] == 1_790_000_090


async def test_who_hangs_up_during_a_stall_after_the_purchase_has_bought() -> None:
    async with listening(SystemClock(), (Fault("create", "stall", seconds=60),)) as house:
        with pytest.raises(httpx.ReadTimeout):
            await house.client.post("/v1/images/generations", json=ORDER, timeout=0.2)
        assert (await house.control("purchases"))["purchases"] == 1


async def test_who_hangs_up_during_a_stall_before_it_has_not() -> None:
    async with listening(SystemClock(), (Fault("create", "stall_before", seconds=60),)) as house:
        with pytest.raises(httpx.ReadTimeout):
            await house.client.post("/v1/images/generations", json=ORDER, timeout=0.2)
        assert (await house.control("purchases"))["purchases"] == 0


async def test_a_file_with_a_wrong_length_ends_early() -> None:
    async with listening(SystemClock()) as house:
        url = await _link(house)
        await house.control("faults", [{"where": "file", "kind": "wrong_length"}])
        with pytest.raises(httpx.RemoteProtocolError):
            await house.client.get(url)


async def test_a_file_may_be_cut_half_way() -> None:
    async with listening(SystemClock()) as house:
        url = await _link(house)
        whole = len((await house.client.get(url)).content)
        await house.control("faults", [{"where": "file", "kind": "cut"}])
        got = [0]
        with pytest.raises(httpx.RemoteProtocolError):
            await _count(house.client, url, got)
        assert 0 < got[0] <= whole // 2


async def test_a_huge_file_has_no_length_and_stops_when_nobody_reads() -> None:
    async with listening(SystemClock()) as house:
        url = await _link(house)
        await house.control("faults", [{"where": "file", "kind": "huge"}])
        got = 0
        async with house.client.stream("GET", url) as answer:
            assert "content-length" not in answer.headers
            async for piece in answer.aiter_raw():
                got += len(piece)
                if got > 20_000_000:
                    break
        assert got > 20_000_000
        assert (await house.client.get(url)).status_code == 200


async def test_a_huge_file_has_an_end() -> None:
    """Asked over ASGI, where nothing holds it back; the pieces are counted, not kept."""
    async with opened() as house:
        told = await house.made()
        path = told["result"]["data"][0]["url"].removeprefix("http://vendor.test")
        await house.control("faults", [{"where": "file", "kind": "huge"}])
        sent = {"bytes": 0, "last": True}

        async def receive() -> dict[str, object]:
            await asyncio.Event().wait()
            return {}

        async def send(message: dict[str, object]) -> None:
            body = message.get("body", b"")
            assert isinstance(body, bytes)
            sent["bytes"] += len(body)
            sent["last"] = bool(message.get("more_body", True))

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "scheme": "http",
            "http_version": "1.1",
            "server": ("vendor.test", 80),
            "root_path": "",
        }
        await house.simulator.app(scope, receive, send)  # type: ignore[arg-type]
        assert sent["bytes"] > 10_000_000_000
        assert sent["last"] is False


async def test_waiting_ends_with_the_time_or_with_the_caller() -> None:
    gone = asyncio.Event()

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    assert await stalled(receive, FakeClock(), 10) is True
    gone.set()
    assert await stalled(receive, SystemClock(), 60) is False


async def test_a_drawing_under_way_does_not_hinder_the_end() -> None:
    async with opened() as house:
        for _ in range(3):
            await house.create(n=4, resolution="2k")
    assert house.simulator.vendor._studio is None
