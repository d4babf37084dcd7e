"""What the vendor tells of a task that nobody works on: it may be one that was lost.

Owns: a short line of such words, and asking the ledger whether each is about a LOST task of ours,
which is then looked for at once. Must not know: webhooks, who told. Only our own id proves that a
task is ours. Most of these words are about tasks that are over, as they should be: so the line is
short, each task is in it once, and one question to the ledger is all that they cost.
"""

import asyncio
from dataclasses import dataclass

from gateway.errors import LedgerUnavailable
from gateway.events import State
from gateway.jobs.memory import Memory
from gateway.jobs.recovery import SecondLook
from gateway.notices import ChoreFailed, HintCame
from gateway.state.base import JobRow
from gateway.upstream.base import StatusUnavailable

MOST = 64
_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class _Word:
    """The vendor's name for a task, and whether it had told of the task before."""

    theirs: str | None
    known: bool


class LateWords:
    """Acted on one after the other by ``run``, which has to be running."""

    def __init__(self, memory: Memory, look: SecondLook) -> None:
        self._store = memory.store
        self._board = memory.board
        self._clock = memory.clock
        self._announce = memory.journal.announce
        self._look = look
        self._line: dict[str, _Word] = {}
        self._come = asyncio.Event()

    def __repr__(self) -> str:
        return f"LateWords({len(self._line)} in line)"

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._line

    @property
    def in_doubt(self) -> bool:
        """Whether some of what is known, that a task is LOST for one, may not be written yet."""
        return self._store.trouble is not None

    def take(self, task_id: str, theirs: str | None) -> bool:
        """Have a task looked for, by the vendor's name too, if it is one of ours that is LOST.

        False if it should be told again: there is no room, or what is known may be lost with the
        process. Until something comes of it, which is told, whoever takes its job up for what it
        has does not buy the task anew.
        """
        if len(self._line) >= MOST or self.in_doubt or self._look.closed:
            return False
        known = task_id in self._board.hearsay
        self._board.hearsay.hear(task_id, None)
        self._line[task_id] = _Word(theirs, known)
        self._come.set()
        return True

    async def run(self) -> None:
        """Act on what comes, for ever; cancel to stop."""
        while True:
            await self._come.wait()
            while self._line:
                task_id, word = next(iter(self._line.items()))
                if self.in_doubt:
                    await self._clock.sleep(_PAUSE)
                    continue
                try:
                    told = await self._followed_up(task_id, word)
                except LedgerUnavailable:
                    await self._clock.sleep(_PAUSE)
                    continue
                except Exception as error:  # noqa: BLE001 - one task's fault must not cost the others
                    self._announce(ChoreFailed(chore="look", error=error))
                    told = HintCame(result="unknown")
                del self._line[task_id]
                self._announce(told)
            self._come.clear()

    async def _followed_up(self, task_id: str, word: _Word) -> HintCame:
        row, theirs = await self._store.job(task_id), word.theirs
        if row is None or not _has_lost(row, task_id):
            if not word.known:
                self._board.hearsay.forget(task_id)
            return HintCame(result="unknown")
        if theirs is not None and await self._is_anothers(task_id, theirs):
            theirs = None
        self._board.hearsay.hear(task_id, theirs)
        self._look.hasten(row.job_id)  # if it is not found now, or its job still goes on
        revived = row.ended_at is not None and await self._is_revived(row)
        return HintCame(result="revived" if revived else "lost", job_id=row.job_id, task_id=task_id)

    async def _is_anothers(self, task_id: str, theirs: str) -> bool:
        """Whether another task of ours is known to be the vendor's task of this name."""
        row = await self._store.job(theirs)
        tasks = () if row is None else row.tasks
        return any(task.upstream_id == theirs and task.task_id != task_id for task in tasks)

    async def _is_revived(self, row: JobRow) -> bool:
        try:
            return await self._look.look_at(row)
        except StatusUnavailable:
            return False


def _has_lost(row: JobRow, task_id: str) -> bool:
    return any(task.task_id == task_id and task.state is State.LOST for task in row.tasks)
