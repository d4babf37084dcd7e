"""A stand that many tests share, as one test sees it.

Owns: what was bought, asked and told since a test began, and its own prompt, so that no test joins
what another has paid for. Must not know: clients.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.facts import RequestEnded
from tests.canaries import PROMPT
from tests.e2e.stand import Stand

_wishes = itertools.count(1)


@dataclass
class Shop:
    """One test's view of a stand."""

    stand: Stand
    prompt: str = field(default_factory=lambda: f"{PROMPT}, {next(_wishes)}")

    def __post_init__(self) -> None:
        self._purchases = self.stand.purchases
        self._calls = dict(self.stand.simulator.vendor.calls)
        self._requests = len(self.stand.requests)

    @property
    def url(self) -> str:
        return self.stand.url

    @property
    def authority(self) -> str:
        """What stands in ``Host``."""
        return self.url.removeprefix("http://")

    @property
    def purchases(self) -> int:
        return self.stand.purchases - self._purchases

    @property
    def requests(self) -> list[RequestEnded]:
        return self.stand.requests[self._requests :]

    @property
    def left_early(self) -> bool:
        """Whether somebody was noticed to have hung up."""
        return any(request.left_early for request in self.requests)

    def calls(self, kind: str) -> int:
        return self.stand.calls(kind) - self._calls.get(kind, 0)

    def bought(self) -> dict[str, Any]:
        """The one task in the vendor's book."""
        assert self.purchases == 1
        told: Any = self.stand.simulator.vendor.book.purchases_made(1)
        return dict(told["tasks"][0])

    def vendor_fails(self, *faults: Mapping[str, object]) -> None:
        self.stand.vendor_fails(*faults)

    async def until(self, reached: Callable[[], object]) -> None:
        await self.stand.until(reached, 20)

    async def close(self) -> None:
        """Leave it as it was found: no trouble, nothing under way."""
        self.vendor_fails()
        await self.until(lambda: len(self.stand.gateway.board) == 0)
