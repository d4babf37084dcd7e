"""The comparison of a whole ledger with the vendor.

Owns: its order, and the second look at whatever differs: while a gateway runs, ledger and vendor
move on between two questions, and what only looked like a difference is gone then. Must not know:
what is a difference, how one is told.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from gateway.cli.comparing import Difference, Seen, differences, forgotten
from gateway.cli.enquiring import Enquiry, NotAnswered
from gateway.clock import Clock
from gateway.events import FINAL
from gateway.state.reading import Reading
from gateway.state.records import TaskRecord

_AT_ONCE = 4
_CHUNK = 200


@dataclass(slots=True)
class Tally:
    """What was compared. ``unasked`` are tasks that the vendor gave no answer about, and why."""

    compared: int = 0
    forgotten: int = 0
    moved_on: int = 0
    unasked: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Reconciliation:
    """Compares; ``tally`` is complete when the comparison is.

    ``patience`` are the seconds that a running gateway is given to notice what changed.
    """

    reading: Reading
    enquiry: Enquiry
    clock: Clock
    patience: float
    tally: Tally = field(default_factory=Tally)

    async def differences(self, since: float) -> AsyncIterator[Difference]:
        """All that differs in two looks, of jobs that began or ended since then, or run."""
        suspects: list[str] = []
        unfinished = False
        for chunk in self.reading.tasks(since, _CHUNK):
            for task, seen in await self._asked(chunk):
                self.tally.compared += 1
                self.tally.forgotten += forgotten(task, seen, self.clock.wall())
                if any(differences(task, seen, self.clock.wall())):
                    suspects.append(task.task_id)
                    unfinished |= task.state not in FINAL
        if unfinished:
            await self.clock.sleep(self.patience)
        for start in range(0, len(suspects), _CHUNK):
            again = self.reading.these(suspects[start : start + _CHUNK])
            for task, seen in await self._asked(again):
                found = tuple(differences(task, seen, self.clock.wall()))
                self.tally.moved_on += not found
                for difference in found:
                    yield difference

    async def _asked(self, tasks: Sequence[TaskRecord]) -> list[tuple[TaskRecord, Seen]]:
        """The tasks that the vendor answered about, with its answers."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def ask(task: TaskRecord) -> Seen | None:
            async with slots:
                try:
                    return await self.enquiry.ask(task)
                except NotAnswered as error:
                    self.tally.unasked.append((task.task_id, str(error)))
                    return None

        answers = await asyncio.gather(*map(ask, tasks))
        return [(task, seen) for task, seen in zip(tasks, answers, strict=True) if seen is not None]
