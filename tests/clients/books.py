"""What one test has bought and asked: differences against the moment it began.

Owns: the differences. Must not know: clients. Counted is in the simulated vendor's books.
"""

import hashlib
from typing import Any

from gateway.facts import RequestEnded
from tests.e2e.stand import Stand


class Books:
    """The vendor's books and the gateway's requests, from now on."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._purchases, self._images = stand.purchases, stand.images_bought
        self._requests = len(stand.requests)

    @property
    def purchases(self) -> int:
        """Tasks bought."""
        return self._stand.purchases - self._purchases

    @property
    def images(self) -> int:
        """Pictures bought."""
        return self._stand.images_bought - self._images

    @property
    def requests(self) -> list[RequestEnded]:
        """Callers' requests for pictures that are over; fetching one is none."""
        ended = self._stand.requests[self._requests :]
        return [one for one in ended if one.method == "POST"]

    def bought(self, prompt: str) -> int:
        """How often this was bought, ever."""
        sought = hashlib.sha256(prompt.encode()).hexdigest()
        told: Any = self._stand.simulator.vendor.book.purchases_made(self._stand.purchases)
        return sum(task["prompt_sha256"] == sought for task in told["tasks"])

    @property
    def newest(self) -> dict[str, Any]:
        """The newest task."""
        told: Any = self._stand.simulator.vendor.book.purchases_made(1)["tasks"]
        (task,) = told
        return dict(task)

    async def asked(self, count: int) -> None:
        """Wait until so many requests are over, and see that there are no more."""
        await self._stand.until(lambda: len(self.requests) >= count)
        assert len(self.requests) == count

    async def over(self) -> list[RequestEnded]:
        """Callers' requests, once none is being served: the last is noted after its last byte."""
        await self._stand.until(lambda: not self._stand.gateway.in_flight)
        return self.requests
