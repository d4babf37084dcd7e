"""What becomes of rows, for a memory that keeps them as they are.

Owns: which fields of a task an event changes, and what of a job went to nobody. Must not know:
where rows are kept.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.events import (
    Created,
    CreateLost,
    Found,
    NotFound,
    State,
    Succeeded,
    TaskEvent,
    TaskFailed,
)
from gateway.state.base import JobRow, PictureRow, TaskRow, Unclaimed
from gateway.state.books import Change
from gateway.state.shares import Pictures, unclaimed


def after(task: TaskRow, event: TaskEvent, state: State, change: Change | None) -> TaskRow:
    """The row after an event that led to this state; one about another task changes nothing."""
    if task.task_id != event.task_id:
        return task
    if change is not None:
        task = replace(task, charged=change.charged)
    match event:
        case CreateLost():
            return replace(task, state=state, create_lost=True)
        case NotFound():
            return replace(task, state=state, not_found=True)
        case Created() | Found():
            return replace(task, state=state, upstream_id=event.upstream_id, accepted_at=event.at)
        case Succeeded() | TaskFailed():
            return replace(task, state=state, cost_usd=event.cost_usd)
        case _:
            return replace(task, state=state)


def lost(row: JobRow, nobodys: Sequence[PictureRow]) -> Unclaimed:
    """What a job comes to of whose pictures these went to nobody."""
    cost = 0
    for task in row.tasks:
        kept = sum(picture.task_id == task.task_id for picture in row.pictures)
        dead = sum(picture.task_id == task.task_id for picture in nobodys)
        amount = task.reserved if task.charged is None else task.charged
        pictures = Pictures(row.plan.tasks[task.place].n, kept, dead)
        failed = task.state is State.FAILED
        aside = task.reserved if task.not_found else 0
        cost += unclaimed(amount, pictures, failed=failed, lost=aside) if dead else 0
    return Unclaimed(row.job_id, row.key_name, tuple(one.token for one in nobodys), cost)
