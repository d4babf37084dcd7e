"""What the vendor says is left of the account's allowance.

Owns: the reading of ``x-ratelimit-*`` off whatever answers carry them, and for how long what was
told is believed. Must not know: what is called, how calls are made. The headers may be absent, and
what is absent or makes no sense says nothing.
"""

from collections.abc import Mapping
from typing import Literal

from gateway.clock import Clock
from gateway.web.clients import Answer, Calls, Method, Part

Category = Literal["submit", "query"]

FRESH = 30.0  # seconds; by then either bucket has filled up, whatever was left of it

_CATEGORIES: Mapping[str, Category] = {"async_submit": "submit", "async_query": "query"}


class Quota:
    """The last that was told of each category."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[Category, tuple[float, float]] = {}  # what is left, and when that was said

    def __repr__(self) -> str:
        return f"Quota(submit={self.left('submit')}, query={self.left('query')})"

    def left(self, category: Category) -> float | None:
        """How many calls are left; None if that was not told lately."""
        left, at = self._told.get(category, (0.0, -FRESH))
        return left if self._clock.monotonic() - at < FRESH else None

    def hear(self, headers: Mapping[str, str]) -> None:
        """Take in what an answer's headers say; their names are in lower case."""
        category = _CATEGORIES.get(headers.get("x-ratelimit-category", "").strip().lower())
        left = headers.get("x-ratelimit-remaining", "").strip()
        if category is not None and left.isascii() and left.isdigit():
            self._told[category] = (float(left[:9]), self._clock.monotonic())


class Listened:
    """The same calls, with the quota listening to their answers."""

    def __init__(self, calls: Calls, quota: Quota) -> None:
        self._calls = calls
        self._quota = quota

    def __repr__(self) -> str:
        return f"Listened({self._quota!r})"

    async def create(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """As it is. Raises: as it does."""
        answer = await self._calls.create(url, content, headers)
        self._quota.hear(answer.headers)
        return answer

    async def call(
        self,
        method: Method,
        url: str,
        headers: Mapping[str, str],
        seconds: float,
        part: Part | None = None,
    ) -> Answer:
        """As it is. Raises: as it does."""
        answer = await self._calls.call(method, url, headers, seconds, part)
        self._quota.hear(answer.headers)
        return answer
