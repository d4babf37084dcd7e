"""Which job a request gets that was paid for already, if any.

Owns: the rules, in their order: the caller's idempotency key, an SDK's own retry, a picture that
nobody took, a failure that is still remembered. Must not know: HTTP, how jobs run. Whoever is
matched has entered the job before anybody else can be. What was promised to somebody who asks for
it later is no orphan: an equal request that does not say that it asks again is another wish.

A key of the house's own making proves that a request was sent before; a new one does not prove
that it was not. So it is looked up like a caller's, but whoever brings it may have what nobody
took, and a job that has it may be taken. Since that job keeps the key it was begun with, what was
given is remembered beside it: whoever brings the same key again has it again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.config.sections import Joins as Section
from gateway.errors import Draining, IdempotencyKeyReused, LedgerUnavailable
from gateway.events import State
from gateway.images.shelf import Shelf
from gateway.jobs.ages import Ages
from gateway.jobs.board import Board, Job
from gateway.jobs.given import Given
from gateway.jobs.rows import find, pictures_of
from gateway.jobs.wish import callers_key, own_key
from gateway.state.base import JobRow, Store
from gateway.translate.model import Plan

How = Literal["idempotency_key", "sdk_retry", "orphan", "replay"]
_WAITING = "The gateway cannot keep its books at the moment, so it buys nothing new."


@dataclass(frozen=True, slots=True)
class Ask:
    """How a request asks: for whom, for what, and whether it says that it asks again."""

    key_name: str
    fingerprint: bytes
    idempotency_key: str | None = None
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """The job a request gets: live, or as it was written down."""

    job: Job | JobRow
    how: How


@dataclass(frozen=True, slots=True)
class Anew:
    """Nothing to join.

    The new job may have to take over the idempotency key of an older one (``instead_of``), and may
    use what a failed one had bought (``adopt``).
    """

    instead_of: str | None = None
    adopt: JobRow | None = None


class Joins:
    """Finds what a request may join."""

    def __init__(
        self, board: Board, store: Store, shelf: Shelf, ages: Ages, given: Given, section: Section
    ) -> None:
        self._board = board
        self._store = store
        self._shelf = shelf
        self._ages = ages
        self._given = given
        self._section = section

    async def find(self, ask: Ask, plan: Plan) -> Match | Anew:
        """What this request gets; a match has been entered.

        Raises: IdempotencyKeyReused; LedgerUnavailable where facts wait that should be known here.
        """
        trouble = self._store.trouble
        before = self._live(ask)
        keyed = given = None
        if ask.idempotency_key is not None:
            keyed = await self._store.keyed(ask.key_name, ask.idempotency_key)
            given = await self._written_as_given(ask)
        over = list(await self._store.ended(ask.key_name, ask.fingerprint))
        await self._overtake(before, over)
        # From here on nothing waits: what is found is still so when it is entered.
        match = self._by_key(ask, self._holders(ask, keyed, given, over))
        found = match or self._decide(ask, plan, keyed, over)
        if isinstance(found, Match):
            self.give(ask.key_name, ask.idempotency_key, found.job.job_id)
            self._board.enter(found.job.job_id)
        elif trouble is not None:
            # The end of an equal job may be among the facts that could not be written: by the time
            # a new one can be, it would be bought again.
            raise LedgerUnavailable(_WAITING, code="journal_unavailable", retry_after=5)
        return found

    def give(self, key_name: str, idempotency_key: str | None, job_id: str) -> None:
        """Remember what a key of the house's own was given; a caller's keeps what it began."""
        own = own_key(idempotency_key)
        if own is not None:
            self._given.note(key_name, own, job_id)

    async def _written_as_given(self, ask: Ask) -> JobRow | None:
        own = own_key(ask.idempotency_key)
        if own is None:
            return None
        job_id = self._given.of(ask.key_name, own)
        if job_id is not None:
            return await self._store.job(job_id)
        return await self._store.given(ask.key_name, ask.fingerprint, own)

    async def _overtake(self, before: Sequence[Job], over: list[JobRow]) -> None:
        """Add those that ended while the store was asked; each is looked up once at most."""
        known = {row.job_id for row in over}
        while gone := [
            job.job_id
            for job in before
            if self._board.live(job.job_id) is not job and job.job_id not in known
        ]:
            for job_id in gone:
                known.add(job_id)
                row = await self._store.job(job_id)
                if row is not None and row.ended_at is not None:
                    over.append(row)

    def _live(self, ask: Ask) -> tuple[Job, ...]:
        live = self._board.alike(ask.key_name, ask.fingerprint)
        keyed = ask.idempotency_key and self._board.keyed(ask.key_name, ask.idempotency_key)
        return (*live, keyed) if keyed and keyed not in live else live

    def _decide(
        self, ask: Ask, plan: Plan, keyed: JobRow | None, over: Sequence[JobRow]
    ) -> Match | Anew:
        live = self._board.alike(ask.key_name, ask.fingerprint)
        done = [row for row in over if self._board.live(row.job_id) is None]
        if ask.retry:
            match = self._by_retry(live, done)
        elif callers_key(ask.idempotency_key) is None:
            match = self._orphan(
                [job for job in live if not callers_key(job.idempotency_key)], done
            )
        else:
            match = None
        if match is not None:
            return match
        holder = keyed.job_id if keyed is not None else None
        return Anew(instead_of=holder, adopt=self._adoptable(ask, plan, done))

    def _holders(
        self, ask: Ask, keyed: JobRow | None, given: JobRow | None, over: Sequence[JobRow]
    ) -> Iterator[Job | JobRow]:
        """What the key stands for: what it was given, then what was begun with it."""
        ended = {row.job_id: row for row in over}  # read later than the others
        own = own_key(ask.idempotency_key)
        name = own and self._given.of(ask.key_name, own)
        if name is not None and (given is None or given.job_id != name):
            given = None  # given while the store was asked
        name = name or (given.job_id if given is not None else None)
        if name is not None:
            live = self._board.live(name)
            holder = live if live is not None and not live.closing else ended.get(name, given)
            if holder is not None:
                yield holder
        job = self._board.keyed(ask.key_name, ask.idempotency_key or "")
        if job is not None:
            yield job
        elif keyed is not None:
            yield ended.get(keyed.job_id, keyed)

    def _by_key(self, ask: Ask, holders: Iterator[Job | JobRow]) -> Match | None:
        """The first job that the key stands for and that is of some use still."""
        for holder in holders:
            if isinstance(holder, JobRow) and not self._is_of_use(holder):
                continue
            if holder.fingerprint != ask.fingerprint:
                message = (
                    "This Idempotency-Key was used before, for a request with other parameters. "
                    "Use a new key for a new request."
                )
                raise IdempotencyKeyReused(message, code="idempotency_key_reused")
            return Match(holder, "idempotency_key")
        return None

    def _by_retry(self, live: Sequence[Job], over: Sequence[JobRow]) -> Match | None:
        """The oldest that nobody has and nobody waits for; else the oldest handed over of late.

        What was promised to somebody comes after what was not: it may be another's. Where somebody
        waits for every one, the newest: its hang-up was not noticed yet.
        """
        late = [row for row in over if self._is_delivered_lately(row)]
        late.sort(key=lambda row: -self._ages.since_delivery(row.job_id, row.delivered_at))
        unclaimed = [row for row in over if self._is_unclaimed(row)]
        promised = [row for row in unclaimed if row.promised_at is not None]
        nobodys = [row for row in unclaimed if row.promised_at is None]
        made: list[Job | JobRow] = [*nobodys, *live, *promised, *late]
        for one in made:
            if not self._board.visits(one.job_id):
                return Match(one, "sdk_retry")
        elsewhere = [job for job in live if job.promised and self._board.visits(job.job_id) == 1]
        if elsewhere:  # it may be this caller's own, of whose 202 nothing came
            return Match(elsewhere[0], "sdk_retry")
        failed = [row for row in over if self._is_failed(row)]
        if failed:
            return Match(failed[-1], "replay")
        made = [*late, *unclaimed, *live]
        return Match(made[-1], "sdk_retry") if made else None

    def _orphan(self, live: Sequence[Job], over: Sequence[JobRow]) -> Match | None:
        """A picture nobody took and nobody waits for; else a failure that is still remembered."""
        orphans: list[Job | JobRow] = [row for row in over if self._is_orphan(row)]
        for one in [*orphans, *live]:
            if not self._board.visits(one.job_id):
                return Match(one, "orphan")
        failed = [
            row for row in over if self._is_failed(row) and not callers_key(row.idempotency_key)
        ]
        return Match(failed[-1], "replay") if failed else None

    def _adoptable(self, ask: Ask, plan: Plan, over: Sequence[JobRow]) -> JobRow | None:
        """The newest that failed in part, whose pictures nobody has, and that would be the same."""
        for row in reversed(over):
            own = callers_key(row.idempotency_key) == callers_key(ask.idempotency_key)
            alike = [task.n for task in row.plan.tasks] == [task.n for task in plan.tasks]
            had = any(self._has_all(row, place) for place in range(len(row.tasks)))
            free = not self._board.visits(row.job_id)
            if row.failure and own and alike and had and free and not self._is_claimed(row):
                return row
        return None

    # What a job that is over still is

    def _is_served(self, row: JobRow) -> bool:
        """Made, and all of it still on the shelf."""
        return row.failure is None and all(
            self._has_all(row, place) for place in range(len(row.tasks))
        )

    def _is_of_use(self, row: JobRow) -> bool:
        return self._is_served(row) or self._is_failed(row)

    def _has_all(self, row: JobRow, place: int) -> bool:
        task = row.tasks[place]
        kept = [one for one in pictures_of(row, task) if find(self._shelf, one) is not None]
        return task.state is State.DONE and len(kept) == row.plan.tasks[task.place].n

    def _is_claimed(self, row: JobRow) -> bool:
        return row.delivered_at is not None or any(
            self._shelf.is_claimed(picture.token) for picture in row.pictures
        )

    def _is_unclaimed(self, row: JobRow) -> bool:
        return self._is_served(row) and not self._is_claimed(row)

    def _is_orphan(self, row: JobRow) -> bool:
        age = self._ages.since_end(row.job_id, row.ended_at)
        return (
            callers_key(row.idempotency_key) is None
            and row.promised_at is None
            and age <= self._section.orphans
            and self._is_unclaimed(row)
        )

    def _is_delivered_lately(self, row: JobRow) -> bool:
        # That it was is written a moment after the last byte; until then its end must do.
        age = min(
            self._ages.since_delivery(row.job_id, row.delivered_at),
            self._ages.since_end(row.job_id, row.ended_at),
        )
        return self._is_claimed(row) and age <= self._section.delivered and self._is_served(row)

    def _is_failed(self, row: JobRow) -> bool:
        """Failed after something was bought, and not long ago."""
        bought = any(not task.nothing_bought for task in row.tasks)
        age = self._ages.since_end(row.job_id, row.ended_at)
        failed = row.failure is not None and row.failure.kind != Draining.__name__
        return failed and bought and age <= self._section.failures
