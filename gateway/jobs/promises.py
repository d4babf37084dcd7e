"""Jobs that are asked for later: begun now, and waited for by somebody who is not there.

Owns: when a job counts as begun, whom its end is to be told, the mark of a promise, and when asking
is likely to help. Must not know: HTTP, how anybody is told. A promise is marked once it was handed
over whole: whoever was not told it comes again, and gets the job like any other that nobody took.
"""

import asyncio

from gateway.errors import Draining, LedgerUnavailable
from gateway.events import JobPromised
from gateway.failpoints import failpoint
from gateway.jobs.board import Job
from gateway.jobs.expected import expected
from gateway.jobs.ids import ulid
from gateway.jobs.memory import Memory
from gateway.jobs.reception import CallerLeft, Glance, Visit
from gateway.jobs.rows import bought_by
from gateway.jobs.schedule import Experience
from gateway.state.hooks import HookRow

_LOOK = 0.02  # seconds between two looks whether a job is written
_NOBODY_KNOWS = 2.0
_SOONEST, _LATEST = 1.0, 60.0
_UNTOLD = "The gateway cannot keep its books at the moment, so it promises nothing."


class Promises:
    """Makes them and marks them."""

    def __init__(self, memory: Memory, experience: Experience) -> None:
        self._store = memory.store
        self._journal = memory.journal
        self._board = memory.board
        self._shelf = memory.shelf
        self._clock = memory.clock
        self._experience = experience

    async def begun(self, visit: Visit, gone: asyncio.Future[None]) -> Glance:
        """Wait until the ledger has the job; how it stands then.

        Raises: what kept it from being begun, or the reason why it goes on in another process;
        CallerLeft.
        """
        job = visit.job
        while isinstance(job, Job) and not job.written and not visit.outcome.done():
            if gone.done():
                raise CallerLeft
            await self._clock.sleep(_LOOK)
        outcome = visit.outcome.result() if visit.outcome.done() else None
        error = outcome.error if outcome is not None else None
        unwritten = isinstance(job, Job) and not job.written
        if error is not None and (unwritten or isinstance(error, Draining)):
            raise error
        return Glance(job, outcome)

    async def tell(self, visit: Visit, url: str, base_url: str) -> None:
        """Have the job's end told to an address.

        Raises: LedgerUnavailable; coming back gets what may be bought for the job meanwhile.
        """
        wall, job = self._clock.wall(), visit.job
        hook = HookRow(f"hook_{ulid(wall)}", job.job_id, url, base_url)
        try:
            await self._store.add_hook(hook, wall)
        except LedgerUnavailable:
            bought = job.bought() if isinstance(job, Job) else bought_by(job, self._shelf)
            raise LedgerUnavailable(
                _UNTOLD, code="journal_unavailable", retry_after=5, bought=bought, come_back=True
            ) from None

    async def keep(self, visit: Visit) -> None:
        """Whoever asked was told to the last byte where to ask: the job is waited for."""
        if isinstance(visit.job, Job):
            self._board.stay(visit.job)
        failpoint("promise.unwritten")
        await self._journal.remark(JobPromised(job_id=visit.job_id, at=self._clock.wall()))
        failpoint("promise.written")

    def ask_again(self, glance: Glance) -> float:
        """In how many seconds asking for a job that is not over is likely to help."""
        left = None
        if isinstance(glance.job, Job):
            left = expected(glance.job, self._experience, self._clock.monotonic())
        return _NOBODY_KNOWS if left is None else min(_LATEST, max(_SOONEST, left))
