"""What can be asked of the ledger, and the thread that asks.

Owns: the statements that read, the one connection for them, and its thread, so that no reading
waits behind a commit and none stops the loop. Must not know: who writes. What one call reads is of
one moment.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from gateway.errors import LedgerUnavailable
from gateway.events import State
from gateway.notices import LedgerFailed
from gateway.state import codec
from gateway.state.base import JobRow, PictureRow, TaskRow
from gateway.state.books import Kept, Owed, Spent
from gateway.state.trouble import kind, unavailable
from gateway.translate.model import Format

T = TypeVar("T")
Numbers = Iterator[tuple[int]]

_MOST, _MOST_DELIVERED = 200, 20

_BY_NAME = (
    "SELECT number FROM jobs WHERE job_id = ?",
    "SELECT jobs.number FROM tasks JOIN jobs USING (job_id) WHERE task_id = ?",
    """
    SELECT jobs.number FROM tasks JOIN jobs USING (job_id) WHERE upstream_id = ?
    ORDER BY tasks.number DESC LIMIT 1
    """,
)
# What was dropped, say, after the answer to a create of it was lost is perhaps bought.
_ENDED = """
    SELECT number FROM jobs
    WHERE key_name = ? AND fingerprint = ? AND ended_at IS NOT NULL AND EXISTS (
        SELECT 1 FROM tasks WHERE tasks.job_id = jobs.job_id AND NOT replaced
        AND (state NOT IN ('intent', 'refused', 'dropped') OR EXISTS (
            SELECT 1 FROM story WHERE story.job_id = jobs.job_id
            AND story.task_id = tasks.task_id AND name = 'create_lost'
        ))
    )
    AND (delivered_at IS NULL) = ?
    ORDER BY number DESC LIMIT ?
"""
_KEYED = "SELECT number FROM jobs WHERE key_name = ? AND idempotency_key = ?"
# By way of the equal jobs' stories, which are few and short: keys have no index there.
_GIVEN = """
    SELECT jobs.number FROM jobs JOIN story USING (job_id)
    WHERE key_name = ? AND fingerprint = ? AND name IN ('job_joined', 'job_reopened')
    AND CASE WHEN json_valid(detail) THEN json_extract(detail, '$.idempotency_key') END = ?
    ORDER BY story.number DESC LIMIT 1
"""
_UNFINISHED = "SELECT number FROM jobs WHERE ended_at IS NULL ORDER BY number"
# The second look at the state is the index's own condition: without it the index is not used.
_LOST = """
    SELECT DISTINCT jobs.number FROM tasks JOIN jobs USING (job_id)
    WHERE state = 'lost' AND state NOT IN ('done', 'dropped', 'refused')
    AND NOT replaced AND ended_at > ?
    ORDER BY jobs.number
"""
_CLAIMED = """
    SELECT token FROM pictures WHERE fetched_at IS NOT NULL AND expires_at > :now
    UNION
    SELECT token FROM jobs JOIN pictures USING (job_id) JOIN tasks USING (task_id)
    WHERE delivered_at IS NOT NULL AND NOT replaced AND expires_at > :now
"""
_OWED = "SELECT key_name, name, debt, at FROM rates"
_SPENT = "SELECT key_name, day, images, cost FROM spent WHERE day >= ?"
_JOB = """
    SELECT job_id, key_name, created_at, plan, fingerprint, idempotency_key, seconds, give_up,
        links, ended_at, failure, delivered_at, promised_at
    FROM jobs WHERE number = ?
"""
_TASKS = """
    SELECT task_id, place, state, upstream_id, accepted_at, cost_usd, day, reserved, charged
    FROM tasks WHERE job_id = ? AND NOT replaced ORDER BY place
"""
_PAST = """
    SELECT DISTINCT name, task_id FROM story
    WHERE job_id = ? AND name IN ('create_lost', 'not_found')
"""
_PICTURES = """
    SELECT token, task_id, pictures.place, format, width, height, size, expires_at, notes
    FROM pictures JOIN tasks USING (task_id)
    WHERE pictures.job_id = ? AND NOT replaced ORDER BY tasks.place, pictures.place
"""


class Reader:
    """Asks on a thread of its own. ``emit`` is called in the loop."""

    def __init__(self, connection: sqlite3.Connection, emit: Callable[[object], None]) -> None:
        self._connection = connection
        self._emit = emit
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-reader")

    async def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Answer a question. Raises: LedgerUnavailable."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._ask, question)
        except LedgerUnavailable as refusal:
            failed = LedgerFailed(op="read", reason=kind(refusal.__cause__))
            loop.call_soon(self._emit, failed)  # whatever that does, whoever asked is told why
            raise

    async def close(self) -> None:
        """End the thread once it has answered."""
        self._thread.submit(self._connection.close)
        await asyncio.to_thread(self._thread.shutdown)

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._connection.execute("BEGIN")
            try:
                return question(self._connection)
            finally:
                with contextlib.suppress(sqlite3.Error):  # it may have ended by itself
                    self._connection.execute("ROLLBACK")
        except (sqlite3.Error, MemoryError) as error:
            raise unavailable() from error


def job(connection: sqlite3.Connection, name: str) -> JobRow | None:
    """A job by any of its names."""
    for query in _BY_NAME:
        for (number,) in connection.execute(query, (name,)):
            return _row(connection, number)
    return None


def ended(connection: sqlite3.Connection, key_name: str, fingerprint: bytes) -> tuple[JobRow, ...]:
    """Those that ended for such a request and had bought something, the oldest first.

    Of very many those count that nobody has had, and then the newest.
    """
    found = [
        number
        for undelivered, most in ((1, _MOST), (0, _MOST_DELIVERED))
        for number in connection.execute(_ENDED, (key_name, fingerprint, undelivered, most))
    ]
    return _rows(connection, iter(sorted(found)))


def keyed(connection: sqlite3.Connection, key_name: str, idempotency_key: str) -> JobRow | None:
    """The job that holds an idempotency key."""
    for (number,) in connection.execute(_KEYED, (key_name, idempotency_key)):
        return _row(connection, number)
    return None


def given(
    connection: sqlite3.Connection, key_name: str, fingerprint: bytes, idempotency_key: str
) -> JobRow | None:
    """The job that another request with an idempotency key was given last."""
    for (number,) in connection.execute(_GIVEN, (key_name, fingerprint, idempotency_key)):
        return _row(connection, number)
    return None


def unfinished(connection: sqlite3.Connection) -> tuple[JobRow, ...]:
    """All that have not ended."""
    return _rows(connection, connection.execute(_UNFINISHED))


def lost(connection: sqlite3.Connection, since: float) -> tuple[JobRow, ...]:
    """All that ended since with a task that is LOST."""
    return _rows(connection, connection.execute(_LOST, (since,)))


def claimed(connection: sqlite3.Connection, now: float) -> frozenset[str]:
    """Pictures that somebody has had, and that have not expired."""
    return frozenset(token for (token,) in connection.execute(_CLAIMED, {"now": now}))


def accounts(connection: sqlite3.Connection, since: int) -> Kept:
    """What outlives a process of the keys' accounts; of money what was spent from that day on."""
    return Kept(
        owed=tuple(Owed(*found) for found in connection.execute(_OWED)),
        spent=tuple(Spent(*found) for found in connection.execute(_SPENT, (since,))),
        jobs=unfinished(connection),
    )


def _rows(connection: sqlite3.Connection, numbers: Numbers) -> tuple[JobRow, ...]:
    return tuple(_row(connection, number) for (number,) in numbers)


def _row(connection: sqlite3.Connection, number: int) -> JobRow:
    (found,) = connection.execute(_JOB, (number,))
    job_id, key_name, created_at, plan, fingerprint, idempotency_key, seconds, give_up = found[:8]
    links, ended_at, failure, delivered_at, promised_at = found[8:]
    past = set(connection.execute(_PAST, (job_id,)))
    return JobRow(
        job_id,
        key_name,
        created_at,
        codec.plan_of(plan),
        tuple(_task(one, past) for one in connection.execute(_TASKS, (job_id,))),
        fingerprint=fingerprint,
        idempotency_key=idempotency_key,
        seconds=seconds,
        give_up=give_up,
        links=codec.links_of(links),
        ended_at=ended_at,
        failure=codec.failure_of(failure),
        delivered_at=delivered_at,
        pictures=tuple(_picture(one) for one in connection.execute(_PICTURES, (job_id,))),
        promised_at=promised_at,
    )


def _task(found: tuple[Any, ...], past: Container[tuple[str, str]]) -> TaskRow:
    """A task; its ``past`` are events that happened to it, with its id."""
    task_id, place, state, *others = found
    row = TaskRow(task_id, place, State(state), *others)
    create_lost, not_found = (("create_lost", task_id) in past, ("not_found", task_id) in past)
    return replace(row, create_lost=create_lost, not_found=not_found)


def _picture(
    found: tuple[str, str, int, Format, int, int, int, float, str],
) -> PictureRow:
    token, task_id, place, encoding, width, height, size, expires_at, notes = found
    return PictureRow(
        token,
        task_id,
        place,
        encoding,
        width,
        height,
        size,
        expires_at,
        codec.notes_of(notes),
    )
