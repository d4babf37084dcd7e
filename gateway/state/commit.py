"""Many entries, one transaction.

Owns: the transaction (a savepoint for each entry, so that one that fails does so alone), how well
it is synced, the count of synced commits and the mark. Must not know: threads, what is done when
it cannot be committed.

Whatever precedes or confirms a purchase is committed at ``synchronous = FULL``: on the disk before
anybody goes on; so is a promise to whoever asks later. All else is at NORMAL, which outlives the
process, and the machine from the next FULL commit on: the log that SQLite appends to is synced as a
whole, up to there. So a new job may be NORMAL: nothing is sent for it before a CreateSent, whose
commit takes the job along.
"""

import asyncio
import contextlib
import enum
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.failpoints import failpoint
from gateway.state.mark import Mark
from gateway.state.trouble import TROUBLE, is_trouble

_COUNT = "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'commits' RETURNING value"


class Kind(enum.Enum):
    """What an entry that cannot be written now means."""

    STEP = "precedes a purchase: refused, and then not done either"
    FACT = "has happened: kept until it can be written"
    CHORE = "can be done another time"


@dataclass(slots=True, eq=False)
class Entry:
    """One thing to write: ``apply`` does so in a transaction; whoever asked awaits ``answer``."""

    apply: Callable[[sqlite3.Connection], object]
    kind: Kind
    synced: bool
    answer: asyncio.Future[object]


class Committer:
    """Commits on the one connection that writes; for one thread."""

    def __init__(self, connection: sqlite3.Connection, mark: Mark) -> None:
        self._connection = connection
        self._mark = mark
        self._synchronous: str | None = None
        self._commits: int | None = None  # to be marked

    def commit(self, entries: Sequence[Entry], *, synced: bool = False) -> list[object]:
        """Write what can be; for each entry what it came to, or the error that was its own.

        Raises TROUBLE: then nothing was written. Call ``confirm`` after it.
        """
        synced = synced or any(entry.synced for entry in entries)
        self._begin("FULL" if synced else "NORMAL")
        try:
            outcomes = [self._apply(entry) for entry in entries]
            self._commits = self._count() if synced else None
            failpoint("ledger.commit")
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            if any(entry.kind is Kind.STEP for entry in entries):
                self._blot()
            raise
        return outcomes

    @property
    def synced(self) -> bool:
        """Whether the last commit is on the disk, and its count not marked yet."""
        return self._commits is not None

    def confirm(self) -> None:
        """Mark the commit that was made. Raises TROUBLE: it was made all the same."""
        failpoint("ledger.committed")
        if self._commits is not None:
            self._mark.write(self._commits)
            self._commits = None

    def shrink(self) -> None:
        """Give the log's room back, if that can be done now: its content goes to where it belongs.

        Both are synced on the way, so the count of commits stays as true as it was.
        """
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Leave one file behind, if that can be done, and let go of it."""
        self.shrink()
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._mark.close()

    def _begin(self, synchronous: str) -> None:
        if self._synchronous != synchronous:  # may be changed between transactions
            self._connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous
        self._connection.execute("BEGIN IMMEDIATE")

    def _apply(self, entry: Entry) -> object:
        self._connection.execute("SAVEPOINT entry")
        try:
            outcome = entry.apply(self._connection)
        except Exception as error:
            if is_trouble(error):
                raise
            self._connection.execute("ROLLBACK TO entry")
            outcome = error
        self._connection.execute("RELEASE entry")
        return outcome

    def _count(self) -> int:
        (row,) = self._connection.execute(_COUNT).fetchall()
        return int(row[0])

    def _roll_back(self) -> None:
        with contextlib.suppress(*TROUBLE):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _blot(self) -> None:
        """Overwrite what a commit that failed may have left in the log.

        A COMMIT whose sync fails has written all of its pages. Nobody sees them, but after a crash
        they would be taken for a commit, and a purchase for begun that was refused. Whatever is
        written next goes to the same place; so something is.
        """
        with contextlib.suppress(*TROUBLE):
            self._begin("NORMAL")
            try:
                self._count()
                self._connection.execute("COMMIT")
            finally:
                self._roll_back()
