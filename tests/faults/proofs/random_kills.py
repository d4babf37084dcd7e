"""R3 and R4: killed at random moments under load, nothing is bought twice and nothing is lost."""

import random

from tests.faults.accounts import settle
from tests.faults.load import Crowd, ask_again, loading
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import clock, supervising

_LONGEST = 1.5  # seconds between a gateway's readiness and its death
_UNREADY = 4  # every so manieth is killed before it is ready, maybe while it recovers


async def random_kills(assignment: Assignment) -> Findings:
    """SIGKILLs under users with the SDK's default retries; who was told an error asks again."""
    findings = Findings()
    last = assignment.first + assignment.trials
    async with supervising(assignment.folder) as supervisor:
        await supervisor.start_ready()
        seed = f"{assignment.seed}/{assignment.first}"
        async with loading(supervisor, Crowd(), seed) as load:
            for number in range(assignment.first, last):
                dice = random.Random(f"{assignment.seed}/{number}")  # noqa: S311 - repeatable
                if number % _UNREADY:
                    await supervisor.ready()
                    await clock.sleep(dice.uniform(0, _LONGEST))
                else:
                    await clock.sleep(dice.uniform(0, _LONGEST / 3))
                await supervisor.kill()
                findings.count("kills")
                await supervisor.start()
                assignment.tell(f"{number + 1} kills, {len(load.replies)} users told")
            await supervisor.ready()
        again = await ask_again(supervisor, load)
        findings.count("asked again", len(again))
        findings.count("answered then", sum(reply.answered for reply in again))
        await settle(findings, supervisor, [*load.replies, *again], load.wishes)
        findings.measure("users' longest wait", max(reply.seconds for reply in load.replies))
    return findings


PROOFS = (
    Proof(
        "R3/R4",
        "random_kills",
        "Killed at random under forty users, no wish is bought twice and no purchase forgotten.",
        light=5,
        full=300,
        run=random_kills,
        part=60,
        goals={"doubles": "0", "lost": "0"},
    ),
)
