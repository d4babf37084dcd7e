"""What must be true in every history, whatever happens in it.

Each rule is written from what was promised, not from how it is kept. A wish may begin to buy anew
only where nothing was bought for it, where its failure's memory time is over, or where its pictures
count as had: handed over (and then not to a retry within its window), or nobody's for long.
"""

import asyncio

from gateway.errors import GatewayError, InternalError
from gateway.events import State
from gateway.jobs.board import Job
from gateway.jobs.reception import Visit
from gateway.jobs.rows import pictures_of
from gateway.state.base import JobRow
from tests.faults.later import is_promised, reconcile_promises
from tests.faults.lives import Asking, Auditor, Process
from tests.faults.notebook import Notebook
from tests.faults.vendors import Vendor

_FAILURES, _ORPHANS, _DELIVERED = 300.0, 600.0, 600.0
_DENIALS = ("nothing was bought", "the caller left before anything")


class Rules(Auditor):
    """Looks on."""

    def __init__(self, notebook: Notebook, vendor: Vendor) -> None:
        self._notebook = notebook
        self._vendor = vendor

    def _sold(self, job_id: str) -> bool:
        return any(
            task_id in self._vendor.sales
            for task_id, owner in self._notebook.job_of.items()
            if owner == job_id
        )

    def _sold_or_flying(self, job_id: str) -> bool:
        return any(
            self._vendor.may_have(task_id)
            for task_id, owner in self._notebook.job_of.items()
            if owner == job_id
        )

    def begun(self, process: Process, asking: Asking, job_id: str) -> None:
        """A request got a job of its own, or one that had failed was reopened for it."""
        name = self._notebook.name(job_id)
        self._notebook.note(f"{asking.who} begins {name}")
        self._notebook.count("jobs")
        before = asking.jobs[-1] if asking.jobs else None
        own = before is not None and self._notebook.whose.get(before) == asking.who
        if before is not None and before != job_id and own:
            why = self._should_have_joined(process, asking, before)
            if why:
                told = f"{asking.who} begins {name} though {self._notebook.name(before)} {why}"
                self._notebook.breach(told)
        asking.jobs.append(job_id)
        self._notebook.whose[job_id] = asking.who

    def _should_have_joined(self, process: Process, asking: Asking, job_id: str) -> str:
        """Why a wish had to get its earlier job; nothing where it need not."""
        board = process.house.board
        attended = board.visits(job_id) or job_id in process.attended[asyncio.current_task()]
        elsewhere = is_promised(process, job_id)
        if not self._sold_or_flying(job_id) or (asking.anonymous and (attended or elsewhere)):
            return ""
        if board.live(job_id) is not None:
            return "is still being worked on"
        end = self._notebook.ends.get(job_id)
        if end is None:
            return "has not ended"
        age = self._notebook.age(end, process.number)
        if self._notebook.failed.get(job_id):
            return "" if age >= _FAILURES else "failed, which is still remembered"
        return self._should_have_its_pictures(process, asking, job_id, age)

    def _should_have_its_pictures(
        self, process: Process, asking: Asking, job_id: str, age: float
    ) -> str:
        delivery = self._notebook.deliveries.get(job_id)
        if asking.idempotency_key is not None:
            return "has its pictures"
        if delivery is not None:
            since = self._notebook.age(delivery, process.number)
            return "" if asking.anonymous or since >= _DELIVERED else "was delivered of late"
        if asking.anonymous:
            return "" if age >= _ORPHANS else "has pictures that nobody took"
        return "has its pictures unclaimed"

    def joined(self, process: Process, asking: Asking, visit: Visit) -> None:
        """A request got an earlier job."""
        name = self._notebook.name(visit.job_id)
        self._notebook.note(f"{asking.who} gets {name} ({visit.how})")
        self._notebook.count("joins")
        job = visit.job
        if job.key_name != asking.key_name or job.fingerprint != asking.fingerprint:
            self._notebook.breach(f"{asking.who} was given {name}, which is another's")
        key = job.idempotency_key
        if visit.how == "idempotency_key" and key != asking.idempotency_key:
            self._notebook.breach(f"{asking.who} was given {name} for another's idempotency key")
        # When it was entered nobody else had; meanwhile somebody may have come after it.
        if visit.how == "orphan" and key is not None:
            self._notebook.breach(f"{asking.who} was given {name}, which is no orphan")
        if visit.how == "orphan" and isinstance(job, JobRow) and job.promised_at is not None:
            self._notebook.breach(f"{asking.who} was given {name}, which was promised")

    def refused(self, asking: Asking, error: GatewayError, job_id: str | None) -> None:
        """An error is told."""
        self._notebook.note(
            f"{asking.who} is told {type(error).__name__}: {error.message[:60]}"
            f"{' (come back)' if error.come_back else ''}"
        )
        if isinstance(error, InternalError):
            self._notebook.count("internal errors")
        if job_id is None:
            if error.bought is not None:
                self._notebook.breach(f"{asking.who} is told of a purchase, but got no job")
            return
        if not self._sold(job_id):
            return
        name = self._notebook.name(job_id)
        if error.bought is None:
            self._notebook.breach(f"{asking.who} is not told that {name} was bought: {error!r}")
        elif any(word in error.message.lower() for word in _DENIALS):
            self._notebook.breach(f"{asking.who} is told that {name} was not bought: {error!r}")

    def handed_over(self, asking: Asking, pictures: tuple[str, ...]) -> None:
        """Pictures are on their way."""
        self._notebook.note(f"{asking.who} is sent {len(pictures)} pictures")
        if len(pictures) != asking.plan.n:
            self._notebook.breach(f"{asking.who} is sent {len(pictures)} of {asking.plan.n}")
        if len(set(pictures)) != len(pictures):
            self._notebook.breach(f"{asking.who} is sent one picture twice")
        for link in pictures:
            sale = self._vendor.known[link.split("/")[1]]
            if sale.prompt != asking.plan.tasks[0].prompt:
                self._notebook.breach(f"{asking.who} is sent the picture of {sale.prompt!r}")

    def leaves(self, process: Process, task_id: str) -> None:
        """A create is about to be marked as sent."""
        job = process.house.board.live(self._notebook.job_of[task_id])
        name = self._notebook.name(task_id)
        if job is None:
            self._notebook.breach(f"{name} is to be bought for no job")
        elif process.house.board.visits(job.job_id) == 0 and not self._begun(job, task_id):
            self._notebook.breach(f"{name} is to be bought though its caller has left")

    def _begun(self, job: Job, task_id: str) -> bool:
        """Whether anything may have been bought for a job, so that the rest has to follow."""
        nothing = {State.INTENT, State.REFUSED, State.DROPPED}
        others = (task for task in job.tasks if task.entry.task_id != task_id)
        return any(task.marking or task.entry.state not in nothing for task in others)


async def reconcile(process: Process) -> None:
    """At the end: what was sold, what the ledger says, and what lies on the shelf."""
    world, notebook = process.world, process.world.notebook
    for task_id in world.vendor.sales:
        row = await world.disk.kept.job(task_id)
        if row is None:
            notebook.breach(f"{notebook.name(task_id)} was sold, and the ledger does not know it")
        else:
            _reconcile_sale(process, task_id, row)
    for task_id, state in world.disk.states.items():
        bought = {State.RUNNING, State.COLLECTING, State.DONE, State.FAILED}
        if state in bought and task_id not in world.vendor.sales:
            notebook.breach(f"{notebook.name(task_id)} is {state}, and was never sold")
    for row in await world.disk.kept.unfinished():
        notebook.breach(f"{notebook.name(row.job_id)} has not ended in the ledger")
    await reconcile_promises(process)


def _reconcile_sale(process: Process, task_id: str, row: JobRow) -> None:
    world, notebook = process.world, process.world.notebook
    name, state = notebook.name(task_id), world.disk.states.get(task_id)
    replaced = all(task.task_id != task_id for task in row.tasks)
    notebook.count(f"purchases {state}")
    if state not in {State.DONE, State.FAILED, State.LOST}:
        notebook.breach(f"{name} was sold, and the ledger says it is {state}")
    elif replaced:
        return
    elif state is State.LOST and world.vendor.can_be_found(task_id):
        notebook.breach(f"{name} was sold and is there, and is held for lost")
    elif state is State.DONE:
        for picture in pictures_of(row, next(one for one in row.tasks if one.task_id == task_id)):
            if process.house.shelf.find(picture.token, "png") is None:
                notebook.breach(f"a picture of {name} is not on the shelf")
