"""Opening a ledger that may be somebody else's, to look into it.

Owns: connections that change nothing, what makes a file a ledger that this program can read, and
the words for why one cannot be. Must not know: what is looked for.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from gateway.state.base import LedgerFault
from gateway.state.schema import APPLICATION_ID, VERSION

_PATIENCE = 2.0  # seconds, for the rare moment in which the file is held
_WRITABLE_ONLY = frozenset(
    {
        "SQLITE_CANTOPEN",
        "SQLITE_READONLY",
        "SQLITE_READONLY_DIRECTORY",
        "SQLITE_READONLY_RECOVERY",
        "SQLITE_READONLY_CANTINIT",
        "SQLITE_READONLY_CANTLOCK",
    }
)
_DAMAGED = "Keep the file as it is, and restore a copy of it."


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Make sure that a file is a ledger that this version can read. Raises: LedgerFault."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise LedgerFault(f"{path} is no ledger of this gateway.", "Check state.url.")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise LedgerFault(
            f"{path} was written by a newer gateway (ledger version {version}; "
            f"this program reads up to {VERSION}).",
            "Use the program of the gateway that wrote it.",
        )
    if version < 1:
        raise LedgerFault(f"{path} was not made to its end.", "Start the gateway on it once.")


@contextlib.contextmanager
def faults_told(path: Path) -> Iterator[None]:
    """Whatever the database raises, or a row that makes no sense, becomes one fault of ours."""
    try:
        if not path.is_file():
            raise LedgerFault(
                f"There is no ledger at {path}.",
                "A relative path counts from the current folder: go to where the gateway runs. "
                "The file is made when the gateway is first started.",
            )
        yield
    except PermissionError as error:
        raise _denied(path) from error
    except OSError as error:
        advice = "See whether its disk is well, and has room."
        raise LedgerFault(f"{path} cannot be opened: {error}.", advice) from error
    except sqlite3.Error as error:
        raise _fault(path, error) from error
    except ValueError as error:
        raise LedgerFault(f"{path} holds what makes no sense: {error}.", _DAMAGED) from error


def connected(path: Path) -> sqlite3.Connection:
    """A connection that has begun to read.

    Where nothing may be written beside the file, a ledger that was closed well is read as it lies:
    without a log beside it there is nothing to recover, and nobody who writes.
    """
    try:
        return _begun(path, "mode=ro")
    except sqlite3.OperationalError as error:
        log = path.with_name(f"{path.name}-wal")
        if error.sqlite_errorname not in _WRITABLE_ONLY or log.exists():
            raise
        return _begun(path, "mode=ro&immutable=1")


def _begun(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?{how}", uri=True, timeout=_PATIENCE, isolation_level=None
    )
    try:
        connection.row_factory = sqlite3.Row
        check(connection, path)
        connection.execute("BEGIN")
    except BaseException:
        connection.close()
        raise
    return connection


def _fault(path: Path, error: sqlite3.Error) -> LedgerFault:
    name = getattr(error, "sqlite_errorname", "")
    if name in _WRITABLE_ONLY:
        return _denied(path)
    if name in {"SQLITE_BUSY", "SQLITE_LOCKED"}:
        return LedgerFault(f"{path} is held by another program.", "Try again in a moment.")
    if name == "SQLITE_FULL":
        return LedgerFault(f"There is no room to write to {path}.", "Make room on its disk.")
    if name == "SQLITE_NOTADB":
        return LedgerFault(f"{path} is no ledger: not a database at all.", "Check state.url.")
    return LedgerFault(f"{path} cannot be read: {error}.", _DAMAGED)


def _denied(path: Path) -> LedgerFault:
    log = path.with_name(f"{path.name}-wal")
    shared = path.with_name(f"{path.name}-shm")
    with contextlib.suppress(OSError):
        if log.exists() and not shared.exists():
            return LedgerFault(
                f"The gateway that wrote {path} ended without closing it, and what it wrote last "
                f"can only be recovered by who may write in {path.parent}.",
                "Run this as the gateway's user, or start the gateway.",
            )
    return LedgerFault(
        f"{path} cannot be opened: this user may not read it, or not in that folder.",
        "Run this as the gateway's user.",
    )
