"""R17: the wall clock jumps an hour or a day, either way, and nobody notices.

Owns: callers who are under way when it jumps, and what each must be told, and when. Must not know:
how the clock is made to jump.
"""

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from tests.faults.asking import SERVED, End, Hasty, asking, generated, misshapen
from tests.faults.faketime import Wall, faketime, told_time
from tests.faults.processes import PATIENCE, Vendor, serving, simulating
from tests.faults.proving import Assignment, Findings, Proof

HOUR, DAY = 3_600, 86_400
JUMPS = (DAY, -HOUR, HOUR, -DAY)

# One of those who leave does so from a task that goes on beyond the jump, one from a task that is
# over by then.
_TASK, _SHORT = 1.2, 0.3
_BEFORE_JUMP = 0.6
_LEFT = ("slow; left", "short; left")
_PATIENT = 4
_OWN_TIMEOUT = 2.0
# What the gateway makes of a caller's short time-out, and half of the deadline of the 2k tier.
_TOLD_AT = 0.8 * _OWN_TIMEOUT
_DEADLINE = 1.8
_LONGEST = 90.0
_EARLY, _LATE = 0.05, 3.0
_TOO_LATE = "upstream_timeout"
_REPEATED = {"x-stainless-retry-count": "1"}
_IMPATIENT = {"x-stainless-read-timeout": str(_OWN_TIMEOUT)}
_SCRIPT = [
    {"where": "create", "kind": "stuck", "match": "stuck;", "times": None},
    {"where": "create", "kind": "slow", "match": "slow;", "seconds": _TASK, "times": None},
    {"where": "create", "kind": "slow", "match": "short;", "seconds": _SHORT, "times": None},
]
_SECTION = {
    "polling": {"scale": 0.02, "follow": 5},
    "deadlines": {"tier_2k": 2 * _DEADLINE},
    "breaker": {"least": 1_000_000},
}
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class _Scene:
    """One process through all jumps; ``log`` is where it tells its time."""

    wall: Wall
    log: Path
    vendor: Vendor
    client: Hasty
    findings: Findings


async def _run(assignment: Assignment) -> Findings:
    findings, folder = Findings(), assignment.folder
    wall = await faketime(folder)
    async with simulating(folder) as vendor:
        await vendor.told("faults", _SCRIPT)
        # Pictures live longer than a day's jump: that they end by the wall clock is no fault.
        images = {"lifetime": 10 * DAY}
        async with (
            serving(
                folder, vendor, variables=wall.variables, upstream=_SECTION, images=images
            ) as gateway,
            asking(gateway.url) as client,
        ):
            scene = _Scene(wall, folder / "gateway.log", vendor, client, findings)
            for number in range(assignment.first, assignment.first + assignment.trials):
                try:
                    async with asyncio.timeout(_LONGEST):
                        await _trial(scene, number)
                except TimeoutError:
                    findings.breach(f"jump {number}: no end within {_LONGEST:.0f} s")
                    break
                assignment.tell(f"jump {number}")
            if gateway.child.returncode is not None:
                findings.breach(f"the process ended with {gateway.child.returncode}")
    return findings


async def _trial(scene: _Scene, number: int) -> None:
    """Callers set out, the clock jumps, each gets what it would have got."""
    seconds = JUMPS[number % len(JUMPS)]
    where = f"jump {number} ({seconds:+d} s)"
    findings, prompts = scene.findings, Counter[str]()

    async def wished(prompt: str, **options: Any) -> End:
        prompts[prompt] = 1
        return await generated(scene.client, f"{prompt} of {number}", **options)

    async def held(when: str, end: End) -> None:
        findings.count(f"{when}: {end.word}")
        findings.measure(f"{when}, seconds", end.seconds)
        if end.word != SERVED or (wrong := await misshapen(end)):
            wrong = None if end.word != SERVED else wrong
            findings.breach(f"{where}, {when}: {end.word} ({end.status}) {wrong or end.text[:200]}")

    bought = len(await _bought(scene))
    waiting = [asyncio.create_task(wished(f"slow; patient {place}")) for place in range(_PATIENT)]
    own = asyncio.create_task(wished("stuck; own time-out", extra_headers=_IMPATIENT))
    ours = asyncio.create_task(wished("stuck; deadline", size="2048x1152"))
    leaving = [asyncio.create_task(wished(one)) for one in _LEFT]
    while len(await _bought(scene)) < bought + _PATIENT + 4:
        await _CLOCK.sleep(0.02)
    await _hang_up(leaving)
    await _CLOCK.sleep(_BEFORE_JUMP)
    scene.wall.jump(seconds)
    again = [asyncio.create_task(wished(one, extra_headers=_REPEATED)) for one in _LEFT]
    later = [asyncio.create_task(wished(f"later {place}")) for place in range(2)]
    for when, tasks in (("repeated", again), ("under way", waiting), ("afterwards", later)):
        for end in await asyncio.gather(*tasks):
            await held(when, end)
    _hold_time(f"{where}, own time-out", await own, _TOLD_AT, findings)
    _hold_time(f"{where}, deadline", await ours, _DEADLINE, findings)
    await _compare(scene, where, [f"{prompt} of {number}" for prompt in prompts])
    findings.count("trials")
    if abs(told_time(scene.log) - _CLOCK.wall() - scene.wall.offset) > PATIENCE:
        findings.breach(f"{where}: the process has not seen it: nothing proven")


async def _bought(scene: _Scene) -> list[str]:
    """What the vendor sold so far, by the prompts' hashes."""
    book = await scene.vendor.told("purchases?tasks=1000000")
    return [task["prompt_sha256"] for task in book["tasks"]]


async def _hang_up(leaving: list[asyncio.Task[End]]) -> None:
    """Leave without an answer."""
    for one in leaving:
        one.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)


def _hold_time(what: str, end: End, told_at: float, findings: Findings) -> None:
    """A time-out comes when it is due, not earlier and not later."""
    findings.measure("time-out off by, seconds", abs(end.seconds - told_at))
    if end.word != _TOO_LATE or not -_EARLY < end.seconds - told_at < _LATE:
        findings.breach(f"{what}: {end.word} after {end.seconds:.2f} s, due after {told_at} s")


async def _compare(scene: _Scene, where: str, prompts: list[str]) -> None:
    """Every wish was bought once, those that were repeated too."""
    bought = Counter(await _bought(scene))
    for prompt in prompts:
        times = bought[hashlib.sha256(prompt.encode()).hexdigest()]
        scene.findings.count("wishes")
        scene.findings.count("purchases", times)
        if times != 1:
            scene.findings.breach(f"{where}: {prompt!r} was bought {times} times")


PROOFS: tuple[Proof, ...] = (
    Proof(
        promise="R17",
        name="clocks",
        sentence="The wall clock jumps; no call fails, or ends early or late, or buys twice.",
        light=2,
        full=20 * len(JUMPS),
        run=_run,
        part=5 * len(JUMPS),
        goals={"purchases": "= wishes"},
    ),
)
