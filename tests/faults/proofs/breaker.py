"""R10: while the vendor takes no creates, callers are told at once, and it is left alone.

Owns: a vendor that refuses connections and comes back, and what callers then see. Must not know:
how the breaker counts.
"""

import asyncio
from collections.abc import Sequence

from gateway.clock import SystemClock
from gateway.events import CreateSent
from tests.e2e.stand import Stand, standing
from tests.faults.asking import SERVED, End, Hasty, asking, generated, misshapen
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.proxy import Proxy, proxying

PAUSE = 2.0
_LEAST = 10
_CROWD = 24
_QUICK = 0.5
_PROBE = 3.0
_UPSTREAM = {
    "connect_time": 1.0,
    "create_time": 1.5,
    "polling": {"scale": 0.02},
    "deadlines": {"tier_1k": 20},
    "breaker": {"share": 0.5, "least": _LEAST, "window": 30, "pause": PAUSE},
}
_CLOCK = SystemClock()


async def _run(assignment: Assignment) -> Findings:
    findings = Findings()
    for number in range(assignment.first, assignment.first + assignment.trials):
        folder = assignment.folder / str(number)
        folder.mkdir()
        async with proxying(seed=assignment.seed) as proxy:
            upstream = {**_UPSTREAM, "base_url": proxy.url}
            async with standing(folder, upstream=upstream) as stand, asking(stand.url) as client:
                proxy.target = stand.vendor_url.removeprefix("http://")
                trial = _Trial(number, stand, proxy, client, findings)
                await trial.run()
        assignment.tell(f"trial {number}")
    return findings


class _Trial:
    """The vendor goes, and comes back."""

    def __init__(
        self, number: int, stand: Stand, proxy: Proxy, client: Hasty, findings: Findings
    ) -> None:
        self._number = number
        self._stand = stand
        self._proxy = proxy
        self._client = client
        self._findings = findings

    async def run(self) -> None:
        self._findings.count("trials")
        await self._served(3, "before")
        await self._proxy.refuse()
        await self._crowd(_CROWD, "failing")
        await self._told_at_once()
        await self._proxy.open()
        await self._recovers()
        await self._served(10, "after")
        book = self._stand.simulator.vendor.book.purchases_made(1_000)
        if book["bought_twice"]:
            self._breach(f"bought twice: {book['bought_twice']}")

    async def _told_at_once(self) -> None:
        """With the breaker open nothing is sent, and callers do not wait to hear it."""
        sent = len(self._stand.events(CreateSent))
        ends = await self._crowd(10, "open")
        for end in ends:
            self._findings.count(f"while open {end.word}")
            self._findings.measure("slowest refusal while open, seconds", end.seconds)
            retry_after = end.headers.get("retry-after", "")
            if end.status != 503 or not retry_after.isdigit() or int(retry_after) > 60:
                self._breach(f"while open: {end.status} {end.word}, retry-after {retry_after!r}")
            if end.seconds > _QUICK:
                self._breach(f"while open: told after {end.seconds:.1f} s")
        if len(self._stand.events(CreateSent)) != sent:
            self._breach("while open: a create was sent")

    async def _recovers(self) -> None:
        """Within the pause and one probe all are served again."""
        start = _CLOCK.monotonic()
        while True:
            (end,) = await self._crowd(1, "recovering")
            seconds = _CLOCK.monotonic() - start
            if end.word == SERVED:
                break
            if seconds > PAUSE + _PROBE:
                self._breach(f"not served {seconds:.1f} s after the vendor's return: {end.word}")
                return
            await _CLOCK.sleep(0.1)
        self._findings.measure("served again after the vendor's return, seconds", seconds)

    async def _served(self, count: int, when: str) -> None:
        for end in await self._crowd(count, when):
            if end.word != SERVED:
                self._breach(f"{when}: {end.word} ({end.status})")

    async def _crowd(self, count: int, when: str) -> Sequence[End]:
        """So many at once, each with a wish of its own; every answer must be in form."""
        prompts = (f"{when} {place} of {self._number}" for place in range(count))
        ends = await asyncio.gather(*(generated(self._client, prompt) for prompt in prompts))
        for end in ends:
            if wrong := await misshapen(end):
                self._breach(f"{when}: {wrong}")
        return ends

    def _breach(self, sentence: str) -> None:
        self._findings.breach(f"breaker, trial {self._number}, {sentence}")


PROOFS: tuple[Proof, ...] = (
    Proof(
        promise="R10",
        name="breaker",
        sentence="A vendor that takes no creates is left alone, and found again when it does.",
        light=1,
        full=20,
        run=_run,
        part=5,
        goals={
            "slowest refusal while open, seconds": "≤ 0.5",
            "served again after the vendor's return, seconds": f"≤ {PAUSE + _PROBE:g}",
        },
    ),
)
