"""The ledger in numbers: found by indices, also in one of an older version."""

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.events import JobEnded, State
from gateway.state import figures
from gateway.state.opening import migrate
from gateway.state.sqlite import SqliteStore
from gateway.state.steps import STEPS
from tests.state import version_one
from tests.state.audits import told
from tests.state.contract import add_done
from tests.state.rows import Ledger, a_job


async def test_the_size_is_that_of_the_file_and_its_log(ledger: Ledger, store: SqliteStore) -> None:
    await store.add_job(a_job("j"))
    log = ledger.beside("-wal").stat().st_size
    assert log > 0
    assert (await store.figures()).size == ledger.path.stat().st_size + log
    await store.close()
    assert not ledger.beside("-wal").exists()
    store = ledger.store()
    await store.open()
    assert (await store.figures()).size >= ledger.path.stat().st_size
    await store.close()


async def test_a_ledger_by_another_name_has_the_same_size(ledger: Ledger, tmp_path: Path) -> None:
    store = ledger.store()
    await store.open()
    await store.close()
    link = Ledger(tmp_path / "link.db")
    link.path.symlink_to(ledger.path)
    store = link.store()
    await store.open()
    await store.add_job(a_job("j"))
    both = ledger.path.stat().st_size + ledger.beside("-wal").stat().st_size
    assert (await store.figures()).size == both
    await store.close()


async def test_nothing_is_counted_by_a_look_at_every_row(
    ledger: Ledger, store: SqliteStore
) -> None:
    """All rows of an index are looked at for one number alone, and of no table."""
    await add_done(store, "j", "t")
    questions = [
        *(figures._BY_STATE.format(some) for some in (figures._OPEN, figures._IN_VAIN)),
        *(figures._ALL, figures._KEPT, figures._UNCERTAIN, figures._UNCLAIMED),
        *(figures._TOKENS, figures._SHARES),
    ]
    plans = {}
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        for question in questions:
            given = ("x",) * question.count("?")
            rows = connection.execute(f"EXPLAIN QUERY PLAN {question}", given)
            plans[question] = [row[3] for row in rows]
    scans = [step for steps in plans.values() for step in steps if step.startswith("SCAN")]
    assert all("USING" in step for step in scans), plans
    assert sum("tasks_by_job" in step for step in scans) == 1
    assert [step for step in plans[figures._KEPT] if "jobs_unclaimed" in step]
    assert [step for step in plans[figures._UNCLAIMED] if "jobs_unclaimed" in step]


async def test_what_is_nobodys_is_told_some_at_a_time(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "AT_ONCE", 2)
    for number in range(3):
        await add_done(store, f"j{number}", f"t{number}", dies=float(number))
        await store.remark(JobEnded(job_id=f"j{number}", at=10.0))
    first = await store.unclaimed()
    assert [one.job_id for one in first] == ["j0", "j1"]
    await store.write_off([one.job_id for one in first])
    assert [one.job_id for one in await store.unclaimed()] == ["j2"]


async def test_a_plan_that_cannot_be_read_hides_no_picture(
    ledger: Ledger, store: SqliteStore
) -> None:
    await add_done(store, "j", "t", dies=9.0)
    await store.remark(JobEnded(job_id="j", at=10.0))
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection, connection:
        connection.execute("UPDATE jobs SET plan = 'spoiled'")
    assert [(one.tokens, one.cost) for one in await store.unclaimed()] == [(("p_t",), 100_000)]


async def test_what_nobody_had_is_known_to_the_next_process_and_told_once(
    ledger: Ledger, store: SqliteStore
) -> None:
    for name in ("a", "b"):
        await add_done(store, name, f"t{name}", dies=9.0)
        await store.remark(JobEnded(job_id=name, at=10.0))
    await store.write_off(["a"])
    await store.close()
    store = ledger.store()
    await store.open()
    assert [one.job_id for one in await store.unclaimed()] == ["b"]
    await store.close()


async def test_what_an_operator_claimed_while_no_gateway_ran_is_nobodys_no_more(
    ledger: Ledger, store: SqliteStore
) -> None:
    for name, dies in (("dead", 9.0), ("living", 4e9)):
        await add_done(store, name, f"t{name}", dies=dies)
        await store.remark(JobEnded(job_id=name, at=10.0))
    await store.close()
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection, connection:
        connection.execute("UPDATE jobs SET delivered_at = 11")  # as marking.py does
    store = ledger.store()
    await store.open()
    assert await store.unclaimed() == ()
    assert (await store.figures()).unclaimed == 0
    await store.close()


# A ledger of version 2


def as_version_two(ledger: Ledger) -> None:
    """Jobs with pictures that live, that died unseen before the last entry, and that somebody had.

    The last entry is of the moment 1,000.
    """
    names = ("living", "dead", "fetched", "delivered", "running", "replaced")
    jobs = [replace(a_job(name), ended_at=500.0) for name in names]
    jobs[4] = replace(jobs[4], ended_at=None)
    version_one.made(ledger.path, *jobs)
    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        migrate(connection, 1, STEPS[:1])
        for name in names:
            connection.execute(
                "INSERT INTO pictures (token, task_id, job_id, place, format, width, height, size, "
                "expires_at) VALUES (?, ?, ?, 0, 'png', 1, 1, 1, ?)",
                (f"p_{name}", f"task_of_{name}", name, 999.0 if name == "dead" else 5e9),
            )
            connection.execute(
                "INSERT INTO story (job_id, at, name) VALUES (?, 1000, 'job_ended')", (name,)
            )
        connection.execute("UPDATE tasks SET state = 'done'")
        connection.execute("UPDATE tasks SET replaced = 1 WHERE job_id = 'replaced'")
        connection.execute("UPDATE pictures SET fetched_at = 1 WHERE job_id = 'fetched'")
        connection.execute("UPDATE jobs SET delivered_at = 1 WHERE job_id = 'delivered'")


async def test_a_ledger_of_version_2_tells_of_what_can_still_be_claimed(ledger: Ledger) -> None:
    as_version_two(ledger)
    assert told(ledger.path, "PRAGMA user_version") == [(2,)]
    store = ledger.store()
    await store.open()
    assert (await store.figures()).tasks == {State.DONE: 6}
    assert (await store.figures()).unclaimed == 1
    assert await store.unclaimed() == ()
    assert told(ledger.path, "SELECT job_id FROM jobs WHERE unclaimed_until NOT NULL") == [
        ("living",)
    ]
    ledger.clock._epoch = 6e9
    assert [one.job_id for one in await store.unclaimed()] == ["living"]
    await store.close()


async def test_an_empty_ledger_of_version_2_is_taken_up(ledger: Ledger) -> None:
    version_one.made(ledger.path)
    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        migrate(connection, 1, STEPS[:1])
    store = ledger.store()
    await store.open()
    assert (await store.figures()).tasks == {}
    await store.close()
