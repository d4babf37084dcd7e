"""The vendor's book: every task that was bought, what it cost, how far it is.

Owns: tasks, ids, counts of purchases, credits and refunds. Must not know: HTTP, wire shapes,
drawing. A task's state is a function of the time, so nothing here runs by itself. The book holds
the newest tasks up to a bound; its totals count all of them.
"""

import asyncio
import hashlib
import heapq
import math
import random
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.clock import Clock
from gateway.simulator.fates import FATES, WELL, Fate
from gateway.simulator.orders import TIERS, Order, Quality, Size
from gateway.simulator.timing import progress, waiting

Phase = Literal["waiting", "working", "done", "failed"]

CREDITS: Mapping[Quality, tuple[int, int, int]] = {
    "low": (2, 4, 8),
    "medium": (9, 15, 27),
    "high": (27, 45, 80),
}
"""Credits per picture at 1k, 2k, 4k; invented, for the vendor publishes none for this channel."""

CREDITS_PER_USD = 200
_ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(slots=True)
class Task:
    """A purchase. ``accepted`` and ``whole`` are monotonic seconds; ``created_at`` is Unix time.

    ``names`` are the pictures' file names once they are drawn.
    """

    id: str
    order: Order
    size: Size
    created_at: float
    accepted: float
    whole: float
    credits: int
    fate: Fate = WELL
    names: tuple[str, ...] = ()
    drawing: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def ends(self) -> float:
        """The monotonic moment of its end, infinite for a stuck one."""
        return self.accepted + self.whole

    @property
    def pictures(self) -> int:
        """How many pictures it makes."""
        return max(0, self.order.n + self.fate.pictures)

    def phase(self, now: float) -> Phase:
        """Where the task is at the monotonic time ``now``."""
        if now >= self.ends:
            return "done" if self.fate.message is None else "failed"
        return "waiting" if now < self.accepted + waiting(self.whole) else "working"

    def percent(self, now: float) -> int:
        """Say how much of it is done at ``now``."""
        match self.phase(now):
            case "waiting":
                return 0
            case "working":
                return progress(now - self.accepted, self.whole)
            case "done":
                return 100
            case "failed":
                return self.fate.progress


class Book:
    """All tasks, newest last, at most ``most`` of them."""

    def __init__(self, clock: Clock, dice: random.Random, most: int = 20_000) -> None:
        self._clock = clock
        self._dice = dice
        self._most = most
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._by_business_id: dict[str, str] = {}
        self._running: list[float] = []
        self._refunds: list[tuple[float, int]] = []
        self._refunded = 0
        self.purchases = 0
        self.images = 0
        self.credits = 0
        self.most_running = 0
        self.per_business_id: Counter[str] = Counter()

    def accept(self, order: Order, size: Size, whole: float, fate: Fate) -> Task:
        """Sell: make a task, count it, take its price."""
        now = self._clock.monotonic()
        price = CREDITS[order.quality][TIERS.index(order.tier)] * order.n
        task = Task(self._id(), order, size, self._clock.wall(), now, whole, price, fate)
        self._tasks[task.id] = task
        self.purchases += 1
        self.images += order.n
        self.credits += price
        if order.client_business_id is not None:
            self._by_business_id[order.client_business_id] = task.id
            self.per_business_id[order.client_business_id] += 1
        if fate.message is not None:
            heapq.heappush(self._refunds, (task.ends, price))
        heapq.heappush(self._running, task.ends)
        self.most_running = max(self.most_running, self.running())
        self._forget()
        return task

    def spoil(self, task: Task, fate_name: str) -> None:
        """Let a task end badly after all: what it needed turned out to be broken."""
        task.fate = FATES[fate_name]
        heapq.heappush(self._refunds, (task.ends, task.credits))

    def find(self, name: str) -> Task | None:
        """Look up a task by its id, or the newest one under a ``client_business_id``."""
        return self._tasks.get(name) or self._tasks.get(self._by_business_id.get(name, ""))

    def running(self) -> int:
        """Tasks accepted and not ended."""
        now = self._clock.monotonic()
        while self._running and self._running[0] <= now:
            heapq.heappop(self._running)
        return len(self._running)

    def used(self) -> int:
        """Credits taken, less those given back for failures so far."""
        now = self._clock.monotonic()
        while self._refunds and self._refunds[0][0] <= now:
            self._refunded += heapq.heappop(self._refunds)[1]
        return self.credits - self._refunded

    def purchases_made(self, newest: int) -> dict[str, object]:
        """Count for tests: totals, doubles, and the newest tasks (prompts only as hashes)."""
        doubles = [name for name, count in self.per_business_id.items() if count > 1]
        tasks = list(self._tasks.values())
        return {
            "purchases": self.purchases,
            "images": self.images,
            "credits": self.credits,
            "running": self.running(),
            "most_running": self.most_running,
            "by_client_business_id": dict(self.per_business_id),
            "bought_twice": doubles,
            "tasks": [self._line(task) for task in (tasks[-newest:] if newest else [])],
        }

    def _line(self, task: Task) -> dict[str, object]:
        order = task.order
        return {
            "id": task.id,
            "client_business_id": order.client_business_id,
            "prompt_sha256": hashlib.sha256(order.prompt.encode()).hexdigest(),
            "model": order.model,
            "n": order.n,
            "size": order.ratio,
            "pixels": "{}x{}".format(*task.size),
            "resolution": order.tier,
            "quality": order.quality,
            "output_format": order.output_format,
            "references": len(order.image_urls),
            "mask": order.mask_url is not None,
            "state": task.phase(self._clock.monotonic()),
            "created_at": int(task.created_at),
            "seconds": None if math.isinf(task.whole) else round(task.whole, 3),
            "credits": task.credits,
        }

    def _id(self) -> str:
        number = (int(self._clock.wall() * 1000) << 80) | self._dice.getrandbits(80)
        return "tsk_img_" + "".join(_ULID[(number >> shift) & 31] for shift in range(125, -1, -5))

    def _forget(self) -> None:
        while len(self._tasks) > self._most:
            old, task = self._tasks.popitem(last=False)
            name = task.order.client_business_id
            if name is not None:
                self.per_business_id.pop(name, None)
                if self._by_business_id.get(name) == old:
                    del self._by_business_id[name]
