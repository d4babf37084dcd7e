"""R17: a process that stands still for a while, and then believes that no time has passed."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.faults.accounts import settle
from tests.faults.load import Crowd, ask_again, loading, steady
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import clock, supervising

_BEFORE = 1.5
_AFTER = 2.0


@dataclass(frozen=True, slots=True)
class _Freeze:
    """Every time-out, ours and the users', is shorter than the standstill."""

    seconds: float
    upstream: Mapping[str, float]
    users_timeout: float


_SHORT = _Freeze(3, {"create_time": 1.5, "status_time": 1, "settle_time": 2.5}, 2)
_LONG = _Freeze(60, {"create_time": 30, "status_time": 15, "settle_time": 45}, 20)


async def frozen(assignment: Assignment) -> Findings:
    """SIGSTOP and SIGCONT under load. The first trial is short, the others are of a minute."""
    findings = Findings()
    last = assignment.first + assignment.trials
    for number in range(assignment.first, last):
        findings.add(await _trial(assignment, number))
        assignment.tell(f"{number + 1} freezes")
    return findings


async def _trial(assignment: Assignment, number: int) -> Findings:
    findings = Findings()
    freeze = _LONG if number else _SHORT
    folder = assignment.folder / f"freeze-{number}"
    async with supervising(folder, upstream=freeze.upstream) as supervisor:
        await supervisor.start_ready()
        people = Crowd(timeout=freeze.users_timeout)
        async with loading(supervisor, people, f"{assignment.seed}/{number}") as load:
            await steady(load, _BEFORE)
            supervisor.freeze()
            await clock.sleep(freeze.seconds)
            supervisor.thaw()
            await steady(load, _AFTER)
        findings.count("freezes")
        findings.count("seconds frozen", int(freeze.seconds))
        again = await ask_again(supervisor, load)
        findings.count("asked again", len(again))
        await settle(findings, supervisor, [*load.replies, *again], load.wishes)
    return findings


PROOFS = (
    Proof(
        "R17",
        "frozen",
        "A process that stood still longer than every time-out buys nothing twice, loses nothing.",
        light=1,
        full=4,
        run=frozen,
        part=1,
        goals={"doubles": "0", "lost": "0"},
    ),
)
