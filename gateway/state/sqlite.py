"""The ledger in a file of SQLite's.

Owns: which call of the store becomes which entry, and what each means to fail. Must not know: how
entries are committed (``commit.py``, ``writer.py``), what a ledger must be like (``opening.py``).

Every call that writes returns after its commit, and what is read has every commit in it, but for
facts that wait in memory because nothing can be written. Who reads then reads an older state: of a
live job the process itself knows better, and no new one can be added before all is written.

What the keys have used is decided in memory (``accounts.py``) and written with what it is owed to:
sums only ever by how much they change, so that those in the file are those of its own rows, in
whatever order and however late they are written. Whoever gives up waiting for ``add_job`` has taken
nothing in memory, but the file may have the job, with all that it took, if its commit had begun.
Nothing is ever sent for that one: the next process finds it unfinished and drops it, which gives
back what the file had counted for it.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from typing import cast

from gateway.clock import Clock
from gateway.config.sections import Limits
from gateway.config.sections import State as Section
from gateway.errors import LedgerUnavailable
from gateway.events import (
    Created,
    CreateSent,
    Found,
    JobEnded,
    JobEvent,
    JobPromised,
    RecreateAllowed,
    State,
    TaskEvent,
)
from gateway.notices import (
    LedgerOpened,
)
from gateway.state import figures, hook_tables, reads, writes
from gateway.state.accounts import KEPT_DAYS, Accounts
from gateway.state.base import (
    NO_LIMITS,
    Failure,
    JobRow,
    LedgerFigures,
    PictureRow,
    Standing,
    Unclaimed,
)
from gateway.state.books import Taken
from gateway.state.commit import Committer, Entry, Kind
from gateway.state.days import DAY
from gateway.state.hooks import DueHooks, HookRow
from gateway.state.opening import Opened, take_up
from gateway.state.reads import Reader
from gateway.state.trouble import unavailable
from gateway.state.writer import Writer

_STEPS = (CreateSent, RecreateAllowed)
_PURCHASES = (Created, Found)


class SqliteStore:
    """Remembers jobs in ``path``; ``emit`` is called in the loop.

    ``patience`` is how many seconds another gateway's end is waited for at the start, ``busy`` how
    many another program may keep the file locked.
    """

    durable = True

    def __init__(
        self,
        path: str,
        section: Section,
        clock: Clock,
        emit: Callable[[object], None],
        *,
        patience: float = 10.0,
        busy: float = 5.0,
    ) -> None:
        self._path = path
        self._section = section
        self._clock = clock
        self._emit = emit
        self._patience = patience
        self._busy = busy
        self._accounts = Accounts(clock)
        self._secret: bytes | None = None
        self._writer: Writer | None = None
        self._reader: Reader | None = None

    def __repr__(self) -> str:
        return f"SqliteStore({self._path}, {self.trouble or 'well'})"

    @property
    def secret(self) -> bytes:
        """This ledger's own random bytes."""
        if self._secret is None:
            raise RuntimeError("the ledger was never opened")
        return self._secret

    @property
    def trouble(self) -> str | None:
        """Why no job can be added at the moment."""
        return "the ledger is not open" if self._writer is None else self._writer.trouble

    async def open(self) -> None:
        """Take the ledger up, or make one. Raises: LedgerFault."""
        given_up = threading.Event()
        try:
            opened = await asyncio.to_thread(
                take_up, self._path, self._patience, self._busy, given_up
            )
        except asyncio.CancelledError:
            given_up.set()
            raise
        self._secret = opened.secret
        self._reader = Reader(opened.reading, self._emit)
        self._writer = Writer(
            Committer(opened.writing, opened.mark),
            opened.ballast,
            self._clock,
            self._emit,
            partial(os.close, opened.lock),
        )
        self._emit(self._told(opened))
        self._writer.start(opened.trouble)
        try:
            await self._restore(self._reader)
        except BaseException:
            await self.close()
            raise

    async def add_job(
        self, job: JobRow, *, limits: Limits = NO_LIMITS, instead_of: str | None = None
    ) -> None:
        """Write a new job and what it takes.

        Raises: LimitReached, LedgerUnavailable, IdempotencyKeyTaken.
        """
        taken = self._accounts.take(job, limits)
        await self._begin(taken, partial(writes.add_job, taken=taken, instead_of=instead_of))

    async def reopen(self, job: JobRow, *, limits: Limits | None = None) -> None:
        """Take a job that had ended up again. Raises: LimitReached, LedgerUnavailable."""
        if limits is None:
            entry = partial(writes.reopen, job=job, taken=None)
            row = await self._write(entry, Kind.STEP, synced=True)
            self._accounts.resume(cast("JobRow", row))
        else:
            taken = self._accounts.take(job, limits)
            entry = partial(writes.reopen, job=taken.job, taken=taken)
            await self._begin(taken, entry, synced=True)

    async def record(
        self, event: TaskEvent, state: State, pictures: Sequence[PictureRow] = ()
    ) -> None:
        """Write what happened to a task. Raises: LedgerUnavailable before a purchase.

        An event that may be refused changes nothing in the accounts.
        """
        before = isinstance(event, _STEPS)
        change = self._accounts.told(event, state)
        await self._write(
            partial(
                writes.record, event=event, state=state, pictures=tuple(pictures), change=change
            ),
            Kind.STEP if before else Kind.FACT,
            synced=before or isinstance(event, _PURCHASES),
        )

    async def remark(self, event: JobEvent, failure: Failure | None = None) -> None:
        """Write what happened to a job."""
        if isinstance(event, JobEnded):
            self._accounts.ended(event.job_id)
        keep = self._section.keep_prompts
        await self._write(
            partial(writes.remark, event=event, failure=failure, keep_prompts=keep),
            Kind.FACT,
            synced=isinstance(event, JobPromised),
        )

    async def add_links(self, job_id: str, links: Mapping[str, str]) -> None:
        """Write where a job's references lie at the vendor."""
        await self._write(partial(writes.add_links, job_id=job_id, links=dict(links)), Kind.FACT)

    async def add_hook(self, hook: HookRow, at: float) -> None:
        """Have a job's end told to an address. Raises: LedgerUnavailable, TooManyHooks."""
        await self._write(partial(hook_tables.add, hook=hook, at=at), Kind.STEP)

    async def hook_tried(self, hook: HookRow) -> None:
        """Write what came of telling."""
        await self._write(partial(hook_tables.tried, hook=hook), Kind.FACT)

    async def due_hooks(
        self, now: float, most: int, without: Container[str] = frozenset()
    ) -> DueHooks:
        """What is to be told by now, and when more is. Raises: LedgerUnavailable."""
        question = partial(hook_tables.due, now=now, most=most, without=without)
        return await self._reading.ask(question)

    async def fetched(self, token: str, at: float) -> None:
        """Write that a picture was fetched by its link."""
        await self._write(partial(writes.fetched, token=token, at=at), Kind.FACT)

    async def look(self, key_name: str, limits: Limits) -> None:
        """Whether a key may send one more request. Raises: LimitReached."""
        self._accounts.look(key_name, limits)

    async def take_request(self, key_name: str, limits: Limits) -> None:
        """Count a request that buys nothing. Raises: LimitReached."""
        self._accounts.take_request(key_name, limits)

    async def standing(self, key_name: str, limits: Limits) -> Standing:
        """What a key has used."""
        return self._accounts.standing(key_name, limits)

    async def used(self, key_name: str, credential: str) -> None:
        """Note that a key was used."""
        self._accounts.used(key_name, credential)

    async def keep_accounts(self) -> None:
        """Write down what was counted without a job. Raises: LedgerUnavailable."""
        owed, uses = self._accounts.unwritten()
        if not owed and not uses:
            return
        try:
            await self._write(partial(writes.keep_accounts, owed=owed, uses=uses), Kind.CHORE)
        except BaseException:
            self._accounts.not_written(owed, uses)
            raise

    async def job(self, name: str) -> JobRow | None:
        """A job by any of its names. Raises: LedgerUnavailable."""
        return await self._reading.ask(partial(reads.job, name=name))

    async def ended(self, key_name: str, fingerprint: bytes) -> tuple[JobRow, ...]:
        """The newest few that ended for such a request. Raises: LedgerUnavailable."""
        question = partial(reads.ended, key_name=key_name, fingerprint=fingerprint)
        return await self._reading.ask(question)

    async def keyed(self, key_name: str, idempotency_key: str) -> JobRow | None:
        """The job that holds this idempotency key. Raises: LedgerUnavailable."""
        question = partial(reads.keyed, key_name=key_name, idempotency_key=idempotency_key)
        return await self._reading.ask(question)

    async def given(self, key_name: str, fingerprint: bytes, idempotency_key: str) -> JobRow | None:
        """The job that another request with this key was given. Raises: LedgerUnavailable."""
        question = partial(
            reads.given,
            key_name=key_name,
            fingerprint=fingerprint,
            idempotency_key=idempotency_key,
        )
        return await self._reading.ask(question)

    async def unfinished(self) -> tuple[JobRow, ...]:
        """All jobs that have not ended. Raises: LedgerUnavailable."""
        return await self._reading.ask(reads.unfinished)

    async def lost(self, since: float) -> tuple[JobRow, ...]:
        """Jobs that ended with a task that is LOST. Raises: LedgerUnavailable."""
        return await self._reading.ask(partial(reads.lost, since=since))

    async def claimed(self) -> frozenset[str]:
        """Living pictures that somebody has had. Raises: LedgerUnavailable."""
        return await self._reading.ask(partial(reads.claimed, now=self._clock.wall()))

    async def unclaimed(self) -> tuple[Unclaimed, ...]:
        """Some jobs whose pictures died before anybody had them. Raises: LedgerUnavailable."""
        return await self._reading.ask(partial(figures.unclaimed, now=self._clock.wall()))

    async def write_off(self, job_ids: Sequence[str]) -> None:
        """Note that these need not be told of again. Raises: LedgerUnavailable."""
        await self._write(partial(writes.write_off, job_ids=tuple(job_ids)), Kind.CHORE)

    async def figures(self) -> LedgerFigures:
        """What there is, in numbers. Raises: LedgerUnavailable."""
        now = self._clock.wall()
        return await self._reading.ask(partial(figures.figures, now=now, path=self._path))

    async def prune(self, before: float) -> int:
        """Forget old jobs, some at a time. Raises: LedgerUnavailable."""
        forgotten = 0
        while True:
            some = cast("int", await self._write(partial(writes.prune, before=before), Kind.CHORE))
            forgotten += some
            if some < writes.PRUNED_AT_ONCE:
                return forgotten

    async def close(self) -> None:
        """Write the rest, if that can be done, and release everything."""
        try:
            with contextlib.suppress(LedgerUnavailable):
                await self.keep_accounts()
        finally:
            await self._release()

    async def _release(self) -> None:
        reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        if reader is not None:
            await reader.close()
        if writer is not None:
            await writer.close()

    async def _restore(self, reader: Reader) -> None:
        self._accounts = Accounts(self._clock)  # one that was open before knows nothing else
        since = int(self._clock.wall() // DAY) - KEPT_DAYS
        kept = await reader.ask(partial(reads.accounts, since=since))
        self._accounts.restore(kept.owed, kept.spent)
        for job in kept.jobs:
            self._accounts.resume(job)

    async def _begin(
        self, taken: Taken, apply: Callable[..., object], *, synced: bool = False
    ) -> None:
        """Write what precedes a purchase, or have nothing taken."""
        try:
            await self._write(apply, Kind.STEP, synced=synced)
        except BaseException:
            self._accounts.undo(taken)
            raise

    async def _write(
        self, apply: Callable[..., object], kind: Kind, *, synced: bool = False
    ) -> object:
        if self._writer is None:
            raise unavailable()
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        return await self._writer.write(Entry(apply, kind, synced, answer))

    @property
    def _reading(self) -> Reader:
        if self._reader is None:
            raise unavailable()
        return self._reader

    def _told(self, opened: Opened) -> LedgerOpened:
        return LedgerOpened(
            path=self._path,
            created=opened.created,
            jobs=opened.jobs,
            unfinished=opened.unfinished,
        )
