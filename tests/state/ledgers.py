"""Ledgers made for tests: the tables as they are, rows as a test wants them."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.jobs.ids import job_id, task_id
from gateway.state.schema import APPLICATION_ID, TABLES, VERSION

PROMPT = "a lighthouse nobody may read of"
BEGIN = 1_790_000_000.0
NOBODY = 65534


class Ledger:
    """A ledger's file, open for writing in WAL mode as a gateway has it."""

    def __init__(self, path: Path, now: float = BEGIN, version: int = VERSION) -> None:
        self.path = path
        self.now = now
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self.connection.execute(f"PRAGMA user_version = {version}")
        for table in TABLES:
            self.connection.execute(table)
        self.insert("meta", name="secret", value="5e" * 32)
        self.insert("meta", name="commits", value="41")

    def insert(self, table: str, **row: Any) -> None:
        names = ", ".join(row)
        places = ", ".join("?" * len(row))
        values = [json.dumps(value) if isinstance(value, dict) else value for value in row.values()]
        self.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", values)  # noqa: S608

    def job(self, *states: str, plan: object = None, **row: Any) -> str:
        """A job with a task in each state; by now they have ended if all states are final."""
        name = str(row.pop("job_id", job_id(self.now)))
        over = not {"intent", "creating", "uncertain", "running", "collecting"} & set(states)
        values = {
            "key_name": "studio",
            "created_at": self.now,
            "seconds": 300.0,
            "give_up": self.now + 2100,
            "fingerprint": b"f" * 32,
            "plan": a_plan(len(states) or 1) if plan is None else plan,
            "ended_at": self.now + 70 if over else None,
            **row,
        }
        self.insert("jobs", job_id=name, **values)
        for place, state in enumerate(states):
            self.task(name, state, place)
        return name

    def task(self, job: str, state: str, place: int = 0, **row: Any) -> str:
        """A task; accepted ones have an id of the vendor's, done ones a cost."""
        name = str(row.pop("task_id", task_id(self.now)))
        accepted = state in {"running", "collecting", "done", "failed"}
        values = {
            "upstream_id": f"tsk_img_{name[-8:]}" if accepted else None,
            "accepted_at": self.now + 1 if accepted else None,
            "cost_usd": "0.135" if state == "done" else None,
            **row,
        }
        self.insert("tasks", task_id=name, job_id=job, place=place, state=state, **values)
        return name

    def tasks(self, job: str) -> list[str]:
        found = "SELECT task_id FROM tasks WHERE job_id = ? ORDER BY number"
        return [row[0] for row in self.connection.execute(found, (job,))]

    def picture(self, job: str, token: str, place: int = 0, **row: Any) -> None:
        """A picture of the job's first task."""
        values = {
            "task_id": self.tasks(job)[0],
            "format": "png",
            "width": 1024,
            "height": 768,
            "size": 1_400_000,
            "expires_at": self.now + 86_400,
            **row,
        }
        self.insert("pictures", token=token, job_id=job, place=place, **values)

    def told(
        self, job: str, after: float, name: str, task: str | None = None, **detail: Any
    ) -> None:
        """A line of the story."""
        at = self.now + after
        self.insert("story", job_id=job, task_id=task, at=at, name=name, detail=detail)

    def value(self, text: str) -> Any:
        """The first value that a query gives."""
        return self.connection.execute(text).fetchone()[0]

    def close(self) -> None:
        self.connection.close()


def a_plan(tasks: int, **changes: Any) -> dict[str, Any]:
    """As much of a plan as anybody reads from outside, and a prompt that nobody may."""
    task = {"n": 1, "tier": "1k", "quality": "high", "prompt": PROMPT}
    return {
        "kind": "generation",
        "model": "gpt-image-2",
        "requested_model": "dall-e-3",
        "tasks": [task] * tasks,
        **changes,
    }


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Without root's right to do anything, where the tests are run by root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
