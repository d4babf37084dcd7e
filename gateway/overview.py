"""The process as it is: one look at all its parts.

Owns: the snapshot, taken on the loop in one go; what each key has used; and the figures that cost
too much to be counted for every look (ledger, disk, budgets), which are counted anew every few
seconds. Must not know: who looks, how anything is shown.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, Protocol

from gateway import __version__
from gateway.access.keys import credential_names
from gateway.clock import Clock
from gateway.config.credentials import expiry_of
from gateway.config.sections import Images, Key, Upstream
from gateway.config.sections import Queue as QueueSection
from gateway.events import State
from gateway.facts import Emit, InFlight
from gateway.images.shelf import Shelf
from gateway.jobs.board import Board, Job, LiveTask
from gateway.jobs.expected import expected
from gateway.jobs.queue import Queue
from gateway.jobs.schedule import Experience
from gateway.notices import ObserverFailed
from gateway.ops.budgets import Used, shares, used, with_budgets
from gateway.ops.health import Check
from gateway.ops.metrics import Names
from gateway.ops.snapshot import (
    Figures,
    JobView,
    KeyView,
    QueueView,
    Snapshot,
    TaskView,
    VendorView,
)
from gateway.state.base import LedgerFault, Store
from gateway.state.reading import Reading
from gateway.upstream.balance import Balance
from gateway.upstream.breaker import Breaker
from gateway.upstream.budget import RetryBudget
from gateway.upstream.governor import Governor
from gateway.upstream.quota import Quota

VENDOR = "toapis"
REFRESHED = 15.0  # seconds between two countings
_AT_ONCE = 50  # keys asked about before the loop goes on: about a millisecond

Uses = Mapping[tuple[str, str], float]
"""When each credential of each key was last used, by their names."""


class Door(Protocol):
    """A listener, as far as it is looked at."""

    @property
    def connections_open(self) -> int:
        """Connections that are served or wait."""
        ...

    @property
    def connections_refused(self) -> int:
        """Connections turned away."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is looked at, once it is built. ``uses`` reads files: it is called in a thread."""

    board: Board
    in_flight: InFlight
    queue: Queue
    experience: Experience
    breaker: Breaker
    governor: Governor
    budget: RetryBudget
    quota: Quota
    balance: Balance
    store: Store
    shelf: Shelf
    checks: Mapping[str, Check]
    draining: Callable[[], bool]
    uses: Callable[[], Uses]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was set at the start."""

    upstream: Upstream
    queue: QueueSection
    images: Images
    connections: int


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What only the process around a gateway knows; where there is none, it is as it looks here.

    ``config`` says whether what lies in the file is in force, and when that was read (wall-clock).
    """

    doors: Mapping[str, Door]
    config: Callable[[], tuple[bool, float]]
    log_dropped: Callable[[], int]
    log_suppressed: Callable[[], int]


class Overview:
    """Looks at everything. ``run`` must be running for the figures to stay fresh."""

    def __init__(
        self, parts: Parts, settings: Settings, keys: Iterable[Key], clock: Clock, tell: Emit
    ) -> None:
        self._parts = parts
        self._settings = settings
        waits = settings.upstream.deadlines
        self._longest_wait = max(waits.tier_1k, waits.tier_2k, waits.tier_4k)
        self._keys = tuple(keys)
        self._clock = clock
        self._tell = tell
        self._begun = clock.monotonic()
        self._used: Mapping[str, Used] = {}
        self._figures = Figures(budgets=shares(self._keys, {}))
        self._uses: Uses = {}
        self._failing = False
        read_at = clock.wall()
        self.around = Surroundings(
            doors={},
            config=lambda: (True, read_at),
            log_dropped=lambda: 0,
            log_suppressed=lambda: 0,
        )

    def __repr__(self) -> str:
        return f"<Overview {self._parts.board!r}>"

    def reload(self, keys: Iterable[Key]) -> None:
        """There are these keys now; what of them is used is what was counted last."""
        self._keys = tuple(keys)
        self._share_budgets()

    # Looking

    def snapshot(self, most_jobs: int | None = None) -> Snapshot:
        """Look at everything, now; call it on the loop.

        Of the jobs, if it is said at how many: at those with an uncertain create, then the oldest.
        """
        parts, around, now = self._parts, self.around, self._clock.monotonic()
        jobs = parts.board.jobs()
        tasks = [task for job in jobs for task in job.tasks]
        good, read_at = around.config()
        doors = around.doors
        return Snapshot(
            at=self._clock.wall(),
            uptime=now - self._begun,
            version=__version__,
            draining=parts.draining(),
            findings={name: check() for name, check in parts.checks.items()},
            config_good=good,
            config_read_at=read_at,
            requests=parts.in_flight.by_route(),
            connections={name: door.connections_open for name, door in doors.items()},
            connections_limit=self._settings.connections,
            connections_refused=sum(door.connections_refused for door in doors.values()),
            by_key=Counter([job.key_name for job in jobs]),
            by_state=_by_state(tasks),
            jobs=tuple(self._job(job, now) for job in _first(jobs, most_jobs)),
            queue=self._queue(),
            vendor=self._vendor(tasks, now),
            figures=self._figures,
            log_dropped=around.log_dropped(),
            log_suppressed=around.log_suppressed(),
        )

    async def keys(self) -> tuple[KeyView, ...]:
        """Every configured key, in its order, with what it has used; others have their turns."""
        now, views = self._clock.wall(), list[KeyView]()
        for place, key in enumerate(self._keys, start=1):
            views.append(await self._key(key, now))
            if place % _AT_ONCE == 0:
                await self._clock.sleep(0)
        return tuple(views)

    def _queue(self) -> QueueView:
        queue, settings = self._parts.queue, self._settings
        return QueueView(
            requests=len(queue),
            most_requests=settings.queue.requests,
            tasks=queue.waiting,
            at_vendor=queue.at_vendor,
            most_at_vendor=settings.upstream.max_tasks,
        )

    def _vendor(self, tasks: Iterable[LiveTask], now: float) -> VendorView:
        parts, section = self._parts, self._settings.upstream
        submits, queries = parts.quota.left("submit"), parts.quota.left("query")
        running = State.RUNNING
        begun = [
            task.accepted_at
            for task in tasks
            if task.entry.state is running and task.accepted_at is not None
        ]
        return VendorView(
            name=VENDOR,
            base_url=section.base_url,
            breaker=parts.breaker.state.value,
            held=parts.governor.submits.held,
            submits=parts.governor.submits.left if submits is None else submits,
            submits_per_second=section.submit_per_second,
            queries=parts.governor.queries.left if queries is None else queries,
            queries_per_second=section.query_per_second,
            retry_budget=parts.budget.left,
            longest_wait=self._longest_wait,
            balance=parts.balance.dollars,
            oldest_task=now - min(begun) if begun else None,
        )

    def _job(self, job: Job, now: float) -> JobView:
        plan, place = job.plan, job.place
        return JobView(
            job_id=job.job_id,
            key_name=job.key_name,
            model=plan.model,
            kind=plan.kind,
            size="auto" if plan.promised is None else "{}x{}".format(*plan.promised),
            quality=plan.tasks[0].quality,
            n=plan.n,
            age=now - job.started,
            callers=self._parts.board.visits(job.job_id),
            tasks=tuple(_task(task, now) for task in job.tasks),
            position=None if place is None else place.position,
            waiting=None if place is None else place.of,
            expected=expected(job, self._parts.experience, now),
        )

    async def _key(self, key: Key, now: float) -> KeyView:
        limits = key.limits
        names = [name for name, _ in credential_names(key)]
        used = [self._uses[key.name, name] for name in names if (key.name, name) in self._uses]
        return KeyView(
            name=key.name,
            state=_state(key, now),
            requests_per_minute=limits.requests_per_minute,
            images_per_minute=limits.images_per_minute,
            concurrent=limits.concurrent,
            images_per_day=limits.images_per_day,
            cost_per_day=limits.cost_per_day,
            cost_per_month=limits.cost_per_month,
            standing=await self._parts.store.standing(key.name, limits),
            last_used=max(used, default=None),
        )

    # Counting

    async def run(self) -> None:
        """Count anew every few seconds, until cancelled."""
        while True:
            await self._clock.sleep(REFRESHED)
            await self.refresh()

    async def refresh(self) -> None:
        """Count what ledger and disk hold. Where that fails, the figures stay as they were.

        That it does is told once, until it is over.
        """
        try:
            await self._count()
        except Exception as error:  # noqa: BLE001 - what cannot be counted must end nothing
            if not self._failing:
                name = type(error).__name__
                self._tell(ObserverFailed(observer=repr(self), event="figures", error=name))
            self._failing = True
        else:
            self._failing = False

    async def _count(self) -> None:
        """The disk first: when the ledger cannot be read, its room is what is asked after."""
        shelf, images = self._parts.shelf, self._settings.images
        free = await asyncio.to_thread(_free, images.folder)
        self._figures = replace(
            self._figures, disk_free=free, shelf_bytes=shelf.used, shelf_limit=images.shelf
        )
        self._uses = await asyncio.to_thread(self._parts.uses)
        self._used = await self._used_now()
        self._share_budgets()
        counted = await self._parts.store.figures()
        self._figures = replace(
            self._figures,
            tasks=counted.tasks,
            unclaimed=counted.unclaimed,
            oldest_uncertain=counted.oldest_uncertain,
            hooks=counted.hooks,
            ledger_bytes=counted.size,
        )

    async def _used_now(self) -> Mapping[str, Used]:
        """Of each key that has a budget; there may be thousands, so others have their turns."""
        found = {}
        for place, key in enumerate(with_budgets(self._keys), start=1):
            found[key.name] = used(await self._parts.store.standing(key.name, key.limits))
            if place % _AT_ONCE == 0:
                await self._clock.sleep(0)
        return found

    def _share_budgets(self) -> None:
        """Of the keys that there are now, which may be others than were counted."""
        budgets = shares(self._keys, self._used)
        self._figures = replace(self._figures, budgets=budgets)


def _by_state(tasks: Iterable[LiveTask]) -> Mapping[State, int]:
    """How many are in which state. Members are slow to hash and compare, but there is one each."""
    found = Counter([id(task.entry.state) for task in tasks])
    return {state: found[id(state)] for state in State if id(state) in found}


def _first(jobs: tuple[Job, ...], most: int | None) -> Iterable[Job]:
    """So many of them, those with an uncertain create first."""
    if most is None or len(jobs) <= most:
        return jobs
    return islice(sorted(jobs, key=lambda job: not _is_loud(job)), most)  # the sort is stable


def _is_loud(job: Job) -> bool:
    return any(task.entry.state is State.UNCERTAIN for task in job.tasks)


def _task(task: LiveTask, now: float) -> TaskView:
    return TaskView(
        task_id=task.entry.task_id,
        state=task.entry.state,
        upstream_id=task.upstream_id,
        age=None if task.accepted_at is None else now - task.accepted_at,
        progress=task.progress,
    )


def _state(key: Key, now: float) -> Literal["good", "expired", "disabled"]:
    """Whether any of a key's credentials is good now, and else what most of them lack."""
    found = set()
    for _, one in credential_names(key):
        if key.disabled or one.disabled:
            found.add("disabled")
        elif one.expires is not None and now >= expiry_of(one.expires):
            found.add("expired")
        else:
            return "good"
    return "expired" if "expired" in found else "disabled"


def uses_in(path: str | None) -> Uses:
    """What the ledger at ``path``, if there is one, says of uses; what cannot be read is not told.

    This blocks.
    """
    try:
        return {} if path is None else Reading(path).uses()
    except LedgerFault:
        return {}


def _free(folder: str) -> int:
    return shutil.disk_usage(folder).free


def names(models: Iterable[str], keys: Iterable[Key]) -> Names:
    """What labels of metrics say that only the configuration knows."""
    return Names(upstream=VENDOR, models=tuple(models), keys=tuple(key.name for key in keys))
