"""R6: a deploy is something users do not see."""

from tests.faults.accounts import settle
from tests.faults.load import Crowd, loading, steady
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import supervising

_BETWEEN = 2.0  # seconds: longer than a wish, so that none of an SDK's three tries meets a third
_GOAL = 10.0


async def deploys(assignment: Assignment) -> Findings:
    """SIGTERM, wait for the end, start the next one as an operator would; again and again."""
    findings = Findings()
    async with supervising(assignment.folder) as supervisor:
        await supervisor.start_ready(warm=False)
        seed = f"{assignment.seed}/{assignment.first}"
        async with loading(supervisor, Crowd(), seed) as load:
            for number in range(assignment.trials):
                await steady(load, _BETWEEN)
                seconds = await supervisor.terminate()
                code = supervisor.process.ended.result()
                await supervisor.start_ready(warm=False)
                findings.count("restarts")
                findings.measure("seconds to exit", seconds)
                if seconds > _GOAL or code != 0:
                    findings.breach(f"restart {number}: ended with {code} after {seconds:.1f} s")
                assignment.tell(f"{number + 1} restarts, {len(load.replies)} users told")
            await steady(load, _BETWEEN)
        for reply in load.replies:
            if not reply.answered:
                findings.breach(f"{reply.wish.name} failed for its user: {reply.error}")
        await settle(findings, supervisor, load.replies, load.wishes)
        findings.measure("users' longest wait", max(reply.seconds for reply in load.replies))
    return findings


PROOFS = (
    Proof(
        "R6",
        "deploys",
        "Sixty deploys under forty users: no call fails, nothing is bought twice or lost.",
        light=3,
        full=60,
        run=deploys,
        part=20,
        goals={
            "calls that failed for the user": "0",
            "doubles": "0",
            "lost": "0",
            "seconds to exit": "≤ 10",
        },
    ),
)
