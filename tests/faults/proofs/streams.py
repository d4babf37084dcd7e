"""R1: behind a proxy with less patience than a task takes, streams and blanks bring the picture,
and who asked plainly comes back for it.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai

from gateway.clock import SystemClock
from tests.faults.accounts import settle, unanswered
from tests.faults.lines import RETRY_COUNT
from tests.faults.nginx import Proxy, proxying
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import KEY, Supervisor, supervising
from tests.faults.users import Reply, using
from tests.faults.wishes import Wish

_GENERATIONS = "/v1/images/generations"
_LATE = 2.0  # seconds by which a sign of life may be late on a machine that does other things too
_FIRST = 2.0  # seconds until the first byte


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a task takes, when nginx gives up (None: as it does by itself), and the beats."""

    task: float
    nginx: int | None
    interval: float
    whitespace_after: float

    @property
    def server(self) -> Mapping[str, Any]:
        beats = {"interval": self.interval, "whitespace_after": self.whitespace_after}
        return {"heartbeats": beats, "port": 0}


_SCALED = Pace(task=5.0, nginx=2, interval=1, whitespace_after=1)
_REAL = Pace(task=180.0, nginx=None, interval=10, whitespace_after=50)


@dataclass(slots=True)
class Heard:
    """An answer as it came in, piece by piece; ``silences`` are the seconds before each."""

    status: int
    body: bytes = b""
    silences: list[float] = field(default_factory=list)
    error: str | None = None

    @property
    def picture(self) -> str | None:
        """The digest of its one picture, if it has come whole."""
        with contextlib.suppress(ValueError, LookupError):
            data: dict[str, Any]
            if self.body.lstrip().startswith(b":"):
                (line,) = [one for one in self.body.splitlines() if one.startswith(b"data: ")]
                data = json.loads(line.removeprefix(b"data: "))
            else:
                (data,) = json.loads(self.body)["data"]
            return hashlib.sha256(base64.b64decode(data["b64_json"], validate=True)).hexdigest()
        return None


async def streams(assignment: Assignment) -> Findings:
    """Many at once, in seconds."""
    return await _behind_nginx(assignment, _SCALED)


async def long_streams(assignment: Assignment) -> Findings:
    """With nginx as it comes, and a task of three minutes."""
    return await _behind_nginx(assignment, _REAL)


async def _behind_nginx(assignment: Assignment, pace: Pace) -> Findings:
    findings = Findings()
    numbers = range(assignment.first, assignment.first + assignment.trials)
    patient = {"deadlines": {"tier_1k": 4 * pace.task}}  # of which low quality has half
    async with (
        supervising(assignment.folder, server=pace.server, upstream=patient) as supervisor,
        _proxies(assignment, supervisor, pace) as (plain, newer),
    ):
        await supervisor.start_ready()
        await supervisor.vendor.takes(pace.task)
        trials = (_trial(findings, number, pace, plain, newer) for number in numbers)
        replies = [reply for one in await asyncio.gather(*trials) for reply in one]
        unanswered(findings, replies)
        wishes = list({reply.wish.name: reply.wish for reply in replies}.values())
        await settle(findings, supervisor, replies, wishes)
    findings.count("answers of 504 by nginx", plain.statuses().count(504))
    if findings.counts["purchases"] != findings.counts["wishes"]:
        findings.breach("not one purchase for each wish")
    return findings


@contextlib.asynccontextmanager
async def _proxies(
    assignment: Assignment, supervisor: Supervisor, pace: Pace
) -> AsyncIterator[tuple[Proxy, Proxy]]:
    """One that speaks the HTTP it speaks by itself, and one that is told to speak 1.1."""
    folder, url = assignment.folder, supervisor.url
    async with (
        proxying(folder / "nginx", url, read_timeout=pace.nginx, http=None) as plain,
        proxying(folder / "nginx-11", url, read_timeout=pace.nginx, http="1.1") as newer,
    ):
        yield plain, newer


async def _trial(
    findings: Findings, number: int, pace: Pace, plain: Proxy, newer: Proxy
) -> list[Reply]:
    """Each manner for a wish of its own, all at once."""
    wishes = {
        manner: Wish(f"trial {number}, {manner}", pace.task)
        for manner in ("plain", "stream", "stream over 1.1", "blanks", "the SDK's stream")
    }
    return list(
        await asyncio.gather(
            _cut_and_collected(findings, wishes["plain"], pace, plain),
            _alive(findings, wishes["stream"], pace, plain, {"stream": True}),
            _alive(findings, wishes["stream over 1.1"], pace, newer, {"stream": True}),
            _alive(findings, wishes["blanks"], pace, newer, {}),
            _by_the_sdk(wishes["the SDK's stream"], plain),
        )
    )


async def _cut_and_collected(findings: Findings, wish: Wish, pace: Pace, proxy: Proxy) -> Reply:
    """Without a sign of life nginx gives up; a stream that comes back for it gets what is bought."""
    first = await _heard(proxy, wish, {}, {}, pace)
    if first.status != 504:
        findings.breach(f"{wish.name}: nginx was not in the way: {first.status}")
    findings.measure("seconds until nginx gave up", sum(first.silences))
    again = await _heard(proxy, wish, {"stream": True}, {RETRY_COUNT: "1"}, pace)
    return _reply(wish, again)


async def _alive(
    findings: Findings, wish: Wish, pace: Pace, proxy: Proxy, more: Mapping[str, Any]
) -> Reply:
    """Signs of life come when they are sent, and then the picture."""
    headers = {} if more else {"x-gateway-keepalive": "whitespace"}
    heard = await _heard(proxy, wish, more, headers, pace)
    name = "a stream" if more else "blanks"
    first, *later = heard.silences or [0.0]
    bound = _FIRST if more else pace.whitespace_after + _LATE
    findings.measure(f"{name}: seconds until the first byte", first)
    findings.measure(f"{name}: seconds of the longest silence after it", max(later, default=0.0))
    findings.measure(f"{name}: seconds in all", sum(heard.silences))
    if first > bound:
        findings.breach(f"{wish.name}: the first byte came after {first:.1f} s")
    if max(later, default=0.0) > pace.interval + _LATE:
        findings.breach(f"{wish.name}: {max(later):.1f} s of silence: something keeps bytes back")
    if sum(heard.silences) < pace.task:
        findings.breach(f"{wish.name}: it did not take as long as it was to")
    findings.count("outlived nginx's patience", int(heard.picture is not None))
    return _reply(wish, heard)


async def _by_the_sdk(wish: Wish, proxy: Proxy) -> Reply:
    """OpenAI's own client, with its own time-outs and without retries."""
    clock = SystemClock()
    begun = clock.monotonic()
    try:
        async with using(proxy.url, max_retries=0) as user:
            digest = await user.stream(wish)
    except openai.OpenAIError as error:
        return Reply(wish, clock.monotonic() - begun, error=type(error).__name__)
    return Reply(wish, clock.monotonic() - begun, digest=digest)


async def _heard(
    proxy: Proxy, wish: Wish, more: Mapping[str, Any], headers: Mapping[str, str], pace: Pace
) -> Heard:
    """Ask, and note when each piece of the answer came."""
    clock = SystemClock()
    told = {"authorization": f"Bearer {KEY}", **headers}
    last = clock.monotonic()
    heard = Heard(0)
    try:
        async with (
            httpx.AsyncClient(
                base_url=proxy.url, trust_env=False, timeout=2 * pace.task, headers=told
            ) as client,
            client.stream("POST", _GENERATIONS, json={**wish.body, **more}) as answer,
        ):
            heard.status = answer.status_code
            async for piece in answer.aiter_raw():
                now = clock.monotonic()
                heard.silences.append(now - last)
                heard.body += piece
                last = now
    except httpx.TransportError as error:
        heard.error = type(error).__name__
    return heard


def _reply(wish: Wish, heard: Heard) -> Reply:
    digest = heard.picture
    error = None if digest is not None else heard.error or f"{heard.status} without a picture"
    return Reply(wish, sum(heard.silences), digest=digest, error=error)


_GOALS = {"doubles": "0", "lost": "0", "answers": "as many as calls"}
PROOFS = (
    Proof(
        "R1",
        "streams",
        "Streams and blanks outlive a proxy that gives up at two seconds; nobody pays twice.",
        light=4,
        full=60,
        run=streams,
        part=20,
        goals=_GOALS,
    ),
    Proof(
        "R1",
        "long-streams",
        "A stream through nginx as it comes outlives a task of 180 seconds.",
        light=0,
        full=1,
        run=long_streams,
        goals=_GOALS,
    ),
)
