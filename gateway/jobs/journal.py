"""What happened, written before it is acted on, then told to those who watch.

Owns: the order (table, store, observers) and each live task's state. Must not know: what observers
do, which backend the store is. An observer that fails is reported and never reaches the job.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from gateway.clock import Clock
from gateway.config.sections import Limits
from gateway.events import (
    About,
    Dropped,
    JobEvent,
    NotFound,
    Polled,
    PollFailed,
    State,
    Stepped,
    TaskEvent,
)
from gateway.failpoints import failpoint
from gateway.jobs.charges import Charge
from gateway.jobs.machine import step
from gateway.notices import (
    ObserverFailed,
)
from gateway.state.base import Failure, JobRow, PictureRow, Store

Observer = Callable[[object], None]


class Stamp(TypedDict):
    """What every event of a task says."""

    job_id: str
    task_id: str
    at: float


@dataclass(slots=True)
class Entry:
    """A live task: who it is, whose, where it stands since when (monotonic), what it costs."""

    job_id: str
    task_id: str
    about: About
    since: float
    state: State = State.INTENT
    charge: Charge = field(default_factory=Charge)

    def stamp(self, at: float) -> Stamp:
        """The start of an event about this task; ``at`` in wall-clock seconds."""
        return Stamp(job_id=self.job_id, task_id=self.task_id, at=at)


class Journal:
    """Takes down every fact; the only writer of a task's state."""

    def __init__(self, store: Store, observers: tuple[Observer, ...], clock: Clock) -> None:
        self._store = store
        self._observers = observers
        self.clock = clock

    @property
    def durable(self) -> bool:
        """Whether what is written outlives the process."""
        return self._store.durable

    async def add(self, job: JobRow, limits: Limits, *, instead_of: str | None = None) -> None:
        """Write the intent of a job, before anything is sent for it. Raises: as the store."""
        failpoint("intent.unwritten")
        await self._store.add_job(job, limits=limits, instead_of=instead_of)
        failpoint("intent.written")

    async def reopen(self, job: JobRow, event: JobEvent, limits: Limits | None = None) -> None:
        """Write that a job that had ended goes on as this row says. Raises: as the store."""
        await self._store.reopen(job, limits=limits)
        await self.remark(event)

    async def add_links(self, job_id: str, links: Mapping[str, str]) -> None:
        """Write where a job's references lie at the vendor, by digest."""
        await self._store.add_links(job_id, links)

    async def remark(self, event: JobEvent, failure: Failure | None = None) -> None:
        """Take down one fact about a job as a whole."""
        await self._store.remark(event, failure)
        self.announce(event)

    async def tell(
        self, entry: Entry, event: TaskEvent, pictures: Sequence[PictureRow] = ()
    ) -> None:
        """Take down one fact. Raises: IllegalEventError, and whatever the store raises.

        Questions that changed nothing are told to the observers, but not written.
        """
        after = step(entry.state, event, perhaps=entry.charge.perhaps)
        if not isinstance(event, Polled | PollFailed):
            await self._store.record(event, after, pictures)
        now = self.clock.monotonic()
        told = Stepped(
            event=event,
            state=after,
            about=entry.about,
            seconds=now - entry.since,
            charged=entry.charge.step(event, after),
            cost=entry.charge.cost,
            unserved=entry.charge.waste(event, len(pictures), entry.about.images),
        )
        if after is not entry.state:
            entry.state, entry.since = after, now
        self.announce(told)

    async def give_up(self, entry: Entry, reason: str) -> None:
        """Take down that an intent is not followed up: it is DROPPED, as nothing was bought.

        Where the answer to an earlier create of it was lost it is LOST instead, and looked for.
        """
        stamp = entry.stamp(self.clock.wall())
        lost = entry.charge.perhaps
        await self.tell(entry, NotFound(**stamp) if lost else Dropped(**stamp, reason=reason))

    def announce(self, fact: object) -> None:
        """Tell those who watch, and nobody else."""
        for observer in self._observers:
            try:
                observer(fact)
            except Exception as error:  # noqa: BLE001 - a watcher's fault must never cost a paid task
                self._report(observer, fact, error)

    def _report(self, failed: Observer, fact: object, error: Exception) -> None:
        report = ObserverFailed(
            observer=repr(failed), event=type(fact).__name__, error=type(error).__name__
        )
        for observer in self._observers:
            if observer is not failed:
                try:
                    observer(report)
                except Exception:  # noqa: BLE001, S112 - both watchers broken: nobody to tell
                    continue
