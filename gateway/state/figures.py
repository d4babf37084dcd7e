"""What is in the ledger, counted; and what of it went to nobody.

Owns: the statements, each of which finds what it counts by an index. Must not know: connections,
threads, who asks. What one call reads is of one moment.

The states that most tasks end in have no index, for it would be written with every task: those that
are DONE are what is left of all when the others are taken away.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

from gateway.events import State
from gateway.state import hook_tables, shares
from gateway.state.base import LedgerFigures, Unclaimed
from gateway.state.shares import Pictures

AT_ONCE = 100

# The condition of the index has to be in the question, or the index is not used.
_OPEN = "state NOT IN ('done', 'dropped', 'refused')"
_IN_VAIN = "state IN ('dropped', 'refused')"
_ALL = "SELECT count(*) FROM tasks"
_BY_STATE = "SELECT state, count(*) FROM tasks WHERE {} GROUP BY state"
_KEPT = """
    SELECT count(*) FROM jobs JOIN tasks USING (job_id)
    WHERE unclaimed_until IS NOT NULL AND unclaimed_until > ? AND delivered_at IS NULL
    AND state = 'done' AND NOT replaced
"""
_UNCERTAIN = f"""
    SELECT min((
        SELECT max(at) FROM story WHERE story.job_id = tasks.job_id
        AND story.task_id = tasks.task_id AND name = 'create_lost'
    ))
    FROM tasks WHERE state = 'uncertain' AND {_OPEN} AND NOT replaced
"""  # noqa: S608 - our own text
_UNCLAIMED = """
    SELECT job_id, key_name FROM jobs
    WHERE unclaimed_until IS NOT NULL AND unclaimed_until <= ? AND delivered_at IS NULL
    ORDER BY unclaimed_until LIMIT ?
"""
_TOKENS = """
    SELECT token FROM pictures JOIN tasks USING (task_id)
    WHERE pictures.job_id = ? AND NOT replaced AND fetched_at IS NULL
    ORDER BY tasks.place, pictures.place
"""
# What a task was to make, that were kept, and of these nobody's; a plan may not be readable.
_SHARES = """
    SELECT coalesce(charged, reserved), state = 'failed', reserved * EXISTS (
        SELECT 1 FROM story WHERE story.job_id = tasks.job_id
        AND story.task_id = tasks.task_id AND name = 'not_found'
    ), coalesce(
        CASE WHEN json_valid(plan) THEN json_extract(plan, '$.tasks[' || tasks.place || '].n') END,
        0
    ), count(*), sum(fetched_at IS NULL)
    FROM pictures JOIN tasks USING (task_id) JOIN jobs ON jobs.job_id = pictures.job_id
    WHERE pictures.job_id = ? AND NOT replaced GROUP BY tasks.task_id
"""


def figures(connection: sqlite3.Connection, now: float, path: str) -> LedgerFigures:
    """All of it, in numbers; ``path`` is where the ledger lies."""
    counted = {
        State(state): number
        for some in (_OPEN, _IN_VAIN)
        for state, number in connection.execute(_BY_STATE.format(some))
    }
    (total,) = connection.execute(_ALL).fetchone()
    done = total - sum(counted.values())
    (kept,) = connection.execute(_KEPT, (now,)).fetchone()
    (since,) = connection.execute(_UNCERTAIN).fetchone()
    return LedgerFigures(
        tasks={**counted, State.DONE: done} if done else counted,
        unclaimed=kept,
        oldest_uncertain=0.0 if since is None else max(0.0, now - since),
        hooks=hook_tables.pending(connection),
        size=_size(path) + _size(f"{os.path.realpath(path)}-wal"),
    )


def unclaimed(connection: sqlite3.Connection, now: float) -> tuple[Unclaimed, ...]:
    """Jobs whose pictures died by now before anybody had them."""
    found = connection.execute(_UNCLAIMED, (now, AT_ONCE)).fetchall()
    return tuple(_unclaimed(connection, *job) for job in found)


def _unclaimed(connection: sqlite3.Connection, job_id: str, key_name: str) -> Unclaimed:
    tokens = tuple(token for (token,) in connection.execute(_TOKENS, (job_id,)))
    cost = sum(
        shares.unclaimed(amount, Pictures(*numbers), failed=bool(failed), lost=lost)
        for amount, failed, lost, *numbers in connection.execute(_SHARES, (job_id,))
    )
    return Unclaimed(job_id, key_name, tokens, cost)


def _size(path: str) -> int:
    with contextlib.suppress(OSError):
        return Path(path).stat().st_size
    return 0
