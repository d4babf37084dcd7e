"""A gateway's process that may die between any two steps of the loop.

All that a process sets going inherits its context, so that the loop can tell whose step comes next:
once a process is dead, none of its steps is run. The job layer in it is the real one.
"""

import asyncio
import contextlib
from collections.abc import Callable  # noqa: TC003 - dataclasses look at it
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from gateway.errors import GatewayError, ImageNotFound
from gateway.events import (
    JobCrashed,
    JobEvent,
    Polled,
    PollFailed,
    Stepped,
)
from gateway.jobs.housekeeping import Housekeeping
from gateway.jobs.memory import Memory
from gateway.jobs.reception import CallerLeft, Visit
from gateway.jobs.wish import Wish
from gateway.notices import (
    ChoreFailed,
    ObserverFailed,
)
from gateway.translate.model import Plan
from tests.clocks import VirtualClock, VirtualLoop
from tests.faults import later
from tests.faults.ledgers import Disk, Ledger
from tests.faults.notebook import Notebook
from tests.faults.vendors import OUTSIDE, Fetcher, Vendor, Wire
from tests.jobs.fakes import House

OWNER: ContextVar["Process | None"] = ContextVar("OWNER", default=None)


class Reset(Exception):
    """The connection broke."""


@dataclass(slots=True)
class Doom:
    """Where a process ends: at a step, at a moment of its so many-th commit, or not at all."""

    step: int | None = None
    moment: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller gets: what each file holds, or an error, or that it is to ask ``later``."""

    pictures: tuple[str, ...] = ()
    error: GatewayError | None = None
    job_id: str | None = None
    later: bool = False


@dataclass(slots=True, eq=False)
class Asking:
    """A request. ``who`` is the wish's name among its group's."""

    who: str
    plan: Plan
    key_name: str
    fingerprint: bytes
    idempotency_key: str | None
    retry: bool
    seconds: float
    own_seconds: float
    path: str
    answer: asyncio.Future[Answer]
    gone: asyncio.Future[None]
    jobs: list[str]
    later: bool = False
    url: str | None = None

    @property
    def anonymous(self) -> bool:
        """Whether it says nothing of being the repetition of another."""
        return not self.retry and self.idempotency_key is None


class Auditor:
    """Who looks on at what a process decides and tells; see ``audits.py``."""

    def begun(self, process: "Process", asking: Asking, job_id: str) -> None: ...

    def joined(self, process: "Process", asking: Asking, visit: Visit) -> None: ...

    def refused(self, asking: Asking, error: GatewayError, job_id: str | None) -> None: ...

    def handed_over(self, asking: Asking, pictures: tuple[str, ...]) -> None: ...

    def leaves(self, process: "Process", task_id: str) -> None: ...


@dataclass
class World:
    """What lasts longer than a process."""

    loop: VirtualLoop
    clock: VirtualClock
    notebook: Notebook
    disk: Disk
    vendor: Vendor
    folder: Path
    auditor: Auditor
    mischief: "Callable[[Process], None] | None" = None
    on_unknown: str = "fail"
    crashed: "list[Process]" = field(default_factory=list)
    heard: dict[tuple[str, str], str] = field(default_factory=dict)
    hooked: set[tuple[str, str]] = field(default_factory=set)


class Process:
    """One life of the gateway, from its start to its stop or death."""

    def __init__(self, world: World, number: int, doom: Doom) -> None:
        self.world = world
        self.disk = world.disk
        self.number = number
        self.doom = doom
        self.dead = False
        self.steps = 0
        self.stash: list[asyncio.Handle] = []
        self.tasks: list[asyncio.Task[object]] = []
        self.files: set[str] = set()
        self.asked: list[Asking] = []
        self.ready: asyncio.Future[None] = world.loop.create_future()
        self.over: asyncio.Future[str] = world.loop.create_future()
        self._stopping = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()
        # Whose callers were there when a request was decided on, which then takes a moment.
        self.attended: dict[asyncio.Task[Any] | None, frozenset[str]] = {}
        self.context = copy_context()
        self.context.run(OWNER.set, self)
        self.ledger: Ledger
        self.house: House

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    def begin(self) -> None:
        self._spawn(self._main())

    def stop(self) -> None:
        """A polite signal."""
        if not self.over.done():
            self.world.notebook.note(f"-- process {self.number} is to stop")
            self.context.run(self._stopping.set)

    def die(self, how: str) -> None:
        self.dead = True
        self.world.notebook.note(f"-- process {self.number} dies {how}")
        self.world.notebook.count("crashes")
        self.world.crashed.append(self)
        for asking in self.asked:
            if not asking.answer.done():
                asking.answer.set_exception(Reset())
        self.over.set_result("died")

    def dies_now(self, moment: str) -> bool:
        if self.dead:
            return True
        if moment == self.doom.moment:
            self.doom.number -= 1
            if self.doom.number == 0:
                self.die(f"at {moment}")
        return self.dead

    def serve(self, asking: Asking) -> None:
        """A request comes in."""
        self.asked.append(asking)
        serving = self._spawn(self._serve(asking))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    def _spawn(self, work: object) -> asyncio.Task[None]:
        return self.world.loop.create_task(work, context=self.context)  # type: ignore[arg-type]

    def _build(self) -> None:
        world = self.world
        self.ledger = Ledger(world.disk, self, world.notebook, world.vendor.chance)
        wire = Wire(world.vendor, self)
        remains = SimpleNamespace(clock=world.clock, vendor=wire, store=self.ledger)
        before = cast("House", remains)
        house = House(world.folder, follow=150.0, before=before, on_unknown=world.on_unknown)
        house.runner._line.collector._fetcher = Fetcher(world.vendor, self)
        self.hooks = later.hooks_of(self, house.memory)
        house.journal._observers = (house.ages, self.hooks.observe, self._observe)
        record = self.ledger.record

        async def watched(event: object, *rest: object) -> None:
            if type(event).__name__ == "CreateSent":
                world.auditor.leaves(self, event.task_id)  # type: ignore[attr-defined]
            await record(event, *rest)  # type: ignore[arg-type]

        self.ledger.record = watched  # type: ignore[method-assign, assignment]
        self._watch_decisions(house)
        self.house = house
        if world.mischief is not None:
            world.mischief(self)

    def _watch_decisions(self, house: House) -> None:
        joins = house.reception._joins
        decide = joins._decide

        def watched(*what: Any) -> Any:
            attended = (name for name in house.board._visits if house.board.visits(name))
            self.attended[asyncio.current_task()] = frozenset(attended)
            return decide(*what)

        joins._decide = watched  # type: ignore[method-assign, assignment]

    async def _main(self) -> None:
        world, notebook = self.world, self.world.notebook
        self._build()
        house = self.house
        await house.shelf.open(await self.ledger.claimed())
        memory = Memory(self.ledger, house.journal, house.board, house.shelf, world.clock)
        loops = [
            asyncio.create_task(work)
            for work in (
                house.poller.run(),
                house.shelf.keep_swept(60.0),
                self.hooks.run(),
                Housekeeping(memory, house.look, 30 * 86_400.0).run(),
            )
        ]
        resumed = await house.recovery.recover()
        notebook.note(f"-- process {self.number} is ready, {resumed} jobs taken up")
        self.ledger.serving = True
        self.ready.set_result(None)
        await self._stopping.wait()
        self.hooks.close()
        await house.runner.stop()
        if self._serving:
            await asyncio.wait(set(self._serving), timeout=5.0)
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await house.runner.abort()
        await house.queue.close()
        await self.hooks.finish()
        for one in loops:
            if one.done():
                notebook.breach(f"a loop has ended: {one!r}")
            one.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await self.ledger.close()
        self._left_behind()
        for asking in self.asked:
            if not asking.answer.done():
                self._reply(asking, Reset())
        notebook.note(f"-- process {self.number} has stopped")
        self.over.set_result("stopped")

    def _left_behind(self) -> None:
        """Whatever a process that stops in peace still has is a fault."""
        if len(self.house.board):
            self.world.notebook.breach(f"jobs were left on the board: {self.house.board!r}")
        if self.house.board._visits:
            self.world.notebook.breach("visits were never left")

    async def _serve(self, asking: Asking) -> None:
        self.files.add(asking.path)

        async def release() -> None:
            self.files.discard(asking.path)

        wish = Wish(
            plan=asking.plan,
            key_name=asking.key_name,
            arrived=self.world.clock.monotonic(),
            seconds=asking.seconds,
            own_seconds=asking.own_seconds,
            release=release,
            fingerprint=asking.fingerprint,
            idempotency_key=asking.idempotency_key,
        )
        visits: list[str] = []
        try:
            await self._answer(asking, wish, visits)
        except CallerLeft:
            if not asking.gone.done():
                self.world.notebook.breach(f"{asking.who} was held to have left")
        except GatewayError as error:
            job_id = visits[0] if visits else None
            if not asking.gone.done():
                self.world.auditor.refused(asking, error, job_id)
                self._reply(asking, Answer(error=error, job_id=job_id))

    async def _answer(self, asking: Asking, wish: Wish, visits: list[str]) -> None:
        house, chance = self.house, self.world.vendor.chance
        visiting = house.reception.visit(
            wish, retry=asking.retry, request_id=asking.who, gone=asking.gone
        )
        async with visiting as visit:
            visits.append(visit.job_id)
            if visit.how is None:
                self.world.auditor.begun(self, asking, visit.job_id)
            else:
                self.world.auditor.joined(self, asking, visit)
            if asking.later:
                if await later.promise(self, asking, visit):
                    self._reply(asking, Answer(job_id=visit.job_id, later=True))
                    if asking.url is not None:
                        self.world.hooked.add((visit.job_id, asking.url))
                    await house.promises.keep(visit)
                return
            outcome = await visit.wait(wish, asking.gone)
            if outcome.error is not None:
                raise outcome.error
            try:
                held = tuple(Path(one.path).read_bytes() for one in outcome.images)
            except FileNotFoundError as error:
                raise ImageNotFound("gone") from error
            await self.world.clock.sleep(chance.choice((0.001, 0.05, 2.0)))
            if asking.gone.done():
                return
            pictures = tuple(one.rpartition(b"https://")[2].decode() for one in held)
            self._reply(asking, Answer(pictures, job_id=visit.job_id))
            self.world.auditor.handed_over(asking, pictures)
            for shelved in outcome.images:
                house.shelf.delivered(shelved.token)
            await house.reception.delivered(visit.job_id)

    def _reply(self, asking: Asking, said: Answer | Exception) -> None:
        """It travels, whatever becomes of the process."""

        def arrive() -> None:
            if not asking.answer.done():
                if isinstance(said, Answer):
                    asking.answer.set_result(said)
                else:
                    asking.answer.set_exception(said)

        self.world.loop.call_later(0.02, arrive, context=OUTSIDE)

    def _observe(self, fact: object) -> None:
        notebook = self.world.notebook
        later.watch(self, fact)
        match fact:
            case JobCrashed() | ChoreFailed() if not isinstance(fact.error, OSError):
                notebook.breach(f"{type(fact).__name__}: {fact.error!r}")
            case ObserverFailed():
                notebook.breach(f"{fact!r}")
            case Stepped(event=Polled() | PollFailed()):
                pass
            case Stepped():
                name = notebook.name(fact.event.task_id)
                notebook.note(f"   {name}: {type(fact.event).__name__} -> {fact.state.value}")
            case JobEvent():
                name = notebook.name(fact.job_id)
                code = getattr(fact, "code", None) or getattr(fact, "how", None) or ""
                notebook.note(f"   {name}: {type(fact).__name__} {code}")


def gate(handle: asyncio.Handle) -> bool:
    """Whether a step may be run: the dead do nothing; whose hour has come dies before it."""
    owner = handle._context.get(OWNER)  # type: ignore[attr-defined]
    if owner is None:
        return True
    if not owner.dead:
        owner.steps += 1
        if owner.steps != owner.doom.step or owner.over.done():
            return True
        owner.die(f"at step {owner.steps}")
    owner.stash.append(handle)
    return False


def keep_tasks(loop: asyncio.AbstractEventLoop, work: object, **how: object) -> object:
    """A task factory: the tasks of a process are told to it."""
    task = asyncio.Task(work, loop=loop, **how)  # type: ignore[arg-type, var-annotated]
    context = how.get("context")
    owner = context.get(OWNER) if context is not None else OWNER.get()  # type: ignore[attr-defined]
    if owner is not None:
        owner.tasks.append(task)
    return task


def bury(loop: VirtualLoop, processes: list[Process]) -> None:
    """Let what the dead had in hand come to its end, now that nobody looks any more."""
    loop.gate = None
    for process in processes:
        loop._ready.extend(process.stash)
        process.stash.clear()
    loop.settle()
    for _ in range(20):
        left = [task for one in processes for task in one.tasks if not task.done()]
        for task in left:
            task.cancel()
        loop.settle()
        if not left:
            break
    with contextlib.suppress(IndexError):
        loop._scheduled.clear()
