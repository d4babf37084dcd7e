"""A request whose job is under way, on made-up time: what its answering is built from, and a wire
that keeps what was sent and may lose its other end.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.types import Message, Scope

from gateway.access.keys import Key
from gateway.config.answers import Heartbeats
from gateway.config.sections import Images
from gateway.facts import RequestFacts
from gateway.images.finish import Finished
from gateway.images.shelf import Shelf, Shelved
from gateway.jobs.board import Job, Outcome
from gateway.jobs.reception import Visit
from gateway.jobs.wish import Wish
from gateway.openai.answering import Answering
from gateway.openai.desk import Desk
from gateway.openai.links import BaseUrls
from gateway.openai.requests import Received
from gateway.openai.terms import Terms
from gateway.translate.model import Delivery, Finish, Kind, Note, Plan, TaskSpec
from tests.clocks import FakeClock

PIXELS = (1024, 768)
JOB = "job_01"


def a_plan(n: int = 1, delivery: Delivery = "b64_json", kind: Kind = "generation") -> Plan:
    task = TaskSpec("m", "a lighthouse", "4:3", "1k", "low", "png", n)
    return Plan(kind, "m", None, (task,), Finish(PIXELS, "png"), PIXELS, PIXELS, delivery)


class Wire:
    """Keeps what was sent, and when; ``hang_up`` is the caller's. It takes nothing if ``stuck``."""

    def __init__(self, clock: FakeClock) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.takes = asyncio.Event()
        self.takes.set()
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.pieces: list[tuple[float, bytes]] = []
        self.complete = False
        self._clock = clock

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def times(self) -> list[float]:
        """When something was sent."""
        return [at for at, _ in self.pieces]

    def hang_up(self) -> None:
        self.gone.set_result(None)

    async def send(self, message: Message) -> None:
        await self.takes.wait()
        assert not self.complete, "nothing follows the end"
        if message["type"] == "http.response.start":
            assert self.status is None, "an answer begins once"
            self.status = message["status"]
            pairs = ((name.decode(), value.decode()) for name, value in message["headers"])
            self.headers = dict(pairs)
            return
        assert self.status is not None, "first comes the head"
        if message["body"]:
            self.pieces.append((self._clock.now, message["body"]))
        self.complete = not message["more_body"]


class Case:
    """One request; ``answering`` is handed to what is tried, ``outcome`` is its job's."""

    def __init__(
        self,
        folder: Path,
        *,
        plan: Plan | None = None,
        headers: Mapping[str, str] | None = None,
        heartbeats: Heartbeats | None = None,
        seconds: float = 300.0,
    ) -> None:
        self.clock = clock = FakeClock()
        self.wire = Wire(clock)
        self.facts = RequestFacts("req_1")
        self.delivered: list[str] = []
        self.shelf = Shelf(Images(folder=str(folder)), clock)
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.plan = plan or a_plan()
        raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        scope: Scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/",
            "server": ("gateway", 80),
            "client": None,
            "headers": [(b"host", b"gateway"), *raw],
            "state": {"facts": self.facts},
        }
        nothing: Any = None
        desk = Desk(
            admission=nothing,
            reading=nothing,
            reception=self._reception(),
            promises=nothing,
            shelf=self.shelf,
            base_urls=BaseUrls(None, ()),
            deadlines=nothing,
            clock=clock,
            heartbeats=heartbeats or Heartbeats(interval=10, whitespace_after=50),
        )
        self.answering = Answering(
            desk=desk,
            scope=scope,
            receive=nothing,
            terms=Terms(nothing, nothing, nothing),
            key=Key("studio"),
            received=Received(nothing, nothing),
            wish=Wish(self.plan, "studio", clock.now, seconds, seconds, nothing),
            visit=Visit(self._job(), None, self.outcome, clock),
            gone=self.wire.gone,
        )

    async def pictures(self, *sizes: int) -> tuple[Shelved, ...]:
        """Pictures of so many bytes, each on the shelf."""
        await self.shelf.open()
        return tuple([await self._picture(size) for size in sizes])

    async def make(self, *sizes: int, notes: tuple[Note, ...] = ()) -> tuple[Shelved, ...]:
        """The job is done."""
        images = await self.pictures(*sizes)
        self.outcome.set_result(Outcome(images, notes))
        return images

    def claimed(self, images: tuple[Shelved, ...]) -> list[bool]:
        return [self.shelf.is_claimed(one.token) for one in images]

    def joined(self) -> "Case":
        """It had been asked for before."""
        visit = replace(self.answering.visit, how="sdk_retry")
        self.answering = replace(self.answering, visit=visit)
        return self

    async def _picture(self, size: int) -> Shelved:
        path = self.shelf.blank()
        Path(path).write_bytes(bytes(place % 251 for place in range(size)))
        return await self.shelf.keep(Finished(path, "png", *PIXELS, size))

    def _reception(self) -> Any:
        case = self

        class Reception:
            async def delivered(self, job_id: str) -> None:
                case.delivered.append(job_id)

        return Reception()

    def _job(self) -> Job:
        nothing: Any = None
        return Job(
            job_id=JOB,
            key_name="studio",
            plan=self.plan,
            created_at=1_790_000_000.4,
            started=0.0,
            deadline=0.0,
            give_up=0.0,
            tasks=(),
            outcome=self.outcome,
            reservation=nothing,
            release=nothing,
        )
