"""What happened, written before it is acted on, then told to those who watch.

Owns: the order (table, store, observers) and each live task's state. Must not know: what observers
do, which backend the store is. An observer that fails is reported and never reaches the job.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

from gateway.events import ObserverFailed, Polled, PollFailed, State, Stepped, TaskEvent
from gateway.jobs.machine import step
from gateway.state.base import JobRow, Store

Observer = Callable[[object], None]


class Stamp(TypedDict):
    """What every event of a task says."""

    job_id: str
    task_id: str
    at: float


@dataclass(slots=True)
class Entry:
    """A live task: who it is, where it stands."""

    job_id: str
    task_id: str
    state: State = State.INTENT

    def stamp(self, at: float) -> Stamp:
        """The start of an event about this task; ``at`` in wall-clock seconds."""
        return Stamp(job_id=self.job_id, task_id=self.task_id, at=at)


class Journal:
    """Takes down every fact; the only writer of a task's state."""

    def __init__(self, store: Store, observers: tuple[Observer, ...]) -> None:
        self._store = store
        self._observers = observers

    async def add(self, job: JobRow) -> None:
        """Write the intent of a job, before anything is sent for it."""
        await self._store.add_job(job)

    async def tell(self, entry: Entry, event: TaskEvent) -> None:
        """Take down one fact. Raises: IllegalEventError, and whatever the store raises.

        Questions that changed nothing are told to the observers, but not written.
        """
        after = step(entry.state, event)
        if not isinstance(event, Polled | PollFailed):
            await self._store.record(event, after)
        entry.state = after
        self.announce(Stepped(event=event, state=after))

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
