"""The hooks of a ledger in SQL.

Owns: the statements that write and read them, each within a transaction that somebody else began.
Must not know: commits, threads, who waits.
"""

import sqlite3

from gateway.state.hooks import DueHooks, HookRow

_ADD = """
    INSERT INTO hooks (hook_id, job_id, url, base_url, due_at)
    SELECT ?, job_id, ?, ?, CASE WHEN ended_at IS NOT NULL THEN ? END FROM jobs WHERE job_id = ?
    ON CONFLICT (job_id, url) DO UPDATE SET
        attempts = 0, due_at = excluded.due_at, given_up_at = NULL, answer = NULL
        WHERE given_up_at IS NOT NULL
"""
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
_DUE = """
    SELECT hook_id, job_id, url, base_url, attempts, due_at, told_at, given_up_at, answer,
        key_name, ended_at
    FROM (
        SELECT hooks.*, key_name, ended_at,
            row_number() OVER (PARTITION BY key_name ORDER BY due_at, hooks.number) AS turn
        FROM hooks JOIN jobs USING (job_id) WHERE due_at <= ?
    )
    WHERE turn <= ? ORDER BY due_at, number
"""
_NEXT = "SELECT min(due_at) FROM hooks WHERE due_at > ?"
_PENDING = "SELECT count(*) FROM hooks WHERE due_at IS NOT NULL"


def add(connection: sqlite3.Connection, hook: HookRow, at: float) -> None:
    """Have a job's end told to an address. Raises: KeyError for a job that was never added."""
    known = "SELECT 1 FROM jobs WHERE job_id = ?"
    if connection.execute(known, (hook.job_id,)).fetchone() is None:
        raise KeyError(hook.job_id)
    connection.execute(_ADD, (hook.hook_id, hook.url, hook.base_url, at, hook.job_id))


def turned(connection: sqlite3.Connection, job_id: str, due_at: float | None) -> None:
    """Note that a job has ended at that time, or that it is taken up again (None)."""
    connection.execute(_TURNED, (due_at, job_id))


def tried(connection: sqlite3.Connection, hook: HookRow) -> None:
    """Write what came of an attempt."""
    state = (hook.attempts, hook.due_at, hook.told_at, hook.given_up_at, hook.answer)
    connection.execute(_TRIED, (*state, hook.hook_id, hook.ended_at))


def due(connection: sqlite3.Connection, now: float, most: int) -> DueHooks:
    """Those due by now, at most so many of each key."""
    found = tuple(HookRow(*row) for row in connection.execute(_DUE, (now, most)))
    ((next_at,),) = connection.execute(_NEXT, (now,))
    return DueHooks(found, next_at)


def pending(connection: sqlite3.Connection) -> int:
    """How many are to be told, now or later."""
    ((count,),) = connection.execute(_PENDING)
    return int(count)
