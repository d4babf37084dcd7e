"""What each entry changes in the ledger.

Owns: the statements that write, each function within a transaction that somebody else began. Must
not know: commits, threads, who waits. Raises KeyError for a job that was never added.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import cast

from gateway.events import (
    Created,
    Found,
    JobClaimed,
    JobDelivered,
    JobEnded,
    JobEvent,
    JobPromised,
    State,
    Succeeded,
    TaskEvent,
    TaskFailed,
)
from gateway.state import codec, hook_tables, reads
from gateway.state.base import Failure, IdempotencyKeyTaken, JobRow, PictureRow, TaskRow
from gateway.state.books import Change, Owed, Spent, Taken, Use
from gateway.translate.usage import without_prompt

# Jobs that are forgotten at once: the others wait for no more than that.
PRUNED_AT_ONCE = 50

_JOB = """
    INSERT INTO jobs (job_id, key_name, created_at, seconds, give_up, fingerprint,
        idempotency_key, plan, links, ended_at, failure, delivered_at, promised_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_TASK = """
    INSERT INTO tasks (task_id, job_id, place, state, upstream_id, accepted_at, cost_usd, day,
        reserved, charged)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
# A picture that is told of twice is one picture.
_PICTURE = """
    INSERT INTO pictures
        (token, task_id, job_id, place, format, width, height, size, expires_at, notes)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (token) DO NOTHING
"""
_REOPENED = """
    UPDATE jobs SET created_at = ?, seconds = ?, give_up = ?, fingerprint = ?, plan = ?, links = ?,
        delivered_at = ?, promised_at = ?, ended_at = NULL, failure = NULL, unclaimed_until = NULL
    WHERE job_id = ?
"""
_ENDED = """
    UPDATE jobs SET ended_at = ?, failure = ?, unclaimed_until = (
        SELECT max(expires_at) FROM pictures JOIN tasks USING (task_id)
        WHERE pictures.job_id = jobs.job_id AND NOT replaced AND fetched_at IS NULL
        AND delivered_at IS NULL
    )
    WHERE job_id = ?
"""
_ALL_FETCHED = """
    UPDATE jobs SET unclaimed_until = NULL
    WHERE job_id = (SELECT job_id FROM pictures WHERE token = ?)
    AND unclaimed_until IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM pictures JOIN tasks USING (task_id)
        WHERE pictures.job_id = jobs.job_id AND NOT replaced AND fetched_at IS NULL
    )
"""
_ACCEPTED = "UPDATE tasks SET upstream_id = ?, accepted_at = ? WHERE task_id = ? AND job_id = ?"
_CHARGED = "UPDATE tasks SET charged = ? WHERE task_id = ? AND job_id = ?"
_SPENT = """
    INSERT INTO spent (key_name, day, images, cost) VALUES (?, ?, ?, ?)
    ON CONFLICT (key_name, day)
    DO UPDATE SET images = images + excluded.images, cost = cost + excluded.cost
"""
_OWED = "INSERT OR REPLACE INTO rates (key_name, name, debt, at) VALUES (?, ?, ?, ?)"
_USE = "INSERT OR REPLACE INTO uses (key_name, credential, used_at) VALUES (?, ?, ?)"
_STORY = "INSERT INTO story (job_id, task_id, at, name, detail) VALUES (?, ?, ?, ?, ?)"


def add_job(connection: sqlite3.Connection, taken: Taken, instead_of: str | None) -> None:
    """Add a job and what it has taken. Raises: IdempotencyKeyTaken."""
    job = taken.job
    if job.idempotency_key is not None:
        _make_way(connection, job, instead_of)
    connection.execute(
        _JOB,
        (
            job.job_id,
            job.key_name,
            job.created_at,
            job.seconds,
            job.give_up,
            job.fingerprint,
            job.idempotency_key,
            codec.plan_text(job.plan),
            codec.links_text(job.links),
            job.ended_at,
            codec.failure_text(job.failure),
            job.delivered_at,
            job.promised_at,
        ),
    )
    for task in job.tasks:
        _add_task(connection, job.job_id, task)
    _add_pictures(connection, job.job_id, job.pictures)
    _keep_taken(connection, taken)


def reopen(connection: sqlite3.Connection, job: JobRow, taken: Taken | None) -> JobRow:
    """Take a job that had ended up again, and what it has taken anew; how it stands then."""
    changed = connection.execute(
        _REOPENED,
        (
            job.created_at,
            job.seconds,
            job.give_up,
            job.fingerprint,
            codec.plan_text(job.plan),
            codec.links_text(job.links),
            job.delivered_at,
            job.promised_at,
            job.job_id,
        ),
    )
    if changed.rowcount == 0:
        raise KeyError(job.job_id)
    hook_tables.turned(connection, job.job_id, None)
    known = {
        task_id
        for (task_id,) in connection.execute(
            "SELECT task_id FROM tasks WHERE job_id = ?", (job.job_id,)
        )
    }
    for task in job.tasks:
        if task.task_id not in known:
            connection.execute(
                "UPDATE tasks SET replaced = 1 WHERE job_id = ? AND place = ?",
                (job.job_id, task.place),
            )
            _add_task(connection, job.job_id, task)
    if taken is not None:
        _keep_taken(connection, taken)
    return cast("JobRow", reads.job(connection, job.job_id))


def record(
    connection: sqlite3.Connection,
    event: TaskEvent,
    state: State,
    pictures: tuple[PictureRow, ...],
    change: Change | None,
) -> None:
    """Write a task's event, its state and what it brought."""
    _tell(connection, event, event.task_id)
    task = (event.task_id, event.job_id)
    connection.execute(
        "UPDATE tasks SET state = ? WHERE task_id = ? AND job_id = ?", (state.value, *task)
    )
    match event:
        case Created() | Found():
            connection.execute(_ACCEPTED, (event.upstream_id, event.at, *task))
        case Succeeded() | TaskFailed():
            connection.execute(
                "UPDATE tasks SET cost_usd = ? WHERE task_id = ? AND job_id = ?",
                (event.cost_usd, *task),
            )
    if change is not None:
        connection.execute(_CHARGED, (change.charged, change.task_id, event.job_id))
        _spend(connection, change.spent)
    _add_pictures(connection, event.job_id, pictures)


def remark(
    connection: sqlite3.Connection, event: JobEvent, failure: Failure | None, *, keep_prompts: bool
) -> None:
    """Write a job's event, and what it changes."""
    _tell(connection, event, None)
    match event:
        case JobEnded():
            connection.execute(_ENDED, (event.at, codec.failure_text(failure), event.job_id))
            hook_tables.turned(connection, event.job_id, event.at)
            if not keep_prompts:
                _take_prompt_out(connection, event.job_id)
        case JobDelivered():
            connection.execute(
                "UPDATE jobs SET delivered_at = ?, unclaimed_until = NULL WHERE job_id = ?",
                (event.at, event.job_id),
            )
        case JobPromised():
            connection.execute(
                "UPDATE jobs SET promised_at = ? WHERE job_id = ?", (event.at, event.job_id)
            )
        case JobClaimed():
            connection.execute(
                "UPDATE jobs SET delivered_at = ?, unclaimed_until = NULL "
                "WHERE job_id = ? AND delivered_at IS NULL",
                (event.at, event.job_id),
            )


def add_links(connection: sqlite3.Connection, job_id: str, links: Mapping[str, str]) -> None:
    """Add to a job's addresses of references."""
    known = codec.links_of(_of_job(connection, "SELECT links FROM jobs WHERE job_id = ?", job_id))
    connection.execute(
        "UPDATE jobs SET links = ? WHERE job_id = ?", (codec.links_text({**known, **links}), job_id)
    )


def fetched(connection: sqlite3.Connection, token: str, at: float) -> None:
    """Note when a picture was fetched last; it may have been the last that nobody had had."""
    connection.execute("UPDATE pictures SET fetched_at = ? WHERE token = ?", (at, token))
    connection.execute(_ALL_FETCHED, (token,))


def write_off(connection: sqlite3.Connection, job_ids: Iterable[str]) -> None:
    """Note that jobs' pictures went to nobody, and that this was told."""
    for job_id in job_ids:
        connection.execute("UPDATE jobs SET unclaimed_until = NULL WHERE job_id = ?", (job_id,))


def keep_accounts(
    connection: sqlite3.Connection, owed: Iterable[Owed], uses: Iterable[Use]
) -> None:
    """Keep what was counted without a job."""
    for one in owed:
        connection.execute(_OWED, (one.key_name, one.name, one.debt, one.at))
    for use in uses:
        connection.execute(_USE, (use.key_name, use.credential, use.at))


def prune(connection: sqlite3.Connection, before: float) -> int:
    """Forget some of the jobs that ended before then; how many. Their rows elsewhere go along.

    What was spent on them stays in the books.
    """
    gone = connection.execute(
        "DELETE FROM jobs WHERE number IN (SELECT number FROM jobs WHERE ended_at < ? LIMIT ?)",
        (before, PRUNED_AT_ONCE),
    )
    return gone.rowcount


def _keep_taken(connection: sqlite3.Connection, taken: Taken) -> None:
    _spend(connection, taken.spent)
    keep_accounts(connection, taken.owed, ())


def _spend(connection: sqlite3.Connection, spent: Spent) -> None:
    if spent.images or spent.cost:
        connection.execute(_SPENT, (spent.key_name, spent.day, spent.images, spent.cost))


def _make_way(connection: sqlite3.Connection, job: JobRow, instead_of: str | None) -> None:
    place = (job.key_name, job.idempotency_key)
    holder = connection.execute(
        "SELECT job_id FROM jobs WHERE key_name = ? AND idempotency_key = ?", place
    ).fetchone()
    if holder is None:
        return
    if holder[0] != instead_of:
        raise IdempotencyKeyTaken(holder[0])
    connection.execute("UPDATE jobs SET idempotency_key = NULL WHERE job_id = ?", holder)


def _add_task(connection: sqlite3.Connection, job_id: str, task: TaskRow) -> None:
    connection.execute(
        _TASK,
        (
            task.task_id,
            job_id,
            task.place,
            task.state.value,
            task.upstream_id,
            task.accepted_at,
            task.cost_usd,
            task.day,
            task.reserved,
            task.charged,
        ),
    )


def _add_pictures(
    connection: sqlite3.Connection, job_id: str, pictures: Iterable[PictureRow]
) -> None:
    for one in pictures:
        connection.execute(
            _PICTURE,
            (
                one.token,
                one.task_id,
                job_id,
                one.place,
                one.format,
                one.width,
                one.height,
                one.size,
                one.expires_at,
                codec.notes_text(one.notes),
            ),
        )


def _tell(connection: sqlite3.Connection, event: TaskEvent | JobEvent, task_id: str | None) -> None:
    _of_job(connection, "SELECT job_id FROM jobs WHERE job_id = ?", event.job_id)
    told = (codec.event_name(event), codec.event_text(event))
    connection.execute(_STORY, (event.job_id, task_id, event.at, *told))


def _take_prompt_out(connection: sqlite3.Connection, job_id: str) -> None:
    text = _of_job(connection, "SELECT plan FROM jobs WHERE job_id = ?", job_id)
    plan = codec.plan_text(without_prompt(codec.plan_of(text)))
    connection.execute("UPDATE jobs SET plan = ? WHERE job_id = ?", (plan, job_id))


def _of_job(connection: sqlite3.Connection, query: str, job_id: str) -> str:
    found = connection.execute(query, (job_id,)).fetchone()
    if found is None:
        raise KeyError(job_id)
    text: str = found[0]
    return text
