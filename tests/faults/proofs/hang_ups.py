"""R2: whoever hangs up finds later what was bought, and it was bought once."""

import random
from collections.abc import Awaitable, Callable

from tests.faults.accounts import settle, unanswered
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import clock, supervising
from tests.faults.users import Reply, User, crowd, slam, using
from tests.faults.wishes import Wish

_SECONDS = (0.6, 1.0, 1.4)
_AFTERWARDS = 0.6  # seconds after the vendor is done, in which the answer is written
_PAUSE = 0.5  # seconds, at most, until the user is back


async def hang_ups(assignment: Assignment) -> Findings:
    """Reset at a uniformly random moment of a task's life, then one retry as an SDK makes it."""
    findings = Findings()
    numbers = range(assignment.first, assignment.first + assignment.trials)
    wishes = [_drawn(assignment, number)[0] for number in numbers]
    async with supervising(assignment.folder) as supervisor:
        await supervisor.start_ready()
        await supervisor.vendor.takes(*_SECONDS)
        async with using(supervisor.url) as user:
            replies = await crowd(numbers, _trial(assignment, supervisor.url, user))
        unanswered(findings, replies)
        await settle(findings, supervisor, replies, wishes)
    if findings.counts["purchases"] != len(wishes):
        findings.breach(f"{findings.counts['purchases']} purchases for {len(wishes)} wishes")
    return findings


def _trial(assignment: Assignment, url: str, user: User) -> Callable[[int], Awaitable[Reply]]:
    async def trial(number: int) -> Reply:
        wish, moment, pause = _drawn(assignment, number)
        await slam(url, wish, moment)
        await clock.sleep(pause)
        return await user.ask(wish, retry_count=1)

    return trial


def _drawn(assignment: Assignment, number: int) -> tuple[Wish, float, float]:
    dice = random.Random(f"{assignment.seed}/{number}")  # noqa: S311 - repeatable on purpose
    wish = Wish(f"wish {number}", dice.choice(_SECONDS))
    return wish, dice.uniform(0, wish.seconds + _AFTERWARDS), dice.uniform(0, _PAUSE)


PROOFS = (
    Proof(
        "R2",
        "hang_ups",
        "A caller who hangs up at any moment gets the picture when asking again, bought once.",
        light=30,
        full=300,
        run=hang_ups,
        part=150,
        goals={"purchases": "as many as wishes", "answers": "as many as wishes", "lost": "0"},
    ),
)
