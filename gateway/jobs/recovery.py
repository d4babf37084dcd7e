"""Taking up what another process left: unfinished jobs at the start, lost tasks later on.

Owns: what a start makes of each state, and when a LOST task is asked for once more. Must not
know: how jobs run. A create that was being sent when the process ended is looked up, never sent
again; so is one that was lost and was about to be sent again, before that is done. What was not
sent is not bought, for its caller is gone, unless it was promised to one who asks for it later.
"""

from collections.abc import Mapping, Sequence

from gateway.errors import Draining, GatewayError, InternalError, LedgerUnavailable
from gateway.events import FINAL, CreateLost, JobEnded, JobRecovered, JobReopened, State
from gateway.failpoints import failpoint
from gateway.jobs.asking import Anothers, Past, Seeker
from gateway.jobs.board import Job, Outcome
from gateway.jobs.creator import Creator
from gateway.jobs.memory import Memory
from gateway.jobs.rows import failure_of, job_of, plain_error, references
from gateway.jobs.runner import Runner
from gateway.notices import ChoreFailed
from gateway.state.base import JobRow
from gateway.translate.model import Picture
from gateway.upstream.base import StatusUnavailable, TaskStatus, TaskUnknown, Upstream
from gateway.upstream.governor import Governor

# Seconds since a job ended at which its LOST tasks are asked for again.
_LOOKS = (60.0, 300.0, 900.0, 1_800.0, 3_600.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0)
_MOST_TOLD = 1_000
# Jobs in a row that no answer came about, after which the vendor is taken to be away.
_SILENT = 3
_GONE = "the process ended before anything was sent"
_RESTARTED = "The gateway was restarted before all of it was sent; ask again."
_WITHOUT_FILES = (
    "The gateway was restarted before all of it was sent, and the pictures that had come with the "
    "request went with the process that had them; send the request again."
)
_TOO_LATE = "The gateway was away until it was too late to send the request; send it again."
_UNREVIVED = "The gateway failed while taking a request up again."


class Recovery:
    """Brings jobs of the ledger back to life."""

    def __init__(self, memory: Memory, runner: Runner, follow: float) -> None:
        self._store = memory.store
        self._journal = memory.journal
        self._board = memory.board
        self._shelf = memory.shelf
        self._clock = memory.clock
        self._runner = runner
        self._follow = follow

    async def recover(self) -> int:
        """Take up every unfinished job; how many go on. Call it before anybody can ask."""
        failpoint("recovery.begun")
        jobs = []
        for row in await self._store.unfinished():
            job = self._job(row)
            hindrance = self._hindrance(row, job)
            if hindrance is not None and await self._drop(job, hindrance):
                continue
            told = JobRecovered(job_id=job.job_id, at=self._clock.wall(), states=job.states)
            await self._journal.remark(told)
            for task in job.tasks:
                if task.entry.state is State.CREATING:
                    reason = "the process ended before the answer came"
                    stamp = task.entry.stamp(self._clock.wall())
                    await self._journal.tell(task.entry, CreateLost(**stamp, reason=reason))
            jobs.append(job)
        # With no wait in between: every task at the vendor has its slot before any turn is given.
        for job in jobs:
            self._runner.resume(job)
        failpoint("recovery.done")
        return len(jobs)

    async def revive(self, name: str, found: Mapping[str, TaskStatus], creator: Creator) -> bool:
        """Take a job up again whose LOST tasks were ``found``, by id; whether there was need.

        Raises: as the store.
        Once it is written to be under way it goes on, whatever comes between: with what could be
        taken down as found, so that it ends again and its other tasks get another look.
        """
        row = await self._store.job(name)
        if row is None or row.ended_at is None or self._board.live(name) is not None:
            return False  # somebody else has taken it up meanwhile
        lost = {task.task_id for task in row.tasks if task.state is State.LOST}
        found = {task_id: status for task_id, status in found.items() if task_id in lost}
        if not found:
            return False  # and it has ended again
        job = self._job(row)
        self._board.put(job)
        try:
            told = JobReopened(job_id=name, at=self._clock.wall(), missing=0)
            await self._journal.reopen(row, told)
        except BaseException as error:
            self._board.take(job)
            told_to = error if isinstance(error, GatewayError) else InternalError(_UNREVIVED)
            job.outcome.set_result(Outcome(error=told_to))
            raise
        try:
            for task in job.tasks:
                status = found.get(task.entry.task_id)
                if status is not None:
                    await creator.found(task, status)
        except Exception:
            self._runner.resume(job)
            raise
        self._runner.resume(job)
        return True

    def _job(self, row: JobRow) -> Job:
        now, wall = self._clock.monotonic(), self._clock.wall()
        return job_of(row, self._shelf, now=now, wall=wall, follow=self._follow)

    def _hindrance(self, row: JobRow, job: Job) -> str | None:
        """Why what was not sent of a job is not bought, in words for its caller; None if it is."""
        if _lacks_files(job):
            return _WITHOUT_FILES if job.promised else _RESTARTED
        if job.begun:
            return None
        if not job.promised:
            return _RESTARTED
        return _TOO_LATE if self._clock.wall() >= row.created_at + row.seconds else None

    async def _drop(self, job: Job, told: str) -> bool:
        """Give up what was not sent; if that was all there was to do, the job ends, and says so.

        That is no failure to be remembered, and whoever asks again has it made; unless one of its
        tasks is LOST, so that it is perhaps bought.
        """
        for task in job.tasks:
            if task.entry.state is State.INTENT:
                await self._journal.give_up(task.entry, _GONE)
        if any(task.entry.state not in FINAL for task in job.tasks):
            return False
        lost = any(task.entry.state is State.LOST for task in job.tasks)
        error = plain_error(job) if lost else None
        error = error or Draining(told, code="server_is_draining")
        ended = JobEnded(job_id=job.job_id, at=self._clock.wall(), code=error.code)
        await self._journal.remark(ended, failure_of(error))
        return True


def _lacks_files(job: Job) -> bool:
    """Whether a task is still to be sent whose pictures went with the process that had them."""
    unsent = any(task.entry.state is State.INTENT for task in job.tasks)
    return (
        unsent and not job.links and any(isinstance(one, Picture) for one in references(job.plan))
    )


class SecondLook:
    """Asks again for tasks whose create was lost and that were not found in time."""

    def __init__(
        self,
        memory: Memory,
        recovery: Recovery,
        creator: Creator,
        upstream: Upstream,
        governor: Governor,
    ) -> None:
        self._store = memory.store
        self._board = memory.board
        self._journal = memory.journal
        self._clock = memory.clock
        self._recovery = recovery
        self._creator = creator
        self._seeker = Seeker(upstream, memory.journal, memory.board, governor.queries)
        self._told: dict[str, None] = {}
        self._looked: dict[str, int] = {}
        self._vain: dict[str, int] = {}  # jobs asked about in vain, and in which order
        self._asked = 0

    def hasten(self, job_id: str) -> None:
        """The vendor told of one of a job's LOST tasks: it gets its look in the next round."""
        self._told[job_id] = None
        while len(self._told) > _MOST_TOLD:
            del self._told[next(iter(self._told))]

    async def look(self) -> int:
        """Ask for every LOST task whose turn it is; how many jobs were taken up again.

        A look that brought no answer is none: it is repeated, after those of all others. A round
        ends early where the vendor answers nothing. Raises: LedgerUnavailable.
        """
        wall = self._clock.wall()
        silent = revived = 0
        for row, looks in self._due(await self._store.lost(wall - _LOOKS[-1] - 3_600), wall):
            self._asked += 1
            self._vain[row.job_id] = self._asked  # until it was not
            try:
                revived += await self.look_at(row)
            except StatusUnavailable:
                silent += 1
                if silent == _SILENT:
                    break
                continue
            except LedgerUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one job's fault must not cost the others
                self._journal.announce(ChoreFailed(chore="look", error=error))
                continue
            silent = 0
            del self._vain[row.job_id]
            self._told.pop(row.job_id, None)
            self._looked[row.job_id] = looks
        return revived

    def _due(self, rows: Sequence[JobRow], wall: float) -> list[tuple[JobRow, int]]:
        """Those whose turn it is, with how many looks they then had: who was asked in vain last."""
        self._looked = {row.job_id: self._looked.get(row.job_id, 0) for row in rows}
        self._vain = {name: turn for name, turn in self._vain.items() if name in self._looked}
        ages = ((row, wall - (row.ended_at or wall)) for row in rows)
        looks = [(row, sum(age >= one for one in _LOOKS)) for row, age in ages]
        due = [
            (row, number)
            for row, number in looks
            if number > self._looked[row.job_id] or row.job_id in self._told
        ]
        return sorted(due, key=lambda one: self._vain.get(one[0].job_id, 0))

    async def look_at(self, row: JobRow, *, wary: bool = False) -> bool:
        """Ask for a job's LOST tasks, by every name; whether it was taken up again.

        Whoever would buy a task anew is ``wary``: an answer about another task says nothing of this
        one, nor does a denial of what the vendor itself has told of.
        Raises: StatusUnavailable where the vendor gave no answer about one, unless the job goes on
        because of another; LedgerUnavailable.
        """
        found = {}
        silent = None
        for task in row.tasks:
            if task.state is not State.LOST:
                continue
            try:
                found[task.task_id] = await self._seeker.seek(Past(row.job_id, task.task_id))
            except TaskUnknown as denial:
                told = isinstance(denial, Anothers) or task.task_id in self._board.hearsay
                if wary and told:
                    silent = StatusUnavailable(f"contradicts itself: {denial}", kind="garbage")
            except StatusUnavailable as unavailable:
                silent = unavailable
        if found and await self._recovery.revive(row.job_id, found, self._creator):
            self._told.pop(row.job_id, None)
            return True
        if silent is not None and self._board.live(row.job_id) is None:
            raise silent
        return False

    @property
    def closed(self) -> bool:
        """Whether everything is being left off, and nothing is taken up any more."""
        return self._creator.closed

    def is_told(self, row: JobRow) -> bool:
        """Whether the vendor has told of one of a job's LOST tasks."""
        lost = (task.task_id for task in row.tasks if task.state is State.LOST)
        return any(task_id in self._board.hearsay for task_id in lost)
