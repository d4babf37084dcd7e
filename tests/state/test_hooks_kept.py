"""Promises and hooks in a file: they outlive the process, and are there in an older ledger."""

import contextlib
import sqlite3
from dataclasses import replace

import pytest

from gateway.errors import LedgerUnavailable
from gateway.events import JobEnded, JobPromised
from gateway.state import hook_tables
from gateway.state.opening import migrate
from gateway.state.schema import VERSION
from gateway.state.sqlite import SqliteStore
from gateway.state.steps import STEPS
from tests.state import version_one
from tests.state.rows import Ledger, a_job
from tests.state.telling import a_hook, due, only


def said(ledger: Ledger, question: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        return connection.execute(question).fetchall()


async def test_the_next_process_tells_what_this_one_did_not(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.add_job(a_job("j"))
    await store.add_hook(a_hook("j"), 1.0)
    await store.remark(JobPromised(job_id="j", at=1.5))
    await store.remark(JobEnded(job_id="j", at=2.1234567890123))
    failed = replace(await only(store), attempts=3, due_at=77.0, answer="HTTP 502")
    await store.hook_tried(failed)
    await store.close()
    again = ledger.store()
    await again.open()
    assert await only(again) == failed
    assert failed.ended_at == 2.1234567890123
    row = await again.job("j")
    assert row is not None
    assert row.promised_at == 1.5
    await again.close()


async def test_a_ledger_of_version_3_gets_what_it_lacks(ledger: Ledger) -> None:
    version_one.made(ledger.path, replace(a_job("old"), ended_at=5.0), a_job("running"))
    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        migrate(connection, 1, STEPS[:2])
    assert said(ledger, "PRAGMA user_version") == [(3,)]
    store = ledger.store()
    await store.open()
    assert [row.promised_at for row in await store.unfinished()] == [None]
    await store.add_hook(a_hook("old"), 9.0)
    assert await due(store) == [("old", "https://a")]
    await store.close()
    assert said(ledger, "PRAGMA user_version") == [(VERSION,)]
    fresh = Ledger(ledger.path.with_name("fresh.db"))
    other = fresh.store()
    await other.open()
    await other.close()
    for table in ("jobs", "hooks"):
        columns = f"SELECT name, type FROM pragma_table_info('{table}')"  # noqa: S608 - our own names
        assert said(ledger, columns) == said(fresh, columns)


async def test_what_is_due_is_found_without_a_look_at_all_of_it(
    ledger: Ledger, store: SqliteStore
) -> None:
    """However many are due, SQLite takes as many steps as there are keys."""
    for key in ("a", "b"):
        await store.add_job(a_job(key, key=key))
        await store.remark(JobEnded(job_id=key, at=1.0))
    await store.close()
    steps: list[int] = []
    for many in (100, 10_000):
        with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO hooks (hook_id, job_id, key_name, url, base_url, due_at) "
                "VALUES (?, 'a', 'a', ?, '', ?)",
                ((f"{many}-{n}", f"{many}-{n}", 10.0 + n) for n in range(many)),
            )
            connection.execute("COMMIT")
            steps.append(0)

            def count() -> int:
                steps[-1] += 1
                return 0

            connection.set_progress_handler(count, 1)
            found = hook_tables.due(connection, 10.0 + many, 4)
            connection.set_progress_handler(None, 0)
            assert [hook.key_name for hook in found.hooks] == ["a"] * 4
    assert steps[1] == pytest.approx(steps[0], abs=20)


async def test_no_hook_is_taken_while_nothing_can_be_written(ledger: Ledger) -> None:
    store = ledger.store()
    with pytest.raises(LedgerUnavailable):
        await store.add_hook(a_hook("j"), 1.0)
