"""The hooks of a ledger in SQL.

Owns: the statements that write and read them, each within a transaction that somebody else began.
Must not know: commits, threads, who waits.
"""

import sqlite3
from collections.abc import Container
from itertools import islice

from gateway.state.hooks import MOST_OF_A_JOB, DueHooks, HookRow, TooManyHooks

_ADD = """
    INSERT INTO hooks (hook_id, job_id, key_name, url, base_url, due_at)
    SELECT ?, job_id, key_name, ?, ?, CASE WHEN ended_at IS NOT NULL THEN ? END
    FROM jobs WHERE job_id = ?
    ON CONFLICT (job_id, url) DO UPDATE SET
        attempts = 0, due_at = excluded.due_at, given_up_at = NULL, answer = NULL
        WHERE given_up_at IS NOT NULL
"""
_OTHERS = "SELECT count(*) FROM hooks WHERE job_id = ? AND url != ?"
_KNOWN = "SELECT 1 FROM hooks WHERE job_id = ? AND url = ?"
_TURNED = """
    UPDATE hooks SET attempts = 0, due_at = ?, told_at = NULL, given_up_at = NULL, answer = NULL
    WHERE job_id = ?
"""
# An attempt about an end that is not the job's last any more counts for nothing.
_TRIED = """
    UPDATE hooks SET attempts = ?, due_at = ?, told_at = ?, given_up_at = ?, answer = ?
    WHERE hook_id = ? AND EXISTS (
        SELECT 1 FROM jobs WHERE jobs.job_id = hooks.job_id AND ended_at = ?
    )
"""
# From key to key by the index, so that it costs as much as there are keys, however many are due.
_KEYS = """
    WITH RECURSIVE waiting (name) AS (
        SELECT min(key_name) FROM hooks WHERE due_at IS NOT NULL
        UNION ALL
        SELECT (SELECT min(key_name) FROM hooks WHERE due_at IS NOT NULL AND key_name > name)
        FROM waiting WHERE name IS NOT NULL
    )
    SELECT name FROM waiting WHERE name IS NOT NULL
"""
_DUE = """
    SELECT hook_id, job_id, url, base_url, attempts, due_at, told_at, given_up_at, answer,
        hooks.key_name, ended_at, hooks.number
    FROM hooks CROSS JOIN jobs USING (job_id)
    WHERE hooks.key_name = ? AND due_at <= ? ORDER BY due_at, hooks.number
"""
_NEXT = "SELECT min(due_at) FROM hooks WHERE key_name = ? AND due_at > ?"
_PENDING = "SELECT count(*) FROM hooks WHERE due_at IS NOT NULL"


def add(connection: sqlite3.Connection, hook: HookRow, at: float) -> None:
    """Have a job's end told to an address.

    Raises: KeyError for a job that was never added, TooManyHooks.
    """
    known = "SELECT 1 FROM jobs WHERE job_id = ?"
    if connection.execute(known, (hook.job_id,)).fetchone() is None:
        raise KeyError(hook.job_id)
    ((others,),) = connection.execute(_OTHERS, (hook.job_id, hook.url))
    if (
        others >= MOST_OF_A_JOB
        and not connection.execute(_KNOWN, (hook.job_id, hook.url)).fetchone()
    ):
        raise TooManyHooks(hook.job_id)
    connection.execute(_ADD, (hook.hook_id, hook.url, hook.base_url, at, hook.job_id))


def turned(connection: sqlite3.Connection, job_id: str, due_at: float | None) -> None:
    """Note that a job has ended at that time, or that it is taken up again (None)."""
    connection.execute(_TURNED, (due_at, job_id))


def tried(connection: sqlite3.Connection, hook: HookRow) -> None:
    """Write what came of an attempt."""
    state = (hook.attempts, hook.due_at, hook.told_at, hook.given_up_at, hook.answer)
    connection.execute(_TRIED, (*state, hook.hook_id, hook.ended_at))


def due(
    connection: sqlite3.Connection, now: float, most: int, without: Container[str] = ()
) -> DueHooks:
    """Those due by now but for some, by their ids; at most so many of each key."""
    found: list[tuple[float, int, HookRow]] = []
    later: list[float] = []
    for (key_name,) in connection.execute(_KEYS).fetchall():
        rows = (row for row in connection.execute(_DUE, (key_name, now)) if row[0] not in without)
        found += [(row[5], row[-1], HookRow(*row[:-1])) for row in islice(rows, most)]
        ((next_at,),) = connection.execute(_NEXT, (key_name, now))
        later += [] if next_at is None else [next_at]
    found.sort(key=lambda one: one[:2])
    return DueHooks(tuple(hook for _, _, hook in found), min(later, default=None))


def pending(connection: sqlite3.Connection) -> int:
    """How many are to be told, now or later."""
    ((count,),) = connection.execute(_PENDING)
    return int(count)
