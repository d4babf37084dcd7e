"""R17: the wall clock jumps, and no key gets more than its limits allow by the time that passed.

Owns: keys that are driven at their limits while it jumps. Must not know: how it is made to jump,
how limits are counted. What was asked before and after lies on the monotonic clock, which does not.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway.clock import SystemClock
from tests.faults.customers import Customer, beyond, customer
from tests.faults.faketime import faketime, told_time
from tests.faults.processes import PATIENCE, serving, simulating
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.vendor import slow

HOUR, DAY = 3_600, 86_400
# Net of those before it: tomorrow, an hour less, today again, as it is.
JUMPS = (DAY, -HOUR, -DAY, HOUR)

_CLOCK = SystemClock()
_SECONDS = 0.05
_LOOKS = 50
_BETWEEN = 0.5
_PAUSE = 0.03
_A_HAIR = 0.01
_REQUESTS, _REQUESTS_BURST = 120, 5
_IMAGES, _IMAGES_BURST, _N = 120, 6, 2
_QUOTA = "insufficient_quota"


async def limit_clocks(assignment: Assignment) -> Findings:
    """Two keys hammer at their rates, one obeys what it is told, one asks for a day's pictures."""
    findings, folder = Findings(), assignment.folder
    wall = await faketime(folder)
    budget = 1 + assignment.trials // 2
    limits: dict[str, dict[str, int]] = {
        "requests": {"requests_per_minute": _REQUESTS, "requests_burst": _REQUESTS_BURST},
        "pictures": {"images_per_minute": _IMAGES, "images_burst": _IMAGES_BURST},
        "patient": {"requests_per_minute": 120, "requests_burst": 1},
        "daily": {"images_per_day": budget},
    }
    keys = [{"name": name, "key": f"the-key-of-{name}", "limits": limits[name]} for name in limits]
    async with (
        simulating(folder) as vendor,
        serving(folder, vendor, variables=wall.variables, keys=keys) as gateway,
        AsyncExitStack() as stack,
    ):
        await vendor.told("faults", slow((_SECONDS,)))

        async def entered(name: str, **manners: int) -> Customer:
            coming = customer(gateway.url, name, f"the-key-of-{name}", **manners)
            return await stack.enter_async_context(coming)

        requests = await entered("requests", max_retries=0)
        pictures = await entered("pictures", max_retries=0)
        daily = await entered("daily", max_retries=0)
        patient = await entered("patient")
        begun = _CLOCK.wall()
        async with _driven([*[(requests, 1)] * 3, *[(pictures, _N)] * 2, (patient, 1)]):
            await daily.ask(_SECONDS)
            for number in range(assignment.first, assignment.first + assignment.trials):
                await _CLOCK.sleep(_BETWEEN)
                wall.jump(JUMPS[number % len(JUMPS)])
                await asyncio.gather(daily.ask(_SECONDS), daily.ask(_SECONDS))
                if not await _has_seen(folder / "gateway.log", wall.offset):
                    findings.breach(f"jump {number}: the process has not seen it: nothing proven")
                findings.count("trials")
                assignment.tell(f"jump {number}")
            await _CLOCK.sleep(_BETWEEN)
        days = int(_CLOCK.wall() // DAY) - int(begun // DAY) + 1
    _hold_rate(findings, requests, _REQUESTS, _REQUESTS_BURST)
    _hold_rate(findings, pictures, _IMAGES, _IMAGES_BURST)
    _hold_patience(findings, patient)
    _hold_day(findings, daily, budget, days)
    return findings


@asynccontextmanager
async def _driven(users: list[tuple[Customer, int]]) -> AsyncIterator[None]:
    """Each asks again as soon as it was told; in the end what is under way is waited for."""
    over = asyncio.Event()

    async def user(holder: Customer, n: int) -> None:
        while not over.is_set():
            await holder.ask(_SECONDS, n)
            await _CLOCK.sleep(_PAUSE)

    async with asyncio.TaskGroup() as group:
        for holder, n in users:
            group.create_task(user(holder, n))
        try:
            yield
        finally:
            over.set()


async def _has_seen(log: Path, offset: float) -> bool:
    """Whether a line of the log tells the new time; on a busy machine that takes a moment."""
    for _ in range(_LOOKS):
        if abs(told_time(log) - _CLOCK.wall() - offset) <= PATIENCE:
            return True
        await _CLOCK.sleep(0.1)
    return False


def _hold_rate(findings: Findings, holder: Customer, limit: int, burst: int) -> None:
    admitted = holder.admitted()
    over = beyond(admitted, limit, burst)
    findings.count(f"{holder.name}: admitted", len(admitted))
    findings.count(f"{holder.name}: refused", len(holder.refused()))
    findings.measure("beyond the limit", over)
    if over > _A_HAIR:
        findings.breach(f"{holder.name}: {over:.2f} more than allowed were let through")
    if not admitted or not holder.refused():
        findings.breach(f"{holder.name}: it was not driven at its limit: nothing proven")
    for asked in holder.asked:
        if asked.code not in {None, "rate_limit_exceeded"}:
            findings.breach(f"{asked.wish.name}: {asked.error}")


def _hold_patience(findings: Findings, holder: Customer) -> None:
    """Whoever waits as long as it was told is served: no jump makes that longer."""
    findings.count("patient: served", sum(asked.error is None for asked in holder.asked))
    for asked in holder.asked:
        if asked.error is not None:
            findings.breach(f"{asked.wish.name}: a told wait was not enough: {asked.error}")


def _hold_day(findings: Findings, holder: Customer, budget: int, days: int) -> None:
    """A day's pictures are those of a day that passed; a run over midnight has had two."""
    served = sum(asked.error is None for asked in holder.asked)
    refused = sum(asked.code == _QUOTA for asked in holder.asked)
    findings.count("daily: served", served)
    findings.count("daily: refused", refused)
    if not budget <= served <= budget * days or served + refused != len(holder.asked):
        findings.breach(f"daily: {served} served and {refused} refused of {budget} a day")


PROOFS = (
    Proof(
        "R17",
        "limit_clocks",
        "The wall clock jumps; no key gets more than its limits allow by the time that passed.",
        light=2,
        full=20 * len(JUMPS),
        run=limit_clocks,
        part=20 * len(JUMPS),
        goals={"beyond the limit": "at most 0", "daily: served": "one day's"},
    ),
)
