"""R21: the configuration changes under load, is in force at once or refused, and nobody notices.

Owns: what is changed, in which ways, and what must be true after each change. Must not know: how
the gateway finds out.
"""

import asyncio
import json
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.faults.accounts import settle, unanswered
from tests.faults.load import Crowd, loading
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import KEY, Supervisor, clock, supervising
from tests.faults.users import Reply, using
from tests.faults.wishes import Wish

GUEST = "a-guest-whose-key-comes-and-goes"
_CROWD = Crowd(users=4, seconds=(0.3, 0.6), pause=0.3)
_PATIENCE = 15.0
_STEP = 0.01
_EVERY_FIFTH = 5  # is broken
_BROKEN = ("bad YAML", "an unknown name", "a missing variable")


@dataclass(frozen=True, slots=True)
class Terms:
    """What one configuration says: a name for the model that no other gives, and whether the guest
    is among the keys.
    """

    alias: str
    guest: bool
    limit: int = 1_000_000

    def sections(self, base: dict[str, Any]) -> dict[str, Any]:
        limits = {"requests_per_minute": self.limit, "requests_burst": self.limit}
        keys = [{"name": "studio", "key": KEY, "limits": limits}]
        if self.guest:
            keys.append({"name": "guest", "key": GUEST})
        return {**base, "keys": keys, "models": {"gpt-image-2": {"aliases": [self.alias]}}}


class Tail:
    """What a growing log has said since the last look, as lines of some events."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0

    def more(self) -> list[dict[str, Any]]:
        with self._log.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        lines = (json.loads(line) for line in whole.splitlines() if b'"config_re' in line)
        return [line for line in lines if line["event"].startswith("config_re")]


@dataclass(slots=True)
class Scene:
    """One gateway through all its configurations; ``terms`` are those that must be in force."""

    supervisor: Supervisor
    client: httpx.AsyncClient
    findings: Findings
    seed: int
    base: dict[str, Any]
    tail: Tail
    terms: Terms
    said: list[str] = field(default_factory=list)
    guests: list[asyncio.Task[Reply]] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)

    async def status(self, path: str, key: str = KEY) -> int:
        headers = {"authorization": f"Bearer {key}"}
        return (await self.client.get(path, headers=headers)).status_code

    async def knows(self, terms: Terms) -> bool:
        return await self.status(f"/v1/models/{terms.alias}") == 200

    def listen(self) -> list[str]:
        """Which events of reloading were told, in all."""
        self.said += [line["event"] for line in self.tail.more()]
        return self.said

    def refusals(self) -> int:
        """How many configurations were refused so far."""
        return self.listen().count("config_refused")


async def reloads(assignment: Assignment) -> Findings:
    """By turns by a signal and by the file alone; every fifth configuration is broken."""
    findings, folder = Findings(), assignment.folder
    async with (
        supervising(folder) as supervisor,
        httpx.AsyncClient(base_url=supervisor.url, trust_env=False, timeout=_PATIENCE) as client,
    ):
        config = folder / "config.yaml"
        base, terms = json.loads(config.read_text("utf-8")), Terms("name-at-first", guest=True)
        config.write_text(json.dumps(terms.sections(base)), "utf-8")
        await supervisor.start_ready()
        tail = Tail(supervisor.process.log)
        scene = Scene(supervisor, client, findings, assignment.seed, base, tail, terms)
        async with loading(supervisor, _CROWD, f"{assignment.seed}/{assignment.first}") as load:
            for number in range(assignment.first, assignment.first + assignment.trials):
                await _trial(scene, number)
                assignment.tell(f"{number + 1} reloads, {len(load.replies)} users told")
        guests = await asyncio.gather(*scene.guests)
        replies, wishes = [*load.replies, *guests], [*load.wishes, *scene.wishes]
        unanswered(findings, replies)
        await settle(findings, supervisor, replies, wishes)
        _count(scene, len(wishes))
    return findings


def _count(scene: Scene, wishes: int) -> None:
    """Each configuration was told of once, and each wish was bought once."""
    findings, said = scene.findings, scene.listen()
    for event, kind in (("config_reloaded", "in force"), ("config_refused", "refused")):
        if said.count(event) != findings.counts.get(kind, 0):
            findings.breach(f"{event} was told {said.count(event)} times; see {findings.counts}")
    if findings.counts["purchases"] != wishes:
        findings.breach(f"{findings.counts['purchases']} purchases for {wishes} wishes")


async def _trial(scene: Scene, number: int) -> None:
    dice = random.Random(f"{scene.seed}/{number}")  # noqa: S311 - repeatable on purpose
    broken = number % _EVERY_FIFTH == _EVERY_FIFTH // 2
    terms = Terms(f"name-{number}", dice.random() < 1 / 2, dice.randrange(100_000, 1_000_000))
    way = "signal" if number % 2 == 0 else "file"
    where = f"reload {number}, by {way}"
    if scene.terms.guest and not terms.guest:
        await _visit(scene, number)
    text = json.dumps(terms.sections(scene.base), indent=1)
    if broken:
        kind = _BROKEN[number // _EVERY_FIFTH % len(_BROKEN)]
        text, where = _spoiled(text, kind), f"{where}, {kind}"
    refusals = scene.refusals()
    _write(scene.supervisor.folder / "config.yaml", text, by_rename=dice.random() < 1 / 2)
    begun = clock.monotonic()
    if way == "signal":
        scene.supervisor.process.send(signal.SIGHUP)
    if await (_refused(scene, refusals) if broken else _in_force(scene, terms)):
        scene.findings.count("refused" if broken else "in force")
    else:
        scene.findings.breach(f"{where}: nothing came of it in {_PATIENCE:g} s")
    scene.findings.measure(f"seconds, by {way}", clock.monotonic() - begun)
    scene.findings.count(f"by {way}")
    if not broken:
        scene.terms, before = terms, scene.terms
        await _hold(scene, where, gone=before)
    else:
        await _hold(scene, where, gone=terms)


def _spoiled(text: str, kind: str) -> str:
    """The same configuration with one fault."""
    if kind == "bad YAML":
        return text[: len(text) // 2]
    if kind == "an unknown name":
        return text.replace('"keys"', '"kyes"')
    return text.replace(f'"{KEY}"', '"${NOBODY_SETS_THIS}"')


def _write(config: Path, text: str, *, by_rename: bool) -> None:
    if not by_rename:
        config.write_text(text, "utf-8")
        return
    new = config.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.replace(config)


async def _in_force(scene: Scene, terms: Terms) -> bool:
    until = clock.monotonic() + _PATIENCE
    while clock.monotonic() < until:
        if await scene.knows(terms):
            return True
        await clock.sleep(_STEP)
    return False


async def _refused(scene: Scene, before: int) -> bool:
    until = clock.monotonic() + _PATIENCE
    while clock.monotonic() < until:
        if scene.refusals() > before:
            return True
        await clock.sleep(_STEP)
    return False


async def _hold(scene: Scene, where: str, gone: Terms) -> None:
    """What must be in force is, in all its parts, and nothing else."""
    if not await scene.knows(scene.terms):
        scene.findings.breach(f"{where}: {scene.terms} are not in force")
    if await scene.knows(gone):
        scene.findings.breach(f"{where}: {gone} are in force")
    told, due = await scene.status("/v1/models", GUEST), 200 if scene.terms.guest else 401
    scene.findings.count(f"guest told {told}")
    if told != due:
        scene.findings.breach(f"{where}: the guest was told {told} instead of {due}")


async def _visit(scene: Scene, number: int) -> None:
    """The guest asks for a picture, and waits for it while the key is taken away."""
    wish = Wish(f"guest {number}", _CROWD.seconds[0])
    scene.wishes.append(wish)

    async def ask() -> Reply:
        async with using(scene.supervisor.url, key=GUEST) as guest:
            return await guest.ask(wish)

    task = asyncio.create_task(ask())
    scene.guests.append(task)
    while wish.sha256 not in {one.wish for one in await scene.supervisor.vendor.purchases()}:
        if task.done():
            return
        await clock.sleep(5 * _STEP)
    scene.findings.count("under way when their key left")


PROOFS = (
    Proof(
        "R21",
        "reloads",
        "Reloaded under load, a fifth of it broken: each in force or refused, and no call fails.",
        light=3,
        full=500,
        run=reloads,
        part=125,
        goals={
            "calls that failed for the user": "0",
            "in force": "all that are valid",
            "refused": "all that are broken",
            "purchases": "as many as wishes",
            "doubles": "0",
            "lost": "0",
        },
    ),
)
