"""R11: questions about a paid task may fail, half of them and at random; the task is served.

Owns: the failing of questions in three ways, and the count of them. Must not know: when the
gateway asks.
"""

import asyncio

from tests.e2e.stand import Stand, standing
from tests.faults.asking import SERVED, End, Hasty, asking, generated, misshapen
from tests.faults.mishaps import Mishap
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.proxy import Proxy, proxying

# Half of all: a fifth is reset on the way; of the rest the vendor spoils three eighths.
_RESET = 0.2
_UNAVAILABLE = 0.1875
_GARBAGE = _UNAVAILABLE / (1 - _UNAVAILABLE)
_TASK_SECONDS = 0.5
_AT_ONCE = 60
# A task is asked about some four times undisturbed; that forty fail in a row never happens.
_MOST_ASKED = 40
_LEAST_FAILED = 0.4
_UPSTREAM = {
    "polling": {"scale": 0.05, "concurrency": 64},
    "status_time": 2,
    "breaker": {"least": 1_000_000},
}


async def _run(assignment: Assignment) -> Findings:
    findings = Findings()
    async with proxying(seed=assignment.seed + assignment.first) as proxy:
        upstream = {**_UPSTREAM, "base_url": proxy.url}
        async with standing(assignment.folder, upstream=upstream) as stand:
            proxy.target = stand.vendor_url.removeprefix("http://")
            _fail(stand, proxy)
            async with asking(stand.url) as client:
                await _wish(assignment, client, findings)
            _count(stand, proxy, assignment, findings)
    return findings


def _fail(stand: Stand, proxy: Proxy) -> None:
    proxy.script(Mishap("reset", "status", share=_RESET, forwarded=False))
    stand.vendor_fails(
        {"where": "create", "kind": "slow", "seconds": _TASK_SECONDS, "times": None},
        {"where": "status", "kind": "unavailable", "share": _UNAVAILABLE, "times": None},
        {"where": "status", "kind": "garbage", "share": _GARBAGE, "times": None},
    )


async def _wish(assignment: Assignment, client: Hasty, findings: Findings) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> End:
        async with slots:
            return await generated(client, f"wish {number}")

    numbers = range(assignment.first, assignment.first + assignment.trials)
    ends = await asyncio.gather(*(one(number) for number in numbers))
    for number, end in zip(numbers, ends, strict=True):
        findings.count("served", end.word == SERVED)
        findings.measure("slowest answer, seconds", end.seconds)
        wrong = await misshapen(end)
        if end.word != SERVED or wrong:
            findings.breach(f"wish {number}: {end.word} ({end.status}), {wrong}")
    assignment.tell(f"{len(ends)} tasks")


def _count(stand: Stand, proxy: Proxy, assignment: Assignment, findings: Findings) -> None:
    asked = {path: times for path, times in proxy.asked.items() if path.startswith("GET /v1/")}
    script = stand.simulator.vendor.script.report()[1:]
    failed = proxy.struck["reset"] + sum(int(str(line["struck"])) for line in script)
    findings.count("tasks", assignment.trials)
    findings.count("questions", sum(asked.values()))
    findings.count("questions failed", failed)
    findings.count("purchases", stand.purchases)
    findings.measure("most questions about one task", max(asked.values()))
    if stand.purchases != assignment.trials:
        findings.breach(f"{stand.purchases} purchases for {assignment.trials} wishes")
    if failed < _LEAST_FAILED * sum(asked.values()):
        findings.breach(f"only {failed} of {sum(asked.values())} questions failed: nothing proven")
    for path, times in asked.items():
        if times > _MOST_ASKED:
            findings.breach(f"{times} questions: {path}")
    for crash in stand.crashes:
        findings.breach(f"a fault of ours: {crash}")


PROOFS: tuple[Proof, ...] = (
    Proof(
        promise="R11",
        name="bad_polls",
        sentence="Half of all questions fail, and every task is served, bought once.",
        light=40,
        full=1_000,
        run=_run,
        part=250,
        goals={"served": "all", "most questions about one task": f"≤ {_MOST_ASKED}"},
    ),
)
