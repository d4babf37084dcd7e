"""What may be wrong with the ledger's disk or file, told from a fault of ours.

Owns: which errors mean trouble, which of them want of room, and their words for an operator and
for whoever counts them. Must not know: what is done about it.
"""

import errno
import sqlite3
from typing import Literal

from gateway.errors import LedgerUnavailable
from gateway.failpoints import Stumble

# What a transaction may raise that is not the fault of one entry in it.
TROUBLE = (sqlite3.Error, OSError, MemoryError, Stumble)

# SQLite's word for what is wrong with a statement or its values: the entry's own fault.
_OWN = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_TOOBIG,
    }
)
_PRIMARY = 0xFF
_HELD = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DISK = frozenset(
    {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)

Kind = Literal["disk_full", "locked", "io", "other"]

# A used-up quota, and a full disk under the shared memory, come as other errors than SQLITE_FULL.
_NO_ROOM_ERRNO = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_ROOM_NAMES = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"})

_RETRY_AFTER = 5.0


def primary(error: BaseException) -> int | None:
    """SQLite's code without its extension; None where the error did not come from SQLite."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & _PRIMARY


def is_trouble(error: Exception) -> bool:
    """Whether the disk or the file is to blame, and not what was to be written."""
    if isinstance(error, sqlite3.Error):
        code = primary(error)
        return code is not None and code not in _OWN
    return isinstance(error, TROUBLE)


def is_want_of_room(error: BaseException) -> bool:
    """Whether less on the disk would help."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM_ERRNO
    return getattr(error, "sqlite_errorname", None) in _NO_ROOM_NAMES


def kind(error: BaseException | None) -> Kind:
    """The error in one word of four."""
    if error is None:
        return "other"
    if is_want_of_room(error):
        return "disk_full"
    code = primary(error)
    if code in _HELD:
        return "locked"
    return "io" if code in _DISK or isinstance(error, OSError) else "other"


def words(error: BaseException) -> str:
    """The error in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


def unavailable() -> LedgerUnavailable:
    """The refusal of what may only happen once it is written, or cannot be looked up."""
    return LedgerUnavailable(
        "The gateway cannot keep its books at the moment, so it buys nothing new.",
        code="journal_unavailable",
        retry_after=_RETRY_AFTER,
    )
