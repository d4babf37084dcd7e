"""Simulator and gateway as processes of their own, as an operator would start them.

Owns: their configuration, waiting until they listen, their end. Must not know: what is tried.
"""

import asyncio
import json
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.clock import SystemClock
from tests.canaries import OPERATORS_TOKEN
from tests.cli.processes import environment
from tests.e2e.stand import KEY

PATIENCE = 30.0
_CLOCK = SystemClock()
_FAST = {"submit_per_second": 500, "query_per_second": 2000, "polling": {"scale": 0.02}}
_RATES = dict.fromkeys(("submit_per_second", "query_per_second"), 1e5)
_GENEROUS = {**_RATES, **dict.fromkeys(("submit_burst", "query_burst"), 100_000)}


@dataclass(frozen=True, slots=True)
class Program:
    """A running command: its address, and its process."""

    url: str
    child: Process


class Vendor(Program):
    """The simulator, with its control endpoint."""

    async def told(self, name: str, body: object = None) -> Any:
        """Ask (or with ``body`` tell) ``/control/<name>``."""
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
            how = "GET" if body is None else "POST"
            answer = await client.request(how, f"{self.url}/control/{name}", json=body)
        return answer.raise_for_status().json()


@asynccontextmanager
async def simulating(folder: Path) -> AsyncIterator[Vendor]:
    """The simulated vendor, quick, with no limits on how often it may be asked."""
    arguments = ("simulate", "--port", "0", "--speed", "1000", "--seed", "7")
    async with _running(folder, "vendor", arguments, (), {}) as (child, said):
        line = await _until(child, said, "simulated vendor on ")
        vendor = Vendor(line.split()[3], child)
        await vendor.told("settings", _GENEROUS)
        yield vendor


@asynccontextmanager
async def serving(
    folder: Path,
    vendor: Vendor,
    *,
    within: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    **changes: Any,
) -> AsyncIterator[Program]:
    """The gateway; ``changes`` are sections, ``within`` a command that is given its command.

    A change of a section is made within it; one of a list, such as ``keys``, replaces it.
    """
    upstream = {
        "base_url": vendor.url,
        "api_key": "simulated",
        "breaker": {"least": 1_000_000},
        "max_tasks": 10_000,
    }
    sections: dict[str, Any] = {
        "server": {"port": 0},
        "ops": {"port": 0, "token": OPERATORS_TOKEN},
        "upstream": {**_FAST, **upstream},
        "images": {"folder": str(folder / "images")},
        "state": {"url": f"sqlite:///{folder / 'state.db'}"},
        "keys": [{"name": "studio", "key": KEY}],
    }
    sections |= {
        name: more if isinstance(more, list) else {**sections.get(name, {}), **more}
        for name, more in changes.items()
    }
    (folder / "config.yaml").write_text(json.dumps(sections), encoding="utf-8")
    command = ("serve", "--config", "config.yaml")
    async with _running(folder, "gateway", command, within, variables or {}) as (child, said):
        line = await _until(child, said, '"listener": "clients"')
        yield Program(json.loads(line)["url"], child)


@asynccontextmanager
async def _running(
    folder: Path,
    name: str,
    arguments: Sequence[str],
    within: Sequence[str],
    more: Mapping[str, str],
) -> AsyncIterator[tuple[Process, Path]]:
    """Start a command; what it says goes to a file. It is asked to stop, then made to."""
    command, said = (*within, sys.executable, "-m", "gateway", *arguments), folder / f"{name}.log"
    with said.open("wb") as out:
        child = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environment(**more), stdout=out, stderr=out
        )
    try:
        yield child, said
    finally:
        if child.returncode is None:
            child.terminate()
        try:
            await asyncio.wait_for(child.wait(), PATIENCE)
        except TimeoutError:
            child.kill()
            await child.wait()


async def _until(child: Process, said: Path, words: str) -> str:
    """Wait for a line that holds these words. Raises: RuntimeError if it ends before."""
    async with asyncio.timeout(PATIENCE):
        while child.returncode is None:
            for line in said.read_text("utf-8").splitlines():
                if words in line:
                    return line
            await _CLOCK.sleep(0.02)
    raise RuntimeError(f"it did not start: {said.read_text('utf-8')[-2000:]}")
