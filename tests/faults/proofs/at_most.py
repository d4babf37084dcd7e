"""R7: the vendor never has more of our tasks at once than it may, whatever is asked, also killed.

The vendor's own books say how many it had accepted that had not ended, at every moment.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from tests.faults.accounts import settle, unanswered
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import Supervisor, clock, supervising
from tests.faults.users import Reply, User, crowd, using
from tests.faults.wishes import Wish

_TIMES = 10  # so many requests for each task that may be there
_NUMBERS = (*[1] * 20, 2, 4, 5, 9, 10)  # pictures of a request: mostly one
_FEW = 200  # trials, up to which it is a light run
_FEW_KILLS = 5
_UPTIME = (0.3, 1.8)  # seconds between a gateway's readiness and its death
_PATIENT = {"requests": 10_000, "time": 1_000}


async def at_most(assignment: Assignment) -> Findings:
    """Everybody at once, undisturbed; trials are tasks."""
    findings = Findings()
    few = assignment.trials <= _FEW
    most, seconds = (10, (0.15, 0.25)) if few else (50, (1.0, 1.5, 2.0))
    wishes = _wishes(assignment, seconds)
    async with _world(assignment, most, few=few) as supervisor:
        await supervisor.start_ready()
        await supervisor.vendor.takes(*seconds)
        async with using(supervisor.url) as user:
            replies = await crowd(wishes, user.ask, _TIMES * most)
        unanswered(findings, replies)
        await settle(findings, supervisor, replies, wishes)
        if await _most(findings, supervisor, most) < most:
            findings.breach(f"the vendor never had {most} tasks at once: nothing was tried")
    if findings.counts["purchases"] != sum(wish.tasks for wish in wishes):
        findings.breach(f"{findings.counts['purchases']} tasks were bought, not as many as wished")
    return findings


def _wishes(assignment: Assignment, seconds: tuple[float, ...]) -> list[Wish]:
    """As many as make so many tasks."""
    dice = random.Random(f"{assignment.seed}/{assignment.first}")  # noqa: S311 - repeatable
    wishes: list[Wish] = []
    while sum(wish.tasks for wish in wishes) < assignment.trials:
        name = f"wish {assignment.first}/{len(wishes)}"
        wishes.append(Wish(name, dice.choice(seconds), n=dice.choice(_NUMBERS)))
    return wishes


def _world(
    assignment: Assignment, most: int, *, few: bool
) -> contextlib.AbstractAsyncContextManager[Supervisor]:
    """Where many ask at once, a create may have to wait long for its answer."""
    slow = {} if few else {"create_time": 20, "settle_time": 25}
    upstream = {"max_tasks": most, **slow}
    return supervising(assignment.folder, upstream=upstream, queue=_PATIENT)


async def _most(findings: Findings, supervisor: Supervisor, most: int) -> int:
    found = await supervisor.vendor.most_running()
    findings.measure(f"tasks at the vendor at once, of {most} allowed", found)
    findings.count("tasks too many", max(0, found - most))
    if found > most:
        findings.breach(f"the vendor had {found} tasks at once, and {most} are allowed")
    return found


@dataclass(slots=True)
class _Load:
    """What was wished for and told so far."""

    wishes: list[Wish] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    over: bool = False


async def at_most_killed(assignment: Assignment) -> Findings:
    """SIGKILLs under users who ask on and on; who was told an error asks again. Trials are kills.

    What an earlier gateway has at the vendor counts for the next one.
    """
    findings = Findings()
    few = assignment.trials <= _FEW_KILLS
    most, seconds = (5, (0.15, 0.3)) if few else (20, (0.6, 1.0, 1.4))
    async with _world(assignment, most, few=few) as supervisor:
        await supervisor.start_ready()
        await supervisor.vendor.takes(*seconds)
        async with using(supervisor.url) as user:
            async with _loading(user, _drawn(assignment, seconds), _TIMES * most) as load:
                await _kill(assignment, findings, supervisor)
            failed = [reply.wish for reply in load.replies if not reply.answered]
            again = await crowd(failed, lambda wish: user.ask(wish, retry_count=1))
        findings.count("asked again", len(again))
        findings.count("answered then", sum(reply.answered for reply in again))
        await settle(findings, supervisor, [*load.replies, *again], load.wishes)
        await _most(findings, supervisor, most)
    return findings


async def _kill(assignment: Assignment, findings: Findings, supervisor: Supervisor) -> None:
    for number in range(assignment.first, assignment.first + assignment.trials):
        dice = random.Random(f"{assignment.seed}/{number}")  # noqa: S311 - repeatable
        await clock.sleep(dice.uniform(*_UPTIME))
        findings.count(
            "running at the vendor when it was killed", await supervisor.vendor.running()
        )
        await supervisor.kill()
        findings.count("kills")
        await supervisor.start_ready()
        assignment.tell(f"{number + 1} kills")


def _drawn(assignment: Assignment, seconds: tuple[float, ...]) -> Iterator[Wish]:
    dice = random.Random(f"{assignment.seed}/{assignment.first}/wishes")  # noqa: S311 - repeatable
    number = 0
    while True:
        name = f"wish {assignment.first}/{number}"
        yield Wish(name, dice.choice(seconds), n=dice.choice(_NUMBERS))
        number += 1


@contextlib.asynccontextmanager
async def _loading(user: User, wishes: Iterator[Wish], at_once: int) -> AsyncIterator[_Load]:
    """So many ask at any time within the block; then all wait for what they asked last."""
    load = _Load()

    async def one() -> None:
        while not load.over:
            wish = next(wishes)
            load.wishes.append(wish)
            load.replies.append(await user.ask(wish))

    async with asyncio.TaskGroup() as users:
        for _ in range(at_once):
            users.create_task(one())
        yield load
        load.over = True


_SENTENCE = "Offered ten times as much, the vendor has no more tasks at once than it may"
_GOALS = {"tasks too many": "0", "doubles": "0", "lost": "0"}

PROOFS = (
    Proof(
        "R7",
        "at_most",
        f"{_SENTENCE}, and everybody is served.",
        light=50,
        full=2_000,
        run=at_most,
        part=2_000,
        goals={**_GOALS, "answers": "as many as wishes"},
    ),
    Proof(
        "R7",
        "at_most_killed",
        f"{_SENTENCE}, however often the gateway is killed.",
        light=2,
        full=20,
        run=at_most_killed,
        part=20,
        goals=_GOALS,
    ),
)
