"""One event for each task that ends: signed, sent until it is taken, and held to the recordings."""

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.clock import SystemClock
from gateway.config.simulated import Simulator as Section
from gateway.simulator import webhooks
from gateway.simulator.app import Simulator
from gateway.simulator.faults import Fault
from gateway.simulator.settings import Settings
from tests.clocks import FakeClock
from tests.simulator.house import AUTH, ORDER
from tests.simulator.test_wire import _shape_faults

SECRET = "as the console shows it, 32 letters"
OLD = "the one before"
WIRE = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parents[1] / "wire" / "webhooks").glob("*.json"))
}


@dataclass
class Received:
    at: float
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def task(self) -> str:
        name: str = self.event["data"]["task_id"]
        return name


@dataclass
class Owner:
    """Who has webhooks sent: answers with ``statuses``, then with 204; None hangs up."""

    clock: FakeClock
    statuses: list[int | None] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    url: str = ""
    target: str = "/webhooks/toapis"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in pairs}
        body = await reader.readexactly(int(headers["content-length"]))
        assert head[0] == f"POST {self.target} HTTP/1.1"
        self.received.append(Received(self.clock.monotonic(), headers, body))
        status = self.statuses.pop(0) if self.statuses else 204
        if status is not None:
            writer.write(f"HTTP/1.1 {status} Whatever\r\nlocation: /elsewhere\r\n\r\n".encode())
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@dataclass
class House:
    simulator: Simulator
    clock: FakeClock
    client: httpx.AsyncClient
    owner: Owner

    async def create(self, **changes: Any) -> str:
        answer = await self.client.post("/v1/images/generations", json={**ORDER, **changes})
        assert answer.status_code == 200, answer.text
        name: str = answer.json()["id"]
        drawing = getattr(self.simulator.vendor.book.find(name), "drawing", None)
        if drawing is not None:  # by a thread, for which no made-up time may pass
            await asyncio.wait({drawing})
        return name

    async def arrived(self, number: int) -> list[Received]:
        """What has come by now: the wire's own time passes, and no other."""
        async with asyncio.timeout(10):
            while len(self.owner.received) < number:
                await SystemClock().sleep(0.005)
        return self.owner.received

    async def until(self, number: int) -> list[Received]:
        await self.clock.until(lambda: len(self.owner.received) >= number)
        return self.owner.received

    def counted(self, **expected: int) -> bool:
        counts = self.simulator.vendor.webhooks.counts
        return {name: number for name, number in counts.items() if number} == expected


@contextlib.asynccontextmanager
async def telling(
    *faults: Fault, statuses: tuple[int | None, ...] = (), speed: float = 1.0, **settings: Any
) -> AsyncIterator[House]:
    clock = FakeClock()
    owner = Owner(clock, list(statuses))
    server = await asyncio.start_server(owner.serve, "127.0.0.1", 0)
    owner.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhooks/toapis"
    chosen = Settings(webhook_url=owner.url, webhook_secret=SECRET).changed(settings)
    simulator = Simulator(Section(seed=7, speed=speed), clock, settings=chosen, faults=faults)
    transport = httpx.ASGITransport(simulator.app)
    client = httpx.AsyncClient(transport=transport, base_url="http://vendor.test", headers=AUTH)
    try:
        async with client:
            yield House(simulator, clock, client, owner)
    finally:
        simulator.close()
        server.close()
        await server.wait_closed()


def is_signed(one: Received, secret: str = SECRET, place: int = 0) -> bool:
    """By the page's rule, worked out here once more."""
    name = one.headers["x-toapis-webhook-id"].encode()
    made = one.headers["x-toapis-webhook-timestamp"].encode()
    right = hmac.digest(secret.encode(), name + b"." + made + b"." + one.body, hashlib.sha256)
    given = one.headers["x-toapis-webhook-signature"].split(",")
    return given[place] == f"v1={right.hex()}"


async def test_a_task_that_ends_is_told_once_it_has_and_not_before() -> None:
    async with telling() as house:
        task = await house.create(n=2, client_business_id="task_1")
        ends = house.simulator.vendor.book.find(task).ends  # type: ignore[union-attr]
        (one,) = await house.until(1)
        assert ends <= one.at < ends + 1
        assert is_signed(one)
        data = one.event["data"]
        assert (data["task_id"], data["client_business_id"]) == (task, "task_1")
        for item in data["result"]["data"]:
            assert (await house.client.get(item["url"])).status_code == 200
        await house.clock.advance(200_000)
        assert len(house.owner.received) == 1
        assert house.counted(delivered=1)


async def test_the_whole_address_is_called_with_its_query() -> None:
    async with telling() as house:
        house.owner.target = "/webhooks/toapis?through=a%20tunnel&to=me"
        origin = house.owner.url.removesuffix("/webhooks/toapis")
        settings = house.simulator.vendor.settings
        house.simulator.vendor.settings = settings.changed(
            {"webhook_url": origin + house.owner.target}
        )
        await house.create()
        await house.until(1)
        assert house.counted(delivered=1)


@pytest.mark.parametrize(
    ("recording", "fault", "order"),
    [
        ("completed_two_images", None, {"n": 2, "client_business_id": "gw-7f3a"}),
        ("failed", "failed", {"client_business_id": "gw-7f3a"}),
        ("failed_chinese", "moderated_zh", {"client_business_id": "gw-7f3a"}),
        ("without_business_id", None, {}),
    ],
)
async def test_an_event_has_the_recorded_shape_and_words(
    recording: str, fault: str | None, order: dict[str, Any]
) -> None:
    recorded = json.loads(WIRE[recording]["text"])
    faults = [Fault("create", fault)] if fault else []
    async with telling(*faults) as house:
        await house.create(**order)
        (one,) = await house.until(1)
    assert _shape_faults(recorded, one.event, "event", set()) == []
    for key in ("type", "api_version"):
        assert one.event[key] == recorded[key]
    for key in ("task_type", "status", "progress", "model", "client_business_id", "error"):
        assert one.event["data"][key] == recorded["data"][key], key
    told = {name for name in one.headers if name.startswith("x-toapis")}
    assert told == {name for name in WIRE[recording]["headers"] if name.startswith("x-toapis")}
    assert one.headers["content-type"] == WIRE[recording]["headers"]["content-type"]


@pytest.mark.parametrize("name", [name for name in WIRE if WIRE[name]["headers"]])
def test_the_recorded_signatures_are_those_that_the_simulator_would_make(name: str) -> None:
    recorded = WIRE[name]
    headers = recorded["headers"]
    right = webhooks.sign(
        recorded["secret"],
        headers["x-toapis-webhook-id"],
        int(headers["x-toapis-webhook-timestamp"]),
        recorded["text"].encode(),
    )
    given = headers.get("x-toapis-webhook-signature", "")
    assert (f"v1={right}" in given.split(",")) is (recorded["expect"]["reason"] in {None, "stale"})


async def test_what_is_not_taken_comes_again_by_the_schedule_and_then_no_more() -> None:
    refusals = (500, 404, 301, None, 199, 401, 429, 503)
    async with telling(statuses=refusals, speed=10.0) as house:
        await house.create()
        received = await house.until(8)
        await house.clock.until(lambda: house.counted(refused=8, given_up=1))
        pauses = [late.at - soon.at for soon, late in itertools.pairwise(received)]
        assert pauses == pytest.approx([1, 3, 12, 60, 360, 2160, 8640])
        assert {one.headers["x-toapis-webhook-id"] for one in received} == {received[0].event["id"]}
        assert len({one.headers["x-toapis-webhook-timestamp"] for one in received}) == 8
        assert all(map(is_signed, received))


async def test_what_is_taken_at_last_does_not_come_again() -> None:
    async with telling(statuses=(500, 204)) as house:
        await house.create()
        await house.until(2)
        await house.clock.until(lambda: house.counted(refused=1, delivered=1))
        await house.clock.advance(200_000)
        assert len(house.owner.received) == 2


async def test_where_nobody_listens_it_is_tried_again() -> None:
    async with telling(webhook_url="http://127.0.0.1:1/webhooks/toapis") as house:
        await house.create()
        await house.clock.until(lambda: house.counted(refused=8, given_up=1))


async def test_who_does_not_answer_in_time_has_not_taken_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhooks, "_PATIENCE", 0.05)

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # to the end that the other side makes of it
        writer.close()

    silent = await asyncio.start_server(hear, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/"
    async with telling(webhook_url=url) as house:
        answer = await house.client.post("/control/webhook")
        assert answer.json() == {"status": None}
    silent.close()
    await silent.wait_closed()


async def test_while_a_secret_is_exchanged_both_sign() -> None:
    async with telling(webhook_old_secret=OLD) as house:
        await house.create()
        (one,) = await house.until(1)
        assert is_signed(one, SECRET, 0)
        assert is_signed(one, OLD, 1)


async def test_a_test_is_sent_on_demand() -> None:
    async with telling() as house:
        assert (await house.client.post("/control/webhook")).json() == {"status": 204}
        (one,) = house.owner.received
        assert is_signed(one)
        recorded = json.loads(WIRE["endpoint_test"]["text"])
        assert _shape_faults(recorded, one.event, "event", set()) == []
        assert one.event["type"] == recorded["type"]


async def test_without_an_address_nothing_is_sent() -> None:
    async with telling(webhook_url="") as house:
        await house.create()
        await house.clock.advance(200_000)
        assert house.owner.received == []
        answer = await house.client.post("/control/webhook")
        assert answer.status_code == 400
        assert "webhook_url" in answer.json()["error"]["message"]


async def test_what_never_ends_is_never_told_and_a_reset_tells_no_more() -> None:
    async with telling(Fault("create", "stuck")) as house:
        await house.create(prompt="stuck")
        await house.create(prompt="forgotten")
        await house.client.post("/control/reset")
        await house.clock.advance(200_000)
        assert house.owner.received == []


async def test_a_duplicate_comes_twice_and_is_the_same() -> None:
    async with telling(Fault("webhook", "duplicate")) as house:
        await house.create()
        one, other = await house.until(2)
        assert one.body == other.body
        assert one.headers == other.headers


async def test_a_late_one_comes_so_much_later() -> None:
    async with telling(Fault("webhook", "late", seconds=50)) as house:
        task = await house.create()
        (one,) = await house.until(1)
        ends = house.simulator.vendor.book.find(task).ends  # type: ignore[union-attr]
        assert ends + 50 <= one.at < ends + 51


@pytest.mark.parametrize("other", [True, False])
async def test_one_out_of_order_comes_after_the_next_if_there_is_one(other: bool) -> None:
    held = Fault("webhook", "out_of_order", match="first", seconds=1_000)
    slow = Fault("create", "slow", match="second", seconds=200)
    async with telling(held, slow) as house:
        first = await house.create(prompt="first")
        second = await house.create(prompt="second") if other else None
        await house.clock.advance(300)
        if other:
            assert [one.task for one in await house.arrived(2)] == [second, first]
            return
        assert house.owner.received == []
        await house.clock.advance(1_000)
        assert [one.task for one in await house.arrived(1)] == [first]


@pytest.mark.parametrize("kind", ["forged", "stale"])
async def test_a_bad_one_is_refused_and_the_next_attempt_is_good(kind: str) -> None:
    async with telling(Fault("webhook", kind), statuses=(401,)) as house:
        await house.create()
        bad, good = await house.until(2)
        assert is_signed(bad) is (kind == "stale")
        made = int(bad.headers["x-toapis-webhook-timestamp"])
        assert (house.clock.wall() - made > 3_000) is (kind == "stale")
        assert is_signed(good)


async def test_one_that_never_comes_does_not_come_later_either() -> None:
    async with telling(Fault("webhook", "never")) as house:
        await house.create()
        await house.clock.until(lambda: house.counted(withheld=1))
        await house.clock.advance(200_000)
        assert house.owner.received == []
        stats = (await house.client.get("/control/stats")).json()
        assert stats["webhooks"]["withheld"] == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "http://192.168.0.1/",
        "http://example.com/",
        "http://localhost.example.com/",
        "ftp://localhost/",
        "127.0.0.1",
        "http://127.0.0.1:x/",
        "http://127.0.0.1/\r\nhost: a",
    ],
)
def test_nobody_but_this_machine_is_called(url: str) -> None:
    with pytest.raises(ValueError, match="webhook_url is http:// and an address of this machine"):
        Settings().changed({"webhook_url": url})


@pytest.mark.parametrize("url", ["http://localhost:80/a", "http://127.0.0.5/", "http://[::1]:8080"])
def test_this_machine_may_be_called(url: str) -> None:
    assert Settings().changed({"webhook_url": url}).webhook_url == url
