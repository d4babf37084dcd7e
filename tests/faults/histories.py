"""Histories of the job machine: made-up time, and from one number all that happens in it.

In a history one to six users pursue their wishes at a vendor who fails in every way, through a
gateway whose process dies between any two steps and stops when told, on one ledger that may be full
and one shelf. ``audits.py`` says what must be true all the same.
"""

import asyncio
import gc
import random
import shutil
from collections import Counter
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from gateway.events import State
from gateway.state.memory import MemoryStore
from tests.clocks import Endless, VirtualClock, VirtualLoop
from tests.faults.audits import Rules, reconcile
from tests.faults.ledgers import Disk
from tests.faults.lives import Doom, Process, Reset, World, bury, gate, keep_tasks
from tests.faults.notebook import Notebook
from tests.faults.people import Aim, User
from tests.faults.vendors import Vendor

_LONGEST = 20 * 3_600.0
_LOST_FOR_GOOD = 20 * 3_600.0
_STEPS_AT_MOST = 200_000
_TOLD = 60
_RECREATES = 0.2

Mischief = Callable[[Process], None]


@dataclass(frozen=True, slots=True)
class Story:
    """What came of a seed; no breaches, unless something is wrong."""

    seed: int
    breaches: tuple[str, ...]
    trace: tuple[str, ...]
    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        first = next((i for i, line in enumerate(self.trace) if "!!" in line), len(self.trace))
        shown = self.trace[max(0, first - _TOLD) : first + 3]
        return "\n".join([f"seed {self.seed}: {'; '.join(self.breaches[:3])}", *shown])


class History:
    """One history, from its seed to its settling."""

    def __init__(self, seed: int, folder: Path, mischief: Mischief | None = None) -> None:
        self.seed = seed
        self.chance = Random(seed)  # noqa: S311 - the seed is the bug report
        self.loop = VirtualLoop(most=_STEPS_AT_MOST)
        self.loop.gate = gate
        self.loop.set_task_factory(keep_tasks)  # type: ignore[arg-type]
        self.clock = VirtualClock(self.loop)
        self.notebook = Notebook(self.clock)
        self.vendor = Vendor(self.clock, self.notebook, self.chance)
        self.disk = Disk(MemoryStore(self.clock))
        rules = Rules(self.notebook, self.vendor)
        self.world = World(
            self.loop, self.clock, self.notebook, self.disk, self.vendor, folder, rules, mischief
        )
        if Random(f"recreate {seed}").random() < _RECREATES:  # noqa: S311 - as above
            self.world.on_unknown, self.vendor.sells_again = "recreate", True
            self.notebook.count("recreates")
        self.processes: list[Process] = []
        self.lives = self.chance.choice((1, 2, 2, 3, 4))
        self._aims = self._drawn_aims()
        self._settled = self._spared = False
        self._up = asyncio.Event()

    def tell(self) -> Story:
        """Live it."""
        seeded = random.getstate()
        random.seed(self.seed)
        try:
            self._live()
        finally:
            random.setstate(seeded)
        notebook = self.notebook
        return Story(self.seed, tuple(notebook.breaches), tuple(notebook.story), notebook.counts)

    def _live(self) -> None:
        main = self.loop.create_task(self._main())
        main.add_done_callback(self._over)
        try:
            self.loop.run_forever()
        except Endless as error:
            main.remove_done_callback(self._over)  # or it would stop the burial
            self._break_off(error)
        else:
            main.result()
            self.loop.settle()
            self._listen()
        self.notebook.closed = True
        bury(self.loop, self.world.crashed)
        for process in self.processes:
            process.tasks.clear()
        self.loop.close()

    def _over(self, _: asyncio.Task[None]) -> None:
        self.loop.stop()

    def _break_off(self, error: Endless) -> None:
        """It would go on for ever: that is a breach, and all who live are buried."""
        self.notebook.breach(f"it does not end: {error}")
        self.loop.most = self.loop.steps + _STEPS_AT_MOST
        for process in self.processes:
            process.dead = True
        self.world.crashed[:] = self.processes
        for task in asyncio.all_tasks(self.loop):
            task.cancel()

    def _listen(self) -> None:
        """What the loop complained of, of those who were never interrupted."""
        alive = [one for one in self.processes if one not in self.world.crashed]
        for process in alive:
            for task in process.tasks:
                if not task.done():
                    self.notebook.breach(f"still at work after the stop: {task!r}")
            process.tasks.clear()
        gc.collect(1)
        for said in self.loop.complaints:
            self.notebook.breach(f"{said.get('message')}: {said.get('exception')!r}")

    async def _main(self) -> None:
        self._plan_faults()
        supervising = asyncio.create_task(self._supervise())
        users = [asyncio.create_task(User(self, aim).pursue()) for aim in self._aims]
        _, late = await asyncio.wait(users, timeout=_LONGEST)
        if late:
            self.notebook.breach(f"{len(late)} users still wait")
            for one in late:
                one.cancel()
        self.vendor.weather.calm = True
        self.disk.full.clear()
        process = await self._last()
        self.notebook.note("-- all users are through; everything is well from now on")
        await self._settle(process)
        await reconcile(process)
        self._settled = True
        process.stop()
        await supervising

    async def _last(self) -> Process:
        """The process that is there for good: none that was told to stop a moment ago."""
        process = await self.connect(patient=True)
        while process.is_stopping:
            await process.over
            process = await self.connect(patient=True)
        process.doom = Doom()
        self._spared = True
        return process

    async def _settle(self, process: Process) -> None:
        """Until nothing goes on any more, and nothing that can be found is lost."""
        await self.clock.sleep(5.0)
        until = self.clock.monotonic() + _LOST_FOR_GOOD
        while self.clock.monotonic() < until:
            lost = await self.disk.kept.lost(0.0)
            sold = any(
                task.state is State.LOST and self.vendor.can_be_found(task.task_id)
                for row in lost
                for task in row.tasks
            )
            told = not (await self.disk.kept.figures()).hooks
            quiet = not len(process.house.board) and not process.ledger._backlog
            if not sold and quiet and told:
                return
            await self.clock.sleep(30.0 if len(process.house.board) else 300.0)
        if len(process.house.board):
            self.notebook.breach(f"the board never became empty: {process.house.board!r}")

    async def connect(self, *, patient: bool = False) -> Process:
        """The process that is there; while there is none callers wait, or are turned away."""
        while not (self.processes and self.processes[-1].ready.done()) or self._is_over():
            if not patient and self.chance.random() < 0.5:
                await self.clock.sleep(0.01)
                raise Reset
            self._up.clear()
            await self._up.wait()
        return self.processes[-1]

    def _is_over(self) -> bool:
        return self.processes[-1].over.done()

    async def _supervise(self) -> None:
        """One process after another."""
        while not self._settled:
            process = self._next()
            begun = self.loop.create_task(self._begin(process), context=copy_context())
            await process.over
            await begun
            if not self._settled:
                await self.clock.sleep(self.chance.choice((0.05, 1.0, 8.0)))
                self._maybe_jump()

    async def _begin(self, process: Process) -> None:
        process.begin()
        either: set[asyncio.Future[Any]] = {process.ready, process.over}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        self._up.set()

    def _next(self) -> Process:
        number = len(self.processes) + 1
        doom = Doom()
        chance = self.chance
        if number < self.lives:
            match chance.choice(("step", "step", "commit", "committed", "time", "stop")):
                case "step":
                    most = chance.choice((60, 400, 2_000))
                    doom = Doom(step=chance.randint(10, most))
                case "time":
                    self.loop.call_later(chance.uniform(0.2, 200.0), self._kill, number)
                case "stop":
                    self.loop.call_later(chance.uniform(0.5, 200.0), self._stop, number)
                case moment:
                    doom = Doom(moment=moment, number=chance.randint(1, 40))
        process = Process(self.world, number, doom)
        self.processes.append(process)
        return process

    def _kill(self, number: int) -> None:
        process = self.processes[number - 1]
        if not process.over.done() and not self._spared:
            process.die("at its time")

    def _stop(self, number: int) -> None:
        process = self.processes[number - 1]
        if process.ready.done() and not self._spared:
            process.stop()

    def _drawn_aims(self) -> list[Aim]:
        chance = self.chance
        aims: list[Aim] = []
        for user in range(chance.choice((1, 2, 2, 3, 4, 6))):
            key_name = chance.choice(("studio", "press"))
            for number in range(chance.choice((1, 1, 1, 2, 3))):
                who = f"{'abcdef'[user]}{number + 1}"
                aim = Aim.drawn(chance, who, key_name, f"a {who}")
                if aims and chance.random() < 0.3:
                    like = chance.choice(aims)
                    aim.prompt, aim.n, aim.edit = like.prompt, like.n, like.edit
                    aim.start = max(0.0, like.start + chance.choice((0.0, 0.01, 5.0, 90.0)))
                aims.append(aim)
        return aims

    def _plan_faults(self) -> None:
        """When the ledger is full, and when somebody sets the clock."""
        for _ in range(self.chance.choice((0, 0, 1, 2))):
            begin = self.loop.now + self.chance.uniform(0.0, 250.0)
            self.disk.full.append((begin, begin + self.chance.choice((1.0, 10.0, 60.0))))
        for _ in range(self.chance.choice((0, 0, 1))):
            self.loop.call_later(self.chance.uniform(0.0, 300.0), self._jump)

    def _maybe_jump(self) -> None:
        if self.chance.random() < 0.2:
            self._jump()

    def _jump(self) -> None:
        seconds = self.chance.choice((-3_600.0, -60.0, 60.0, 3_600.0))
        self.notebook.note(f"-- the wall clock is set by {seconds:+.0f} s")
        self.clock.jump(seconds)


def tell(seed: int, folder: Path, mischief: Mischief | None = None) -> Story:
    """A history by its seed, in a folder of its own that is gone afterwards."""
    own = folder / f"history-{seed}"
    own.mkdir(parents=True)
    try:
        return History(seed, own, mischief).tell()
    finally:
        shutil.rmtree(own, ignore_errors=True)
