"""Why a ledger is not opened, and what an operator may do about it.

Owns: the words of every ``LedgerFault``. Must not know: how it is found out. Whoever begins anew
forgets what was bought, so no advice leads there without saying so.
"""

import errno
import sqlite3
from pathlib import Path

from gateway.state.base import LedgerFault
from gateway.state.trouble import is_want_of_room, primary, words

_RESTORE = (
    "Restore a copy of it (remove the old -wal and -shm beside it first). To begin with an empty "
    "ledger, which knows nothing of what was bought, move it and all files beside it away."
)
_ACCESS_ERRNO = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_ACCESS = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
    }
)
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# SQLITE_ERROR: a table or a column is not there.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})


def in_use(path: Path, pid: int | None) -> LedgerFault:
    """Another gateway has it."""
    holder = "another process" if pid is None else f"process {pid}"
    return LedgerFault(
        f"The ledger {path} is in use by {holder}.",
        "Stop that process, or give this one a ledger of its own with state.url.",
    )


def missing(path: Path, witness: Path) -> LedgerFault:
    """It is gone, and something beside it says that it was there."""
    return LedgerFault(
        f"The ledger {path} is missing, though {witness} shows that there was one.",
        "Put the file back where it was, or restore a copy of it. To begin with an empty ledger, "
        f"which knows nothing of what was bought, move {witness} away as well.",
    )


def no_ledger(path: Path, why: str) -> LedgerFault:
    """Something else lies in its place."""
    return LedgerFault(
        f"{path} is not a ledger of this gateway: {why}.",
        f"Check state.url. If that is the right place: {_RESTORE[0].lower()}{_RESTORE[1:]}",
    )


def newer(path: Path, found: int, known: int) -> LedgerFault:
    """A later version wrote it."""
    return LedgerFault(
        f"The ledger {path} is of format {found}, and this version knows {known} at most.",
        "Run the version of the gateway that it was last used with, or a later one.",
    )


def damaged(path: Path, why: str) -> LedgerFault:
    """Its content contradicts itself."""
    return LedgerFault(f"The ledger {path} is damaged: {why}.", f"Check the disk. {_RESTORE}")


def older(path: Path, commits: int, marked: int, mark: Path) -> LedgerFault:
    """It knows less than it did."""
    return LedgerFault(
        f"The ledger {path} is older than it was: {marked - commits} of {marked} synced commits "
        "are not in it. Its -wal file was removed or cut, or an old copy was put back.",
        "What was bought in between is not in it, and may be bought again. If a newer copy exists, "
        f"-wal file included, put that in its place. Deleting {mark} accepts the ledger as it is.",
    )


def unshared(path: Path) -> LedgerFault:
    """SQLite cannot log ahead there."""
    return LedgerFault(
        f"The ledger {path} lies on a disk without shared memory, such as a network's.",
        "Give it a place on a disk of this machine with state.url.",
    )


def unopened(path: Path, error: Exception) -> LedgerFault:
    """SQLite or the system raised an error."""
    code = primary(error)
    number = error.errno if isinstance(error, OSError) else None
    said = words(error)
    if is_want_of_room(error):
        return LedgerFault(
            f"There is no room for the ledger {path}: {said}.", "Make room on its disk."
        )
    if code in _ACCESS or number in _ACCESS_ERRNO:
        return LedgerFault(
            f"The ledger {path} cannot be read and written: {said}.",
            "The user that the gateway runs as must be able to write the file, the files beside it "
            f"and the folder {path.parent}, and its disk must not be read-only.",
        )
    if code in _BUSY:
        return LedgerFault(
            f"The ledger {path} is locked by another program.",
            "Find the program that has it open (fuser -v, lsof) and end it: a database browser, "
            "or a backup that copies it by a transaction of its own.",
        )
    if code in _DAMAGED:
        return damaged(path, said)
    return LedgerFault(
        f"The ledger {path} cannot be opened: {said}.",
        f"Check its disk and its folder {path.parent}.",
    )
