"""A read-only look into a ledger's file, whether a gateway runs on it or not.

Owns: what is asked of a ledger. Must not know: commands, how anything is told. Every question is
one short transaction on a connection of its own, which a running gateway's commits and checkpoints
do not wait for; the lock that makes a gateway the ledger's only writer is not looked at.
"""

import contextlib
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from gateway.events import State
from gateway.state.records import (
    Counts,
    EventRecord,
    HookRecord,
    JobRecord,
    TaskRecord,
    event_record,
    hook_record,
    job_record,
    picture_record,
    task_record,
)
from gateway.state.viewing import connected, faults_told

UNCLAIMED = "unclaimed"
UNFINISHED = "unfinished"
WORDS = (*(state.value for state in State), UNCLAIMED, UNFINISHED)
"""What jobs can be chosen by: a state that one of their tasks is in, and two more."""

_CHUNK = 500

_TASKS = """
    SELECT tasks.*, jobs.created_at, jobs.ended_at, EXISTS (
        SELECT 1 FROM story WHERE story.job_id = tasks.job_id
        AND story.task_id = tasks.task_id AND story.name = 'succeeded'
    ) AS made, EXISTS (
        SELECT 1 FROM story WHERE story.job_id = tasks.job_id
        AND story.task_id = tasks.task_id AND story.name = 'create_lost'
    ) AS create_lost
    FROM tasks JOIN jobs USING (job_id)
"""
_UNCLAIMED = """
    ended_at IS NOT NULL AND delivered_at IS NULL AND EXISTS (
        SELECT 1 FROM pictures WHERE pictures.job_id = jobs.job_id AND fetched_at IS NULL
    )
"""
_NOT_EXPIRED = """
    EXISTS (
        SELECT 1 FROM pictures WHERE pictures.job_id = jobs.job_id
        AND fetched_at IS NULL AND expires_at > :now
    )
"""


class Reading:
    """Answers questions about the ledger at ``path``.

    Every method raises LedgerFault where the file cannot be read or is no ledger of ours.
    """

    def __init__(self, path: str | Path) -> None:
        # The lock and the log lie beside the file itself, not beside a link to it.
        self.path = Path(os.path.realpath(path))

    def __repr__(self) -> str:
        return f"Reading({self.path})"

    def counts(self, now: float) -> Counts:
        """How many of what there are."""
        with self._opened() as ledger:
            states = dict(ledger.execute("SELECT state, count(*) FROM tasks GROUP BY state"))
            unclaimed = f"SELECT count(*) FROM jobs WHERE {_UNCLAIMED}"  # noqa: S608 - our own text
            return Counts(
                jobs=_number(ledger, "SELECT count(*) FROM jobs"),
                tasks={state: states[state] for state in State if state in states},
                unfinished=_number(ledger, "SELECT count(*) FROM jobs WHERE ended_at IS NULL"),
                unclaimed=_number(ledger, unclaimed),
                expired=_number(ledger, f"{unclaimed} AND NOT {_NOT_EXPIRED}", now=now),
            )

    def jobs(
        self, words: Collection[str] = (), limit: int = 50, since: float | None = None
    ) -> tuple[JobRecord, ...]:
        """The newest jobs to which one of ``words`` applies; all, if there are none.

        Raises: ValueError for what is none of ``WORDS``.
        """
        chosen = [*_conditions(words), "created_at >= :since"]
        with self._opened() as ledger:
            rows = ledger.execute(
                f"SELECT * FROM jobs WHERE {' AND '.join(chosen)} "  # noqa: S608 - our own text
                "ORDER BY number DESC LIMIT :limit",
                {"since": since or 0.0, "limit": limit},
            )
            return tuple(_whole(ledger, row) for row in rows)

    def job(self, name: str) -> JobRecord | None:
        """A job by its own id, a task's, or the vendor's (of equal ones the newest)."""
        with self._opened() as ledger:
            row = ledger.execute(
                """
                SELECT * FROM jobs WHERE job_id = coalesce(
                    (SELECT job_id FROM jobs WHERE job_id = :name),
                    (SELECT job_id FROM tasks WHERE task_id = :name),
                    (SELECT job_id FROM tasks WHERE upstream_id = :name
                     ORDER BY number DESC LIMIT 1)
                )
                """,
                {"name": name},
            ).fetchone()
            return None if row is None else _whole(ledger, row)

    def story(self, job_id: str) -> tuple[EventRecord, ...]:
        """What happened to a job and its tasks, in order."""
        with self._opened() as ledger:
            rows = ledger.execute(
                "SELECT at, name, task_id, detail FROM story WHERE job_id = ? ORDER BY number",
                (job_id,),
            )
            return tuple(event_record(row) for row in rows)

    def hooks(self, job_id: str) -> tuple[HookRecord, ...]:
        """Who is to be told of a job's end; nobody in a ledger that does not keep it."""
        with self._opened() as ledger:
            if not _has(ledger, "hooks"):
                return ()
            rows = ledger.execute("SELECT * FROM hooks WHERE job_id = ? ORDER BY number", (job_id,))
            return tuple(hook_record(row) for row in rows)

    def number_of_tasks(self, since: float) -> int:
        """How many tasks ``tasks`` comes to."""
        with self._opened() as ledger:
            text = f"SELECT count(*) FROM tasks JOIN jobs USING (job_id) WHERE {_WITHIN}"  # noqa: S608 - our own text
            return _number(ledger, text, since=since)

    def tasks(self, since: float, chunk: int = _CHUNK) -> Iterator[tuple[TaskRecord, ...]]:
        """All tasks, replaced ones too, of jobs that are unfinished, or began or ended since then.

        They come in the order they were written, ``chunk`` of them at a time, each as it stands
        when its chunk is read; those that were added since the first chunk are left out.
        """
        number = last = 0
        with self._opened() as ledger:
            last = _number(ledger, "SELECT coalesce(max(number), 0) FROM tasks")
        while number < last:
            with self._opened() as ledger:
                rows = ledger.execute(
                    f"{_TASKS} WHERE tasks.number > :number AND tasks.number <= :last "
                    f"AND {_WITHIN} ORDER BY tasks.number LIMIT :chunk",
                    {"number": number, "last": last, "since": since, "chunk": chunk},
                ).fetchall()
                found = tuple(task_record(row) for row in rows)
            if not rows:
                return
            number = rows[-1]["number"]
            yield found

    def these(self, task_ids: Sequence[str]) -> tuple[TaskRecord, ...]:
        """Those of the tasks that the ledger has."""
        found: list[TaskRecord] = []
        for start in range(0, len(task_ids), _CHUNK):
            asked = task_ids[start : start + _CHUNK]
            places = ",".join("?" * len(asked))
            with self._opened() as ledger:
                rows = ledger.execute(f"{_TASKS} WHERE task_id IN ({places})", asked)
                found += [task_record(row) for row in rows]
        return tuple(found)

    def uses(self) -> dict[tuple[str, str], float]:
        """When each key's credentials were last used; none in a ledger that does not keep it."""
        with self._opened() as ledger:
            if not _has(ledger, "uses"):
                return {}
            rows = ledger.execute("SELECT key_name, credential, used_at FROM uses")
            return {(row["key_name"], row["credential"]): row["used_at"] for row in rows}

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with (
            faults_told(self.path),
            contextlib.closing(connected(self.path)) as connection,
        ):
            yield connection


_WITHIN = "(created_at >= :since OR ended_at IS NULL OR ended_at >= :since)"


def _conditions(words: Collection[str]) -> Iterator[str]:
    """SQL that says that one of the words applies to a job."""
    states = [f"'{State(word).value}'" for word in words if word not in {UNCLAIMED, UNFINISHED}]
    either = []
    if states:
        either.append(
            "EXISTS (SELECT 1 FROM tasks WHERE tasks.job_id = jobs.job_id "  # noqa: S608 - our own words
            f"AND state IN ({', '.join(states)}))"
        )
    if UNCLAIMED in words:
        either.append(_UNCLAIMED)
    if UNFINISHED in words:
        either.append("ended_at IS NULL")
    if either:
        yield f"({' OR '.join(f'({one})' for one in either)})"


def _whole(ledger: sqlite3.Connection, row: sqlite3.Row) -> JobRecord:
    """A job with its tasks and pictures."""
    tasks = ledger.execute(
        f"{_TASKS} WHERE job_id = ? ORDER BY replaced, place, tasks.number", (row["job_id"],)
    )
    pictures = ledger.execute(
        """
        SELECT pictures.* FROM pictures JOIN tasks USING (task_id)
        WHERE pictures.job_id = ? ORDER BY tasks.replaced, tasks.place, pictures.place
        """,
        (row["job_id"],),
    )
    return job_record(
        row,
        tuple(task_record(task) for task in tasks),
        tuple(picture_record(picture) for picture in pictures),
    )


def _has(ledger: sqlite3.Connection, table: str) -> bool:
    kept = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?"
    return bool(ledger.execute(kept, (table,)).fetchone()[0])


def _number(ledger: sqlite3.Connection, text: str, **values: float) -> int:
    return int(ledger.execute(text, values).fetchone()[0])
