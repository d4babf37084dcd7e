"""R9: ten times as much as can be served is offered; what can be is served, the rest told quickly.

What can be served is measured first: the vendor takes a known time over a task and has a known
number of them at once, and a few more callers than that ask on and on. Then requests come at ten
times that rate, whoever is answered or not. All ratios are between figures of one run. Callers,
gateway and vendor share the machine; what each cost is told.
"""

import asyncio
import os
import resource
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.accounts import settle
from tests.faults.lines import Answer, Lines
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import Supervisor, clock, supervising
from tests.faults.users import Reply
from tests.faults.wishes import Wish

_TIMES = 10
_FEW = 10  # trials (seconds), up to which it is a light run: nothing about times is asserted
_MOST, _SECONDS = 8, 0.3  # the vendor: tasks at once, and what it takes over each
_WAITING, _WAITING_LIGHT = 40, 12  # requests that may queue
_LEAST_GOODPUT, _SLOWEST_REFUSAL, _LONGEST_RECOVERY = 0.95, 0.1, 5.0
_NORMAL = 3  # requests, one after another, by which is known what is usual
_UNUSUAL = 2.0  # times the longest of them
_SHARE = 0.3  # of the time, for measuring what can be served
_STEP = 0.01


@dataclass(slots=True)
class _Run:
    """Everything that was asked, with what was answered and when (monotonic)."""

    supervisor: Supervisor
    lines: Lines
    wishes: list[Wish] = field(default_factory=list)
    ends: list[tuple[float, Wish, Answer]] = field(default_factory=list)

    async def ask(self) -> Answer:
        wish = Wish(f"wish {len(self.wishes)}", _SECONDS)
        self.wishes.append(wish)
        try:
            answer = await self.lines.ask(wish)
        except (OSError, asyncio.IncompleteReadError):
            return Answer(0, {}, b"", 0.0)  # it is missed in the end
        self.ends.append((clock.monotonic(), wish, answer))
        return answer

    def answers(self, begin: float, end: float) -> list[Answer]:
        """Those that were given within a time."""
        return [answer for at, _, answer in self.ends if begin <= at < end]


async def overload(assignment: Assignment) -> Findings:
    """Trials are seconds of overload."""
    findings = Findings()
    upstream = {"max_tasks": _MOST, "polling": {"scale": 0.05}}
    timed = assignment.trials > _FEW
    waiting = _WAITING if timed else _WAITING_LIGHT
    queue = {"requests": waiting, "time": 20}
    async with supervising(assignment.folder, upstream=upstream, queue=queue) as supervisor:
        await supervisor.start_ready(warm=not timed)
        await supervisor.vendor.takes(_SECONDS)
        run = _Run(supervisor, Lines(supervisor.url))
        usual = max([(await run.ask()).seconds for _ in range(_NORMAL)])
        knee = await _knee(run, _MOST + waiting // 2, _SHARE * assignment.trials)
        assignment.tell(f"{knee:.1f} a second can be served")
        begun = clock.monotonic()
        spent = _spent(supervisor)
        async with asyncio.TaskGroup() as group:
            await _flood(run, group, knee * _TIMES, assignment.trials)
            end = clock.monotonic()
            _costs(findings, supervisor, spent, end - begun)
            recovered = await _recovery(run, usual) - end
        run.lines.hang_up()
        during = run.answers(begun, end)
        goodput = sum(answer.served for answer in during) / (end - begun)
        _told(findings, run, knee, goodput, recovered)
        slowest = _refusals(findings, run, begun, end)
        await _money(findings, run)
    if timed:
        _judge(findings, goodput / knee, slowest, recovered)
    return findings


async def _knee(run: _Run, callers: int, seconds: float) -> float:
    """Answers a second, where there are always some more waiting than can be served at once."""
    over = False

    async def one() -> None:
        while not over:
            await run.ask()

    async with asyncio.TaskGroup() as users:
        for _ in range(callers):
            users.create_task(one())
        await clock.sleep(min(1.0, seconds))  # until the queue is as it will be
        begun = clock.monotonic()
        await clock.sleep(seconds)
        end = clock.monotonic()
        over = True
    return sum(answer.served for answer in run.answers(begun, end)) / (end - begun)


async def _flood(run: _Run, group: asyncio.TaskGroup, rate: float, seconds: float) -> None:
    """So many a second, however the gateway is getting on with them."""
    begun = clock.monotonic()
    sent = 0
    while (passed := clock.monotonic() - begun) < seconds:
        for _ in range(int(passed * rate) - sent):
            group.create_task(run.ask())
            sent += 1
        await clock.sleep(_STEP)


async def _recovery(run: _Run, usual: float) -> float:
    """When one request alone is served as quickly as is usual; asked as the hints say."""
    while True:
        answer = await run.ask()
        if answer.served and answer.seconds <= usual * _UNUSUAL:
            return clock.monotonic()
        if not answer.served:
            await clock.sleep(min(answer.hint, 1))


def _told(findings: Findings, run: _Run, knee: float, goodput: float, recovered: float) -> None:
    findings.measure("knee, answers a second", knee)
    findings.measure("goodput under overload, answers a second", goodput)
    findings.measure("goodput, share of the knee", goodput / knee)
    findings.measure("seconds until all was as usual", recovered)
    findings.count("requests", len(run.wishes))
    if len(run.ends) != len(run.wishes):
        findings.breach(f"{len(run.wishes) - len(run.ends)} requests were not answered")


def _refusals(findings: Findings, run: _Run, begin: float, end: float) -> float:
    """What is wrong with any; gives the 99th percentile of their seconds."""
    refused = [answer for _, _, answer in run.ends if not answer.served]
    wrong = Counter(said for answer in refused if (said := answer.wrong_refusal()) is not None)
    for said, times in wrong.items():
        findings.breach(f"{times} times: {said}")
    during = sorted(one.seconds for one in run.answers(begin, end) if not one.served)
    findings.count("refused", len(refused))
    if not during:
        findings.breach("nobody was refused: nothing was tried")
        return 0.0
    for share in (50, 99, 100):
        place = min(len(during) - 1, len(during) * share // 100)
        findings.measure(f"seconds to a refusal, p{share}", during[place])
    hints = [answer.hint for answer in refused]
    findings.measure("longest retry-after", max(hints))
    # Who was let in last waits as long as who was refused would have: so long the hints should be.
    served = [one.seconds for one in run.answers(begin, end) if one.served]
    findings.measure("longest wait of who was served", max(served, default=0.0))
    return during[min(len(during) - 1, len(during) * 99 // 100)]


def _judge(findings: Findings, share: float, slowest: float, recovered: float) -> None:
    if share < _LEAST_GOODPUT:
        findings.breach(f"under overload {share:.0%} were served of what can be")
    if slowest > _SLOWEST_REFUSAL:
        findings.breach(f"one refusal in a hundred took {slowest * 1000:.0f} ms or more")
    if recovered > _LONGEST_RECOVERY:
        findings.breach(f"all was as usual again after {recovered:.1f} s")


async def _money(findings: Findings, run: _Run) -> None:
    """Whoever was refused, for him nothing was bought; whoever was served, once."""
    replies = [
        Reply(wish, answer.seconds, digest="served")
        if answer.served
        else Reply(wish, answer.seconds, error=f"{answer.status}")
        for _, wish, answer in run.ends
    ]
    await settle(findings, run.supervisor, replies, run.wishes)
    served = {wish.sha256 for _, wish, answer in run.ends if answer.served}
    bought = {purchase.wish for purchase in await run.supervisor.vendor.purchases()}
    findings.count("bought for who was refused", len(bought - served))
    for wish in run.wishes:
        if wish.sha256 in bought - served:
            findings.breach(f"{wish.name} was refused, and bought")


def _spent(supervisor: Supervisor) -> Sequence[float]:
    """Processor seconds so far: of the callers, of the gateway."""
    mine = resource.getrusage(resource.RUSAGE_SELF)
    stat = Path(f"/proc/{supervisor.process.pid}/stat").read_text("utf-8").rpartition(")")[2]
    theirs = sum(int(ticks) for ticks in stat.split()[11:13]) / os.sysconf("SC_CLK_TCK")
    return mine.ru_utime + mine.ru_stime, theirs


def _costs(
    findings: Findings, supervisor: Supervisor, before: Sequence[float], seconds: float
) -> None:
    for who, was, now in zip(("callers", "gateway"), before, _spent(supervisor), strict=True):
        findings.measure(f"share of a processor, {who}", (now - was) / seconds)
    findings.measure("machine's load", os.getloadavg()[0])


PROOFS = (
    Proof(
        "R9",
        "overload",
        "Offered ten times what it can serve, the gateway serves that, and refuses the rest.",
        light=1,
        full=60,
        run=overload,
        part=60,
        goals={
            "bought for who was refused": "0",
            "goodput, share of the knee": "≥ 0.95",
            "seconds to a refusal, p99": "≤ 0.1",
            "seconds until all was as usual": "≤ 5",
        },
    ),
)
