"""A real gateway, the simulated vendor and a real Prometheus, each a process of its own.

Owns: their configuration, ports and ends. Must not know: what is asked of them (``load.py``). All
of them listen on the loopback interface alone.
"""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.clock import SystemClock
from tests.cli.processes import environment
from tests.grafana.alarms import files

PATIENCE = 30.0
CLOCK = SystemClock()
WEBHOOK_SECRET = "told to both sides, and to nobody else".replace(" ", "-")
SIGNING = "whsec_" + "c2lnbnMgd2ViaG9va3MgaGVyZSBhbG9uZQ=="
STUDIO, SPARING, DAILY = (f"sk-igw-test-{name}" for name in ("studio", "sparing", "daily"))

Json = dict[str, Any]


def free_port() -> int:
    """A port that nobody has at the moment; it has to outlive its process's restart."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


@dataclass(slots=True)
class Program:
    """A command that can be started again as the same; what it says goes to a file."""

    name: str
    folder: Path
    arguments: tuple[str, ...]
    ready: str
    child: Process | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    async def start(self) -> None:
        """Start it, and wait until it says that it is ready. Raises: RuntimeError."""
        seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self.child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", *self.arguments),
                cwd=self.folder,
                env=environment(),
                stdout=out,
                stderr=out,
            )
        async with asyncio.timeout(PATIENCE):
            while self.ready not in (said := self.log.read_text("utf-8")[seen:]):
                if self.child.returncode is not None:
                    raise RuntimeError(f"{self.name} does not start: {said[-2000:]}")
                await CLOCK.sleep(0.02)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal, and wait for its end."""
        assert self.child is not None
        if self.child.returncode is None:
            self.child.send_signal(number)
        try:
            await asyncio.wait_for(self.child.wait(), PATIENCE)
        except TimeoutError:
            self.child.kill()
            await self.child.wait()

    def send(self, number: signal.Signals) -> None:
        assert self.child is not None
        self.child.send_signal(number)

    def lines(self) -> list[Json]:
        """What a gateway's log says."""
        return [
            json.loads(line)
            for line in self.log.read_text("utf-8").splitlines()
            if line.startswith("{")
        ]


class Stand:
    """Where everything is: the gateway that is loaded, one that nobody asks, the vendor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("clients", "busy", "idle", "vendor", "told")}
        self.config = _config(folder, "busy", self.ports)
        self.write_config()
        idle = _config(folder, "idle", self.ports)
        idle["server"]["port"] = 0
        (folder / "idle.yaml").write_text(json.dumps(idle), "utf-8")
        simulated = ("simulate", "--port", str(self.ports["vendor"]), "--speed", "40")
        self.vendor = Program("vendor", folder, simulated, "control: ")
        self.busy, self.idle = (_gateway(folder, name) for name in ("busy", "idle"))

    async def start(self) -> None:
        """Start them all."""
        await asyncio.gather(self.vendor.start(), self.busy.start(), self.idle.start())

    async def drain(self) -> None:
        """Ask the busy one to stop, and look on for a while."""
        self.busy.send(signal.SIGTERM)
        await CLOCK.sleep(2)

    async def end(self) -> None:
        """Kill whatever runs."""
        programs = (self.busy, self.idle, self.vendor)
        started = [program for program in programs if program.child is not None]
        await asyncio.gather(*(program.end(signal.SIGKILL) for program in started))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['clients']}"

    @property
    def operators(self) -> str:
        return f"http://127.0.0.1:{self.ports['busy']}"

    async def vendor_told(self, name: str, body: object) -> None:
        """Tell the vendor's control endpoint."""
        url = f"http://127.0.0.1:{self.ports['vendor']}/control/{name}"
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
            (await client.post(url, json=body)).raise_for_status()

    def write_config(self, **changes: Any) -> None:
        """Put another configuration in place."""
        path = self.folder / "busy.yaml"
        path.with_suffix(".new").write_text(json.dumps({**self.config, **changes}), "utf-8")
        path.with_suffix(".new").rename(path)

    def scraped(self) -> Json:
        """Prometheus' configuration: both gateways, each second, by the committed rules.

        All of the rules are looked at each second too, also where they ask for less.
        """
        for name, groups in files().items():
            told = [
                {key: one for key, one in group.items() if key != "interval"} for group in groups
            ]
            (self.folder / name).write_text(json.dumps({"groups": told}), "utf-8")
        targets = [f"127.0.0.1:{self.ports[name]}" for name in ("busy", "idle")]
        often = {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "1s"}
        return {
            "global": often,
            "rule_files": [str(self.folder / name) for name in files()],
            "scrape_configs": [
                {"job_name": "image-gateway", "static_configs": [{"targets": targets}]}
            ],
        }


def _config(folder: Path, name: str, ports: Mapping[str, int]) -> Json:
    """Quick and narrow, so that every bound is met within seconds."""
    prices = {"low": "0.01", "medium": "0.02", "high": "0.04"}
    tiers = {f"tier_{tier}": prices for tier in ("1k", "2k", "4k")}
    budgets = {"images_per_day": 1, "cost_per_day": "0.1", "cost_per_month": "1"}
    return {
        "server": {
            "port": ports["clients"],
            "bounds": {"connections": 60},
            "public_url": f"http://127.0.0.1:{ports['clients']}",
        },
        "ops": {"port": ports[name]},
        "upstream": {
            "base_url": f"http://127.0.0.1:{ports['vendor']}",
            "api_key": "simulated",
            "webhook_secret": WEBHOOK_SECRET,
            "submit_per_second": 50,
            "query_per_second": 200,
            "create_time": 2,
            "status_time": 1,
            "settle_time": 14,  # longer than it takes to count the ledger anew
            "connect_time": 1,
            "max_tasks": 16,
            "balance_interval": 1,
            "polling": {"scale": 0.05},
            "deadlines": {"tier_1k": 20, "tier_2k": 20},
            "breaker": {"least": 6, "window": 5, "pause": 1},
        },
        "models": {
            "gpt-image-2": {"aliases": ["dall-e-3"], "prices": tiers},
            "draft": {"upstream_model": "gpt-image-1.5-official", "prices": tiers},
        },
        "keys": [
            {"name": "studio", "key": STUDIO},
            {"name": "sparing", "key": SPARING, "limits": {"requests_per_minute": 6}},
            {"name": "daily", "key": DAILY, "limits": budgets},
        ],
        "webhooks": {"secret": SIGNING, "hosts": ["127.0.0.1"], "scale": 0.01},
        "queue": {"requests": 16, "time": "1500ms"},
        "drain": {"delay": "3s"},
        "images": {"folder": str(folder / name), "lifetime": 5, "result": "2MB", "shelf": "1GB"},
        "state": {"url": f"sqlite:///{folder / name}.db"},
    }


def _gateway(folder: Path, name: str) -> Program:
    return Program(name, folder, ("serve", "--config", f"{name}.yaml"), '"listener": "operators"')
