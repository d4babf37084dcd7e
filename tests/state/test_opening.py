"""A ledger is taken up whole and by one, or refused with advice; never replaced (R15)."""

import asyncio
import contextlib
import multiprocessing
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.events import LedgerHindered, LedgerOpened
from gateway.state import opening, schema
from gateway.state.base import LedgerFault
from gateway.state.opening import migrate
from gateway.state.refusals import unopened
from gateway.state.sqlite import SqliteStore
from tests.state.rows import Ledger, a_job, created, sent, tell

BESIDE = ("", "-shm", "-wal", ".ballast", ".lock", ".mark")


async def filled(ledger: Ledger, jobs: int = 1) -> None:
    """A ledger with a few jobs, closed."""
    store = ledger.store()
    await store.open()
    await fill(store, range(jobs))
    await store.close()
    ledger.told.clear()


async def fill(store: SqliteStore, numbers: range) -> None:
    for number in numbers:
        await store.add_job(a_job(f"j{number}", f"t{number}"))
        bought = created(f"j{number}", f"t{number}", f"v{number}")
        await tell(store, sent(f"j{number}", f"t{number}"), bought)


async def refusal(ledger: Ledger) -> LedgerFault:
    """How the ledger is refused; nothing of it may have changed, and nothing stays locked."""
    before = contents(ledger)
    store = ledger.store()
    with pytest.raises(LedgerFault) as fault:
        await store.open()
    after = contents(ledger)
    assert {name: after.get(name) for name in before} == before
    assert after.keys() - before.keys() <= {ledger.beside("-wal")}
    assert store.trouble == "the ledger is not open"
    assert str(ledger.path) in fault.value.message
    assert fault.value.advice.endswith(".")
    assert ledger.told == []
    with free(ledger):
        return fault.value


@contextlib.contextmanager
def free(ledger: Ledger) -> Iterator[None]:
    os.close(opening.lock.acquire(ledger.beside(".lock"), 0.0))
    yield


def contents(ledger: Ledger) -> dict[Path, bytes]:
    """All files, but for who held the lock last and SQLite's shared memory."""
    passing = {ledger.beside(end) for end in (".lock", "-shm")}
    return {path: path.read_bytes() for path in ledger.path.parent.iterdir() if path not in passing}


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
    assert {path.name for path in tmp_path.iterdir()} == {"data", "link.db"}


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
    assert len(opening.STEPS) == schema.VERSION - 1


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
        (of_a_later_version, "is of format 2, and this version knows 1"),
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


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "PRAGMA locking_mode = EXCLUSIVE"])
async def test_a_ledger_that_another_program_has_locked_is_refused(
    ledger: Ledger, lock: str
) -> None:
    await filled(ledger)
    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute(lock)
        other.execute("SELECT * FROM jobs").fetchall()
        fault = await refusal(ledger)
    assert "is locked by another program" in fault.message
    store = ledger.store()
    await store.open()
    await store.close()


# The mark


async def cut_off(ledger: Ledger, path: Path, jobs: int = 8) -> Ledger:
    """A ledger as a kill leaves it: its last commits in the log alone."""
    store = ledger.store()
    await store.open()
    await fill(store, range(jobs))
    copied = Ledger(path / "killed" / "state.db")
    shutil.copytree(ledger.path.parent, copied.path.parent)
    await store.close()
    return copied


async def test_a_kill_alone_is_no_reason_to_refuse(ledger: Ledger, tmp_path: Path) -> None:
    killed = await cut_off(ledger, tmp_path)
    store = killed.store()
    await store.open()
    assert len(await store.unfinished()) == 8
    await store.close()


def gone(log: Path) -> None:
    log.unlink()


def emptied_log(log: Path) -> None:
    os.truncate(log, 0)


def halved(log: Path) -> None:
    os.truncate(log, log.stat().st_size // 2)


def less_its_end(log: Path) -> None:
    os.truncate(log, log.stat().st_size - 1)


def garbled(log: Path) -> None:
    with log.open("r+b") as file:
        file.seek(log.stat().st_size // 2)
        file.write(os.urandom(64))


@pytest.mark.parametrize("harm", [gone, emptied_log, halved, less_its_end, garbled])
async def test_a_ledger_that_is_older_than_it_was_is_refused(
    ledger: Ledger, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    killed = await cut_off(ledger, tmp_path)
    harm(killed.beside("-wal"))
    fault = await refusal(killed)
    assert "is older than it was" in fault.message
    assert "may be bought again" in fault.advice
    assert "state.db.mark accepts" in fault.advice


async def test_an_old_copy_that_was_put_back_is_refused_until_its_mark_is_deleted(
    ledger: Ledger, tmp_path: Path
) -> None:
    await filled(ledger, 2)
    shutil.copy(ledger.path, tmp_path / "copy.db")
    store = ledger.store()
    await store.open()
    await fill(store, range(2, 4))
    await store.close()
    ledger.told.clear()
    shutil.copy(tmp_path / "copy.db", ledger.path)
    fault = await refusal(ledger)
    assert "4 of 8 synced commits are not in it" in fault.message
    ledger.beside(".mark").unlink()
    await store.open()
    assert len(await store.unfinished()) == 2
    await store.close()


async def test_a_mark_that_lost_its_content_says_nothing(ledger: Ledger) -> None:
    await filled(ledger)
    ledger.beside(".mark").write_bytes(b"\0" * 21)
    await filled(ledger, 0)
    assert ledger.beside(".mark").read_text() == f"{2:020}\n"


# What the system refuses


def as_anybody(work: Callable[[Path], str], folder: Path) -> str:
    """What ``work`` returns in a process that file modes apply to, as they do not to root."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=humbly, args=(work, folder, theirs))
    process.start()
    theirs.close()
    try:
        said: str = mine.recv()
    finally:
        process.join()
        mine.close()
    return said


def humbly(
    work: Callable[[Path], str],
    folder: Path,
    answer: "multiprocessing.connection.Connection[str, str]",
) -> None:
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    answer.send(work(folder))


def attempt(folder: Path) -> str:
    """What an operator is told who opens the ledger in ``folder``."""
    store = Ledger(folder / "data" / "state.db").store()
    try:
        asyncio.run(store.open())
    except LedgerFault as fault:
        return f"{fault.message} {fault.advice}"
    return "it was opened"


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder that everybody may reach."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-"))
    folder.chmod(0o755)
    yield folder
    for path in (folder / "data", *(folder / "data").glob("*")):
        path.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("data", 0o500),
        ("data", 0o000),
        ("data/state.db", 0o400),
        ("data/state.db", 0o000),
        ("data/state.db.mark", 0o000),
        ("data/state.db.lock", 0o000),
    ],
)
async def test_what_may_not_be_read_and_written_is_refused(
    common: Path, path: str, mode: int
) -> None:
    await filled(Ledger(common / "data" / "state.db"))
    for one in (common / "data", *(common / "data").iterdir()):
        if os.getuid() == 0:
            os.chown(one, 65534, 65534)
    (common / path).chmod(mode)
    said = await asyncio.to_thread(as_anybody, attempt, common)
    assert "cannot be read and written" in said, said
    assert f"the folder {common / 'data'}, and its disk must not be read-only" in said


READ_ONLY = """
mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" -c "
import pathlib, sys
from tests.state.test_opening import attempt
print(attempt(pathlib.Path(sys.argv[1])))" "$1"
"""


async def test_a_disk_that_is_read_only_is_refused(ledger: Ledger) -> None:
    await filled(ledger)
    folder = ledger.path.parent.parent
    told = await asyncio.to_thread(
        subprocess.run,
        ["unshare", "-Urm", "sh", "-c", READ_ONLY, "sh", str(folder), sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, f"no disk could be made read-only here: {told.stderr}"
    assert "cannot be read and written" in told.stdout


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
    assert store.trouble == "no room for the ballast"
    assert LedgerHindered(reason="no room for the ballast", waiting=0) in ledger.told
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
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        with pytest.raises(LedgerFault, match="without shared memory"):
            opening._log_ahead(opening.Paths(Path("/a/state.db")), connection)
