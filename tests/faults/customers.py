"""Customers: whoever holds a key, asks with OpenAI's SDK, and keeps every answer on the wire.

Owns: what was sent and told, by wish, and what follows from it with certainty, whatever the delays:
what is admitted is so between the sending and the answer. Must not know: how limits are counted.
"""

import bisect
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai

from gateway.clock import SystemClock
from tests.faults.wishes import OPTIONS, Wish

_CLOCK = SystemClock()
_NAME = "x-client-request-id"  # by which the wire tells wishes apart
_SENT_AT = "sent at"


@dataclass(frozen=True, slots=True)
class Sending:
    """One request on the wire, a retry of the SDK's perhaps; times are monotonic."""

    wish: str
    sent: float
    told: float
    status: int
    final: bool  # the answer asks the SDK not to come back
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Asked:
    """How a wish for ``n`` pictures ended."""

    wish: Wish
    n: int
    pictures: int
    seconds: float
    error: openai.OpenAIError | None = None

    @property
    def code(self) -> str | None:
        if isinstance(self.error, openai.APIStatusError):
            return self.error.code
        return None if self.error is None else type(self.error).__name__


@dataclass(slots=True)
class Customer:
    """The holder of one key; see ``customer``. Their users may ask at once."""

    name: str
    sdk: openai.AsyncOpenAI
    sendings: list[Sending] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    begun: int = 0

    async def ask(self, seconds: float, n: int = 1) -> Asked:
        """A new wish, for which the vendor takes so long; with the SDK's own retries."""
        self.begun += 1
        wish = Wish(f"{self.name} {self.begun}", seconds)
        start = _CLOCK.monotonic()
        error, pictures = None, 0
        try:
            made = await self.sdk.images.generate(
                prompt=wish.prompt, n=n, extra_headers={_NAME: wish.name}, **OPTIONS
            )
        except openai.OpenAIError as raised:
            error = raised
        else:
            pictures = sum(bool(item.b64_json) for item in made.data or ())
        end = Asked(wish, n, pictures, _CLOCK.monotonic() - start, error)
        self.asked.append(end)
        return end

    def refused(self) -> dict[str, list[Sending]]:
        """The sendings that were told 429, by wish."""
        found: dict[str, list[Sending]] = {}
        for one in self.sendings:
            if one.status == httpx2.codes.TOO_MANY_REQUESTS:
                found.setdefault(one.wish, []).append(one)
        return found

    def admitted(self) -> "list[Admitted]":
        """What was let through: each wish's sending that was answered with pictures."""
        numbers = {asked.wish.name: asked.n for asked in self.asked}
        return [
            Admitted(one.sent, one.told, numbers[one.wish])
            for one in self.sendings
            if one.status == httpx2.codes.OK and one.wish in numbers
        ]


@dataclass(frozen=True, slots=True)
class Admitted:
    """So many were admitted at a moment between these two."""

    sent: float
    told: float
    count: int


def windows(
    admitted: Iterable[Admitted], shortest: float = 0.0
) -> Iterator[tuple[int, float, float]]:
    """For every stretch of time: how many were surely admitted in it; its beginning and its end.

    A stretch begins with a sending and ends with an answer; what may have been outside is left out.
    """
    inside: list[tuple[float, int]] = []
    for first in sorted(admitted, key=lambda one: one.sent, reverse=True):
        bisect.insort(inside, (first.told, first.count))
        count = 0
        for told, more in inside:
            count += more
            if told - first.sent >= shortest:
                yield count, first.sent, told


def beyond(admitted: Iterable[Admitted], per_minute: int, burst: int) -> float:
    """By how many the worst stretch of time is beyond its limit; below 0 if none is."""
    taken = list(admitted)
    # When nothing is owed, one take may be larger than the burst: it is paid back all the longer.
    most = max([burst, *(one.count for one in taken)])
    rate = per_minute / 60
    return max(
        (count - most - rate * (end - start) for count, start, end in windows(taken)),
        default=0.0,
    )


def in_a_minute(admitted: Iterable[Admitted]) -> int:
    """The most that were surely admitted within some 60 seconds."""
    return max((count for count, start, end in windows(admitted) if end - start <= 60), default=0)


def at_once(admitted: Iterable[Admitted], seconds: float) -> int:
    """The most that were surely under way at once, where each takes exactly so long.

    Whatever was begun after its sending and over before its answer was under way in between.
    """
    steps = []
    for one in admitted:
        begin, end = one.told - seconds, one.sent + seconds
        if begin < end:
            steps += [(begin, 1, one.count), (end, 0, -one.count)]
    most = now = 0
    for *_, change in sorted(steps):
        now += change
        most = max(most, now)
    return most


@contextlib.asynccontextmanager
async def customer(url: str, name: str, key: str, **manners: Any) -> AsyncIterator[Customer]:
    """Somebody with a key, and the SDK as it comes; ``manners`` are its settings."""
    # Nobody speaks TLS here; reading the world's certificates takes long.
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    noting = _Noting()
    hooks: Any = {"request": [noting.request], "response": [noting.response]}
    client = openai.DefaultAsyncHttpxClient(verify=bare, trust_env=False, event_hooks=hooks)
    settings = {"base_url": f"{url}/v1", "api_key": key, "http_client": client, **manners}
    async with openai.AsyncOpenAI(**settings) as sdk:
        yield Customer(name, sdk, noting.sendings)


class _Noting:
    def __init__(self) -> None:
        self.sendings: list[Sending] = []

    async def request(self, request: httpx2.Request) -> None:
        request.extensions[_SENT_AT] = _CLOCK.monotonic()

    async def response(self, response: httpx2.Response) -> None:
        request, headers = response.request, response.headers
        after = headers.get("retry-after-ms")
        self.sendings.append(
            Sending(
                wish=request.headers[_NAME],
                sent=request.extensions[_SENT_AT],
                told=_CLOCK.monotonic(),
                status=response.status_code,
                final=headers.get("x-should-retry") == "false",
                retry_after=None if after is None else float(after) / 1000,
            )
        )
