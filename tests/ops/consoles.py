"""A console on made-up sources, and a browser's manners without a browser."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.responses import Response
from starlette.types import ASGIApp, Receive

from gateway.ops.bearer import OperatorsToken
from gateway.ops.console import Console, Sources
from gateway.ops.guard import Guard
from gateway.ops.health import operators_app
from gateway.ops.playground import Playing
from gateway.ops.recent import Recent
from gateway.ops.snapshot import KeyView, Snapshot
from gateway.translate.model import ImageRequest
from tests.clocks import FakeClock
from tests.ops.views import IDLE, key

TOKEN = "the-operators-own-token"
HOST = "127.0.0.1:9464"
ORIGIN = f"http://{HOST}"
PICTURE = "0123456789abcdef0123456789abcdef.jpg"


@dataclass
class Answer:
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("x-request-id", "req_1"), ("content-length", "9"))
    body: bytes | None = b'{"data":[{"b64_json":"aGVs... (8 characters)"}],"output_format":"jpeg"}'
    pictures: tuple[str, ...] = (PICTURE,)


@dataclass
class Stage:
    """What a console stands on, and what was done through it."""

    token: str | None = None
    snapshot: Snapshot = IDLE
    keys: tuple[KeyView, ...] = (key(),)
    answer: Answer = field(default_factory=Answer)
    price: int | None = 170_000
    clock: FakeClock = field(default_factory=FakeClock)
    facts: list[Any] = field(default_factory=list)
    played: list[tuple[str, bytes]] = field(default_factory=list)
    wishes: list[str | None] = field(default_factory=list)
    quoted: list[ImageRequest] = field(default_factory=list)
    drained: int = 0
    snapshots: int = 0
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        self.recent = Recent(self.clock)
        token = None if self.token is None else self.operators_token(self.token)
        self.guard = Guard(token, self.host, self.clock, self.facts.append)
        self.playing = Playing(self._play, self._quote, lambda: ["gpt-image-2"], self._picture)
        sources = Sources(self._take, self._keys, self.recent, self.playing, self._drain)
        self.console = Console(sources, self.guard, self.clock, self.facts.append)
        self.app = operators_app({}, token=token, routes=self.console.routes())

    def operators_token(self, token: str) -> OperatorsToken:
        return OperatorsToken(token, self.clock, self.facts.append)

    def _take(self) -> Snapshot:
        self.snapshots += 1
        return self.snapshot

    async def _keys(self) -> tuple[KeyView, ...]:
        return self.keys

    async def _play(
        self, key_name: str, body: bytes, wish: str | None, _receive: Receive
    ) -> Answer:
        self.played.append((key_name, body))
        self.wishes.append(wish)
        return self.answer

    def _quote(self, _key_name: str, request: ImageRequest) -> int | None:
        self.quoted.append(request)
        return self.price

    def _picture(self, name: str) -> ASGIApp | None:
        headers = {
            "content-disposition": f'inline; filename="{name}"',
            "access-control-allow-origin": "*",
            "cross-origin-resource-policy": "cross-origin",
            "cache-control": "private, max-age=9",
        }
        return Response(b"hello", 200, headers, "image/jpeg") if name == PICTURE else None

    def _drain(self) -> None:
        self.drained += 1

    def told(self, kind: type) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


class Browser:
    """Follows redirects, keeps cookies, and sends forms with the token that stands in the page."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.page = ""

    async def open(self, path: str = "/", **headers: str) -> httpx.Response:
        answer = await self.client.get(path, headers=headers, follow_redirects=True)
        self.page = answer.text
        return answer

    async def send(
        self, path: str, fields: Mapping[str, str] | None = None, **headers: str | None
    ) -> httpx.Response:
        """A form of the page; ``None`` leaves a header out."""
        form = {**self.tokens, **(fields or {})}
        told = {"origin": ORIGIN, **headers}
        sent = {name.replace("_", "-"): value for name, value in told.items() if value is not None}
        return await self.client.post(path, data=form, headers=sent)

    @property
    def tokens(self) -> dict[str, str]:
        """What the page's forms carry unseen."""
        return {"csrf": "", **dict(re.findall(r'name="(csrf|once)" value="([^"]+)"', self.page))}

    @property
    def csrf(self) -> str:
        return self.tokens["csrf"]

    async def sign_in(self, token: str = TOKEN) -> httpx.Response:
        await self.open("/login")
        answer = await self.send("/login", {"token": token})
        if answer.status_code == 303:
            await self.open()
        return answer


@asynccontextmanager
async def browsing(stage: Stage, host: str = HOST) -> AsyncIterator[Browser]:
    transport = httpx.ASGITransport(stage.app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        yield Browser(client)
