"""A ledger is taken up whole and by one, or refused with advice; never replaced (R15)."""

import asyncio
import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.notices import (
    LedgerHindered,
    LedgerOpened,
)
from gateway.state import opening, schema
from gateway.state.base import LedgerFault
from gateway.state.opening import migrate
from gateway.state.refusals import unopened
from gateway.state.steps import STEPS
from tests.state.refusing import fill, filled, refusal
from tests.state.rows import Ledger

BESIDE = ("", "-shm", "-wal", ".ballast", ".lock", ".mark")


# Taking up


async def test_a_ledger_is_made_where_none_was_and_says_so(ledger: Ledger) -> None:
    store = ledger.store()
    await store.open()
    path = str(ledger.path)
    assert ledger.told == [LedgerOpened(path=path, created=True, jobs=0, unfinished=0)]
    assert stat.S_IMODE(ledger.path.parent.stat().st_mode) == 0o700
    await fill(store, range(1))
    for end in BESIDE:
        assert stat.S_IMODE(ledger.beside(end).stat().st_mode) == 0o600, end
    assert ledger.beside(".lock").read_text().strip() == str(os.getpid())
    assert ledger.beside(".ballast").stat().st_blocks * 512 >= 1 << 20
    await store.close()
    left = {path.name for path in ledger.path.parent.iterdir()}
    assert left == {ledger.beside(end).name for end in ("", ".ballast", ".lock", ".mark")}


async def test_what_was_written_is_there_again_with_the_same_secret(ledger: Ledger) -> None:
    store = ledger.store()
    await store.open()
    await fill(store, range(3))
    job, secret = await store.job("j1"), store.secret
    await store.close()
    ledger.told.clear()
    await store.open()
    path = str(ledger.path)
    assert ledger.told == [LedgerOpened(path=path, created=False, jobs=3, unfinished=3)]
    assert (await store.job("j1"), store.secret) == (job, secret)
    await store.close()


async def test_a_ledger_by_another_name_is_the_same_ledger(ledger: Ledger, tmp_path: Path) -> None:
    store = ledger.store()
    await store.open()
    link = Ledger(tmp_path / "link.db")
    link.path.symlink_to(ledger.path)
    with pytest.raises(LedgerFault, match="in use"):
        await link.store().open()
    await store.close()
    assert {path.name for path in tmp_path.iterdir()} == {"link.db"}


async def test_a_lock_file_that_nobody_holds_is_no_obstacle(ledger: Ledger) -> None:
    ledger.path.parent.mkdir()
    ledger.beside(".lock").write_text("4711\n")
    ledger.beside(".new").write_text("half a ledger, from a start that was cut short")
    await filled(ledger)
    assert not ledger.beside(".new").exists()
    assert ledger.beside(".lock").read_text().strip() == str(os.getpid())


async def test_steps_are_taken_from_the_version_that_was_found(ledger: Ledger) -> None:
    taken = []

    def step(name: str) -> Callable[[sqlite3.Connection], None]:
        return lambda connection: taken.append((name, version(connection)))

    def version(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (x)")
        raise sqlite3.OperationalError("disk I/O error")

    await filled(ledger)
    with contextlib.closing(opening.connect(ledger.path, 0.0)) as connection:
        connection.execute("PRAGMA user_version = 1")
        migrate(connection, 1, ())
        migrate(connection, 2, (step("two"), step("three"), step("four")))
        assert taken == [("three", 1), ("four", 3)]
        assert version(connection) == 4
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, 4, (*(step("old"),) * 3, broken))
        assert version(connection) == 4
        assert (
            connection.execute("SELECT * FROM sqlite_schema WHERE name = 'half'").fetchall() == []
        )
    assert len(STEPS) == schema.VERSION - 1


# Refusals


async def test_a_ledger_that_is_gone_is_not_begun_anew(ledger: Ledger) -> None:
    await filled(ledger)
    ledger.path.unlink()
    fault = await refusal(ledger)
    assert "is missing" in fault.message
    assert "state.db.mark" in fault.advice
    ledger.beside(".mark").unlink()
    await filled(ledger)


async def test_a_log_without_its_ledger_is_not_thrown_away(ledger: Ledger) -> None:
    ledger.path.parent.mkdir()
    ledger.beside("-wal").write_bytes(b"what was bought")
    fault = await refusal(ledger)
    assert "state.db-wal shows that there was one" in fault.message
    assert ledger.beside("-wal").read_bytes() == b"what was bought"


def emptied(ledger: Ledger) -> None:
    ledger.path.write_bytes(b"")


def scribbled(ledger: Ledger) -> None:
    ledger.path.write_bytes(b"garbage " * 1000)


def with_a_garbled_head(ledger: Ledger) -> None:
    with ledger.path.open("r+b") as file:
        file.write(os.urandom(16))


def with_garbled_pages(ledger: Ledger) -> None:
    with ledger.path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(8 * 4096))


def cut_short(ledger: Ledger) -> None:
    os.truncate(ledger.path, 5 * 4096)


def of_another_program(ledger: Ledger) -> None:
    ledger.path.unlink()
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")


def of_a_later_version(ledger: Ledger) -> None:
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")


def without_its_secret(ledger: Ledger) -> None:
    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM meta WHERE name = 'secret'")


def without_a_table(ledger: Ledger) -> None:
    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE meta")


def a_folder(ledger: Ledger) -> None:
    ledger.path.unlink()
    ledger.path.mkdir()
    (ledger.path / "file").touch()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (emptied, "it is empty"),
        (scribbled, "it is not an SQLite database"),
        (with_a_garbled_head, "it is not an SQLite database"),
        (with_garbled_pages, "is damaged"),
        (cut_short, "is damaged"),
        (of_another_program, "another program made it"),
        (without_its_secret, "is damaged: its secret is gone"),
        (without_a_table, "is damaged: no such table: meta"),
        (
            of_a_later_version,
            f"is of format {schema.VERSION + 1}, and this version knows {schema.VERSION}",
        ),
    ],
)
async def test_what_is_no_whole_ledger_of_ours_is_refused(
    ledger: Ledger, harm: Callable[[Ledger], None], says: str
) -> None:
    await filled(ledger, 5)
    harm(ledger)
    fault = await refusal(ledger)
    assert says in fault.message


async def test_a_folder_is_no_ledger(ledger: Ledger) -> None:
    await filled(ledger)
    a_folder(ledger)
    with pytest.raises(LedgerFault, match="it is not a file"):
        await ledger.store().open()


async def test_a_ledger_is_one_process_s(ledger: Ledger) -> None:
    store = ledger.store()
    await store.open()
    with pytest.raises(LedgerFault, match=f"in use by process {os.getpid()}"):
        await ledger.store().open()
    with pytest.raises(LedgerFault, match=f"in use by process {os.getpid()}"):
        await ledger.store(patience=0.1).open()
    ledger.beside(".lock").write_text("")
    with pytest.raises(LedgerFault, match="in use by another process"):
        await ledger.store().open()
    await store.close()


async def test_the_end_of_another_process_is_waited_for(ledger: Ledger) -> None:
    store = ledger.store()
    await store.open()
    successor = ledger.store(patience=10.0)
    waiting = asyncio.create_task(successor.open())
    await fill(store, range(1))
    assert not waiting.done()
    await store.close()
    await waiting
    assert await successor.job("j0") is not None
    await successor.close()


async def test_who_no_longer_wants_it_leaves_it_to_others(ledger: Ledger) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1))
    store = ledger.store()
    await store.open()
    waiting = asyncio.create_task(ledger.store(patience=1_000.0).open())
    await asyncio.sleep(0.01)  # noqa: TID251 - it waits in the one thread by then
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(store.close(), 100)  # for which the thread is needed


async def test_who_gave_up_while_it_was_opened_keeps_nothing_open(ledger: Ledger) -> None:
    await filled(ledger)
    given_up = threading.Event()
    given_up.set()
    opened = await asyncio.to_thread(opening.take_up, str(ledger.path), 0.0, 0.0, given_up)
    for connection in (opened.reading, opened.writing):
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")
    await filled(ledger, 0)


@pytest.mark.parametrize("way", ["BEGIN IMMEDIATE", "PRAGMA locking_mode = EXCLUSIVE"])
async def test_a_ledger_that_another_program_has_locked_is_refused(
    ledger: Ledger, way: str
) -> None:
    await filled(ledger)
    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute(way)
        other.execute("SELECT * FROM jobs").fetchall()
        fault = await refusal(ledger)
    assert "is locked by another program" in fault.message
    store = ledger.store()
    await store.open()
    await store.close()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device"), "no room"),
        (OSError(13, "Permission denied"), "cannot be read and written: permission denied"),
        (OSError(5, "Input/output error"), "cannot be opened: input/output error"),
        (sqlite3.ProgrammingError("odd"), "cannot be opened: odd"),
    ],
)
def test_errors_of_the_system_are_told_in_plain_words(error: Exception, says: str) -> None:
    assert says in unopened(Path("/a/state.db"), error).message


def test_a_disk_that_cannot_log_ahead_is_refused() -> None:
    paths = opening.Paths(Path("/a/state.db"))
    connection = sqlite3.connect(":memory:")
    with contextlib.closing(connection), pytest.raises(LedgerFault, match="shared memory"):
        opening._log_ahead(paths, connection)


async def test_a_full_disk_is_no_reason_to_leave_what_was_bought(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(ledger)
    tries = []

    def crowded(path: Path, busy: float, mode: str = "rw") -> sqlite3.Connection:
        tries.append(ledger.beside(".ballast").exists())
        if tries[-1]:
            raise OSError(28, "No space left on device")
        return connect(path, busy, mode)

    connect = opening.connect
    monkeypatch.setattr(opening, "connect", crowded)
    monkeypatch.setattr("gateway.state.ballast.SIZE", 1 << 62)
    store = ledger.store()
    await store.open()
    assert tries == [True, False, False, False]
    assert len(await store.unfinished()) == 1
    assert store.trouble == "no space left on device"
    assert LedgerHindered(reason="no space left on device", waiting=0) in ledger.told
    await store.close()
