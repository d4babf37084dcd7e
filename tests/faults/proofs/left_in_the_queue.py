"""R8: nothing is bought for whoever has left the queue, and nobody waits in it beyond its time.

The vendor is kept busy by a few long tasks. Of all who queue meanwhile one half leaves and the
other stays until it is refused; some come later, and are served once the vendor is free.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.faults.accounts import settle
from tests.faults.lines import Answer, Line, Lines
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import Supervisor, clock, supervising, told
from tests.faults.users import Reply
from tests.faults.wishes import Wish

_FEW = 100  # trials, up to which it is a light run: nothing about times is asserted
_SLACK = 1.0
_QUICK, _SEEN = 0.02, 50  # a vendor that was quick so far lets the gateway take in everybody
_BACK = (0.05, 0.3)  # seconds until one who left is back
_LEAVES, _EXPIRES, _STAYS = "sk-igw-who-leaves", "sk-igw-who-expires", "sk-igw-who-stays"
_LATER = 6  # who comes later and stays; as many leave and come back


@dataclass(frozen=True, slots=True)
class _Plan:
    """``most`` tasks at once, ``time`` in the queue, the vendor busy for ``busy`` seconds.

    Those who come ``later`` have not waited too long by then.
    """

    most: int
    time: float
    busy: float
    later: float


_LIGHT, _FULL = _Plan(10, 1.5, 2.4, 1.5), _Plan(20, 20.0, 26.0, 18.0)


async def left_in_the_queue(assignment: Assignment) -> Findings:
    """Trials are those who leave or expire."""
    findings = Findings()
    few = assignment.trials <= _FEW
    plan = _LIGHT if few else _FULL
    names = range(assignment.first, assignment.first + assignment.trials)
    leavers = [Wish(f"leaves {number}", _QUICK) for number in names[::2]]
    waiters = [Wish(f"expires {number}", _QUICK) for number in names[1::2]]
    async with _world(assignment, plan) as supervisor:
        await supervisor.start_ready()
        await supervisor.vendor.takes(_QUICK, plan.busy)
        others, replies = await _queue(findings, assignment, supervisor, plan, leavers, waiters)
        wishes = [*leavers, *waiters, *others]
        served = {reply.wish.name for reply in replies if reply.answered}
        for wish in others:
            if wish.name not in served:
                findings.breach(f"{wish.name} was not served")
        for key, who in ((_LEAVES, "left"), (_EXPIRES, "expired")):
            replies.append(await _counted(findings, supervisor, key, who, assignment.trials))
            wishes.append(replies[-1].wish)
        await settle(findings, supervisor, replies, wishes)
        await _bought(findings, supervisor, [*leavers, *waiters], others)
        _ages(findings, supervisor, plan, timed=not few)
    return findings


def _world(
    assignment: Assignment, plan: _Plan
) -> contextlib.AbstractAsyncContextManager[Supervisor]:
    # A token a minute: what is back at the end was given back, and did not come back by itself.
    burst = 2 * assignment.trials
    limits = {
        "requests_per_minute": 1,
        "requests_burst": burst,
        "images_per_minute": 1,
        "images_burst": burst,
    }
    keys = [
        {"name": "leaves", "key": _LEAVES, "limits": limits},
        {"name": "expires", "key": _EXPIRES, "limits": limits},
        {"name": "stays", "key": _STAYS},
    ]
    return supervising(
        assignment.folder,
        upstream={"max_tasks": plan.most, "polling": {"scale": 0.02}},
        queue={"requests": 2 * assignment.trials, "time": plan.time},
        keys=keys,
    )


async def _queue(
    findings: Findings,
    assignment: Assignment,
    supervisor: Supervisor,
    plan: _Plan,
    leavers: Sequence[Wish],
    waiters: Sequence[Wish],
) -> tuple[list[Wish], list[Reply]]:
    """Let all come, leave and wait; gives the wishes of those who are to be served, and replies."""
    lines = Lines(supervisor.url)
    first = [Wish(f"first {number}", _QUICK) for number in range(_SEEN)]
    busy = [Wish(f"busy {number}", plan.busy) for number in range(plan.most)]
    stay = [Wish(f"stays {number}", _QUICK) for number in range(_LATER)]
    back = [Wish(f"comes back {number}", _QUICK) for number in range(_LATER)]
    dice = random.Random(f"{assignment.seed}/{assignment.first}")  # noqa: S311 - repeatable
    replies = []
    for some in range(0, _SEEN, plan.most):
        replies += await _all(lines, first[some : some + plan.most])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_all(lines, busy))]
        while await supervisor.vendor.running() < plan.most:
            await clock.sleep(0.01)
        refused = [group.create_task(_expires(findings, supervisor, wish)) for wish in waiters]
        for number, wish in enumerate(leavers):
            moment = dice.uniform(0.1, plan.time * 0.8)
            group.create_task(_leaves(supervisor, wish, moment, reset=bool(number % 2)))
        await clock.sleep(plan.later)
        tasks.append(group.create_task(_all(lines, stay)))
        returning = [_returns(supervisor, wish, dice.uniform(*_BACK)) for wish in back]
        more = [group.create_task(one) for one in returning]
    lines.hang_up()
    replies += [reply for task in tasks for reply in task.result()]
    replies += [task.result() for task in more]
    longest = max(task.result() for task in refused)
    findings.measure("seconds until the last one was refused", longest)
    return [*first, *busy, *stay, *back], replies


async def _all(lines: Lines, wishes: Iterable[Wish]) -> list[Reply]:
    async def one(wish: Wish) -> Reply:
        return _reply(wish, await lines.ask(wish, key=_STAYS))

    return list(await asyncio.gather(*(one(wish) for wish in wishes)))


def _reply(wish: Wish, answer: Answer) -> Reply:
    if answer.served:
        return Reply(wish, answer.seconds, digest="served")
    return Reply(wish, answer.seconds, error=f"{answer.status} {answer.body[:200]!r}")


async def _leaves(supervisor: Supervisor, wish: Wish, moment: float, *, reset: bool) -> None:
    line = await Line.opened(supervisor.url)
    line.send(wish, key=_LEAVES)
    await clock.sleep(moment)
    if reset:
        line.slam()
    else:
        line.hang_up()


async def _expires(findings: Findings, supervisor: Supervisor, wish: Wish) -> float:
    line = await Line.opened(supervisor.url)
    answer = await line.ask(wish, key=_EXPIRES)
    line.hang_up()
    findings.count(f"told {answer.status}")
    wrong = "it was served" if answer.served else answer.wrong_refusal()
    if wrong is not None:
        findings.breach(f"{wish.name}: {wrong}")
    return answer.seconds


async def _returns(supervisor: Supervisor, wish: Wish, pause: float) -> Reply:
    """Leaves, and is back before anything was bought."""
    line = await Line.opened(supervisor.url)
    line.send(wish, key=_STAYS)
    await clock.sleep(pause)
    line.slam()
    await clock.sleep(pause)
    line = await Line.opened(supervisor.url)
    answer = await line.ask(wish, key=_STAYS, retry_count=1)
    line.hang_up()
    return _reply(wish, answer)


async def _counted(
    findings: Findings, supervisor: Supervisor, key: str, who: str, trials: int
) -> Reply:
    """Of all that a key asked for nothing counts: but for this one, all is left."""
    wish, line = Wish(f"last of those who {who}", _QUICK), await Line.opened(supervisor.url)
    answer = await line.ask(wish, key=key)
    line.hang_up()
    for what in ("requests", "images"):
        left = int(answer.headers.get(f"x-ratelimit-remaining-{what}", -1))
        findings.count(f"{what} counted of those who {who}", 2 * trials - 1 - left)
        if left != 2 * trials - 1:
            findings.breach(f"of the {what} of those who {who}, {left} are left of {2 * trials}")
    return _reply(wish, answer)


async def _bought(
    findings: Findings, supervisor: Supervisor, gone: Iterable[Wish], others: Iterable[Wish]
) -> None:
    counts = Counter(purchase.wish for purchase in await supervisor.vendor.purchases())
    for wish in gone:
        findings.count("bought for nobody", counts[wish.sha256])
        if counts[wish.sha256]:
            findings.breach(f"{wish.name}: bought, and nobody waited for it")
    for wish in others:
        findings.count("bought for others", counts[wish.sha256])
        if counts[wish.sha256] != 1:
            findings.breach(f"{wish.name} was bought {counts[wish.sha256]} times")


def _ages(findings: Findings, supervisor: Supervisor, plan: _Plan, *, timed: bool) -> None:
    """How long tasks were in the queue, by the gateway's log: also those whose caller had left."""
    ages = Counter[str]()
    for line in told(supervisor.process.log, "task_unqueued"):
        ages[line["how"]] += 1
        findings.measure("longest seconds in the queue", line["seconds"])
    for how, number in ages.items():
        findings.count(f"left the queue: {how}", number)
    longest = findings.worst.get("longest seconds in the queue", 0)
    findings.measure("seconds in the queue beyond its time", max(0.0, longest - plan.time))
    if timed and longest > plan.time + _SLACK:
        findings.breach(f"somebody was in the queue for {longest:.1f} s")


PROOFS = (
    Proof(
        "R8",
        "left_in_the_queue",
        "Nothing is bought or counted for who leaves the queue, and nobody stays beyond its time.",
        light=40,
        full=1_000,
        run=left_in_the_queue,
        part=1_000,
        goals={
            "bought for nobody": "0",
            "seconds in the queue beyond its time": "≤ 1",
            "requests counted of those who expired": "0",
            "requests counted of those who left": "0",
        },
    ),
)
