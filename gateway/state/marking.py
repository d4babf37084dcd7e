"""The one thing that is written into a ledger from outside: that an operator took a job's pictures.

Owns: the look whether a gateway holds a ledger, and the writing where none does. Must not know:
commands, how a running gateway is told.

A gateway locks the file ``<ledger>.lock`` (flock) for as long as it runs. Whoever writes takes the
same lock first, so a ledger has one writer at any time.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from gateway.state.viewing import check, faults_told

_PATIENCE = 5.0
# As a gateway does for each of its own commits that it waits for.
_COUNTED = """
    UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'commits'
"""


class LedgerHeld(Exception):
    """A gateway runs on this ledger and is its only writer."""


def held(path: Path) -> bool:
    """Whether a gateway runs on this ledger.

    To find out, the lock is shared for a moment where nobody has it.
    """
    try:
        lock = os.open(_lock(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def mark_claimed(path: Path, job_id: str, at: float) -> bool:
    """Write that an operator took a job's pictures; False if there is no such job.

    Raises: LedgerHeld, LedgerFault.
    """
    with faults_told(path), _locked(path), contextlib.closing(_writer(path)) as ledger:
        check(ledger, path)
        ledger.execute("PRAGMA synchronous = FULL")
        ledger.execute("BEGIN IMMEDIATE")
        changed = ledger.execute(
            "UPDATE jobs SET delivered_at = coalesce(delivered_at, ?) WHERE job_id = ?",
            (at, job_id),
        ).rowcount
        if changed:
            ledger.execute(
                "INSERT INTO story (job_id, at, name) VALUES (?, ?, 'job_claimed')", (job_id, at)
            )
            ledger.execute(_COUNTED)
        ledger.execute("COMMIT")
        return bool(changed)


def _writer(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=_PATIENCE, isolation_level=None
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = os.open(_lock(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerHeld from error
        _give_to_owner(lock, path)
        yield
    finally:
        os.close(lock)


def _give_to_owner(lock: int, path: Path) -> None:
    """The gateway must be able to open the lock, also where root was the first to make it."""
    owner = path.stat()
    if os.geteuid() == 0 and os.fstat(lock).st_uid != owner.st_uid:
        os.fchown(lock, owner.st_uid, owner.st_gid)


def _lock(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")
