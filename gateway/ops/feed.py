"""News for those who look at the console: server-sent events, taken once for all of them.

Owns: how often something is taken, that it is taken only while somebody looks, how many may look,
that nobody is told more than they may be, and the end of it all before the listener stops. Must not
know: what is told, or who may look: that is a callable for each viewer, asked before each message.
A viewer who reads slowly misses what is out of date by then, so nothing piles up for anybody.
The wire is that of the HTML standard's "server-sent events".
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.clock import Clock
from gateway.ops.bars import Value

VIEWERS = 20
_BEAT = 10.0  # seconds without news, after which a comment is sent
_RETRY = 2_000  # milliseconds after which a browser comes back

T = TypeVar("T")


class Shared(Generic[T]):
    """Something that is made at most once in ``lifetime`` seconds, for whoever asks meanwhile."""

    def __init__(self, make: Callable[[], Awaitable[T]], lifetime: float, clock: Clock) -> None:
        self.lifetime = lifetime
        self._make = make
        self._clock = clock
        self._lock = asyncio.Lock()
        self._made: tuple[float, T] | None = None

    def __repr__(self) -> str:
        return f"Shared(for {self.lifetime} s)"

    async def get(self) -> T:
        """As it is now, or was a moment ago. Raises what making it does."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._made is None or now - self._made[0] >= self.lifetime:
                self._made = (now, await self._make())
            return self._made[1]


@dataclass(slots=True)
class _News:
    """The latest of one kind, and how many there were."""

    number: int = 0
    message: bytes = b""


class Feed:
    """Tells all viewers of each of ``sources``, as often as it may be made."""

    def __init__(
        self,
        sources: Mapping[str, Shared[Mapping[str, Value]]],
        clock: Clock,
        most: int = VIEWERS,
    ) -> None:
        self._sources = sources
        self._clock = clock
        self._most = most
        self._viewers = 0
        self._closed = False
        self._news: dict[str, _News] = {}
        self._turn = _Turn()
        self._tellers: tuple[asyncio.Task[None], ...] = ()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Feed {state} viewers={self._viewers}>"

    @property
    def viewers(self) -> int:
        """How many look."""
        return self._viewers

    @property
    def is_open(self) -> bool:
        """Whether there is room for one more."""
        return not self._closed and self._viewers < self._most

    def close(self) -> None:
        """Let everybody go, and nobody in."""
        self._closed = True
        self._turn.come()
        self._stop()

    def stream(self, admitted: Callable[[], bool]) -> ASGIApp:
        """What serves one viewer, for as long as both sides want and they are ``admitted``.

        Ask ``is_open`` first.
        """
        return partial(self._stream, admitted)

    async def _stream(
        self,
        admitted: Callable[[], bool],
        scope: Scope,  # noqa: ARG002 - ASGI
        receive: Receive,
        send: Send,
    ) -> None:
        headers = [
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),  # or nginx would keep it until there is much of it
            (b"x-content-type-options", b"nosniff"),
        ]
        self._viewers += 1
        try:
            if not self._tellers:
                self._start()
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _tell(send, f"retry: {_RETRY}\n\n".encode())
            await self._serve(admitted, receive, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._viewers -= 1
            if not self._viewers:
                self._stop()

    async def _serve(self, admitted: Callable[[], bool], receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_hang_up(receive))
        told: dict[str, int] = {}
        try:
            while not self._closed and not gone.done() and admitted():
                turn = self._turn.next
                due = [
                    (name, one)
                    for name, one in self._news.items()
                    if one.number != told.get(name, 0)
                ]
                for name, one in due:
                    if not admitted():  # who read the one before slowly may be no more
                        return
                    told[name] = one.number
                    await _tell(send, one.message)
                if not due and not await self._wait(turn, gone):
                    await _tell(send, b": still here\n\n")
        finally:
            gone.cancel()

    async def _wait(self, turn: asyncio.Future[None], gone: asyncio.Future[None]) -> bool:
        """Wait for news, the viewer's leaving, or silence: then False. Raises what a source did."""
        silence = asyncio.ensure_future(self._clock.sleep(_BEAT))
        waited: set[asyncio.Future[None]] = {turn, gone, silence, *self._tellers}
        try:
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            silence.cancel()
        for teller in self._tellers:
            if teller in done:
                teller.result()  # it goes on for ever, or raises
        return done != {silence}

    def _start(self) -> None:
        self._tellers = tuple(
            asyncio.create_task(self._keep_telling(name, source), name=f"feed {name}")
            for name, source in self._sources.items()
        )

    def _stop(self) -> None:
        for teller in self._tellers:
            teller.cancel()
        self._tellers = ()
        self._news.clear()

    async def _keep_telling(self, name: str, source: Shared[Mapping[str, Value]]) -> None:
        news = self._news.setdefault(name, _News())
        while True:
            told = await source.get()
            news.message = await asyncio.to_thread(_message, name, told)
            news.number += 1
            self._turn.come()
            await self._clock.sleep(source.lifetime)


class _Turn:
    """A future that comes again and again."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    @property
    def next(self) -> asyncio.Future[None]:
        """Done when something happens for the next time."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    def come(self) -> None:
        """It happens."""
        if self._next is not None and not self._next.done():
            self._next.set_result(None)
        self._next = None


def _message(name: str, told: Mapping[str, Value]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(told, separators=(',', ':'))}\n\n".encode()


async def _tell(send: Send, message: bytes) -> None:
    await send({"type": "http.response.body", "body": message, "more_body": True})


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
