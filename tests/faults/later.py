"""Requests that are answered at once and asked for later, and whoever is told by a webhook.

What becomes of a promise is the audits' matter; here it is made, kept and asked after.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from gateway.config.answers import Webhooks as Section
from gateway.errors import GatewayError, GenerationNotFound, ImageNotFound, LedgerUnavailable
from gateway.events import Dropped, JobPromised, Stepped
from gateway.jobs.hooks import Hooks
from gateway.jobs.memory import Memory
from gateway.jobs.reception import Glance, Visit
from gateway.web.posts import Interrupted, Reply
from tests.clocks import VirtualClock

if TYPE_CHECKING:
    from tests.faults.lives import Asking, Process

_LIFETIME = 86_400.0
_NOBODY_LEFT = ("the caller has left", "the process ended before anything was sent")


@dataclass
class Receiver:
    """Hears what is told; fails as often as the vendor's weather lets it, and sometimes hears
    all the same. ``heard`` has the last thing told of each job, by address.
    """

    clock: VirtualClock
    chance: Random
    is_calm: Callable[[], bool]
    is_alive: Callable[[], bool]
    heard: dict[tuple[str, str], str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        await self.clock.sleep(self.chance.choice((0.01, 0.3, 3.0)))
        fate = self.chance.choice(("ok", "ok", "busy", "broken", "unheard", "lost"))
        if self.is_calm():
            fate = "ok"
        if fate in {"ok", "unheard"} and self.is_alive():
            kind, _, job_id = body.split(b'"data":')[1].rstrip(b"}").decode().partition(" ")
            self.heard[job_id, url] = kind
            self.ids.add(headers["webhook-id"])
        if fate in {"broken", "unheard"}:
            raise Interrupted("timeout")
        return Reply(200) if fate == "ok" else Reply(503 if fate == "busy" else 500, 2.0)


def rendered(glance: Glance, _: str) -> tuple[str, bytes]:
    kind = "failed" if glance.outcome and glance.outcome.error else "completed"
    return kind, f"{kind} {glance.job.job_id}".encode()


def hooks_of(process: "Process", memory: Memory) -> Hooks:
    """The real loop of a process, its secret known."""
    world = process.world
    receiver = Receiver(
        world.clock,
        world.vendor.chance,
        lambda: world.vendor.weather.calm,
        lambda: not process.dead,
        world.heard,
    )
    return Hooks(memory, receiver, lambda _: [b"s" * 24], rendered, Section(), _LIFETIME)


async def promise(process: "Process", asking: "Asking", visit: Visit) -> bool:
    """As an answer of 202 is given; whether it was handed over."""
    house, clock, chance = process.house, process.world.clock, process.world.vendor.chance
    await house.promises.begun(visit, asking.gone)
    if asking.url is not None:
        await house.promises.tell(visit, asking.url, "http://here")
    await clock.sleep(chance.choice((0.001, 0.05)))
    return not asking.gone.done()


Shown = tuple[str, ...] | GatewayError


async def look(process: "Process", asking: "Asking", job_id: str) -> Shown | None:
    """What the door shows of a job: pictures, or its error; None while it goes on."""
    house, chance = process.house, process.world.vendor.chance
    glance = await house.reception.look(asking.key_name, job_id)
    if glance.outcome is None:
        if not 1.0 <= house.promises.ask_again(glance) <= 60.0:
            process.world.notebook.breach("asked to come again at an odd time")
        return None
    if glance.outcome.error is not None:
        return glance.outcome.error
    try:
        held = tuple(Path(one.path).read_bytes() for one in glance.outcome.images)
    except FileNotFoundError as error:
        raise ImageNotFound("gone") from error
    await process.world.clock.sleep(chance.choice((0.001, 0.05, 2.0)))
    return tuple(one.rpartition(b"https://")[2].decode() for one in held)


def watch(process: "Process", fact: object) -> None:
    """Nobody who was promised a job may be held to have left."""
    notebook = process.world.notebook
    match fact:
        case JobPromised():
            notebook.count("promises")
        case Stepped(event=Dropped(reason=reason)) if reason in _NOBODY_LEFT:
            job_id = fact.event.job_id
            if is_promised(process, job_id) and _could_be_sent(process, job_id):
                notebook.breach(f"{notebook.name(job_id)} was dropped though it was promised")
        case _:
            return


def _could_be_sent(process: "Process", job_id: str) -> bool:
    """Whether a restart may not have kept it from being sent: by its pictures, or by the time."""
    row = process.world.disk.kept._jobs[job_id].row
    late = process.world.clock.wall() >= row.created_at + row.seconds
    return not late and not row.plan.tasks[0].references


async def reconcile_promises(process: "Process") -> None:
    """At the end everybody was told what became of their job, as it is."""
    world, notebook = process.world, process.world.notebook
    told = await world.disk.kept.due_hooks(world.clock.wall() + 1e9, 1_000_000)
    for hook in told.hooks:
        notebook.breach(f"{notebook.name(hook.job_id)} was never told to {hook.url}")
    for job_id, url in world.hooked:
        row = await world.disk.kept.job(job_id)
        if row is None or row.ended_at is None:
            continue  # told elsewhere
        heard = world.heard.get((job_id, url))
        want = "completed" if row.failure is None else "failed"
        notebook.count(f"told {want}")
        if heard != want:
            notebook.breach(f"{notebook.name(job_id)} is {want}, and {url} heard {heard}")


def is_promised(process: "Process", job_id: str) -> bool:
    """Whether somebody else may be waiting for it who is not there."""
    live = process.house.board.live(job_id)
    kept = process.world.disk.kept._jobs.get(job_id)
    return (live is not None and live.promised) or (
        kept is not None and kept.row.promised_at is not None
    )


async def ask(process: "Process", asking: "Asking", job_id: str, seconds: float) -> Shown | None:
    """Ask at the door; what it shows, None where it shows nothing, or nobody opens."""
    answer: asyncio.Future[Shown | None] = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        said = None
        try:
            said = await look(process, asking, job_id)
            if isinstance(said, tuple):
                process.world.auditor.handed_over(asking, said)
                await process.house.reception.delivered(job_id)
        except GenerationNotFound:
            process.world.notebook.breach(f"{asking.who} was promised what is not there")
        except (LedgerUnavailable, ImageNotFound) as error:
            process.world.notebook.note(f"{asking.who} is shown nothing: {error!r}")
        if not answer.done():
            answer.set_result(said)

    process._spawn(serve())
    await asyncio.wait({answer}, timeout=seconds)
    return answer.result() if answer.done() else None
