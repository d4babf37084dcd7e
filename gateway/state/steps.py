"""What brings a ledger of an older version up to the next.

Owns: one function a version, each within a transaction that somebody else began. Must not know:
connections' settings, who opens. Nothing that was bought may keep a ledger from being opened: what
cannot be read of it counts as little as it can.
"""

import sqlite3
from collections.abc import Callable

from gateway.state.days import DAY
from gateway.state.schema import BOOKS, COUNTS, HOOKS
from gateway.translate.money import micro_dollars

Step = Callable[[sqlite3.Connection], None]

_COLUMNS = (
    "ALTER TABLE tasks ADD COLUMN day INTEGER",
    "ALTER TABLE tasks ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE tasks ADD COLUMN charged INTEGER",
)
# Nothing was reserved then: a task costs what the vendor told, and nothing where it told nothing.
_COUNTED = f"""
    UPDATE tasks SET
        day = (
            SELECT CAST(created_at / {DAY} AS INTEGER) FROM jobs WHERE jobs.job_id = tasks.job_id
        ),
        charged = told_micro_dollars(cost_usd)
    WHERE state NOT IN ('refused', 'dropped')
"""  # noqa: S608 - our own number
_SUMMED = """
    INSERT INTO spent (key_name, day, images, cost)
    SELECT key_name, day, sum(coalesce(
        CASE WHEN json_valid(plan) THEN json_extract(plan, '$.tasks[' || place || '].n') END, 1
    )), sum(coalesce(charged, 0))
    FROM tasks JOIN jobs USING (job_id) WHERE day IS NOT NULL GROUP BY key_name, day
"""


def books(connection: sqlite3.Connection) -> None:
    """Version 2: tasks count for a day of their key's, and cost something."""
    for statement in (*_COLUMNS, *BOOKS):
        connection.execute(statement)
    connection.create_function("told_micro_dollars", 1, _told, deterministic=True)
    try:
        connection.execute(_COUNTED)
    finally:
        connection.create_function("told_micro_dollars", 1, None)
    connection.execute(_SUMMED)


def _told(cost_usd: str | None) -> int | None:
    amount = micro_dollars(cost_usd, otherwise=-1)
    return None if amount < 0 else amount


# What had died by the ledger's last entry is the past, and is not told now.
_UNCLAIMED = """
    UPDATE jobs SET unclaimed_until = (
        SELECT max(expires_at) FROM pictures JOIN tasks USING (task_id)
        WHERE pictures.job_id = jobs.job_id AND NOT replaced AND fetched_at IS NULL
        AND expires_at > coalesce((SELECT at FROM story ORDER BY number DESC LIMIT 1), 0)
    )
    WHERE ended_at IS NOT NULL AND delivered_at IS NULL
"""


def counts(connection: sqlite3.Connection) -> None:
    """Version 3: jobs say until when their pictures can be claimed; what is counted has indices."""
    connection.execute("ALTER TABLE jobs ADD COLUMN unclaimed_until REAL")
    for statement in COUNTS:
        connection.execute(statement)
    connection.execute(_UNCLAIMED)


def promises(connection: sqlite3.Connection) -> None:
    """Version 4: jobs may be promised to who asks later, and their ends be told to hooks."""
    connection.execute("ALTER TABLE jobs ADD COLUMN promised_at REAL")
    for statement in HOOKS:
        connection.execute(statement)


# One for each version after the first.
STEPS: tuple[Step, ...] = (books, counts, promises)
