"""Taking a ledger up: exclusively, whole, and no older than it was.

Owns: the order of the checks, making a new ledger, the settings of connections. Blocks, so it is
for a thread. Must not know: what is written or read later. Nothing here ever replaces a file that
is there.
"""

import contextlib
import os
import secrets
import sqlite3
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.state import lock, mark, refusals
from gateway.state.ballast import Ballast
from gateway.state.schema import APPLICATION_ID, TABLES, VERSION
from gateway.state.steps import STEPS, Step
from gateway.state.trouble import is_want_of_room, words

_MAGIC = b"SQLite format 3\0"
_LOG_LIMIT = 8 << 20  # bytes the -wal file keeps after it was larger
_SETTINGS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # a prompt that was taken out is gone
    f"PRAGMA journal_size_limit = {_LOG_LIMIT}",
)


@dataclass(frozen=True, slots=True)
class Paths:
    """The ledger's file by its real name, and those beside it."""

    ledger: Path

    def beside(self, suffix: str) -> Path:
        """A file beside the ledger: ``beside(".mark")``."""
        return self.ledger.with_name(self.ledger.name + suffix)


@dataclass(frozen=True, slots=True)
class Opened:
    """A ledger that was taken up. ``lock`` is a descriptor, to be closed last.

    ``trouble`` is why there is no ballast, if there is none.
    """

    writing: sqlite3.Connection
    reading: sqlite3.Connection
    mark: mark.Mark
    ballast: Ballast
    lock: int
    trouble: str | None
    secret: bytes
    created: bool
    jobs: int
    unfinished: int


def take_up(path: str, patience: float, busy: float, given_up: threading.Event) -> Opened:
    """Open the ledger, or make one where none was. Raises: LedgerFault.

    ``patience`` is how long another gateway's end is waited for, ``busy`` how long another
    program's transaction is, in seconds. Once ``given_up`` is set nothing stays open.
    """
    paths = Paths(Path(os.path.realpath(path)))
    with contextlib.ExitStack() as undo:
        try:
            paths.ledger.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            held = lock.acquire(paths.beside(".lock"), patience, given_up)
            undo.callback(os.close, held)
            opened = _take_up(paths, busy, held, undo)
            if not given_up.is_set():
                undo.pop_all()
            return opened  # noqa: TRY300 - all that may go wrong is in here
        except (sqlite3.Error, OSError) as error:
            raise refusals.unopened(paths.ledger, error) from error
        except lock.Taken as taken:
            raise refusals.in_use(paths.ledger, taken.pid) from None


def _take_up(paths: Paths, busy: float, held: int, undo: contextlib.ExitStack) -> Opened:
    created = _look(paths)
    if created:
        _make(paths)
    ballast = Ballast(paths.beside(".ballast"))
    try:
        found, commits = _examine(paths, busy)
    except (sqlite3.Error, OSError) as error:
        if not is_want_of_room(error):
            raise
        ballast.give_up()  # what has been bought must be taken up again, even on a full disk
        found, commits = _examine(paths, busy)
    writing = connect(paths.ledger, busy)
    undo.callback(writing.close)
    _prepare(paths, writing, found)
    reading = connect(paths.ledger, busy)
    undo.callback(reading.close)
    reading.execute("PRAGMA query_only = ON")
    marking = mark.Mark.open(paths.beside(".mark"))
    undo.callback(marking.close)
    with contextlib.suppress(OSError):
        marking.write(commits)
    trouble = None
    try:
        ballast.restore()
    except OSError as error:
        trouble = words(error)
    (jobs,) = writing.execute("SELECT count(*) FROM jobs").fetchone()
    count = "SELECT count(*) FROM jobs WHERE ended_at IS NULL"
    (unfinished,) = writing.execute(count).fetchone()
    return Opened(
        writing=writing,
        reading=reading,
        mark=marking,
        ballast=ballast,
        lock=held,
        trouble=trouble,
        secret=bytes.fromhex(_own(paths, writing, "secret")),
        created=created,
        jobs=jobs,
        unfinished=unfinished,
    )


def connect(path: Path, busy: float, mode: str = "rw") -> sqlite3.Connection:
    """Open a file that is there, in autocommit, for whichever one thread will use it."""
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=busy,
        isolation_level=None,
        check_same_thread=False,
    )


def _look(paths: Paths) -> bool:
    """Whether a ledger must be made. Raises: LedgerFault for what cannot be one."""
    try:
        found = paths.ledger.stat()
    except FileNotFoundError:
        for witness in (paths.beside(".mark"), paths.beside("-wal")):
            if witness.exists():
                raise refusals.missing(paths.ledger, witness) from None
        return True
    if not stat.S_ISREG(found.st_mode):
        raise refusals.no_ledger(paths.ledger, "it is not a file")
    if found.st_size == 0:
        raise refusals.no_ledger(paths.ledger, "it is empty")
    with paths.ledger.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise refusals.no_ledger(paths.ledger, "it is not an SQLite database, or damaged")
    return False


def _make(paths: Paths) -> None:
    """Make an empty ledger, whole or not at all: it gets its name when it is on the disk."""
    fresh = paths.beside(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.closing(connect(fresh, 0.0)) as connection:
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("BEGIN")
            for table in TABLES:
                connection.execute(table)
            connection.executemany(
                "INSERT INTO meta (name, value) VALUES (?, ?)",
                (("secret", secrets.token_hex(32)), ("commits", "0")),
            )
            connection.execute("COMMIT")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.rename(paths.ledger)
    folder = os.open(paths.ledger.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _examine(paths: Paths, busy: float) -> tuple[int, int]:
    """The ledger's version, and its number of commits. Raises: LedgerFault.

    It is looked at by a connection that cannot write, not even when it is closed: what is refused
    stays as it is, the log with it, for whoever can make more of it.
    """
    with contextlib.closing(connect(paths.ledger, busy, "ro")) as connection:
        (ours,) = connection.execute("PRAGMA application_id").fetchone()
        if ours != APPLICATION_ID:
            raise refusals.no_ledger(paths.ledger, "another program made it")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > VERSION:
            raise refusals.newer(paths.ledger, found, VERSION)
        complaints = connection.execute("PRAGMA quick_check(1)").fetchall()
        if complaints != [("ok",)]:
            raise refusals.damaged(paths.ledger, str(complaints[0][0]))
        commits = int(_own(paths, connection, "commits"))
        marked = mark.read(paths.beside(".mark"))
        if marked is not None and commits < marked:
            raise refusals.older(paths.ledger, commits, marked, paths.beside(".mark"))
        return int(found), commits


def _own(paths: Paths, connection: sqlite3.Connection, name: str) -> str:
    """What the ledger knows of itself. Raises: LedgerFault."""
    for (value,) in connection.execute("SELECT value FROM meta WHERE name = ?", (name,)):
        return str(value)
    raise refusals.damaged(paths.ledger, f"its {name} is gone")


def _prepare(paths: Paths, connection: sqlite3.Connection, found: int) -> None:
    """Make a connection fit for writing to a ledger of version ``found``."""
    for setting in _SETTINGS:
        connection.execute(setting)
    _log_ahead(paths, connection)
    migrate(connection, found, STEPS)
    _try_out(connection)


def _log_ahead(paths: Paths, connection: sqlite3.Connection) -> None:
    """Set the journal's mode, which some disks do not admit. Raises: LedgerFault."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise refusals.unshared(paths.ledger)


def _try_out(connection: sqlite3.Connection) -> None:
    """Change something and take it back: shows that it can be written, and by us alone."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("UPDATE meta SET value = '' WHERE name = 'commits'")
    finally:
        connection.execute("ROLLBACK")


def migrate(connection: sqlite3.Connection, found: int, steps: Sequence[Step]) -> None:
    """Bring a ledger of version ``found`` up to the newest, one step and one commit at a time."""
    for version, step in enumerate(steps[found - 1 :], found + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            step(connection)
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
