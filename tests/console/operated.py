"""A real gateway with its operators' listener, a simulated vendor, and callers.

Owns: how they are put together for a browser to look at. Must not know: browsers.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.overview import Surroundings
from gateway.server.listener import Listener
from tests.e2e.stand import KEY, Stand, standing
from tests.faults.proxy import Proxy, proxying

TOKEN = "the-operators-own-token"
LAB_KEY = "sk-igw-lab-key"
KEYS: list[dict[str, Any]] = [
    {
        "name": "studio",
        "key": KEY,
        "limits": {
            "requests_per_minute": 600,
            "images_per_minute": 600,
            "concurrent": 40,
            "images_per_day": 500,
            "cost_per_day": "25.00",
        },
    },
    {"name": "lab", "key": LAB_KEY, "limits": {"images_per_day": 40}},
    {"name": "last-year", "key": "sk-igw-last-year", "expires": "2020-12-31"},
]
PRICE = {"low": "0.02", "medium": "0.08", "high": "0.17"}
MODELS = {"gpt-image-2": {"prices": {"tier_1k": PRICE, "tier_2k": PRICE, "tier_4k": PRICE}}}


@dataclass
class Operated:
    """A gateway under an operator's eyes."""

    stand: Stand
    operators: Listener
    way: Proxy
    callers: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.operators.url

    def call(self, prompt: str, key: str = KEY, **more: Any) -> None:
        """Ask for a picture, and wait for it in the background; errors are the caller's affair."""
        wish = {"model": "gpt-image-2", "prompt": prompt, "size": "1024x1024", **more}
        self.callers.append(asyncio.create_task(self._call(wish, key)))

    async def _call(self, wish: dict[str, Any], key: str) -> int:
        headers = {"authorization": f"Bearer {key}"}
        async with self.stand.plain(headers=headers, timeout=120) as client:
            answer = await client.post("/v1/images/generations", json=wish)
            return answer.status_code

    async def all_answered(self) -> list[int]:
        """The statuses of all that was asked."""
        return list(await asyncio.gather(*self.callers))

    async def vendor_goes(self) -> None:
        """From now on nobody answers at the vendor's address."""
        await self.way.refuse()

    async def vendor_returns(self) -> None:
        await self.way.open()

    async def until_jobs(self, number: int) -> None:
        await self.stand.until(lambda: len(self.stand.gateway.board) == number)


@contextlib.asynccontextmanager
async def operated(
    folder: Path, *, token: str | None = None, **changes: Any
) -> AsyncIterator[Operated]:
    """A gateway whose vendor takes its time; ``changes`` are sections of its configuration."""
    ops = {"token": token, "port": 0} if token else {"port": 0}
    async with proxying("127.0.0.1:1", seed=1) as way:  # nobody there, at first
        upstream = {**changes.pop("upstream", {}), "base_url": way.url}
        sections: dict[str, Any] = {"keys": KEYS, "models": MODELS, "ops": ops, **changes}
        async with standing(folder, upstream=upstream, **sections) as stand:
            way.target = stand.vendor_url.removeprefix("http://")
            stand.vendor_is(speed=2.0)
            async with _looked_at(Operated(stand, _listener(stand), way)) as found:
                yield found


@contextlib.asynccontextmanager
async def _looked_at(found: Operated) -> AsyncIterator[Operated]:
    await found.operators.start()
    _surround(found)
    try:
        yield found
    finally:
        for caller in found.callers:
            caller.cancel()
        await asyncio.gather(*found.callers, return_exceptions=True)
        await asyncio.wait_for(_stopped(found), 5)


def _listener(stand: Stand) -> Listener:
    bounds, clock = ServerBounds(), SystemClock()
    app = stand.gateway.operators
    return Listener(app, host="127.0.0.1", port=0, bounds=bounds, clock=clock)


async def _stopped(found: Operated) -> None:
    """As ``serve`` does it: whoever looks must not hold up the end."""
    found.stand.gateway._console.close()
    await found.operators.stop(4)


def _surround(found: Operated) -> None:
    at = SystemClock().wall()
    found.stand.gateway.overview.around = Surroundings(
        doors={"operators": found.operators},
        config=lambda: (True, at),
        log_dropped=lambda: 0,
        log_suppressed=lambda: 0,
    )
