"""Users behind SDKs: they time out, come back, hang up, and sometimes never return."""

import asyncio
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Protocol

from gateway.errors import GatewayError
from gateway.jobs.deadlines import callers_deadline
from gateway.openai.responses import render_error
from gateway.translate.model import Picture, Plan
from tests.clocks import VirtualClock
from tests.faults.later import ask
from tests.faults.lives import Answer, Asking, Process, Reset
from tests.faults.notebook import Notebook
from tests.jobs.plans import a_plan

_OWN = 100.0
_LATER = 0.3
_LOOKS = 600


@dataclass
class Aim:
    """A wish, and how its user goes about it. ``jobs`` are those begun for it, in order.

    Who asks ``later`` gets a promise, and may want to be ``told`` by a webhook.
    """

    who: str
    key_name: str
    prompt: str
    n: int
    edit: bool
    idempotency_key: str | None
    headers: bool
    timeout: float
    declares: bool
    retries: int
    calls: int
    start: float
    hangs_up: float
    patient: bool
    later: bool = False
    told: bool = False
    jobs: list[str] = field(default_factory=list)
    ended: str = ""

    @property
    def fingerprint(self) -> bytes:
        return f"{self.key_name}/{self.prompt}/{self.n}".encode()

    @classmethod
    def drawn(cls, chance: Random, who: str, key_name: str, prompt: str) -> "Aim":
        keyed = chance.random() < 0.25
        patient = chance.random() < 0.5
        n = chance.choice((1, 1, 1, 1, 2, 5, 9))
        return cls(
            who=who,
            key_name=key_name,
            prompt=f"{prompt}, {n} times",
            n=n,
            edit=chance.random() < 0.2,
            idempotency_key=f"key of {who}" if keyed else None,
            headers=chance.random() < 0.75,
            timeout=chance.choice((8.0, 20.0, 60.0, 120.0, 600.0)),
            declares=chance.random() < 0.5,
            retries=chance.choice((0, 2, 2, 5)),
            calls=30 if patient else chance.choice((1, 2, 3)),
            start=chance.uniform(0.0, 120.0),
            hangs_up=chance.choice((0.0, 0.1, 0.5)),
            patient=patient,
            later=chance.random() < _LATER,
            told=chance.random() < 0.5,
        )


@cache
def plan_of(prompt: str, n: int) -> Plan:
    return a_plan(n, prompt=prompt, quality="low")


class Town(Protocol):
    """Where users live."""

    clock: VirtualClock
    notebook: Notebook
    chance: Random

    async def connect(self) -> Process:
        """A process that takes requests. Raises: Reset."""
        ...


class User:
    """Pursues one aim."""

    def __init__(self, town: Town, aim: Aim) -> None:
        self._town = town
        self._aim = aim
        self._chance = town.chance

    async def pursue(self) -> None:
        """Until there are pictures, a final error, or no patience left."""
        aim, clock = self._aim, self._town.clock
        await clock.sleep(aim.start)
        for _ in range(aim.calls):
            aim.ended = await self._call()
            if aim.ended in {"pictures", "final", "left"}:
                break
            await clock.sleep(self._chance.choice((0.5, 5.0, 30.0, 120.0, 290.0, 400.0, 700.0)))
        self._town.notebook.note(f"{aim.who} ends: {aim.ended}")
        self._town.notebook.count(f"users: {aim.ended}")
        if aim.patient and aim.ended not in {"pictures", "final"}:
            self._town.notebook.breach(f"{aim.who} kept coming back, and ended with: {aim.ended}")

    async def _call(self) -> str:
        """A call of the SDK's, with its own retries."""
        aim = self._aim
        for attempt in range(aim.retries + 1):
            said = await self._attempt(attempt)
            if isinstance(said, str):
                if said == "left":
                    return said if not aim.patient else "hung up"
                pause: float | None = None
            elif said.later:
                return await self._ask_later(said.job_id or "")
            elif said.error is None:
                return "pictures"
            else:
                again, pause = self._may_retry(said)
                if not again:
                    return "final" if said.error.bought is not None else "refused"
            if attempt < aim.retries:
                backoff = min(0.5 * 2**attempt, 8.0) * self._chance.uniform(0.75, 1.0)
                await self._town.clock.sleep(backoff if pause is None else pause)
        return "retries used up"

    async def _ask_later(self, job_id: str) -> str:
        """Ask at the door until there are pictures or an error; who is impatient may not come."""
        aim, clock, chance = self._aim, self._town.clock, self._chance
        if not aim.patient and chance.random() < 0.3:
            return "left"
        for _ in range(_LOOKS):
            await clock.sleep(chance.choice((1.0, 5.0, 30.0)))
            try:
                process = await self._town.connect()
            except Reset:
                continue
            said = await ask(process, self._asking(0), job_id, chance.choice((5.0, 30.0)))
            if isinstance(said, GatewayError):
                name, what = self._town.notebook.name(job_id), type(said).__name__
                self._town.notebook.note(f"{aim.who} is shown that {name} failed: {what}")
                return "final" if said.bought is not None else "refused"
            if said is not None:
                return "pictures"
        self._town.notebook.breach(f"{aim.who} was promised what never ends")
        return "never"

    def _may_retry(self, said: Answer) -> tuple[bool, float | None]:
        """As SDKs read an error's status and headers."""
        assert said.error is not None
        rendered = render_error(said.error)
        should = rendered.headers.get("x-should-retry")
        after = rendered.headers.get("retry-after")
        pause = float(after) if after is not None else None
        if should is not None:
            return should == "true", pause
        return rendered.status in {408, 409, 429} or rendered.status >= 500, pause

    async def _attempt(self, attempt: int) -> Answer | str:
        aim, clock, chance = self._aim, self._town.clock, self._chance
        try:
            process = await self._town.connect()
        except Reset:
            return "refused"
        asking = self._asking(attempt)
        self._town.notebook.note(f"{aim.who} asks{' again' if asking.retry else ''}")
        process.serve(asking)
        patience, leaves = aim.timeout, chance.random() < aim.hangs_up
        if leaves:
            patience = min(patience, chance.choice((0.1, 1.0, 10.0, 60.0)) * chance.random())
        await asyncio.wait({asking.answer}, timeout=patience)
        if asking.answer.done():
            try:
                return asking.answer.result()
            except Reset:
                return "reset"
        asking.answer.cancel()
        self._hang_up(asking)
        self._town.notebook.note(f"{aim.who} {'hangs up' if leaves else 'times out'}")
        await clock.sleep(0)
        return "left" if leaves and chance.random() < 0.4 else "timed out"

    def _hang_up(self, asking: Asking) -> None:
        """It is noticed at once, or only later."""

        def notice() -> None:
            if not asking.gone.done():
                asking.gone.set_result(None)

        late = self._chance.choice((0.0, 0.0, 0.01, 0.3, 5.0))
        asyncio.get_running_loop().call_later(late, notice)

    def _asking(self, attempt: int) -> Asking:
        aim, loop = self._aim, asyncio.get_running_loop()
        plan = plan_of(aim.prompt, aim.n)
        path = f"{aim.who}-{self._chance.random()}"
        if aim.edit:
            picture = Picture(path, aim.prompt, "image/png", 8, 8, 80, alpha=False)
            tasks = tuple(replace(task, references=(picture,)) for task in plan.tasks)
            plan = replace(plan, tasks=tasks)
        headers = {"x-stainless-read-timeout": str(aim.timeout)} if aim.declares else {}
        callers = None if aim.later else callers_deadline(headers)
        return Asking(
            who=aim.who,
            plan=plan,
            key_name=aim.key_name,
            fingerprint=aim.fingerprint + (b"e" if aim.edit else b""),
            idempotency_key=aim.idempotency_key,
            retry=aim.headers and attempt > 0,
            seconds=_OWN if callers is None else min(_OWN, callers),
            own_seconds=_OWN,
            path=path,
            answer=loop.create_future(),
            gone=loop.create_future(),
            jobs=aim.jobs,
            later=aim.later,
            url=f"https://{aim.who}" if aim.later and aim.told else None,
        )
