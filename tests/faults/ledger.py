"""The ledger's file as an auditor reads it: with SQLite alone, read-only, by the published tables.

Owns: the questions put to it. Must not know: the gateway's own reader, which may be wrong.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

_TASKS = """
SELECT tasks.task_id, tasks.upstream_id, tasks.state, tasks.accepted_at, jobs.job_id,
       jobs.ended_at, jobs.delivered_at
FROM tasks JOIN jobs ON jobs.job_id = tasks.job_id ORDER BY tasks.number
"""
_PICTURES = "SELECT task_id, token FROM pictures"
_SPENT = "SELECT key_name, sum(images), sum(cost) FROM spent GROUP BY key_name"
_UNFINISHED = "SELECT count(*) FROM jobs WHERE ended_at IS NULL"


@dataclass(frozen=True, slots=True)
class Entry:
    """One task as the ledger has it; ``tokens`` are its pictures'."""

    task_id: str
    upstream_id: str | None
    state: str
    accepted_at: float | None
    job_id: str
    ended_at: float | None
    delivered_at: float | None
    tokens: tuple[str, ...] = ()


def entries(path: Path) -> list[Entry]:
    """All tasks. Raises: sqlite3.Error."""
    with _opened(path) as ledger:
        ledger.execute("BEGIN")  # both questions see the same moment
        tokens: dict[str, list[str]] = {}
        for task_id, token in ledger.execute(_PICTURES):
            tokens.setdefault(task_id, []).append(token)
        rows = ledger.execute(_TASKS).fetchall()
    return [replace(Entry(*row), tokens=tuple(tokens.get(row[0], ()))) for row in rows]


def unfinished(path: Path) -> int:
    """How many jobs have not ended. Raises: sqlite3.Error."""
    with _opened(path) as ledger:
        (number,) = ledger.execute(_UNFINISHED).fetchone()
        return int(number)


def spent(path: Path) -> dict[str, tuple[int, int]]:
    """Each key's pictures and micro-dollars, of all days. Raises: sqlite3.Error."""
    with _opened(path) as ledger:
        return {name: (images, cost) for name, images, cost in ledger.execute(_SPENT)}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
        yield connection
