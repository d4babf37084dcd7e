"""What the tests of the job layer stand on: a vendor in memory, and a line of real stations."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from gateway.config.sections import Images, Polling, Upstream
from gateway.config.sections import Joins as JoinsSection
from gateway.config.sections import Queue as QueueSection
from gateway.errors import GatewayError
from gateway.events import Stepped, TaskEvent
from gateway.images.finish import Finished, UnusableResult
from gateway.images.shelf import Shelf
from gateway.jobs.ages import Ages
from gateway.jobs.board import Board, Job, Outcome
from gateway.jobs.collector import Asker, Collector
from gateway.jobs.creator import Creator
from gateway.jobs.given import Given
from gateway.jobs.joins import Joins
from gateway.jobs.journal import Journal
from gateway.jobs.late_words import LateWords
from gateway.jobs.memory import Memory
from gateway.jobs.poller import Poller
from gateway.jobs.promises import Promises
from gateway.jobs.queue import Queue
from gateway.jobs.reception import Reception, Visit
from gateway.jobs.recovery import Recovery, SecondLook
from gateway.jobs.restraint import Restraint
from gateway.jobs.runner import Line, Runner, Span
from gateway.jobs.wish import Wish
from gateway.state.memory import MemoryStore
from gateway.translate.model import Finish, Picture, Plan, Reference, TaskSpec
from gateway.upstream import base
from gateway.upstream.base import TaskStatus
from gateway.upstream.breaker import Breaker
from gateway.upstream.budget import RetryBudget
from gateway.upstream.download import LinkDead
from gateway.upstream.governor import Governor
from gateway.upstream.uploads import Uploads
from tests.clocks import AtOnce, FakeClock
from tests.e2e.pictures import drawn_png

_PNG = drawn_png((8, 8))


@dataclass
class FakeVendor:
    """A vendor whose tasks take ``seconds``; scripted outcomes come first, one per call.

    ``purchases`` are our ids of accepted tasks, also where the answer was lost.
    """

    clock: FakeClock
    seconds: float = 20.0
    creates: list[Exception] = field(default_factory=list)
    statuses: list[Exception | TaskStatus] = field(default_factory=list)
    bought_though_lost: bool = True
    makes: int | None = None
    failure: GatewayError | None = None
    refuse: Callable[[TaskSpec], Exception | None] = lambda _: None
    purchases: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    asked: int = 0
    upload_errors: list[Exception] = field(default_factory=list)
    tasks: dict[str, tuple[float, int]] = field(default_factory=dict)

    async def upload(self, picture: Picture) -> str:
        if self.upload_errors:
            raise self.upload_errors.pop(0)
        await self.clock.sleep(0.1)
        self.uploads.append(picture.digest)
        return f"https://files/{picture.digest}-{len(self.uploads)}"

    async def create(
        self, spec: TaskSpec, links: Mapping[Reference, str], task_id: str
    ) -> TaskStatus:
        await self.clock.sleep(0.2)
        outcome = self.creates.pop(0) if self.creates else self.refuse(spec)
        if isinstance(outcome, base.CreateLost) and self.bought_though_lost:
            self._accept(spec, task_id)
        if outcome is not None:
            raise outcome
        self._accept(spec, task_id)
        return TaskStatus(f"v-{task_id}", "queued", "queued")

    def _accept(self, spec: TaskSpec, task_id: str) -> None:
        self.purchases.append(task_id)
        self.tasks[task_id] = (self.clock.monotonic(), self.makes or spec.n)

    async def status(self, task_id: str) -> TaskStatus:
        self.asked += 1
        await self.clock.sleep(0.05)
        if self.statuses:
            scripted = self.statuses.pop(0)
            if isinstance(scripted, Exception):
                raise scripted
            return scripted
        task_id = task_id.removeprefix("v-")
        if task_id not in self.tasks:
            raise base.TaskUnknown("404")
        started, made = self.tasks[task_id]
        if self.clock.monotonic() - started < self.seconds:
            return TaskStatus(f"v-{task_id}", "running", "in_progress", progress=50)
        if self.failure is not None:
            return TaskStatus(f"v-{task_id}", "failed", "failed", failure=self.failure)
        links = tuple(f"https://files/{task_id}/{place}" for place in range(made))
        return TaskStatus(f"v-{task_id}", "done", "completed", links=links, cost_usd="0.1")


@dataclass
class FakeFetcher:
    """Writes the link into the file; ``dead`` links give nothing, as often as they are listed."""

    dead: dict[str, int] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    crashes: list[Exception] = field(default_factory=list)

    async def fetch(self, url: str, path: str) -> int:
        self.fetched.append(url)
        if self.crashes:
            raise self.crashes.pop(0)
        if self.dead.get(url, 0) > 0:
            self.dead[url] -= 1
            raise LinkDead("HTTP 403", fleeting=False)
        Path(path).write_text(url)
        return len(url)


@dataclass
class FakeFinisher:
    """Takes any fetched file for the same small picture; ``unusable`` times it is none."""

    unusable: int = 0

    async def finish(self, source: str, target: str, wanted: Finish) -> Finished:
        if self.unusable > 0:
            self.unusable -= 1
            raise UnusableResult("not_a_picture")
        data = _PNG + Path(source).read_bytes()  # so that each is told by its end
        Path(source).unlink()
        Path(target).write_bytes(data)
        return Finished(target, wanted.format, 8, 8, len(data))


class House:
    """All of the job layer; only vendor, downloads, clock and store are fakes.

    ``before`` is another house, whose process is gone: this one has its store, its shelf's folder,
    its vendor and its time.
    """

    def __init__(
        self,
        folder: Path,
        *,
        follow: float = 1800.0,
        shelf: int = 10**9,
        durable: bool = False,
        queue: int = 1_000,
        before: "House | None" = None,
        **upstream: Any,
    ) -> None:
        self.clock: FakeClock = before.clock if before else FakeClock()
        self.vendor: FakeVendor = before.vendor if before else FakeVendor(self.clock)
        self.store: MemoryStore = before.store if before else MemoryStore(self.clock)
        if durable:
            self.store.durable = True
        self.fetcher = FakeFetcher()
        self.finisher = FakeFinisher()
        self.facts: list[object] = []
        self.ages = Ages(self.clock, 600)
        self.journal = Journal(self.store, (self.ages, self.facts.append), self.clock)
        images = Images(folder=str(folder), shelf=shelf)
        self.shelf = Shelf(images, self.clock, free=lambda _: 10**12)
        self.governor = Governor(5, 50, self.clock)
        section = Upstream.model_validate({"api_key": "secret", **upstream})
        self.poller = Poller(self.vendor, self.governor, self.journal, self.clock, Polling(), 90)
        asker = Asker(self.vendor, self.governor, self.journal, 90)
        budget = RetryBudget(section.retry_share, self.clock)
        self.breaker = Breaker(section.breaker, self.clock, self.facts.append)
        announce = self.journal.announce
        waiting = QueueSection(requests=queue)
        self.queue = Queue(self.governor.submits, waiting, section.max_tasks, self.clock, announce)
        restraint = Restraint(
            self.governor, self.queue, self.poller.experience.least, self.breaker, budget
        )
        self.board = Board()
        self.creator = Creator(
            self.vendor, restraint, self.journal, self.board, self.clock, section
        )
        line = Line(
            uploads=Uploads(self.vendor, self.clock, 3600, budget, announce),
            queue=self.queue,
            creator=self.creator,
            poller=self.poller,
            collector=Collector(asker, self.fetcher, self.finisher, self.shelf, self.journal),
        )
        span = Span(follow, creates=5.0, jobs=0.0)
        self.runner = Runner(line, self.shelf, self.journal, self.board, self.clock, span)
        memory = Memory(self.store, self.journal, self.board, self.shelf, self.clock)
        self.recovery = Recovery(memory, self.runner, follow)
        self.look = SecondLook(memory, self.recovery, self.creator, self.vendor, self.governor)
        self.late = LateWords(memory, self.look)
        given = Given(self.clock, images.lifetime)
        self.joins = Joins(self.board, self.store, self.shelf, self.ages, given, JoinsSection())
        self.reception = Reception(memory, self.runner, self.joins, self.look, self.queue)
        self.promises = Promises(memory, self.poller.experience)
        self.memory = memory
        self.released = 0
        self.buried = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().set_default_executor(AtOnce())
        await self.shelf.open(await self.store.claimed())
        self._loops = [asyncio.create_task(one.run()) for one in (self.poller, self.late)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.buried.set()
        await self.runner.abort()
        await self.queue.close()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def release(self) -> None:
        self.released += 1

    def wish(self, plan: Plan, seconds: float = 300.0, **changes: Any) -> Wish:
        """A wish as it arrives now; all have the same fingerprint, unless told otherwise."""
        now = self.clock.monotonic()
        told = {"fingerprint": b"same", "own_seconds": seconds, **changes}
        return Wish(plan, "studio", now, seconds, release=self.release, **told)

    async def start(self, plan: Plan, seconds: float = 300.0) -> Job:
        """A job whose caller waits for ever."""
        return await self.runner.start(self.wish(plan, seconds))

    @contextlib.asynccontextmanager
    async def visit(
        self, wish: Wish, *, retry: bool = False, gone: asyncio.Future[None] | None = None
    ) -> AsyncIterator[Visit]:
        """A request's stay, its caller patient unless ``gone``."""
        gone = gone or asyncio.get_running_loop().create_future()
        visiting = self.reception.visit(wish, retry=retry, request_id="req_1", gone=gone)
        async with visiting as visit:
            yield visit

    async def served(
        self,
        wish: Wish,
        *,
        retry: bool = False,
        gone: asyncio.Future[None] | None = None,
        deliver: bool = True,
    ) -> tuple[Visit, Outcome]:
        """A whole request, to the delivery of what it got."""
        gone = gone or asyncio.get_running_loop().create_future()
        async with self.visit(wish, retry=retry, gone=gone) as visit:
            outcome = await visit.wait(wish, gone)
            if outcome.error is None and deliver:
                for shelved in outcome.images:
                    self.shelf.delivered(shelved.token)
                await self.reception.delivered(visit.job_id)
            return visit, outcome

    async def finished(self, job: Job) -> None:
        """Let time pass until the job is over."""
        await self.clock.until(job.outcome.done)

    def events(self) -> list[TaskEvent]:
        return [fact.event for fact in self.facts if isinstance(fact, Stepped)]

    def names(self, task_id: str | None = None) -> list[str]:
        """The events in order, without the questions that changed nothing."""
        quiet = {"Polled", "PollFailed"}
        return [
            type(event).__name__
            for event in self.events()
            if type(event).__name__ not in quiet and task_id in {None, event.task_id}
        ]
