"""A vendor with everything that goes wrong at vendors, and the wires between him and a process.

What he has sold he has sold, whatever becomes of the answer or of the process that asked for it.
"""

import asyncio
from collections.abc import Mapping
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

from gateway.errors import ContentRefused, ResultUnusable, TaskFailed, UpstreamUnavailable
from gateway.translate.model import Picture, Reference, TaskSpec
from gateway.upstream.base import (
    CreateLost,
    CreateNotSent,
    CreateRefused,
    CreateThrottled,
    StatusUnavailable,
    TaskStatus,
    TaskUnknown,
)
from gateway.upstream.download import LinkDead
from tests.clocks import VirtualClock
from tests.faults.ledgers import Disk, Ledger
from tests.faults.notebook import Notebook

OUTSIDE = Context()  # of what goes on whichever process dies


@dataclass
class Weather:
    """How likely each fault is; ``calm`` ends them all."""

    unsent: float = 0.0
    throttled: float = 0.0
    refused: float = 0.0
    lost_sold: float = 0.0
    lost_unsold: float = 0.0
    bad_poll: float = 0.0
    unknown: float = 0.0
    late: float = 0.0
    bad_fate: float = 0.0
    dead_link: float = 0.0
    no_room: float = 0.0
    bad_upload: float = 0.0
    slow: float = 0.0
    calm: bool = False

    @classmethod
    def drawn(cls, chance: Random) -> "Weather":
        """Each fault is absent, rare or frequent."""

        def some(most: float) -> float:
            return most * chance.choice((0.0, 0.0, 0.15, 0.4, 1.0))

        return cls(
            unsent=some(0.3),
            throttled=some(0.3),
            refused=some(0.2),
            lost_sold=some(0.4),
            lost_unsold=some(0.3),
            bad_poll=some(0.6),
            unknown=some(0.15),
            late=some(0.6),
            bad_fate=some(0.5),
            dead_link=some(0.3),
            no_room=some(0.2),
            bad_upload=some(0.4),
            slow=some(0.3),
        )


@dataclass(slots=True)
class Sale:
    """A task that was sold. Times are monotonic; ``dead`` is how often a place's link is dead."""

    task_id: str
    upstream_id: str
    prompt: str
    n: int
    visible: float
    fate: str
    ends: float
    dead: dict[int, int] = field(default_factory=dict)


_FATES = ("failed", "vanishes", "never", "fewer", "empty")


class Vendor:
    """Who sells; ``flying`` are our ids of creates that may still arrive."""

    def __init__(self, clock: VirtualClock, notebook: Notebook, chance: Random) -> None:
        self.clock = clock
        self.notebook = notebook
        self.chance = chance
        self.weather = Weather.drawn(chance)
        self.sales: dict[str, list[Sale]] = {}
        self.known: dict[str, Sale] = {}
        self.flying: set[str] = set()
        self.sells_again = False  # a create whose answer was lost may be sent again
        self._sold = 0

    def hit(self, share: float) -> bool:
        return not self.weather.calm and share > 0 and self.chance.random() < share

    def sell(self, spec: TaskSpec, task_id: str) -> Sale:
        """A create has arrived."""
        self.flying.discard(task_id)
        chance, now = self.chance, self.clock.monotonic()
        self._sold += 1
        fate = chance.choice(_FATES) if self.hit(self.weather.bad_fate) else "fine"
        late = chance.choice((5.0, 40.0, 150.0)) if self.hit(self.weather.late) else 0.0
        takes = chance.choice((3.0, 12.0, 25.0, 70.0)) * chance.uniform(0.8, 1.2)
        sale = Sale(task_id, f"v-{self._sold}", spec.prompt, spec.n, now + late, fate, now + takes)
        for place in range(spec.n):
            if self.hit(self.weather.dead_link):
                sale.dead[place] = chance.choice((1, 1, 9))
        self.sales.setdefault(task_id, []).append(sale)
        self.known[sale.upstream_id] = sale
        self.notebook.note(f"   sold: {self.notebook.name(task_id)} as {sale.upstream_id} ({fate})")
        self.notebook.count("purchases")
        if len(self.sales[task_id]) > 1 and not self.sells_again:
            self.notebook.breach(f"{self.notebook.name(task_id)} was sold twice")
        return sale

    def may_have(self, task_id: str) -> bool:
        """Whether a task was sold, or may be yet."""
        return task_id in self.sales or task_id in self.flying

    def can_be_found(self, task_id: str) -> bool:
        """Whether a task was sold, and he will admit it some time."""
        return task_id in self.sales and self.sales[task_id][0].fate != "vanishes"

    def status(self, name: str) -> TaskStatus:
        """What he says of a task now. Raises: TaskUnknown."""
        now = self.clock.monotonic()
        sale = self.known.get(name)
        if sale is None:
            sale = self.sales[name][0] if name in self.sales else None
            if sale is None or now < sale.visible:
                raise TaskUnknown("404")
        done = now >= sale.ends
        if sale.fate == "vanishes" and done:
            raise TaskUnknown("404")
        if not done or sale.fate == "never":
            return TaskStatus(sale.upstream_id, "running", "in_progress", progress=10)
        if sale.fate == "failed":
            failure = TaskFailed("It broke.", code="upstream_task_failed")
            return TaskStatus(sale.upstream_id, "failed", "failed", failure=failure)
        if sale.fate == "empty":
            missing = ResultUnusable("No picture.", code="upstream_result_unusable")
            return TaskStatus(sale.upstream_id, "failed", "completed", failure=missing)
        made = sale.n - (sale.fate == "fewer" and sale.n > 1)
        links = tuple(f"https://files/{sale.upstream_id}/{place}" for place in range(made))
        return TaskStatus(sale.upstream_id, "done", "completed", links=links, cost_usd="0.1")


class Owner(Protocol):
    """Whose wire it is."""

    dead: bool
    files: set[str]
    ledger: Ledger
    disk: Disk


class Wire:
    """One process's way to the vendor, as an ``Upstream``."""

    def __init__(self, vendor: Vendor, owner: Owner) -> None:
        self._vendor = vendor
        self._owner = owner
        self._loop = asyncio.get_running_loop()

    async def upload(self, picture: Picture) -> str:
        await self._travel()
        if picture.path not in self._owner.files:
            self._vendor.notebook.breach("a file was to be uploaded that is gone")
        if self._vendor.hit(self._vendor.weather.bad_upload):
            raise UpstreamUnavailable("no upload", code="upstream_unavailable")
        return f"https://up/{picture.digest}"

    async def create(
        self, spec: TaskSpec, links: Mapping[Reference, str], task_id: str
    ) -> TaskStatus:
        self._check()
        vendor, weather, chance = self._vendor, self._vendor.weather, self._vendor.chance
        self._audit(task_id)
        if vendor.hit(weather.unsent):
            await self._travel()
            raise CreateNotSent("refused")
        if vendor.hit(weather.throttled):
            await self._travel()
            raise CreateThrottled("429", chance.choice((None, 0.5, 3.0, 20.0, 70.0)))
        if vendor.hit(weather.refused):
            await self._travel()
            raise CreateRefused("400", ContentRefused("It said no."))
        if vendor.hit(weather.lost_unsold):
            await self._pause(chance.choice((0.1, 2.0, 60.0)))
            raise CreateLost("reset")
        slow = vendor.hit(weather.slow)
        there = chance.choice((1.0, 6.0, 20.0)) if slow else chance.uniform(0.01, 0.4)
        vendor.flying.add(task_id)
        sold: list[Sale] = []

        def arrive() -> None:
            sold.append(vendor.sell(spec, task_id))

        self._loop.call_later(there, arrive, context=OUTSIDE)
        if vendor.hit(weather.lost_sold):
            await self._pause(chance.choice((0.1, 2.0, 60.0)))
            raise CreateLost("reset")
        await self._pause(there + chance.uniform(0.01, 0.3))
        return TaskStatus(sold[0].upstream_id, "queued", "queued")

    async def status(self, task_id: str) -> TaskStatus:
        self._check()
        vendor, weather, chance = self._vendor, self._vendor.weather, self._vendor.chance
        known = self._owner.ledger.known
        if task_id in vendor.known and task_id not in known:
            row = await self._owner.disk.kept.job(task_id)
            if row is None:
                vendor.notebook.breach(f"{task_id} was asked for before it was written down")
        await self._travel()
        if vendor.hit(weather.bad_poll):
            throttled = chance.random() < 0.2
            wait = chance.choice((None, 1.0, 5.0)) if throttled else None
            raise StatusUnavailable("500", wait, kind="http_429" if throttled else "http_5xx")
        if vendor.hit(weather.unknown):
            raise TaskUnknown("404")
        status = vendor.status(task_id)
        await self._travel()
        return status

    def _audit(self, task_id: str) -> None:
        """A create may leave only after it was marked, once for each mark."""
        marked, name = self._owner.ledger.marked, self._vendor.notebook.name(task_id)
        if task_id not in marked:
            self._vendor.notebook.breach(f"{name} was sent before that was acknowledged")
        marked.discard(task_id)

    async def _travel(self) -> None:
        await self._pause(self._vendor.chance.uniform(0.002, 0.2))

    async def _pause(self, seconds: float) -> None:
        self._check()
        await self._vendor.clock.sleep(seconds)

    def _check(self) -> None:
        if self._owner.dead:
            raise asyncio.CancelledError


class Fetcher:
    """Gets links into files; each file tells its link."""

    def __init__(self, vendor: Vendor, owner: Owner) -> None:
        self._vendor = vendor
        self._owner = owner

    async def fetch(self, url: str, path: str) -> int:
        vendor = self._vendor
        await vendor.clock.sleep(vendor.chance.uniform(0.01, 0.5))
        if self._owner.dead:
            raise asyncio.CancelledError
        upstream_id, _, place = url.removeprefix("https://files/").partition("/")
        dead = vendor.known[upstream_id].dead
        if dead.get(int(place), 0) > 0:
            dead[int(place)] -= 1
            raise LinkDead("HTTP 403", fleeting=False)
        if vendor.hit(vendor.weather.no_room):
            raise OSError(28, "no space left on device")
        Path(path).write_text(url)
        return len(url)
