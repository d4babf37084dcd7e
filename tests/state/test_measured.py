"""What is told of commits and of failed attempts, for those who count them."""

import asyncio
import contextlib
import errno
import sqlite3
from typing import get_args

import pytest

from gateway import failpoints
from gateway.errors import LedgerUnavailable
from gateway.events import JobDelivered, JobEnded, State
from gateway.failpoints import Stumble
from gateway.notices import LedgerCommitted, LedgerFailed, LedgerHindered
from gateway.state import trouble
from gateway.state.commit import Committer, Entry
from gateway.state.sqlite import SqliteStore
from tests.state.rows import Ledger, a_job, created, sent, tell


def failures(ledger: Ledger) -> list[tuple[str, str]]:
    return [(one.op, one.reason) for one in ledger.measured if isinstance(one, LedgerFailed)]


def entries(ledger: Ledger) -> list[int]:
    return [one.entries for one in ledger.measured if isinstance(one, LedgerCommitted)]


async def test_what_is_synced_is_told_and_what_may_wait_is_not(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.add_job(a_job("j", "t"))
    await store.remark(JobDelivered(job_id="j", at=1.0))
    assert ledger.measured == []
    await tell(store, sent("j", "t"), created("j", "t", "v"))
    assert entries(ledger) == [1, 1]
    await store.remark(JobEnded(job_id="j", at=2.0))
    assert len(ledger.measured) == 2


async def test_a_commit_says_how_long_it_took_and_how_many_it_was_for(
    ledger: Ledger, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Committer.commit

    def slow(self: Committer, entries: list[Entry], **named: bool) -> list[object]:
        outcomes = commit(self, entries, **named)
        ledger.clock.now += 0.25
        return outcomes

    for name in "abc":
        await store.add_job(a_job(name, f"t{name}"))
    monkeypatch.setattr(Committer, "commit", slow)
    failpoints.arm("ledger.commit=sleep:0.05")
    first = asyncio.ensure_future(store.remark(JobDelivered(job_id="a", at=1.0)))
    while not failpoints._armed["ledger.commit"].seen:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
    await asyncio.gather(
        first, *(store.record(sent(name, f"t{name}"), State.CREATING) for name in "abc")
    )
    assert ledger.measured == [LedgerCommitted(seconds=0.25, entries=3)]


@pytest.mark.parametrize(("action", "reason"), [("enospc", "disk_full"), ("raise", "other")])
async def test_each_attempt_that_fails_is_told(
    ledger: Ledger, store: SqliteStore, action: str, reason: str
) -> None:
    failpoints.arm(f"ledger.commit={action}")
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            await store.add_job(a_job("j"))
        ledger.clock.now += 1.0
    tried = failpoints._armed["ledger.commit"].seen
    assert failures(ledger) == [("commit", reason)] * tried
    assert len([one for one in ledger.told if isinstance(one, LedgerHindered)]) == 1
    failpoints.arm("")
    await store.add_job(a_job("j"))
    assert len(failures(ledger)) == tried
    assert entries(ledger) == []  # that all is well was tried with an empty one


async def test_a_mark_that_cannot_be_written_is_an_attempt_that_failed(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.add_job(a_job("j", "t"))
    failpoints.arm("ledger.committed=enospc")
    await store.record(sent("j", "t"), State.CREATING)
    assert entries(ledger) == [1]
    assert failures(ledger) == [("commit", "disk_full")]


async def test_another_programs_lock_is_told_as_such(ledger: Ledger, store: SqliteStore) -> None:
    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable):
            await store.add_job(a_job("j"))
    assert failures(ledger) == [("commit", "locked")]


async def test_a_reading_that_fails_is_told(ledger: Ledger, store: SqliteStore) -> None:
    assert store._reader is not None
    for error, reason in (
        (sqlite3.OperationalError("disk I/O error"), "other"),
        (MemoryError(), "other"),
        (_of(sqlite3.SQLITE_IOERR), "io"),
        (_of(sqlite3.SQLITE_BUSY_SNAPSHOT), "locked"),
    ):

        def fails(_: sqlite3.Connection, error: Exception = error) -> None:
            raise error

        with pytest.raises(LedgerUnavailable):
            await store._reader.ask(fails)
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
        assert failures(ledger).pop() == ("read", reason)
    assert len(failures(ledger)) == 4
    assert await store.job("nobody") is None


async def test_who_watches_and_raises_harms_neither_writing_nor_reading(ledger: Ledger) -> None:
    raised: list[object] = []

    def raises(fact: object) -> None:
        raised.append(fact)
        raise ValueError

    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    store = ledger.store()
    await store.open()
    assert store._writer is not None
    assert store._reader is not None
    store._writer._emit = store._reader._emit = raises
    await store.add_job(a_job("j", "t"))
    await store.record(sent("j", "t"), State.CREATING)
    assert (await store.job("j")) is not None

    def fails(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError

    with pytest.raises(LedgerUnavailable):
        await store._reader.ask(fails)
    await store.close()
    assert [type(one) for one in raised] == [LedgerCommitted, LedgerFailed]
    assert len(complaints) == 2


def _of(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "full"), "disk_full"),
        (OSError(errno.EDQUOT, "quota"), "disk_full"),
        (OSError(errno.EIO, "broken"), "io"),
        (PermissionError(errno.EACCES, "no"), "io"),
        (_of(sqlite3.SQLITE_LOCKED), "locked"),
        (_of(sqlite3.SQLITE_BUSY), "locked"),
        (_of(sqlite3.SQLITE_IOERR | 1 << 8), "io"),
        (_of(sqlite3.SQLITE_CANTOPEN), "io"),
        (_of(sqlite3.SQLITE_READONLY), "io"),
        (_of(sqlite3.SQLITE_CORRUPT), "io"),
        (_of(sqlite3.SQLITE_NOMEM), "other"),
        (sqlite3.OperationalError("unknown"), "other"),
        (MemoryError(), "other"),
        (Stumble("x"), "other"),
        (None, "other"),
    ],
)
def test_every_kind_of_trouble_has_one_word_of_four(error: Exception | None, kind: str) -> None:
    assert trouble.kind(error) == kind
    assert kind in get_args(trouble.Kind)
