"""R13: a picture that expired, is cut, or is none never goes out as a success.

Owns: ways to spoil a finished picture on its way, and the comparison of what was delivered with
what the vendor drew. Must not know: how the gateway finds out.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import httpx

from tests.e2e.stand import Stand, standing
from tests.faults.asking import SERVED, End, Hasty, asking, generated, misshapen
from tests.faults.mishaps import Mishap, Request, body_of, respoken
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.proxy import proxying

Spoil: TypeAlias = Callable[[random.Random, str], Mishap]
"""Chance and the picture's media type to a mishap."""

_PACE = 20
_CAP = 2_000_000
_AT_ONCE = 8
# A way that may yet mend is tried for as long as the caller waits, and longer.
_DEADLINE = 4.0
_FAILED = {"upstream_result_unusable", "upstream_timeout"}
_DENIED = b"<Error><Code>AccessDenied</Code><Message>%b</Message></Error>"
_HTML = b"<!doctype html><html><body>Please sign in to continue.</body></html>"
_INSIDE = (
    "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1:9/x.png",
    "https://localhost/x.png",
    "https://[::1]/x.png",
    "file:///etc/passwd",
    "//0x7f000001/x.png",
)


def _answered(status: str, body: bytes, media_type: str, *more: str) -> Mishap:
    told = (f"content-type: {media_type}", f"content-length: {len(body)}", *more, "", "")
    head = "\r\n".join((f"HTTP/1.1 {status}", *told))
    return Mishap("say", text=head.encode() + body, forwarded=False)


def _denied(word: bytes) -> Spoil:
    return lambda _, __: _answered("403 Forbidden", _DENIED % word, "application/xml")


def _bytes(change: Callable[[bytes], bytes]) -> Mishap:
    return Mishap("spoil", spoiled=lambda answer: respoken(answer, change(body_of(answer))))


def _cut(dice: random.Random, _: str) -> Mishap:
    """The picture's end is missing, and the length told is what is left."""
    share = dice.random()
    return _bytes(lambda data: data[: int(share * len(data))])


def _cut_at_the_end(dice: random.Random, _: str) -> Mishap:
    """Only the last few bytes are missing."""
    missing = dice.randint(1, 40)
    return _bytes(lambda data: data[:-missing])


def _garbled(dice: random.Random, media_type: str) -> Mishap:
    """Bytes amid it are turned over; of a JPEG, which has no sums to tell by, those of the head."""
    share = dice.random() if media_type == "image/png" else 0.0

    def change(data: bytes) -> bytes:
        start = int(share * (len(data) - 1_000))
        middle = bytes(255 - byte for byte in data[start : start + 1_000])
        return data[:start] + middle + data[start + 1_000 :]

    return _bytes(change)


def _wrong_length(dice: random.Random, _: str) -> Mishap:
    """Another length is announced than comes: more, or less."""
    share = dice.choice((2.0, dice.random()))

    def spoiled(answer: bytes) -> bytes:
        data = body_of(answer)
        return respoken(answer, data, told=int(len(data) * share))

    return Mishap("spoil", spoiled=spoiled)


def _wrong_type(_: random.Random, __: str) -> Mishap:
    """The bytes are a whole picture, and bytes are what counts."""
    return Mishap(
        "spoil", spoiled=lambda answer: respoken(answer, body_of(answer), media_type="text/html")
    )


def _redirected(dice: random.Random, _: str) -> Mishap:
    return _answered("302 Found", b"", "text/plain", f"location: {dice.choice(_INSIDE)}")


SPOILS: dict[str, Spoil] = {
    "forbidden": _denied(b"Access Denied"),
    "expired": _denied(b"Request has expired"),
    "missing": lambda _, __: _answered("404 Not Found", b"Not Found", "text/plain"),
    "empty": lambda _, __: _bytes(lambda _: b""),
    "cut": _cut,
    "cut_at_the_end": _cut_at_the_end,
    "broken_off": lambda dice, _: Mishap("close", at=dice.randint(1, 20_000)),
    "reset": lambda dice, _: Mishap("reset", at=dice.randint(0, 20_000)),
    "garbled": _garbled,
    "html": lambda _, __: _answered("200 OK", _HTML, "text/html"),
    "html_as_picture": lambda _, kind: _answered("200 OK", _HTML, kind),
    "over_the_cap": lambda _, __: _bytes(lambda data: data + bytes(_CAP)),
    "wrong_length": _wrong_length,
    "wrong_type": _wrong_type,
    "redirected": _redirected,
}


@dataclass(slots=True)
class _Wish:
    """One spoiled picture: how, how often (None: always), and how it is asked for."""

    number: int
    kind: str
    format: Literal["png", "jpeg"]
    delivery: Literal["b64_json", "url"]
    times: int | None
    mishap: Mishap
    struck: int = 0

    @property
    def prompt(self) -> str:
        return f"wish {self.number}"

    @property
    def where(self) -> str:
        often = "always" if self.times is None else f"{self.times} times"
        return f"wish {self.number} ({self.kind} {often}, {self.format}, {self.delivery})"

    @property
    def may_be_served(self) -> bool:
        return self.times is not None or self.kind == "wrong_type"

    @property
    def may_fail(self) -> bool:
        """One bad fetch alone ends nothing: the link is looked up afresh."""
        return self.times != 1 and self.kind != "wrong_type"


def _wish(seed: int, number: int) -> _Wish:
    dice = random.Random(f"{seed}/{number}")  # noqa: S311 - repeatable on purpose
    kind = list(SPOILS)[number % len(SPOILS)]
    form: Literal["png", "jpeg"] = dice.choice(("png", "jpeg"))
    delivery: Literal["b64_json", "url"] = dice.choice(("b64_json", "url"))
    mishap = SPOILS[kind](dice, f"image/{form}")
    return _Wish(number, kind, form, delivery, dice.choice((1, 3, None, None)), mishap)


async def _run(assignment: Assignment) -> Findings:
    findings = Findings()
    numbers = range(assignment.first, assignment.first + assignment.trials)
    wishes = {wish.prompt: wish for wish in (_wish(assignment.seed, one) for one in numbers)}
    slots = asyncio.Semaphore(_AT_ONCE)
    async with proxying(seed=assignment.seed) as proxy:
        upstream = {
            "base_url": proxy.url,
            "breaker": {"least": 1_000_000},
            "deadlines": {"tier_1k": 2 * _DEADLINE * _PACE},
        }
        images = {"result": _CAP}
        folder = assignment.folder
        async with standing(folder, pace=_PACE, upstream=upstream, images=images) as stand:
            proxy.target = stand.vendor_url.removeprefix("http://")
            proxy.choose = lambda request: _due(stand, wishes, request)

            async def tried(client: Hasty, wish: _Wish) -> None:
                async with slots:
                    await _trial(stand, client, wish, findings)

            async with asking(stand.url) as client:
                await asyncio.gather(*(tried(client, wish) for wish in wishes.values()))
            for crash in stand.crashes:
                findings.breach(f"a fault of ours: {crash}")
    assignment.tell(f"{len(wishes)} pictures")
    return findings


def _due(stand: Stand, wishes: dict[str, _Wish], request: Request | None) -> Mishap | None:
    """The mishap of the wish whose file is asked for, while it lasts."""
    if request is None or request.place != "file":
        return None
    task = stand.simulator.vendor.book.find(request.path.split("/")[3])
    wish = wishes.get(task.order.prompt) if task is not None else None
    if wish is None or (wish.times is not None and wish.struck >= wish.times):
        return None
    wish.struck += 1
    return wish.mishap


async def _trial(stand: Stand, client: Hasty, wish: _Wish, findings: Findings) -> None:
    end = await generated(
        client, wish.prompt, response_format=wish.delivery, output_format=wish.format
    )
    delivered = await _delivered(end)
    findings.count("pictures spoiled", wish.struck > 0)
    findings.count(f"ended {end.word}")
    if not wish.struck:
        findings.breach(f"{wish.where}: nothing was spoiled")
    if end.word == SERVED:
        corrupt = await asyncio.to_thread(_corrupt, _drawn(stand, wish), delivered)
        findings.count("corrupt pictures delivered", corrupt is not None)
        if corrupt is not None:
            findings.breach(f"{wish.where}: delivered, but {corrupt}")
        if not wish.may_be_served:
            findings.breach(f"{wish.where}: served, though no whole picture ever came")
        return
    if not wish.may_fail or end.word not in _FAILED:
        findings.breach(f"{wish.where}: ended as {end.word} ({end.status})")
    if wrong := await misshapen(end):
        findings.breach(f"{wish.where}: {wrong}")
    if not end.names_the_task or "x-gateway-task" not in end.headers:
        findings.breach(f"{wish.where}: the error does not name the task: {end.text[:300]}")


async def _delivered(end: End) -> list[bytes]:
    """The pictures' bytes as the caller gets them: in the answer, or by its links."""
    fetched = list(end.pictures)
    async with httpx.AsyncClient() as client:
        for link in end.links:
            answer = await client.get(link)
            fetched.append(answer.content if answer.status_code == 200 else b"")
    return fetched


def _drawn(stand: Stand, wish: _Wish) -> list[Path]:
    """Where the vendor keeps what it drew for a wish."""
    vendor = stand.simulator.vendor
    names = [
        name
        for task in vendor.book._tasks.values()
        if task.order.prompt == wish.prompt
        for name in task.names
    ]
    return [kept.path for name in names if (kept := vendor.files.find(name)) is not None]


def _corrupt(drawn: list[Path], delivered: list[bytes]) -> str | None:
    """How what was delivered differs from what was drawn; here nothing had to be changed."""
    if (len(drawn), len(delivered)) != (1, 1):
        return f"{len(drawn)} pictures were drawn, {len(delivered)} came"
    whole = drawn[0].read_bytes()
    if delivered[0] != whole:
        return f"{len(delivered[0])} bytes came, {len(whole)} were drawn"
    return None


PROOFS: tuple[Proof, ...] = (
    Proof(
        promise="R13",
        name="spoiled",
        sentence="A spoiled picture is never delivered; the error names the task.",
        light=len(SPOILS),
        full=20 * len(SPOILS),
        run=_run,
        goals={"corrupt pictures delivered": "0"},
    ),
)
