"""R14: with the ledger's disk full nothing is bought that is not written, and what runs is served.

Owns: filling the disk under load, and the comparison of ledger and vendor while it is full and
after. Must not know: how the ledger copes.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from tests.faults.asking import SERVED, End, Hasty, asking, generated, misshapen
from tests.faults.processes import Program, Vendor, serving, simulating
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.smalldisk import Ledger, SmallDisk, small_disk

_RUNNING = 6
_TASK = 2.5
_TRIES = 12
_PATIENCE = 20.0
_REFUSED = "journal_unavailable"
_NO_ROOM = "storage_full"
_LEDGER = "state.db"
# Room for the ledger and its ballast; where the shelf lies there too, for what running tasks
# have reserved.
_SMALL, _LESS_SMALL = "4m", "48m"
_SCRIPT = [{"where": "create", "kind": "slow", "match": "slow;", "seconds": _TASK, "times": None}]
_CLOCK = SystemClock()


async def _run(assignment: Assignment) -> Findings:
    findings = Findings()
    for number in range(assignment.first, assignment.first + assignment.trials):
        folder = assignment.folder / str(number)
        folder.mkdir()
        # In every other trial the pictures lie on the same disk.
        shared = bool(number % 2)
        disk = await small_disk(folder / "small", _LESS_SMALL if shared else _SMALL)
        shelf = disk.path / "images" if shared else folder / "images"
        async with simulating(folder) as vendor:
            await vendor.told("faults", _SCRIPT)
            async with (
                serving(
                    folder,
                    vendor,
                    within=disk.within,
                    state={"url": f"sqlite:///{disk.path / _LEDGER}"},
                    images={"folder": str(shelf)},
                ) as gateway,
                asking(gateway.url) as client,
            ):
                trial = _Trial(number, shared, disk, vendor, gateway, client, findings)
                await trial.run()
        _hold_mounts(disk.path, findings)
        assignment.tell(f"trial {number}")
    return findings


@dataclass(slots=True)
class _Trial:
    """One disk, filled once."""

    number: int
    shared: bool
    disk: SmallDisk
    vendor: Vendor
    gateway: Program
    client: Hasty
    findings: Findings

    async def run(self) -> None:
        await self._hold_served("before", [await self._wish("before")])
        prompts = [f"slow; {place}" for place in range(_RUNNING)]
        running = [asyncio.create_task(self._wish(prompt)) for prompt in prompts]
        await self._until_bought(1 + _RUNNING)
        async with self.disk.full(self.gateway.child.pid):
            await self._refuses()
            self._hold_rows("while full", await self._bought(), await self._ledger())
            if not self.shared:
                await self._hold_served("while full", await asyncio.gather(*running))
        if self.shared:
            await self._hold_served("running", await asyncio.gather(*running))
        await self._recovers()
        await self._hold_books()
        self.findings.count("trials")

    async def _refuses(self) -> None:
        """New wishes, on a full disk: refused, or else written somehow before they were bought."""
        refused = 0
        for place in range(_TRIES):
            end = await self._wish(f"new {place}")
            self.findings.count(f"while full, new: {end.word}")
            allowed = {_REFUSED, SERVED, *([_NO_ROOM] if self.shared else [])}
            if end.word not in allowed or (end.word != SERVED and end.status != 503):
                self._breach(f"while full: {end.word} ({end.status})")
            if wrong := await misshapen(end):
                self._breach(f"while full: {wrong}")
            refused += end.word in {_REFUSED, _NO_ROOM}
        if not refused:
            self._breach("the disk was full, and nothing was refused: nothing proven")

    async def _recovers(self) -> None:
        """With room again new wishes are served, by the same process."""
        start = _CLOCK.monotonic()
        place = 0
        while (end := await self._wish(f"recovering {place}")).word != SERVED:
            place += 1
            if _CLOCK.monotonic() - start > _PATIENCE:
                self._breach(f"not served {_PATIENCE:.0f} s after there was room: {end.text[:200]}")
                return
            await _CLOCK.sleep(0.2)
        self.findings.measure("recovered after, seconds", _CLOCK.monotonic() - start)
        await self._hold_served("after", [await self._wish(f"after {one}") for one in range(2)])
        if self.gateway.child.returncode is not None:
            self._breach("the process has ended")

    async def _hold_books(self) -> None:
        """In the end ledger and vendor say the same, and SQLite finds no fault."""
        ledger = await self._ledger()
        async with asyncio.timeout(_PATIENCE):
            while ledger.open_jobs:
                await _CLOCK.sleep(0.2)
                ledger = await self._ledger()
        bought = await self._bought()
        self._hold_rows("in the end", bought, ledger)
        for task in bought:
            state, upstream_id = ledger.tasks.get(task["client_business_id"], ("missing", None))
            if (state, upstream_id) != ("done", task["id"]):
                self._breach(f"in the end {task['id']} is {state} as {upstream_id}")
        if ledger.integrity != "ok":
            self._breach(f"integrity_check says {ledger.integrity}")
        self.findings.count("integrity ok", ledger.integrity == "ok")
        wishes = Counter(task["prompt_sha256"] for task in bought)
        self.findings.count("purchases", len(bought))
        self.findings.count("doubles", len(bought) - len(wishes))
        if len(bought) != len(wishes):
            self._breach(f"{len(bought)} purchases for {len(wishes)} wishes")

    def _hold_rows(self, when: str, bought: list[Any], ledger: Ledger) -> None:
        """Nothing was bought that is not written; what was bought was asked for before."""
        unwritten = [one for one in bought if one["client_business_id"] not in ledger.tasks]
        self.findings.count("purchases without a row", len(unwritten))
        for task in unwritten:
            self._breach(f"{when}: {task['id']} was bought and is not in the ledger")

    async def _hold_served(self, when: str, ends: list[End]) -> None:
        for end in ends:
            wrong = await misshapen(end)
            self.findings.count(f"{when}: {end.word}")
            if end.word != SERVED or wrong:
                self._breach(f"{when}: {end.word} ({end.status}) {wrong or ''}")

    async def _wish(self, prompt: str) -> End:
        return await generated(self.client, f"{prompt} of {self.number}")

    async def _bought(self) -> list[Any]:
        book = await self.vendor.told("purchases?tasks=100000")
        tasks: list[Any] = book["tasks"]
        return tasks

    async def _until_bought(self, count: int) -> None:
        async with asyncio.timeout(_PATIENCE):
            while len(await self._bought()) < count:
                await _CLOCK.sleep(0.02)

    async def _ledger(self) -> Ledger:
        return await self.disk.ledger(self.gateway.child.pid, _LEDGER)

    def _breach(self, sentence: str) -> None:
        shelf = "shelf on the same disk" if self.shared else "shelf elsewhere"
        self.findings.breach(f"trial {self.number} ({shelf}): {sentence}")


def _hold_mounts(path: Path, findings: Findings) -> None:
    """The disk went with the process."""
    mounts = Path("/proc/self/mounts").read_text("utf-8")
    if str(path) in mounts or any(path.iterdir()):
        findings.breach(f"{path} is still mounted, or was never")


PROOFS: tuple[Proof, ...] = (
    Proof(
        promise="R14",
        name="disk_full",
        sentence="On a full disk nothing is bought unwritten, and what was bought is served.",
        light=1,
        full=20,
        run=_run,
        part=5,
        goals={"purchases without a row": "0", "doubles": "0", "integrity ok": "= trials"},
    ),
)
