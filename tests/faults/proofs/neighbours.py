"""R20: a key that asks a hundred times too often, or for everything at once, and its neighbour.

Owns: the two, and what the neighbour must not notice. Must not know: how turns and limits are made.
The flood is a process of its own; gateway, vendor and both of them share one machine's processors.
"""

import asyncio
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from tests.faults.customers import Asked, Customer, customer
from tests.faults.flooding import flooding
from tests.faults.processes import serving, simulating
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.vendor import slow
from tests.faults.wishes import Wish

_CLOCK = SystemClock()
_LOUD, _QUIET = "the-key-of-loud", "the-key-of-quiet"
_PER_MINUTE, _TIMES = 30, 100
_TASK = 0.5
_GAP = 0.1  # seconds between two of the quiet one's requests
_TIMED = 5  # rounds from which times are judged
_ALLOWED = 1.10

_TURN = 0.05
_SUBMITS = 10
_WEIGHT = 3
_QUEUED = 30
_USERS = 6


async def noisy(assignment: Assignment) -> Findings:
    """By turns with and without the flood: what it adds to the ninety-ninth of a hundred."""
    findings, folder = Findings(), assignment.folder
    keys = [
        {"name": "loud", "key": _LOUD, "limits": {"requests_per_minute": _PER_MINUTE}},
        {"name": "quiet", "key": _QUIET},
    ]
    timed = assignment.trials >= _TIMED
    seconds = 8.0 if timed else 0.8
    async with (
        simulating(folder) as vendor,
        serving(folder, vendor, keys=keys) as gateway,
        customer(gateway.url, "quiet", _QUIET) as quiet,
        flooding(gateway.url, _LOUD, Wish("loud", _TASK)) as flood,
    ):
        await vendor.told("faults", slow((_TASK,)))
        await _phase(quiet, 1.0 if timed else 0.2)
        ratios = []
        for number in range(assignment.trials):
            worst = {}
            for loud in (False, True) if number % 2 else (True, False):
                flood.rate(_PER_MINUTE / 60 * _TIMES if loud else 0)
                worst[loud] = _p99(await _phase(quiet, seconds))
                findings.measure(f"p99 {'beside it' if loud else 'alone'}, seconds", worst[loud])
            ratios.append(worst[True] / worst[False])
            assignment.tell(f"round {number}: p99 {worst[False]:.3f} s, beside {worst[True]:.3f} s")
    findings.measure("p99 beside it, of that alone", statistics.median(ratios))
    if timed and statistics.median(ratios) > _ALLOWED:
        findings.breach(f"p99 beside the flood is {ratios} of that alone")
    for status, count in flood.counts.items():
        findings.count(f"loud: told {status}", count)
    if flood.counts.get("429", 0) <= flood.counts.get("200", 0):
        findings.breach(f"loud was told {flood.counts}: nothing proven")
    _hold_quiet(findings, quiet)
    return findings


async def _phase(quiet: Customer, seconds: float) -> list[Asked]:
    """The quiet one's steady load, to its last answer."""
    async with asyncio.TaskGroup() as group:
        asked = []
        until = _CLOCK.monotonic() + seconds
        while _CLOCK.monotonic() < until:
            asked.append(group.create_task(quiet.ask(_TASK)))
            await _CLOCK.sleep(_GAP)
    return [one.result() for one in asked]


def _p99(asked: list[Asked]) -> float:
    seconds = sorted(one.seconds for one in asked)
    return seconds[min(len(seconds) - 1, len(seconds) * 99 // 100)]


def _hold_quiet(findings: Findings, quiet: Customer) -> None:
    findings.count("quiet: served", sum(asked.error is None for asked in quiet.asked))
    for sending in quiet.sendings:
        if sending.status != 200:
            findings.breach(f"{sending.wish} was told {sending.status}")
    for asked in quiet.asked:
        if asked.error is not None:
            findings.breach(f"{asked.wish.name}: {asked.error}")


async def turns(assignment: Assignment) -> Findings:
    """A key without a limit fills the queue, three times as weighty; the other has its share."""
    findings, folder = Findings(), assignment.folder
    keys = [
        {"name": "loud", "key": _LOUD, "weight": _WEIGHT},
        {"name": "quiet", "key": _QUIET, "weight": 1},
    ]
    upstream: dict[str, Any] = {"submit_per_second": _SUBMITS, "query_per_second": 2000}
    upstream |= {"polling": {"scale": 0.02}, "base_url": "", "api_key": "simulated"}
    async with simulating(folder) as vendor:
        upstream["base_url"] = vendor.url
        await vendor.told("faults", slow((_TURN,)))
        async with (
            serving(
                folder, vendor, keys=keys, upstream=upstream, queue={"requests": _QUEUED}
            ) as gateway,
            customer(gateway.url, "quiet", _QUIET) as quiet,
            flooding(gateway.url, _LOUD, Wish("loud", _TURN)) as flood,
        ):
            flood.rate(3 * _SUBMITS)
            await _CLOCK.sleep(1.0)
            async with asyncio.TaskGroup() as users:
                for _ in range(_USERS):
                    users.create_task(_ask_on(quiet, assignment.trials))
            told = await vendor.told("purchases?tasks=20000")
        _hold_order(findings, told["tasks"], folder / "gateway.log")
    for status, count in flood.counts.items():
        findings.count(f"loud: told {status}", count)
    if not flood.counts.get("503"):
        findings.breach(f"loud was told {flood.counts}: the queue was never full, nothing proven")
    _hold_quiet(findings, quiet)
    return findings


async def _ask_on(quiet: Customer, wishes: int) -> None:
    while quiet.begun < wishes:
        await quiet.ask(_TURN)


def _hold_order(findings: Findings, tasks: list[dict[str, Any]], log: Path) -> None:
    """Between two turns of the quiet one's, while one of its wishes waits, are few others'."""
    place: dict[tuple[str, str], int] = {}
    quiet = set()
    for number, line in enumerate(log.read_text("utf-8").splitlines()):
        told = json.loads(line)
        if told["event"] in {"task_queued", "task_unqueued"}:
            place[told["event"], told["task_id"]] = number
            if told["key_name"] == "quiet":
                quiet.add(told["task_id"])
    bought = [task["client_business_id"] for task in tasks]
    theirs = [number for number, task_id in enumerate(bought) if task_id in quiet]
    for last, following in itertools.pairwise(theirs):
        queued = place.get(("task_queued", bought[following]))
        had_turn = place.get(("task_unqueued", bought[last]))
        if queued is None or had_turn is None or queued > had_turn:
            continue  # nobody waited for a moment
        between = following - last - 1
        findings.count("turns checked")
        findings.measure("others' turns in between", between)
        if between > _WEIGHT + 1:
            findings.breach(f"{bought[following]}: {between} turns of the other key's before it")
    if not findings.counts.get("turns checked"):
        findings.breach("the quiet one never waited: nothing proven")


PROOFS = (
    Proof(
        "R20",
        "neighbours",
        "A key at a hundred times its limit adds little to another's time, and no errors.",
        light=1,
        full=10,
        run=noisy,
        part=10,
        goals={"p99 beside it, of that alone": "at most 1.10"},
    ),
    Proof(
        "R20",
        "fair_turns",
        "A key that fills the queue leaves the other its share of turns, and all its places.",
        light=8,
        full=200,
        run=turns,
        part=200,
        goals={"others' turns in between": f"at most {_WEIGHT + 1}"},
    ),
)
