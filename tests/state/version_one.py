"""A ledger of version 1, as the program that knew no accounts made it."""

import contextlib
import sqlite3
from pathlib import Path

from gateway.state import codec
from gateway.state.base import JobRow
from gateway.state.schema import APPLICATION_ID

TABLES = (
    # "secret": 32 random bytes in hex; "commits": how many commits were synced to the disk.
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL UNIQUE,
        key_name TEXT NOT NULL,
        created_at REAL NOT NULL,
        seconds REAL NOT NULL,
        give_up REAL NOT NULL,
        fingerprint BLOB NOT NULL,
        idempotency_key TEXT,
        plan TEXT NOT NULL,
        links TEXT NOT NULL DEFAULT '{}',
        ended_at REAL,
        failure TEXT,
        delivered_at REAL
    )
    """,
    "CREATE INDEX jobs_by_fingerprint ON jobs (key_name, fingerprint)",
    """
    CREATE UNIQUE INDEX jobs_by_idempotency_key ON jobs (key_name, idempotency_key)
    WHERE idempotency_key IS NOT NULL
    """,
    "CREATE INDEX jobs_unfinished ON jobs (number) WHERE ended_at IS NULL",
    "CREATE INDEX jobs_by_end ON jobs (ended_at) WHERE ended_at IS NOT NULL",
    # "replaced": another task has taken over the place; kept for the story.
    """
    CREATE TABLE tasks (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        task_id TEXT NOT NULL UNIQUE,
        job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        state TEXT NOT NULL,
        upstream_id TEXT,
        accepted_at REAL,
        cost_usd TEXT,
        replaced INTEGER NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX tasks_by_job ON tasks (job_id)",
    "CREATE INDEX tasks_by_upstream_id ON tasks (upstream_id) WHERE upstream_id IS NOT NULL",
    "CREATE INDEX tasks_open ON tasks (state) WHERE state NOT IN ('done', 'dropped', 'refused')",
    """
    CREATE TABLE pictures (
        token TEXT PRIMARY KEY,
        task_id TEXT NOT NULL,
        job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        format TEXT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        size INTEGER NOT NULL,
        expires_at REAL NOT NULL,
        notes TEXT NOT NULL DEFAULT '[]',
        fetched_at REAL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX pictures_by_job ON pictures (job_id)",
    # The story: every event of a task, and of a job (task_id NULL), in order. "name" is the event's
    # class in lower case with underscores, "detail" its own fields.
    """
    CREATE TABLE story (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
        task_id TEXT,
        at REAL NOT NULL,
        name TEXT NOT NULL,
        detail TEXT NOT NULL DEFAULT '{}'
    )
    """,
    "CREATE INDEX story_by_job ON story (job_id)",
)


def made(path: Path, *jobs: JobRow) -> None:
    """A ledger of that version with these jobs."""
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        for table in TABLES:
            connection.execute(table)
        own = (("secret", "ab" * 32), ("commits", "0"))
        connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", own)
        for job in jobs:
            _add(connection, job)


def _add(connection: sqlite3.Connection, job: JobRow) -> None:
    connection.execute(
        "INSERT INTO jobs (job_id, key_name, created_at, plan, fingerprint, seconds, give_up, "
        "links, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, '{}', ?)",
        (
            job.job_id,
            job.key_name,
            job.created_at,
            codec.plan_text(job.plan),
            job.fingerprint,
            job.seconds,
            job.give_up,
            job.ended_at,
        ),
    )
    connection.executemany(
        "INSERT INTO tasks (task_id, job_id, place, state, upstream_id, accepted_at, cost_usd) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                task.task_id,
                job.job_id,
                task.place,
                task.state.value,
                task.upstream_id,
                task.accepted_at,
                task.cost_usd,
            )
            for task in job.tasks
        ],
    )


def spoil(path: Path) -> None:
    """Make the plans unreadable."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE jobs SET plan = 'no plan'")
