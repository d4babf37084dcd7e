"""Gateway and simulated vendor on real loopback sockets, in the test's own loop."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai

from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.config.sections import Config, ServerBounds
from gateway.config.sections import Simulator as SimulatorSection
from gateway.server.listener import Listener
from gateway.simulator.app import Simulator
from gateway.simulator.faults import Fault, read_faults
from gateway.simulator.settings import Settings

KEY = "sk-igw-test-key"
SPEED = 1000.0
_FAST: dict[str, Any] = {"submit_per_second": 500, "query_per_second": 2000}


@dataclass
class Stand:
    """Where things listen, what was told, and the vendor's own books."""

    url: str
    vendor_url: str
    simulator: Simulator
    gateway: Gateway
    folder: Path
    facts: list[object] = field(default_factory=list)

    def client(self, **options: Any) -> openai.AsyncOpenAI:
        settings = {"base_url": f"{self.url}/v1", "api_key": KEY, "max_retries": 0, **options}
        return openai.AsyncOpenAI(**settings)

    def sync_client(self, **options: Any) -> openai.OpenAI:
        settings = {"base_url": f"{self.url}/v1", "api_key": KEY, "max_retries": 0, **options}
        return openai.OpenAI(**settings)

    @property
    def purchases(self) -> int:
        """Tasks bought so far."""
        return self.simulator.vendor.book.purchases

    @property
    def images_bought(self) -> int:
        return self.simulator.vendor.book.images

    def vendor_is(self, **changes: Any) -> None:
        vendor = self.simulator.vendor
        vendor.change(vendor.settings.changed(changes))

    def vendor_fails(self, *faults: Mapping[str, object]) -> None:
        script: tuple[Fault, ...] = read_faults([dict(fault) for fault in faults])
        self.simulator.vendor.set_faults(script)


def config(folder: Path, vendor_url: str, changes: Mapping[str, Any]) -> Config:
    """A fast gateway for a fast vendor; ``changes`` are sections to merge."""
    sections: dict[str, dict[str, Any]] = {
        "upstream": {
            "base_url": vendor_url,
            "api_key": "simulated",
            "settle_time": 4,
            "polling": {"scale": 0.02},
            **_FAST,
        },
        "images": {"folder": str(folder / "images")},
    }
    for name, section in changes.items():
        if isinstance(section, dict):
            sections[name] = {**sections.get(name, {}), **section}
    return Config.model_validate({"keys": [{"name": "studio", "key": KEY}], **sections})


@contextlib.asynccontextmanager
async def standing(folder: Path, **changes: Any) -> AsyncIterator[Stand]:
    """``changes`` are configuration sections by name."""
    clock = SystemClock()
    generous = Settings(
        submit_per_second=1e5, submit_burst=100_000, query_per_second=1e5, query_burst=100_000
    )
    simulator = Simulator(SimulatorSection(speed=SPEED, seed=7), clock, settings=generous)
    vendor = _listener(simulator.app, clock)
    await vendor.start()
    facts: list[object] = []
    settings = config(folder, vendor.url, changes)
    gateway = Gateway(settings, clock, facts.append)
    clients = _listener(gateway.clients, clock, settings.server.bounds)
    await clients.start()
    await gateway.start()
    try:
        yield Stand(clients.url, vendor.url, simulator, gateway, folder, facts)
    finally:
        await clients.stop(0)
        await gateway.stop()
        await vendor.stop(0)
        simulator.close()


def _listener(app: Any, clock: SystemClock, bounds: ServerBounds | None = None) -> Listener:
    return Listener(app, host="127.0.0.1", port=0, bounds=bounds or ServerBounds(), clock=clock)
