"""R3 and R4: killed at every place a request comes by, it is bought once and never forgotten.

Every trial has a gateway that kills itself at one of the named places, users who wait through it
with their SDK's own retries, and a successor without such plans. Places come in turn, and each is
passed a first, second or third time before it kills; some users are promised their pictures, and
look until they are there.
"""

import asyncio
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.failpoints import NAMES
from tests.faults.accounts import settle
from tests.faults.keeping import PATIENCE
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import GatewayEnded, Supervisor, clock, supervising
from tests.faults.users import Reply, User, using
from tests.faults.wishes import Wish

_SECONDS = 0.6
_LANES = 4  # worlds side by side: a trial mostly waits
_OFTEN = ("ledger.",)  # places a single wish comes by several times
_MOST = 6  # as often, of those
_START = "recovery."  # places a process comes by before it serves anybody
_PROMISED = 2  # of three trials of a place the one whose users come back for their pictures
_LATER = ("promise.",)  # places that only those come by who ask for a promise
_EITHER = ("intent.", "create.", "poll.", "done.", "collect.", "job.")  # those do as well
_LOOK = 0.01
_LAST = 2.0

Asking = Callable[[], list[asyncio.Task[Reply]]]


@dataclass(frozen=True, slots=True)
class Trial:
    """Kill at ``place`` when it is passed the ``passing``-th time."""

    number: int
    place: str
    passing: int

    @property
    def script(self) -> str:
        """What the fail-points are told."""
        return f"{self.place}=kill:{1 if self.place.startswith(_START) else self.passing}"

    @property
    def later(self) -> bool:
        """Whether users ask for a promise and look, or wait for the answer."""
        return self.place.startswith(_LATER) or (
            self.passing == _PROMISED and self.place.startswith(_EITHER)
        )

    @property
    def wishes(self) -> list[Wish]:
        """As many as it takes to pass the place so often."""
        edit = self.place.startswith("uploads.")
        name = f"wish of trial {self.number} ({self.script})"
        return [Wish(f"{name} {index}", _SECONDS, edit=edit) for index in range(self.passing)]


def trial_of(seed: int, number: int) -> Trial:
    """The place by turns, the passing by turns or by chance."""
    place = NAMES[number % len(NAMES)]
    passing = 1 + number // len(NAMES) % 3
    if place.startswith(_OFTEN):
        dice = random.Random(f"{seed}/{number}")  # noqa: S311 - repeatable on purpose
        passing = dice.randint(1, _MOST)
    return Trial(number, place, passing)


async def fail_points(assignment: Assignment) -> Findings:
    """All trials, spread over a few worlds."""
    last = assignment.first + assignment.trials
    trials = [trial_of(assignment.seed, number) for number in range(assignment.first, last)]
    async with asyncio.TaskGroup() as group:
        lanes = [
            group.create_task(_lane(assignment, lane, trials[lane::_LANES]))
            for lane in range(min(_LANES, len(trials)))
        ]
    findings = Findings()
    for lane in lanes:
        findings.add(lane.result())
    return findings


async def _lane(assignment: Assignment, lane: int, trials: Sequence[Trial]) -> Findings:
    findings, replies = Findings(), list[Reply]()
    async with supervising(assignment.folder / f"lane-{lane}") as supervisor:
        await supervisor.vendor.takes(_SECONDS)
        async with using(supervisor.url) as user:
            for done, trial in enumerate(trials, 1):
                replies += await _run(findings, supervisor, user, trial)
                assignment.tell(f"lane {lane}: {done} of {len(trials)} trials")
        wishes = [wish for trial in trials for wish in trial.wishes]
        await settle(findings, supervisor, replies, wishes)
        findings.count("asked again", sum(reply.asked - 1 for reply in replies))
        findings.measure("users' longest wait", max(reply.seconds for reply in replies))
    return findings


async def _run(findings: Findings, supervisor: Supervisor, user: User, trial: Trial) -> list[Reply]:
    """One trial; in the end a gateway is running that has no such plans."""
    if supervisor.gateway is not None:
        await supervisor.terminate()
    async with asyncio.TaskGroup() as group:

        def ask() -> list[asyncio.Task[Reply]]:
            asking = user.ask_later if trial.later else user.ask
            return [group.create_task(asking(wish)) for wish in trial.wishes]

        if trial.place.startswith(_START):
            asked = await _kill_in_recovery(findings, supervisor, trial, ask)
        else:
            asked = await _kill_in_service(findings, supervisor, trial, ask)
    return [one.result() for one in asked]


async def _kill_in_service(
    findings: Findings, supervisor: Supervisor, trial: Trial, ask: Asking
) -> list[asyncio.Task[Reply]]:
    try:
        await supervisor.start_ready(failpoints=trial.script)
    except GatewayEnded as ended:  # opening the ledger comes by places, too
        _killed(findings, ended.code, trial)
        await supervisor.start_ready()
        return ask()
    asked, process = ask(), supervisor.process
    everybody = asyncio.create_task(asyncio.wait(asked))
    killed = asyncio.create_task(asyncio.wait([process.ended]))
    await asyncio.wait([killed, everybody], return_when=asyncio.FIRST_COMPLETED)
    # The last places come after the users' last byte.
    await asyncio.wait([killed], timeout=_LAST)
    if process.alive:
        findings.breach(f"trial {trial.number}: {trial.script} was never come by")
    else:
        _killed(findings, process.ended.result(), trial)
        await supervisor.start_ready()
    killed.cancel()
    await everybody
    return asked


async def _kill_in_recovery(
    findings: Findings, supervisor: Supervisor, trial: Trial, ask: Asking
) -> list[asyncio.Task[Reply]]:
    """Something must be left to recover; then so many successors die of taking it up."""
    before = await supervisor.vendor.bought()
    await supervisor.start_ready()
    asked = ask()
    async with asyncio.timeout(PATIENCE):
        while await supervisor.vendor.bought() < before + len(asked):
            await clock.sleep(_LOOK)
    await supervisor.kill()
    for _ in range(trial.passing):
        try:
            await supervisor.start_ready(failpoints=trial.script)
        except GatewayEnded as ended:
            _killed(findings, ended.code, trial)
        else:
            findings.breach(f"trial {trial.number}: {trial.script} was never come by")
            return asked
    await supervisor.start_ready()
    return asked


def _killed(findings: Findings, code: int, trial: Trial) -> None:
    findings.count("kills")
    findings.count(f"kills at {trial.place}")
    if code != -signal.SIGKILL:
        findings.breach(f"trial {trial.number}: ended with {code}, not by {trial.script}")


PROOFS = (
    Proof(
        "R3/R4",
        "fail_points",
        "Killed at any named place, a wish is bought once, and no purchase is forgotten.",
        light=len(NAMES),
        full=12 * len(NAMES),
        run=fail_points,
        part=3 * len(NAMES),
        goals={"doubles": "0", "lost": "0"},
    ),
)
