"""The simulated vendor's control endpoint, asked from outside.

Owns: telling the vendor how to be, and reading its books: the only word on what was bought. Must
not know: the gateway.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from tests.faults.wishes import tag

_ALL = 20_000  # the simulator's books hold no more
_GENEROUS = {
    "submit_per_second": 100_000,
    "submit_burst": 100_000,
    "query_per_second": 100_000,
    "query_burst": 100_000,
    "balance_usd": 1_000_000,
}


@dataclass(frozen=True, slots=True)
class Purchase:
    """One task in the vendor's books; ``wish`` is the prompt's hash."""

    task_id: str
    business_id: str | None
    wish: str
    state: str
    seconds: float | None


class Vendor:
    """Use as an asynchronous context manager."""

    def __init__(self, url: str) -> None:
        self.url = url
        # No proxy: it is this machine. No time-out worth the name: so is the load.
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=30)

    async def __aenter__(self) -> Self:
        await self.change(_GENEROUS)
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._client.aclose()

    async def change(self, settings: Mapping[str, Any]) -> None:
        await self._tell("settings", settings)

    async def fails(self, *faults: Mapping[str, Any]) -> None:
        """Replace the script of faults."""
        await self._tell("faults", faults)

    async def takes(self, *seconds: float) -> None:
        """Take exactly so long over wishes of so many seconds; replaces the script of faults."""
        await self.fails(*slow(seconds))

    async def purchases(self) -> list[Purchase]:
        """All that was bought, the oldest first."""
        told = await self._ask("purchases", tasks=_ALL)
        assert told["purchases"] == len(told["tasks"]), "more was bought than the books can hold"
        return [
            Purchase(
                line["id"],
                line["client_business_id"],
                line["prompt_sha256"],
                line["state"],
                line["seconds"],
            )
            for line in told["tasks"]
        ]

    async def running(self) -> int:
        """Tasks that were accepted and have not ended."""
        told: int = (await self._ask("purchases", tasks=0))["running"]
        return told

    async def most_running(self) -> int:
        """The most that were accepted and had not ended, at any moment so far."""
        told: int = (await self._ask("purchases", tasks=0))["most_running"]
        return told

    async def bought(self) -> int:
        """How many tasks were accepted so far."""
        told: int = (await self._ask("purchases", tasks=0))["purchases"]
        return told

    async def _ask(self, what: str, **query: int) -> dict[str, Any]:
        answer = await self._client.get(f"/control/{what}", params=query)
        told: dict[str, Any] = answer.raise_for_status().json()
        return told

    async def _tell(self, what: str, body: Any) -> None:
        (await self._client.post(f"/control/{what}", json=body)).raise_for_status()


def slow(seconds: Iterable[float]) -> list[dict[str, Any]]:
    """The faults by which wishes of so many seconds take exactly that long."""
    return [
        {"where": "create", "kind": "slow", "times": None, "match": tag(one), "seconds": one}
        for one in sorted(set(seconds))
    ]
