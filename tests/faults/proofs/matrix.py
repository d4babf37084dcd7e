"""R10: whatever goes wrong at the vendor is mapped, bounded, and never bought again.

Owns: one trial of one fault through the real gateway on real sockets, and what is counted. Must
not know: which faults there are (``vendor_faults.py``).
"""

import asyncio
import contextlib
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import httpx

from gateway.clock import SystemClock
from gateway.events import Created, NotSent, PollFailed
from tests.e2e.pictures import drawn_png
from tests.e2e.stand import Stand, standing
from tests.faults.asking import (
    DEFAULT_RETRIES,
    SERVED,
    End,
    Hasty,
    asking,
    edited,
    generated,
    misshapen,
)
from tests.faults.certificates import Certificates, certificates
from tests.faults.drawings import all_alike
from tests.faults.names import Names, naming
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.proxy import Proxy, proxying
from tests.faults.vendor_faults import CASES, TOO_LATE, Case, Faults

# Between two attempts of whatever is repeated at whole seconds, so that none is under way then.
DEADLINE = 7.5
SLACK = 1.0
_AT_ONCE = 20
_WEDGED = 60.0
# Of deadlines as short as these a busy machine may miss some: answered in form and in time, but
# not with what was meant.
_LATE_SHARE = 0.05
_IMAGES = {"result": 4_000_000}
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class _Props:
    """What all scenes share."""

    names: Names
    certificates: Certificates
    caller: Hasty
    seed: int
    findings: Findings
    late: list[str]


@dataclass(slots=True)
class Scene:
    """A gateway of its own behind a proxy of its own, for one kind of fault."""

    case: Case
    host: str
    stand: Stand
    proxy: Proxy
    props: _Props

    def client(self, retries: int) -> Hasty:
        """The SDK at this gateway; all scenes share its connections."""
        return self.props.caller.copy(base_url=f"{self.stand.url}/v1", max_retries=retries)

    def counts(self) -> Counter[str]:
        """What has met a fault so far, by what brought it about."""
        return Counter(
            {
                **{f"proxy {kind}": struck for kind, struck in self.proxy.struck.items()},
                "names": self.props.names.struck[self.host],
                "door": len(self.stand.events(NotSent)) + len(self.stand.events(PollFailed)),
                "tls": self.proxy.handshakes_failed,
            }
        )

    async def heal(self) -> None:
        """Everything is well again."""
        self.props.names.trouble.pop(self.host, None)
        self.proxy.tls = self.props.certificates.good if self.proxy.tls else None
        self.proxy.script()
        await self.proxy.open()
        self.stand.vendor_fails()
        self.stand.vendor_is(repeated_business_id="accept")

    async def break_down(self, faults: Faults) -> None:
        """Bring about what names, the door or the certificate do; for as long as it lasts."""
        if faults.from_task:
            known = len(self.stand.events(Created))
            await self.stand.until(lambda: len(self.stand.events(Created)) > known)
        if faults.names is not None:
            self.props.names.trouble[self.host] = faults.names
        if faults.door == "refused":
            await self.proxy.refuse()
        elif faults.door == "clogged":
            await self.proxy.clog()
        if faults.lasting is not None:
            await _CLOCK.sleep(faults.lasting)
            self.props.names.trouble.pop(self.host, None)
            await self.proxy.open()


async def _run(assignment: Assignment) -> Findings:
    findings = Findings()
    numbers = range(assignment.first, assignment.first + assignment.trials)
    by_case = [[n for n in numbers if n % len(CASES) == place] for place in range(len(CASES))]
    kept = assignment.folder / "certificates"
    kept.mkdir()
    made = await asyncio.to_thread(certificates, kept)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def tried(place: int, case: Case) -> None:
        async with slots, _scene(case, place, assignment.folder, props) as scene:
            for number in by_case[place]:
                await trial(scene, number)
                assignment.tell(f"{case.name}, trial {number}")

    trusting = patch.object(httpx, "create_ssl_context", lambda **_: made.trusting)
    async with asking("http://nowhere.test") as caller:
        with naming() as names, trusting, all_alike():
            props = _Props(names, made, caller, assignment.seed, findings, [])
            # Those that take long first, so that none of them is waited for alone.
            order = sorted(range(len(CASES)), key=lambda place: SERVED in CASES[place].may)
            await asyncio.gather(*(tried(place, CASES[place]) for place in order if by_case[place]))
    findings.count("ended by the deadline, unmeant", len(props.late))
    if len(props.late) > assignment.trials * _LATE_SHARE:
        findings.breach(f"too many were not served before their deadline: {props.late}")
    return findings


@asynccontextmanager
async def _scene(case: Case, place: int, folder: Path, props: _Props) -> AsyncIterator[Scene]:
    host = f"fault{place}.vendor.test"
    faults = case.make(random.Random(0))  # noqa: S311 - only looked at
    # A vendor with a name is believed with a certificate alone; the rest needs neither.
    named = faults.tls is not None or faults.names is not None
    home = folder / case.name
    home.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(proxying(seed=props.seed))
        proxy.tls = props.certificates.good if named else None
        base_url = f"https://{host}:{proxy.port}" if named else proxy.url
        stand = await stack.enter_async_context(
            standing(home, pace=case.pace, upstream=_hasty(base_url, case.pace), images=_IMAGES)
        )
        proxy.target = stand.vendor_url.removeprefix("http://")
        stand.simulator.vendor._public_url = base_url
        yield Scene(case, host, stand, proxy, props)
        await stand.until(lambda: not stand.spooled())
        for crash in stand.crashes:
            props.findings.breach(f"{case.name}: a fault of ours: {crash}")


def _hasty(base_url: str, pace: float) -> dict[str, object]:
    """The vendor's section with every time-out scaled down; the breaker has a proof of its own."""
    return {
        "balance_interval": 0,  # each call through the proxy is one of the trial's
        "base_url": base_url,
        "connect_time": 0.7,
        "create_time": 1.5,
        "status_time": 0.8,
        "upload_time": 1.0,
        "download_time": 1.5,
        "settle_time": 2.5 * pace,
        "answer_bytes": 1_000_000,
        "polling": {"scale": min(10.0, 0.02 * pace)},
        "deadlines": {"tier_1k": 2 * DEADLINE * pace},
        "breaker": {"least": 1_000_000},
    }


def retries_of(number: int) -> int:
    """The SDK's own repetitions in half of all trials, and in half of each fault's."""
    return DEFAULT_RETRIES if (number % len(CASES) + number // len(CASES)) % 2 else 0


async def trial(scene: Scene, number: int) -> None:
    """Bring a fault about, wish, heal, wish again; judge all of it."""
    findings, case = scene.props.findings, scene.case
    faults = case.make(random.Random(f"{scene.props.seed}/{number}"))  # noqa: S311 - repeatable
    retries = retries_of(number)
    where = f"{case.name}, trial {number}, {retries} retries"
    before, answered = scene.counts(), len(scene.stand.requests)
    scene.stand.vendor_is(**faults.settings)
    scene.stand.vendor_fails(*faults.vendor)
    scene.proxy.script(*faults.proxy)
    if faults.tls is not None:
        scene.proxy.tls = getattr(scene.props.certificates, faults.tls)
    prompt = f"{where}, a lighthouse in fog"
    breaking = asyncio.create_task(scene.break_down(faults))
    try:
        async with asyncio.timeout(_WEDGED):
            if not faults.from_task and faults.lasting is None:
                await breaking
            end = await _wished(scene, prompt, retries, number)
        struck = scene.counts() - before
        lines = scene.stand.simulator.vendor.script.report()
    except TimeoutError:
        findings.breach(f"{where}: no answer within {_WEDGED:.0f} s")
        return
    finally:
        breaking.cancel()
        await asyncio.gather(breaking, return_exceptions=True)
        await scene.heal()
    findings.count("trials")
    findings.count(f"ended {end.word}")
    for wrong in (*_unstruck(faults, struck, lines), *await _judged(scene, prompt, end)):
        findings.breach(f"{where}: {wrong}")
    for late in _late(scene, answered):
        findings.breach(f"{where}: {late}")
    await _serves_again(scene, where)


async def _wished(scene: Scene, prompt: str, retries: int, number: int) -> End:
    client = scene.client(retries)
    if scene.case.edits:
        size = (64 + number % 97, 64 + number // 97)  # one that was never uploaded before
        picture = await asyncio.to_thread(drawn_png, size)
        return await edited(client, prompt, picture)
    form = ("png", "jpeg")[number // 2 % 2]
    return await generated(client, prompt, scene.case.n, output_format=form)


def _unstruck(
    faults: Faults, struck: Counter[str], lines: Iterable[dict[str, object]]
) -> list[str]:
    """What was meant to happen and did not, so that the trial proves nothing."""
    wanted = {f"proxy {mishap.kind}" for mishap in faults.proxy}
    wanted |= {"names"} if faults.names is not None else set()
    wanted |= {"door"} if faults.door is not None else set()
    wanted |= {"tls"} if faults.tls is not None else set()
    idle = [str(line["kind"]) for line in lines if not line["struck"]]
    missed = [*idle, *(name for name in sorted(wanted) if not struck[name])]
    if not faults.vendor and not wanted:
        missed.append("anything")
    return [f"the fault did not strike: {name}" for name in missed]


async def _judged(scene: Scene, prompt: str, end: End) -> list[str]:
    """What is wrong with how the wish ended."""
    findings, case = scene.props.findings, scene.case
    wrong = []
    if shape := await misshapen(end, case.n, (scene.stand.vendor_url, str(scene.stand.folder))):
        wrong.append(shape)
        findings.count("misshapen")
    if end.word in TOO_LATE - case.may:
        scene.props.late.append(prompt)
    elif end.word not in case.may:
        wrong.append(f"ended as {end.word} ({end.status}), not as {sorted(case.may)}")
    bought = purchases(scene.stand, prompt)
    findings.count("purchases", bought)
    if bought > 1:
        wrong.append(f"bought {bought} times")
        findings.count("doubles")
    if bought and end.word != SERVED and not end.names_the_task:
        wrong.append(f"bought, which {end.word} does not tell")
        findings.count("bought and not told")
    return wrong


def purchases(stand: Stand, prompt: str) -> int:
    """How often the vendor sold for this wish."""
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    tasks: object = stand.simulator.vendor.book.purchases_made(1_000_000)["tasks"]
    assert isinstance(tasks, list)
    return sum(task["prompt_sha256"] == digest for task in tasks)


def _late(scene: Scene, answered: int) -> list[str]:
    """Every answer since then that came after its deadline and a second."""
    pace, findings = scene.case.pace, scene.props.findings
    seconds = [request.duration / pace for request in scene.stand.requests[answered:]]
    findings.count("answers", len(seconds))
    for one in seconds:
        findings.measure("slowest answer, seconds", one)
    return [f"answered after {one:.1f} s" for one in seconds if one > DEADLINE + SLACK]


async def _serves_again(scene: Scene, where: str) -> None:
    """Nothing of the fault is left: the next wish is served, on the same gateway."""
    findings = scene.props.findings
    prompt = f"after {where}"
    try:
        async with asyncio.timeout(_WEDGED):
            end = await generated(scene.client(0), prompt)
    except TimeoutError:
        findings.breach(f"{where}: wedged afterwards")
        return
    wrong = await misshapen(end)
    if end.word != SERVED or wrong or purchases(scene.stand, prompt) != 1:
        findings.breach(f"{where}: afterwards {end.word} ({wrong}), not served")
    findings.count("served afterwards", end.word == SERVED)
    findings.measure("slowest afterwards, seconds", end.seconds)


PROOFS: tuple[Proof, ...] = (
    Proof(
        promise="R10",
        name="matrix",
        sentence="Whatever the vendor does wrong is answered in time and in form, and bought once.",
        light=len(CASES),
        full=20 * len(CASES),
        run=_run,
        part=5 * len(CASES),
        goals={
            "doubles": "0",
            "misshapen": "0",
            "slowest answer, seconds": f"≤ {DEADLINE + SLACK:g}",
        },
    ),
)
