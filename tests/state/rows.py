"""Jobs, pictures and events as the tests of memories write them."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from gateway.config.sections import State as Section
from gateway.events import (
    Created,
    CreateSent,
    State,
    TaskEvent,
)
from gateway.jobs.machine import step
from gateway.notices import LedgerCommitted, LedgerFailed, LedgerRecovered
from gateway.state.base import JobRow, PictureRow, Store, TaskRow
from gateway.state.sqlite import SqliteStore
from gateway.translate.model import Finish, Plan, TaskSpec, note
from tests.clocks import FakeClock

# A folder in memory, where there is one: no test is about the disk's speed.
QUICK = next((folder for folder in ("/dev/shm",) if os.access(folder, os.W_OK)), None)  # noqa: S108 - its folders are made by tempfile
PROMPT = "secret prompt"


def a_plan(tasks: int = 1) -> Plan:
    spec = TaskSpec("m", PROMPT, "1:1", "1k", "low", "png", 1)
    return Plan(
        "generation",
        "gpt-image-2",
        "dall-e-3",
        (spec,) * tasks,
        Finish((1024, 768), "png"),
        (1024, 1024),
        None,
        "url",
        notes=(note("size-cropped", from_="1:1", share=0.25),),
    )


def a_job(
    name: str = "job_1", *tasks: str, key: str = "studio", idempotency_key: str | None = None
) -> JobRow:
    names = tasks or (f"task_of_{name}",)
    return JobRow(
        name,
        key,
        1_000.0,
        a_plan(len(names)),
        tuple(TaskRow(task, place) for place, task in enumerate(names)),
        fingerprint=b"\x00print",
        idempotency_key=idempotency_key,
        give_up=2_000.0,
    )


# The day that a store with a clock of the tests counts new tasks for.
TODAY = int(FakeClock().wall() // 86_400)


def counted(job: JobRow) -> JobRow:
    """A job's row as a store has it: it counts for a day."""
    return replace(job, tasks=tuple(replace(task, day=TODAY) for task in job.tasks))


def a_picture(token: str, task_id: str, place: int = 0) -> PictureRow:
    notes = (note("size-scaled", from_="2048x2048"),)
    return PictureRow(token, task_id, place, "png", 1024, 768, 2_000_000, 4e9, notes)


def sent(job: str, task: str, at: float = 1.0) -> CreateSent:
    return CreateSent(job_id=job, task_id=task, at=at)


def created(job: str, task: str, upstream_id: str, at: float = 2.0) -> Created:
    return Created(job_id=job, task_id=task, at=at, upstream_id=upstream_id, seconds=0.5)


async def tell(store: Store, *events: TaskEvent) -> None:
    """Record events of tasks as the table of states has it."""
    for event in events:
        job = await store.job(event.job_id)
        assert job is not None
        (task,) = (task for task in job.tasks if task.task_id == event.task_id)
        await store.record(event, step(task.state, event, perhaps=task.create_lost))


async def state_of(store: Store, task_id: str) -> State:
    """The state of a task that is nobody's predecessor."""
    job = await store.job(task_id)
    assert job is not None
    (state,) = (task.state for task in job.tasks if task.task_id == task_id)
    return state


def with_tasks(job: JobRow, *tasks: TaskRow) -> JobRow:
    return replace(job, tasks=tasks)


class Ledger:
    """A place for a ledger, and all that was told of it; ``store`` makes it afresh."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock()
        self.told: list[object] = []
        self.measured: list[LedgerCommitted | LedgerFailed] = []
        self.well = asyncio.Event()

    def beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def tell(self, event: object) -> None:
        if isinstance(event, LedgerCommitted | LedgerFailed):
            self.measured.append(event)
            return
        self.told.append(event)
        if isinstance(event, LedgerRecovered):
            self.well.set()

    def section(self, *, keep_prompts: bool = False) -> Section:
        return Section(url=f"sqlite:///{self.path}", keep_prompts=keep_prompts)

    def store(
        self, section: Section | None = None, *, patience: float = 0.0, busy: float = 0.05
    ) -> SqliteStore:
        """The ledger, to be opened; unless told otherwise it keeps prompts as it was given them."""
        return SqliteStore(
            str(self.path),
            section or self.section(keep_prompts=True),
            self.clock,
            self.tell,
            patience=patience,
            busy=busy,
        )
