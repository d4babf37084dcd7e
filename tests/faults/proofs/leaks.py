"""R19: after a long day of everything, the process is as it was.

Owns: what is measured of a process that lives on, and of its loop. Must not know: the requests
(``mixture.py``).
"""

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from gateway.clock import SystemClock
from tests.e2e.stand import KEY, standing
from tests.faults import mixture
from tests.faults.drawings import all_alike
from tests.faults.processes import Program, Vendor, serving, simulating
from tests.faults.proving import Assignment, Findings, Proof

# A fifth is for warming up; of few requests half, for every kind must have come by.
_WARM_UP, _LEAST_WARM_UP = 0.2, 200
_AT_ONCE = 16
_GROWTH = 10_000_000
_DESCRIPTORS = 5
_PATIENCE = 30.0
_UPSTREAM = {
    # A lost create is given up at once: what it was, is another proof's business.
    "settle_time": 0.5,
    "polling": {"scale": 0.02},
    "breaker": {"least": 1_000_000},
}
# What is remembered for a while is forgotten within the warm-up, so that its number stays the same.
_FORGETFUL: dict[str, Any] = {
    "images": {"lifetime": 60},
    "joins": {"failures": 30, "orphans": 30, "delivered": 30},
    "upstream": {**_UPSTREAM, "upload_lifetime": 60},
}
_CLOCK = SystemClock()


async def _run(assignment: Assignment) -> Findings:
    findings, sent = Findings(), Counter[str]()
    temporary = assignment.folder / "tmp"
    temporary.mkdir()
    async with simulating(assignment.folder) as vendor:
        await vendor.told("faults", mixture.SCRIPT)
        variables = {"TMPDIR": str(temporary)}
        async with serving(assignment.folder, vendor, variables=variables, **_FORGETFUL) as gateway:

            def told() -> str:
                return f", {_memory(gateway):,} bytes in memory"

            numbers = range(assignment.trials)
            open_before = _descriptors(gateway)
            least = min(_LEAST_WARM_UP, assignment.trials // 2)
            warm_up = max(int(assignment.trials * _WARM_UP), least)
            await _send(gateway.url, assignment, numbers[:warm_up], findings, sent, told)
            memory = await _settled(gateway)
            await _send(gateway.url, assignment, numbers[warm_up:], findings, sent, told)
            growth = await _settled(gateway) - memory
            findings.measure("memory grown, bytes", growth)
            if growth > _GROWTH:
                findings.breach(f"{growth:,} bytes more memory after the warm-up")
            await _compare_books(assignment.folder, vendor, sent, findings)
            await _compare_descriptors(gateway, vendor, open_before, findings)
        _look_for_files(assignment.folder, findings)
    return findings


async def _send(
    url: str,
    assignment: Assignment,
    numbers: range,
    findings: Findings,
    sent: Counter[str],
    told: Callable[[], str] = str,
) -> None:
    """Send these, so many at once, and count them by kind; ``told`` adds to what is reported."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(client: httpx.AsyncClient, number: int) -> None:
        async with slots:
            done = await mixture.send(client, assignment.seed, assignment.first + number)
        sent[done.kind] += 1
        findings.count(f"sent {done.kind}")
        if done.wrong is not None:
            findings.breach(done.wrong)
        if sent.total() % 1_000 == 0:
            assignment.tell(f"{sent.total()} requests{told()}")

    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=120, trust_env=False
    ) as client:
        await asyncio.gather(*(one(client, number) for number in numbers))


async def _settled(gateway: Program) -> int:
    """Bytes in memory, once they no longer change."""
    before = -1
    while (now := _memory(gateway)) != before:
        before = now
        await _CLOCK.sleep(1)
    return now


async def _compare_books(
    folder: Path, vendor: Vendor, sent: Counter[str], findings: Findings
) -> None:
    """Every wish has its row, every row its end, every purchase its task."""
    begun = sent["ok"] + sent["edit"] + sent["fault"]
    ledger = folder / "state.db"
    if not ledger.exists():
        findings.breach(f"there is no ledger at {ledger}")
        return
    with contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as reading:
        async with asyncio.timeout(_PATIENCE):
            while _first(reading, "SELECT count(*) FROM jobs WHERE ended_at IS NULL"):
                await _CLOCK.sleep(0.1)
        rows = _first(reading, "SELECT count(*) FROM jobs")
        bought = _first(reading, "SELECT count(*) FROM tasks WHERE state IN ('done', 'failed')")
    purchases = (await vendor.told("purchases?tasks=0"))["purchases"]
    findings.count("ledger rows", rows)
    findings.count("purchases", purchases)
    if not begun <= rows <= begun + sent["hang_up"]:
        findings.breach(f"{rows} rows for {begun} wishes and {sent['hang_up']} of who left")
    if bought != purchases:
        findings.breach(f"{bought} tasks bought by the ledger, {purchases} by the vendor")


async def _compare_descriptors(
    gateway: Program, vendor: Vendor, before: int, findings: Findings
) -> None:
    """With the vendor gone no connection to it is left, and nothing else ever was."""
    vendor.child.terminate()
    await vendor.child.wait()
    async with asyncio.timeout(_PATIENCE):
        while abs((now := _descriptors(gateway)) - before) > _DESCRIPTORS:
            await _CLOCK.sleep(0.2)
    findings.measure("descriptors more than at the start", now - before)


def _look_for_files(folder: Path, findings: Findings) -> None:
    """Nothing unfinished is left on disk, while the process is still there to hold it."""
    left = [path for path in (folder / "tmp").rglob("*") if path.is_file()]
    left += [path for path in (folder / "images" / "spool").rglob("*") if path.is_file()]
    left += list((folder / "images").glob("*.part")) + list((folder / "images").glob(".*"))
    findings.count("temporary files left", len(left))
    for path in left[:10]:
        findings.breach(f"left behind: {path.relative_to(folder)}")


def _memory(gateway: Program) -> int:
    lines = Path(f"/proc/{gateway.child.pid}/status").read_text("utf-8").splitlines()
    (resident,) = (line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(resident) * 1024


def _descriptors(gateway: Program) -> int:
    return len(list(Path(f"/proc/{gateway.child.pid}/fd").iterdir()))


def _first(reading: sqlite3.Connection, query: str) -> int:
    (number,) = reading.execute(query).fetchone()
    return int(number)


async def _run_tasks(assignment: Assignment) -> Findings:
    """The same mixture within our own loop, whose tasks can be listed."""
    with all_alike():
        return await _mixed(assignment)


async def _mixed(assignment: Assignment) -> Findings:
    findings, sent = Findings(), Counter[str]()
    async with standing(assignment.folder, upstream=_UPSTREAM) as stand:
        stand.vendor_fails(*mixture.SCRIPT)
        await _send(stand.url, assignment, range(10), findings, sent)
        await stand.until(lambda: not stand.gateway.board.jobs())
        before = await _tasks()
        await _send(stand.url, assignment, range(10, assignment.trials), findings, sent)
        await stand.until(lambda: not stand.gateway.board.jobs(), _PATIENCE)
        after = await _tasks()
        for name, number in (after - before).items():
            findings.breach(f"{number} more tasks: {name}")
        findings.measure("tasks more than at the start", (after - before).total())
        for crash in stand.crashes:
            findings.breach(f"a fault of ours: {crash}")
    return findings


async def _tasks() -> Counter[str]:
    """What runs in the loop, by name of its coroutine, once it is quiet."""
    await _CLOCK.sleep(0.5)
    return Counter(str(task.get_coro()).split(" at ")[0] for task in asyncio.all_tasks())


PROOFS: tuple[Proof, ...] = (
    Proof(
        promise="R19",
        name="leaks",
        sentence="After a long day of everything, memory, files and rows are as they should be.",
        light=240,
        full=20_000,
        run=_run,
        part=20_000,  # one process that lives long
        goals={
            "memory grown, bytes": f"≤ {_GROWTH:,}",
            "descriptors more than at the start": f"± {_DESCRIPTORS}",
            "temporary files left": "0",
        },
    ),
    Proof(
        promise="R19",
        name="tasks",
        sentence="No task of the loop outlives what it was made for.",
        light=80,
        full=2_000,
        run=_run_tasks,
        part=2_000,
        goals={"tasks more than at the start": "0"},
    ),
)
