"""R6: a deploy is something users do not see."""

from tests.faults.accounts import settle
from tests.faults.load import Crowd, answered, loading, steady
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import supervising

_BETWEEN = 1.5  # seconds: about as long as a wish takes
_GOAL = 10.0


async def deploys(assignment: Assignment) -> Findings:
    """SIGTERM, wait for the end, start the next one as an operator would; again and again.

    A call may meet two of these, but never a third: an SDK tries three times. So before each one,
    whoever was under way at the one before the last has been answered.
    """
    findings = Findings()
    async with supervising(assignment.folder) as supervisor:
        await supervisor.start_ready(warm=False)
        seed = f"{assignment.seed}/{assignment.first}"
        async with loading(supervisor, Crowd(), seed) as load:
            earlier = last = load.wishes[:0]
            for number in range(assignment.trials):
                await steady(load, _BETWEEN)
                await answered(load, earlier)
                told = {reply.wish.name for reply in load.replies}
                earlier, last = last, [wish for wish in load.wishes if wish.name not in told]
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
        light=2,
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
