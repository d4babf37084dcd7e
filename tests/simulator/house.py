"""A simulated vendor for tests: on a clock that tests turn, asked over ASGI or a real socket."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from PIL import Image

from gateway.clock import SystemClock
from gateway.config.simulated import Simulator as Section
from gateway.simulator.app import Simulator
from gateway.simulator.faults import Fault
from gateway.simulator.settings import Settings

KEY = "simulated"
AUTH = {"authorization": f"Bearer {KEY}"}
ORDER = {"model": "gpt-image-2-official", "prompt": "a lighthouse in fog", "quality": "low"}


class FakeClock:
    """Time that moves when told, or when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def wall(self) -> float:
        return 1_790_000_000 + self.now - 1000

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)
        await SystemClock().sleep(0)


@dataclass
class House:
    """A simulator, its clock, and a client that holds its key."""

    simulator: Simulator
    clock: FakeClock
    client: httpx.AsyncClient

    async def create(self, **changes: Any) -> httpx.Response:
        body = {**ORDER, **changes}
        return await self.client.post("/v1/images/generations", json=body)

    async def status(self, name: str) -> httpx.Response:
        return await self.client.get(f"/v1/images/generations/{name}")

    async def made(self, **changes: Any) -> dict[str, Any]:
        """The last status of a task after its time is up."""
        created = await self.create(**changes)
        assert created.status_code == 200, created.text
        self.clock.now += 1000
        told: dict[str, Any] = (await self.status(created.json()["id"])).json()
        return told

    async def pictures(self, **changes: Any) -> list[Image.Image]:
        told = await self.made(**changes)
        return [await self.picture(item["url"]) for item in told["result"]["data"]]

    async def picture(self, url: str) -> Image.Image:
        answer = await self.client.get(url, headers={"authorization": ""})
        assert answer.status_code == 200
        opened = Image.open(io.BytesIO(answer.content))
        opened.load()
        return opened

    async def upload(self, data: bytes, name: str = "a.png") -> httpx.Response:
        return await self.client.post(
            "/v1/uploads/images", files={"file": (name, data, "image/png")}
        )

    async def uploaded(self, picture: Image.Image) -> str:
        url: str = (await self.upload(png(picture))).json()["data"]["url"]
        return url

    async def control(self, name: str, body: Any = None) -> Any:
        if body is None:
            return (await self.client.get(f"/control/{name}")).json()
        answer = await self.client.post(f"/control/{name}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextlib.asynccontextmanager
async def house(
    settings: Settings | None = None, faults: tuple[Fault, ...] = (), speed: float = 1.0
) -> AsyncIterator[House]:
    clock = FakeClock()
    simulator = Simulator(Section(seed=7, speed=speed), clock, settings=settings, faults=faults)
    transport = httpx.ASGITransport(simulator.app)
    client = httpx.AsyncClient(transport=transport, base_url="http://vendor.test", headers=AUTH)
    try:
        async with client:
            yield House(simulator, clock, client)
    finally:
        simulator.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(clock: Any, faults: tuple[Fault, ...] = ()) -> AsyncIterator[House]:
    """The same on a loopback socket, for what ASGI alone cannot show."""
    simulator = Simulator(Section(seed=7, speed=1000), clock, faults=faults)
    config = uvicorn.Config(
        simulator.app, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none"
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # uvicorn tells it by this flag alone
        await SystemClock().sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=AUTH) as client:
            yield House(simulator, clock, client)
    finally:
        server.should_exit = True
        await serving
        simulator.close()


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def photo(width: int = 1024, height: int = 1024, mode: str = "RGB") -> Image.Image:
    """A picture in which neighbouring pixels differ."""
    across = Image.linear_gradient("L").resize((width, height))
    down = across.transpose(Image.Transpose.ROTATE_180)
    bands = {"RGB": 3, "RGBA": 4, "L": 1}[mode]
    return Image.merge(mode, [across, down, across, down][:bands]) if bands > 1 else across


def mask(
    width: int = 1024, height: int = 1024, hole: tuple[int, int, int, int] | None = None
) -> Image.Image:
    """An opaque mask with one fully transparent box."""
    made = Image.new("RGBA", (width, height), (0, 0, 0, 255))
    box = hole or (width // 4, height // 4, width // 2, height // 2)
    made.paste((0, 0, 0, 0), box)
    return made
