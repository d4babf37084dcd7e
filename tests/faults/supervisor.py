"""Gateway and simulated vendor as real processes, and the one who exchanges the gateway.

Owns: the clients' listening socket, which outlives every gateway and is handed to each in
systemd's manner, so that callers wait in its backlog while the process is exchanged; starting,
killing, stopping and freezing; the configuration of a gateway that is proven. Must not know: what
is proven, or what users ask. Everything lies in one folder: ``gateway-001.log`` and the next ones,
``vendor.log``, ``state.db``, ``images/``, ``config.yaml``.
"""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from gateway.clock import SystemClock
from tests.canaries import CLIENT_KEY, OPERATORS_TOKEN
from tests.faults.keeping import PATIENCE, Child, Command, Keeper, Stuck, keeping
from tests.faults.vendor import Vendor

KEY = CLIENT_KEY
_BACKLOG = 4096
_STEP = 0.01  # seconds between two looks
_OUR_FAULTS = {"crashed", "job_crashed", "observer_failed"}

clock = SystemClock()


class GatewayEnded(Exception):
    """The gateway is gone where it should have become ready."""

    def __init__(self, code: int, tail: str) -> None:
        super().__init__(f"the gateway ended with {code}; its log ends: {tail}")
        self.code = code


class NotInherited(Exception):
    """The gateway listens somewhere of its own: its callers would wait for ever."""


class Supervisor:
    """One world: a vendor, and at most one gateway at a time. See ``supervising``."""

    def __init__(
        self,
        folder: Path,
        keeper: Keeper,
        sock: socket.socket,
        vendor: Vendor,
        *,
        warm: bool,
    ) -> None:
        self.folder = folder
        self.vendor = vendor
        self.starts = 0
        host, port = sock.getsockname()
        self.url = f"http://{host}:{port}"
        self.gateway: Child | None = None
        self._keeper = keeper
        self._socket = sock
        self._warm = warm

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.folder / "state.db"

    @property
    def shelf(self) -> Path:
        """The folder of finished pictures."""
        return self.folder / "images"

    @property
    def process(self) -> Child:
        """The newest gateway, alive or not."""
        assert self.gateway is not None
        return self.gateway

    async def start(self, *, failpoints: str = "", warm: bool | None = None) -> None:
        """Start a gateway; it is not ready yet. ``failpoints`` is a script."""
        assert self.gateway is None or not self.gateway.alive, "two gateways, one ledger"
        self.starts += 1
        environment = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "clients"}
        if failpoints:
            environment["GATEWAY_FAILPOINTS"] = failpoints
        self.gateway = await self._keeper.start(
            Command(
                ("serve", "--config", "config.yaml"),
                self.folder,
                self.folder / f"gateway-{self.starts:03}.log",
                environment={**environment, "TMPDIR": str(self.folder)},
                inherited=self._socket,
                warm=self._warm if warm is None else warm,
            )
        )

    async def ready(self, seconds: float = PATIENCE) -> None:
        """Wait until its operators are told that it is ready.

        Raises: GatewayEnded, NotInherited, Stuck.
        """
        process = self.process
        try:
            async with asyncio.timeout(seconds), httpx.AsyncClient(trust_env=False) as client:
                while not await self._is_ready(process, client):
                    if not process.alive:
                        raise GatewayEnded(process.ended.result(), process.tail())
                    await clock.sleep(_STEP)
        except TimeoutError:
            raise Stuck(f"the gateway never became ready: {process.tail()}") from None

    async def _is_ready(self, process: Child, client: httpx.AsyncClient) -> bool:
        places = {line["listener"]: line["url"] for line in told(process.log, "listening")}
        if places.get("clients", self.url) != self.url:
            raise NotInherited(f"serve listens on {places['clients']}, not on {self.url}")
        if "operators" not in places:
            return False
        with contextlib.suppress(httpx.TransportError):
            return (await client.get(f"{places['operators']}/readyz")).status_code == 200
        return False

    async def start_ready(self, *, failpoints: str = "", warm: bool | None = None) -> None:
        """Start a gateway and wait until it is ready."""
        await self.start(failpoints=failpoints, warm=warm)
        await self.ready()

    async def kill(self) -> None:
        """SIGKILL. Raises: GatewayEnded, if it was gone already."""
        if not self.process.alive:
            raise GatewayEnded(self.process.ended.result(), self.process.tail())
        self.process.send(signal.SIGKILL)
        await self.process.wait()

    async def terminate(self, patience: float = 2 * PATIENCE) -> float:
        """SIGTERM; gives the seconds until it was gone. Raises: Stuck."""
        begun = clock.monotonic()
        self.process.send(signal.SIGTERM)
        await self.process.wait(patience)
        return clock.monotonic() - begun

    def freeze(self) -> None:
        """SIGSTOP."""
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.send(signal.SIGCONT)

    def faults(self) -> list[str]:
        """Lines of the log in which a gateway owns up to a fault of its own."""
        found = []
        for log in sorted(self.folder.glob("gateway-*.log")):
            found += [f"{log.name}: {line}" for line in told(log, *_OUR_FAULTS)]
        return found


def told(log: Path, *events: str) -> list[dict[str, Any]]:
    """The log's lines of these kinds of event; other output, and half a last line, is passed by."""
    lines = []
    for line in log.read_text("utf-8", "replace").splitlines() if log.exists() else ():
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict) and said.get("event") in events:
                lines.append(said)
    return lines


@contextlib.asynccontextmanager
async def supervising(
    folder: Path, *, warm: bool = True, **sections: Mapping[str, Any] | Sequence[Any]
) -> AsyncIterator[Supervisor]:
    """A vendor that runs, and nothing else yet; in the end no process is left.

    ``sections`` are merged into the configuration; a list replaces what is there. ``warm``
    gateways are forked from a process that has imported everything (see ``keeper.py``); others are
    started as an operator would.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sock = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    with contextlib.closing(sock):
        async with keeping(sock, warm=warm) as keeper:
            child = await keeper.start(
                Command(
                    ("simulate", "--port", "0", "--speed", "20"),
                    folder,
                    folder / "vendor.log",
                    environment={"TMPDIR": str(folder)},
                    warm=warm,
                )
            )
            async with Vendor(await _vendor_url(child)) as vendor:
                config = configuration(folder, vendor.url, sections)
                (folder / "config.yaml").write_text(json.dumps(config, indent=1))
                yield Supervisor(folder, keeper, sock, vendor, warm=warm)


async def _vendor_url(child: Child) -> str:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while child.alive:
                said = child.log.read_text("utf-8") if child.log.exists() else ""
                if "/control/" in said:
                    return said.removeprefix("simulated vendor on ").split()[0]
                await clock.sleep(_STEP)
    raise Stuck(f"the simulated vendor did not start: {child.tail()}")


def configuration(
    folder: Path, vendor_url: str, changes: Mapping[str, Mapping[str, Any] | Sequence[Any]]
) -> dict[str, Any]:
    """A gateway that is quick about everything, as YAML's subset JSON."""
    sections: dict[str, Any] = {
        "server": {"port": 0},
        "ops": {"port": 0, "token": OPERATORS_TOKEN},
        "upstream": {
            "base_url": vendor_url,
            "api_key": "simulated",
            "submit_per_second": 1_000,
            "query_per_second": 2_000,
            "create_time": 3,
            "status_time": 5,
            "settle_time": 5,
            "polling": {"scale": 0.1},
        },
        "images": {"folder": str(folder / "images")},
        "state": {"url": f"sqlite:///{folder.absolute()}/state.db"},
        "keys": [{"name": "studio", "key": KEY}],
    }
    for name, section in changes.items():
        if isinstance(section, Mapping):
            sections[name] = {**sections.get(name, {}), **section}
        else:
            sections[name] = list(section)
    return sections
