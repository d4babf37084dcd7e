"""R5: what runs at the vendor while the gateway is killed is taken up by the next one."""

import asyncio
import random
from collections.abc import Sequence

from tests.faults import ledger
from tests.faults.accounts import settle, unanswered
from tests.faults.keeping import PATIENCE
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import Supervisor, clock, supervising
from tests.faults.users import Reply, User, using
from tests.faults.vendor import Purchase
from tests.faults.wishes import Wish

_FEW = 50
_LOOK = 0.02


async def resume(assignment: Assignment) -> Findings:
    """All tasks at once, undisturbed; then as many again, and a SIGKILL when all of them run."""
    findings, count = Findings(), assignment.trials
    # Long enough for all to be running at once; some end while nobody is there to notice.
    least = 1.2 + count / 30
    seconds = [round(least + step / 2, 2) for step in range(3)]
    # Asked seldom where there are many: else the questions would be what is measured.
    polling = {"scale": 0.1 if count <= _FEW else 0.5}
    dice = random.Random(f"{assignment.seed}/{assignment.first}")  # noqa: S311 - repeatable
    calm = [Wish(f"calm {number}", dice.choice(seconds)) for number in range(count)]
    wild = [Wish(f"wild {number}", dice.choice(seconds)) for number in range(count)]
    upstream = {"polling": polling, "create_time": 20, "settle_time": 25}
    async with supervising(assignment.folder, upstream=upstream) as supervisor:
        await supervisor.start_ready(warm=False)
        await supervisor.vendor.takes(*seconds)
        async with using(supervisor.url) as user:
            replies = await _all(user, calm)
            assignment.tell("undisturbed: done")
            replies += await _disturbed(findings, supervisor, user, wild)
        unanswered(findings, replies)
        await settle(findings, supervisor, replies, [*calm, *wild])
        await _delays(findings, supervisor, calm, wild)
    return findings


async def _disturbed(
    findings: Findings, supervisor: Supervisor, user: User, wishes: Sequence[Wish]
) -> list[Reply]:
    before = await supervisor.vendor.bought()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(_all(user, wishes))
        async with asyncio.timeout(PATIENCE):
            while await supervisor.vendor.bought() < before + len(wishes):
                await clock.sleep(_LOOK)
        findings.count("tasks running when it was killed", await supervisor.vendor.running())
        begun = clock.monotonic()
        await supervisor.kill()
        await supervisor.start_ready(warm=False)
        findings.measure("seconds from the kill to readiness", clock.monotonic() - begun)
    return asked.result()


async def _all(user: User, wishes: Sequence[Wish]) -> list[Reply]:
    return list(await asyncio.gather(*(user.ask(wish) for wish in wishes)))


async def _delays(
    findings: Findings, supervisor: Supervisor, calm: Sequence[Wish], wild: Sequence[Wish]
) -> None:
    """From a task's end at the vendor to its end in the ledger, undisturbed and not."""
    known = {entry.upstream_id: entry for entry in ledger.entries(supervisor.ledger)}
    late: dict[str, float] = {}
    for purchase in await supervisor.vendor.purchases():
        entry = known.get(purchase.task_id)
        if entry is not None and entry.ended_at is not None and entry.accepted_at is not None:
            late[purchase.wish] = entry.ended_at - entry.accepted_at - _taken(purchase)
    for wishes, name in ((calm, "undisturbed"), (wild, "after a kill")):
        delays = sorted(late[wish.sha256] for wish in wishes if wish.sha256 in late)
        if delays:
            findings.measure(f"seconds of delay, p99, {name}", delays[int(len(delays) * 0.99)])


def _taken(purchase: Purchase) -> float:
    return purchase.seconds or 0.0


PROOFS = (
    Proof(
        "R5",
        "resume",
        "What runs at the vendor while the gateway is killed is finished by the next one.",
        light=20,
        full=300,
        run=resume,
        part=300,
        goals={
            "answers": "as many as wishes",
            "seconds of delay, p99, after a kill": "undisturbed + time to readiness + one poll",
        },
    ),
)
