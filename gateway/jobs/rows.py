"""Between live jobs and the rows of the ledger, there and back.

Owns: which of a job is written down, how a job is made of what was, and errors as they are
remembered. Must not know: the store, who reads.
"""

import asyncio
from collections.abc import Mapping

from gateway import errors
from gateway.errors import Bought, GatewayError
from gateway.events import About, State
from gateway.images.shelf import Reservation, Shelf, Shelved
from gateway.images.storage import EXTENSIONS
from gateway.jobs.board import Job, LiveTask, Outcome
from gateway.jobs.charges import Charge, charge_of
from gateway.jobs.ids import task_id
from gateway.jobs.journal import Entry
from gateway.jobs.wish import Wish
from gateway.state.base import Failure, JobRow, PictureRow, TaskRow
from gateway.translate.model import Plan, Reference, TaskSpec

_KINDS: Mapping[str, type[GatewayError]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, GatewayError)
    and kind is not errors.MethodNotAllowed
}
_PLAIN = "The image service did not make the picture."
_GONE = "The pictures were made, but their lifetime here is over."


def row_of(job: Job, seconds: float, give_up: float) -> JobRow:
    """A job as it is written down; ``give_up`` is wall-clock time."""
    tasks = tuple(
        TaskRow(
            task_id=task.entry.task_id,
            place=place,
            state=task.entry.state,
            upstream_id=task.upstream_id,
            reserved=task.entry.charge.amount,
        )
        for place, task in enumerate(job.tasks)
    )
    return JobRow(
        job_id=job.job_id,
        key_name=job.key_name,
        created_at=job.created_at,
        plan=job.plan,
        tasks=tasks,
        fingerprint=job.fingerprint,
        idempotency_key=job.idempotency_key,
        seconds=seconds,
        give_up=give_up,
        links=job.links,
    )


def job_of(row: JobRow, shelf: Shelf, *, now: float, wall: float, follow: float) -> Job:
    """A live job from its row; ``now`` is monotonic, ``wall`` the epoch's.

    Nobody waits for it but who was promised it. It gets as much time as it had in the beginning,
    for whoever else wants it has to come again.
    """

    async def release() -> None:
        """Its files went with the process that had them."""

    return Job(
        job_id=row.job_id,
        key_name=row.key_name,
        plan=row.plan,
        created_at=row.created_at,
        started=now,
        deadline=now + row.seconds,
        due=now + row.seconds,
        give_up=now + max(row.seconds, min(row.give_up - wall, row.seconds + follow)),
        tasks=tuple(_task(row, task, shelf, now, wall) for task in row.tasks),
        outcome=asyncio.get_running_loop().create_future(),
        reservation=Reservation(0, lambda _: None),
        release=release,
        fingerprint=row.fingerprint,
        idempotency_key=row.idempotency_key,
        links=dict(row.links),
        deserted=row.promised_at is None,
        promised=row.promised_at is not None,
    )


def _task(row: JobRow, task: TaskRow, shelf: Shelf, now: float, wall: float) -> LiveTask:
    spec = row.plan.tasks[task.place]
    entry = Entry(
        row.job_id,
        task.task_id,
        about(row.key_name, row.plan, spec),
        now,
        task.state,
        charge_of(task),
    )
    live = LiveTask(entry, spec, upstream_id=task.upstream_id)
    if task.accepted_at is not None:
        live.accepted_at = now - max(0.0, wall - task.accepted_at)
        if task.state is State.RUNNING:
            entry.since = live.accepted_at
    for picture in pictures_of(row, task):
        shelved = find(shelf, picture)
        if shelved is not None:
            live.kept.append(shelved)
            live.notes.extend(picture.notes)
    return live


def fresh_task(wish: Wish, place: int, job_id: str, wall: float, now: float) -> LiveTask:
    """One task of a wish, of which nothing was sent yet; ``now`` is monotonic."""
    spec = wish.plan.tasks[place]
    charge = Charge(wish.reserved[place] if wish.reserved else 0)
    whose = about(wish.key_name, wish.plan, spec)
    return LiveTask(Entry(job_id, task_id(wall), whose, now, charge=charge), spec)


def about(key_name: str, plan: Plan, spec: TaskSpec) -> About:
    """Whose a task is, and what it is to make."""
    return About(
        key_name=key_name,
        model=plan.model,
        tier=spec.tier,
        quality=spec.quality,
        images=spec.n,
    )


def references(plan: Plan) -> tuple[Reference, ...]:
    """The pictures that every task of a plan is sent with, its mask among them."""
    first = plan.tasks[0]
    return (*first.references, *((first.mask,) if first.mask is not None else ()))


def pictures_of(row: JobRow, task: TaskRow) -> list[PictureRow]:
    """A task's pictures, in order."""
    own = (picture for picture in row.pictures if picture.task_id == task.task_id)
    return sorted(own, key=lambda picture: picture.place)


def find(shelf: Shelf, picture: PictureRow) -> Shelved | None:
    """A picture as it lies on the shelf, if it does."""
    return shelf.find(picture.token, EXTENSIONS[picture.format])


def bought_by(row: JobRow, shelf: Shelf) -> Bought | None:
    """What a job that is over had bought, and what of it is still on the shelf."""
    if all(task.nothing_bought for task in row.tasks):
        return None
    ids = tuple(task.upstream_id for task in row.tasks if task.upstream_id)
    found = [find(shelf, picture) for task in row.tasks for picture in pictures_of(row, task)]
    return Bought(row.job_id, ids, tuple(shelved.filename for shelved in found if shelved))


def outcome_of(row: JobRow, shelf: Shelf) -> Outcome:
    """What a job that is over came to."""
    pictures = [picture for task in row.tasks for picture in pictures_of(row, task)]
    found = [(find(shelf, picture), picture.notes) for picture in pictures]
    shelved = tuple(one for one, _ in found if one is not None)
    notes = dict.fromkeys(note for one, told in found if one is not None for note in told)
    error = None
    if row.failure is not None:
        error = error_of(row.failure, bought_by(row, shelf))
    elif len(shelved) < sum(spec.n for spec in row.plan.tasks):
        error = errors.ImageNotFound(_GONE, bought=bought_by(row, shelf))
    return Outcome(shelved, tuple(notes), error)


def failure_of(error: GatewayError) -> Failure:
    """An error as it is remembered."""
    return Failure(type(error).__name__, error.message, error.code, error.param)


def error_of(failure: Failure, bought: Bought | None) -> GatewayError:
    """A remembered error; one of a kind this version does not know is told as a failed task."""
    kind = _KINDS.get(failure.kind, errors.TaskFailed)
    return kind(failure.message, code=failure.code, param=failure.param, bought=bought)


def plain_error(job: Job) -> GatewayError | None:
    """What is told of a job some of whose tasks had ended badly before this process began."""
    states = {task.entry.state for task in job.tasks}
    if State.LOST in states:
        return errors.UpstreamOutcomeUnknown(_PLAIN, code="upstream_outcome_unknown")
    incomplete = any(
        task.entry.state is State.DONE and len(task.kept) < task.spec.n for task in job.tasks
    )
    if incomplete or states & {State.FAILED, State.REFUSED, State.DROPPED}:
        return errors.TaskFailed(_PLAIN, code="upstream_task_failed")
    return None
