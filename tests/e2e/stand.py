"""Gateway and simulated vendor on real loopback sockets, in the test's own loop."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import openai

from gateway.app import Gateway
from gateway.cli.serve import _secrets as secrets_of
from gateway.clock import Clock, SystemClock
from gateway.config.sections import Config, ServerBounds
from gateway.config.simulated import Simulator as SimulatorSection
from gateway.events import (
    JobCrashed,
    Stepped,
)
from gateway.facts import Crashed, RequestEnded
from gateway.notices import (
    ChoreFailed,
    ObserverFailed,
)
from gateway.server.listener import Listener
from gateway.simulator.app import Simulator
from gateway.simulator.faults import Fault, read_faults
from gateway.simulator.settings import Settings
from tests import canaries
from tests.outputs import OUTPUTS
from tests.steady import SteadyClock

KEY = canaries.CLIENT_KEY
VENDOR_KEY = canaries.VENDOR_KEY
SPEED = 1000.0
_SCALE = 0.005
_FAST: dict[str, Any] = {"submit_per_second": 500, "query_per_second": 2000}

_E = TypeVar("_E")


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

    def plain(self, **options: Any) -> httpx.AsyncClient:
        """A client without an SDK's manners."""
        headers = {"authorization": f"Bearer {KEY}"}
        settings = {"base_url": self.url, "headers": headers, "timeout": 30, **options}
        return httpx.AsyncClient(**settings)

    @property
    def purchases(self) -> int:
        """Tasks bought so far."""
        return self.simulator.vendor.book.purchases

    @property
    def images_bought(self) -> int:
        return self.simulator.vendor.book.images

    def calls(self, kind: str) -> int:
        """How often the vendor was called: create, status, upload, file."""
        return self.simulator.vendor.calls[kind]

    def vendor_is(self, **changes: Any) -> None:
        vendor = self.simulator.vendor
        vendor.change(vendor.settings.changed(changes))

    def vendor_fails(self, *faults: Mapping[str, object]) -> None:
        script: tuple[Fault, ...] = read_faults([dict(fault) for fault in faults])
        self.simulator.vendor.set_faults(script)

    def events(self, kind: type[_E]) -> list[_E]:
        """What was told of tasks, of one kind, in order."""
        told = (fact.event for fact in self.facts if isinstance(fact, Stepped))
        return [event for event in told if isinstance(event, kind)]

    @property
    def requests(self) -> list[RequestEnded]:
        """The requests that callers sent and that are over."""
        return [fact for fact in self.facts if isinstance(fact, RequestEnded)]

    @property
    def crashes(self) -> list[object]:
        """Faults of ours, whatever the caller was told."""
        return [fact for fact in self.facts if isinstance(fact, Crashed | JobCrashed)] + [
            fact for fact in self.facts if isinstance(fact, ChoreFailed | ObserverFailed)
        ]

    def spooled(self) -> list[str]:
        """What callers' requests left on disk."""
        found = os.walk(self.folder / "images" / "spool")
        return [name for _, folders, files in found for name in (*folders, *files)]

    def shelved(self) -> list[Path]:
        """Finished pictures, and what is half done."""
        return [path for path in (self.folder / "images").iterdir() if path.is_file()]

    async def until(self, reached: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait for something that happens behind the callers' back."""
        async with asyncio.timeout(seconds):
            while not reached():
                await SystemClock().sleep(0.01)


def config(
    folder: Path, vendor_url: str, changes: Mapping[str, Any], scale: float = _SCALE
) -> Config:
    """A fast gateway for a fast vendor; ``changes`` are sections to merge."""
    sections: dict[str, dict[str, Any]] = {
        "upstream": {
            "base_url": vendor_url,
            "api_key": VENDOR_KEY,
            "settle_time": 4,
            "polling": {"scale": scale},
            **_FAST,
        },
        "images": {"folder": str(folder / "images")},
        "state": {"url": f"sqlite:///{folder}/state.db"},
    }
    for name, section in changes.items():
        if isinstance(section, dict):
            sections[name] = {**sections.get(name, {}), **section}
    keys = changes.get("keys", [{"name": "studio", "key": KEY}])
    return Config.model_validate({"keys": keys, **sections})


@contextlib.asynccontextmanager
async def standing(folder: Path, *, pace: float = 1.0, **changes: Any) -> AsyncIterator[Stand]:
    """``changes`` are configuration sections by name.

    The gateway's pauses are ``pace`` times as short as configured, those between questions apart;
    what a call may take, and how long callers are held, is not.
    """
    system = SteadyClock()
    clock = SteadyClock(pace)
    generous = Settings(
        submit_per_second=1e5, submit_burst=100_000, query_per_second=1e5, query_burst=100_000
    )
    section = SimulatorSection.model_validate({"speed": SPEED, "seed": 7, "api_key": VENDOR_KEY})
    simulator = Simulator(section, system, settings=generous)
    vendor = _listener(simulator.app, system)
    await vendor.start()
    facts: list[object] = []
    if pace != 1:  # our own pauses (to collect garbage, for one) are not a hundred times as short
        bounds = {"body_grace": 10 * pace, "header_time": 10 * pace}
        changes["server"] = {"bounds": bounds, **changes.get("server", {})}
    settings = config(folder, vendor.url, changes, _SCALE * pace)
    gateway = Gateway(settings, clock, _telling(facts, settings))
    listened_to: Any = gateway
    listened_to.operators = OUTPUTS.answers(gateway.operators, "pages", pages=True)
    answering = OUTPUTS.answers(gateway.clients, "answers")
    clients = _listener(answering, clock, settings.server.bounds)
    await clients.start()
    await gateway.start()
    try:
        yield Stand(clients.url, vendor.url, simulator, gateway, folder, facts)
    finally:
        await clients.stop(0)
        await gateway.stop()
        await vendor.stop(0)
        simulator.close()


@contextlib.asynccontextmanager
async def behaving(folder: Path, *, pace: float = 1.0, **changes: Any) -> AsyncIterator[Stand]:
    """As ``standing``; however badly the vendor or a caller behaves, there is no fault of ours,
    and in the end nothing is left over.
    """
    async with standing(folder, pace=pace, **changes) as stand:
        yield stand
        await stand.until(lambda: not stand.spooled())
        assert stand.crashes == []


def _telling(facts: list[object], settings: Config) -> Callable[[object], None]:
    """Facts are there to be asserted on, and as lines of a log to be searched for canaries."""
    OUTPUTS.conceal(secrets_of(settings))

    def tell(fact: object) -> None:
        facts.append(fact)
        OUTPUTS.emit(fact)

    return tell


def _listener(app: Any, clock: Clock, bounds: ServerBounds | None = None) -> Listener:
    return Listener(app, host="127.0.0.1", port=0, bounds=bounds or ServerBounds(), clock=clock)
