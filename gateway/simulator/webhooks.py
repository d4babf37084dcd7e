"""The vendor's webhooks: one event for each task that ends, sent until it is taken.

Owns: signing, the schedule of repetitions, and acting what a script does to a delivery. Must not
know: drawing, what an event holds (``shapes.py``), who receives it. Source: the page on task
webhooks. Only plain http to this machine's own addresses is spoken, so a simulator left to itself
calls nobody.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from gateway.clock import Clock
from gateway.simulator.faults import Fault, Script
from gateway.simulator.settings import Settings
from gateway.simulator.shapes import Json, Shown, event, trial
from gateway.simulator.tasks import Task

REPETITIONS = (10.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0, 86_400.0)
"""Seconds before each repetition of what was not taken; divided by the speed."""

_PATIENCE = 10.0
_LONG_AGO = 3_600
_WELL = range(200, 300)
_NOBODYS = "not the secret that was agreed upon"
_RESULTS = ("delivered", "refused", "withheld", "given_up")


class House(Protocol):
    """What of the vendor is wanted here."""

    clock: Clock
    settings: Settings
    script: Script


@dataclass(frozen=True, slots=True)
class _Event:
    """What is sent, as often as it takes; ``prompt`` is for the script's eyes."""

    name: str
    body: bytes
    prompt: str = ""


class Webhooks:
    """Sends them, while the settings say where to. For one event loop."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._telling: set[asyncio.Task[None]] = set()
        self._passed: asyncio.Event = asyncio.Event()
        self.counts = Counter(dict.fromkeys(_RESULTS, 0))

    def follow(self, task: Task, shown: Callable[[], list[Shown]]) -> None:
        """Tell of a task's end once it has come; ``shown`` are its pictures then."""
        if self._house.settings.webhook_url and math.isfinite(task.whole):
            telling = asyncio.create_task(self._tell(task, shown))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def try_out(self) -> int | None:
        """Send ``endpoint.test`` once, as the console's button does; the status it got, if any."""
        clock = self._house.clock
        name = f"evt_test_{int(clock.wall() * 1_000)}"
        body = trial(name, int(clock.wall()))
        return await self._send(_Event(name, json.dumps(body).encode()))

    def abandon(self) -> None:
        """Tell nobody any more; counts begin anew."""
        for telling in self._telling:
            telling.cancel()
        self.counts = Counter(dict.fromkeys(_RESULTS, 0))

    async def _tell(self, task: Task, shown: Callable[[], list[Shown]]) -> None:
        clock = self._house.clock
        await clock.sleep(max(0.0, task.ends - clock.monotonic()))
        if task.drawing is not None:
            await asyncio.wait({task.drawing})
        body: Json = event(task, clock.monotonic(), shown())
        told = _Event(str(body["id"]), json.dumps(body).encode(), task.order.prompt)
        for pause in (0.0, *REPETITIONS):
            await clock.sleep(pause / self._house.settings.speed)
            if await self._attempt(told):
                return
        self.counts["given_up"] += 1

    async def _attempt(self, told: _Event) -> bool:
        """Send an event as the script has it; whether that was the last of it."""
        fault = self._house.script.next("webhook", told.prompt)
        kind = fault.kind if fault is not None else ""
        if kind == "never":
            self.counts["withheld"] += 1
            return True
        if kind == "late" and fault is not None:
            await self._house.clock.sleep(fault.seconds)
        elif kind == "out_of_order" and fault is not None:
            await self._give_way(fault)
        statuses = [await self._send(told, kind) for _ in range(2 if kind == "duplicate" else 1)]
        taken = statuses[0] in _WELL
        self.counts["delivered" if taken else "refused"] += 1
        passed, self._passed = self._passed, asyncio.Event()
        passed.set()
        return taken

    async def _give_way(self, fault: Fault) -> None:
        """Let the next event go first; one that never comes is waited for so many seconds."""
        next_one = asyncio.ensure_future(self._passed.wait())
        enough = asyncio.ensure_future(self._house.clock.sleep(fault.seconds))
        try:
            await asyncio.wait({next_one, enough}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            next_one.cancel()
            enough.cancel()

    async def _send(self, told: _Event, kind: str = "") -> int | None:
        """Send an event once; the answer's status, or None where none came in time."""
        settings = self._house.settings
        made = int(self._house.clock.wall()) - (_LONG_AGO if kind == "stale" else 0)
        secrets = [settings.webhook_secret, settings.webhook_old_secret]
        signing = [_NOBODYS] if kind == "forged" else [one for one in secrets if one]
        signatures = [sign(one, told.name, made, told.body) for one in signing]
        headers = {
            "Content-Type": "application/json",
            "X-ToAPIs-Webhook-Id": told.name,
            "X-ToAPIs-Webhook-Timestamp": str(made),
            "X-ToAPIs-Webhook-Signature": ",".join(f"v1={one}" for one in signatures),
        }
        try:
            async with asyncio.timeout(_PATIENCE):
                return await _post(settings.webhook_url, headers, told.body)
        except (OSError, ValueError, TimeoutError):
            return None


def sign(secret: str, name: str, made: int, body: bytes) -> str:
    """HMAC-SHA256 over id, timestamp and the body as it is sent, with dots between, in hex."""
    signed = f"{name}.{made}.".encode() + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


async def _post(url: str, headers: dict[str, str], body: bytes) -> int:
    """POST, and read the status; redirects are not followed. Raises: OSError, ValueError."""
    parts = urlsplit(url)
    told = {
        "Host": parts.netloc,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        await writer.drain()
        first = (await reader.readline()).split()
        if len(first) < 2 or not first[1].isdigit():  # noqa: PLR2004 - version and status
            raise ValueError("that is no answer")
        return int(first[1])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
