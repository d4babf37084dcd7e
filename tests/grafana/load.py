"""The scripted load: half a minute in which everything happens that a dashboard can show.

Owns: what is asked, what goes wrong, and when. Must not know: what is shown of it. Prompts carry
the name of the trouble that the vendor makes for them.
"""

import asyncio
import contextlib
import re
import signal
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any

import httpx

from tests.e2e.pictures import drawn_png, mask_png
from tests.grafana.stand import CLOCK, DAILY, SPARING, STUDIO, WEBHOOK_SECRET, Json, Stand

# Families that all this does not move, and why.
STILL = {
    "faults_total": "a fault of ours, and none is known",
    "log_dropped_total": "4096 lines that nobody reads, and the log tells no flood in full",
}

_QUICK = httpx.Timeout(20.0)
_AT_ONCE = 10

# By what the operators' page shows it; labels stand in the order of the alphabet.
_SIGNS = {
    "creating": 'upstream_tasks{state="creating"',
    "running": 'upstream_tasks{state="running"',
    "collecting": 'upstream_tasks{state="collecting"',
    "queued": "queue_depth",
    "ready": "ready",
    "open": 'upstream_breaker_state{state="open"',
}

# What the vendor does to tasks whose prompt has the word; always, if nothing else is said.
_TROUBLE: tuple[Json, ...] = (
    {"where": "create", "kind": "bad_request", "match": "REFUSED"},
    {"where": "create", "kind": "throttled", "match": "THROTTLED", "times": 1},
    {"where": "create", "kind": "cut", "match": "ANSWERLOST"},
    {"where": "create", "kind": "cut_before", "match": "NEVERSEEN"},
    {"where": "create", "kind": "stall_before", "seconds": 1.5, "match": "SLOWTAKEN"},
    {"where": "create", "kind": "failed", "match": "FAILS"},
    {"where": "create", "kind": "slow", "seconds": 2.0, "match": "TAKESTIME"},
    {"where": "create", "kind": "slow", "seconds": 4.0, "match": "TAKESLONGER"},
    {"where": "create", "kind": "stuck", "match": "STUCK"},
    {"where": "status", "kind": "throttled", "match": "ASKEDOFTEN", "times": 2},
    {"where": "status", "kind": "bad_gateway", "match": "ASKEDDOWN", "times": 2},
    {"where": "status", "kind": "stall", "seconds": 1.5, "match": "ASKEDSLOW", "times": 1},
    {"where": "status", "kind": "cut", "match": "ASKEDCUT", "times": 2},
    {"where": "status", "kind": "garbage", "match": "ASKEDBABBLE", "times": 2},
    {"where": "status", "kind": "task_not_found", "match": "FORGOTTEN", "times": 1},
    {"where": "upload", "kind": "bad_gateway", "times": 1},
    {"where": "file", "kind": "internal_error", "match": "FILEDOWN", "times": 1},
    {"where": "file", "kind": "truncated", "match": "FILEHALF", "times": 1},
    {"where": "file", "kind": "missing", "match": "FILEGONE"},
    {"where": "file", "kind": "forbidden", "match": "FILECLOSED"},
    {"where": "file", "kind": "html_as_picture", "match": "FILEPAGE"},
    {"where": "file", "kind": "truncated", "match": "FILEBROKEN"},
    {"where": "file", "kind": "huge", "match": "FILEHUGE"},
    {"where": "file", "kind": "redirect", "location": "http://10.0.0.1/", "match": "FILEAWAY"},
    {"where": "file", "kind": "drip", "seconds": 2.0, "match": "FILESLOW"},
)


class Callers:
    """Everybody who asks; what they are told is of no interest here."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self.links: list[str] = []
        self.jobs: list[str] = []

    @contextlib.asynccontextmanager
    async def _client(self, key: str = STUDIO) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(
            base_url=self._stand.url, headers=headers, timeout=_QUICK, trust_env=False
        ) as client:
            yield client

    async def ask(self, method: str, path: str, key: str = STUDIO, **more: Any) -> None:
        """One request of any kind, whatever becomes of it."""
        with contextlib.suppress(httpx.HTTPError):
            async with self._client(key) as client:
                answer = await client.request(method, path, **more)
                if answer.status_code == httpx.codes.OK and "/images/" in path:
                    self._remember(answer)

    async def make(
        self, prompt: str, key: str = STUDIO, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        """Ask for a picture."""
        body = {"model": "gpt-image-2", "prompt": prompt, "size": "1024x768", "quality": "low"}
        await self.ask(
            "POST", "/v1/images/generations", key, json={**body, **more}, headers=headers
        )

    async def later(self, prompt: str, path: str) -> None:
        """Ask for a picture, and to be told when it is there."""
        url = f"http://127.0.0.1:{self._stand.ports['told']}/{path}"
        await self.make(prompt, headers={"prefer": "respond-async"}, webhook_url=url)

    async def edit(self, prompt: str, path: str = "edits", *, mask: bool = False) -> None:
        """Ask for a picture to be changed."""
        files = {"image": ("a.png", drawn_png(), "image/png")}
        if mask:
            files["mask"] = ("m.png", mask_png((1024, 768), (10, 10, 500, 500)), "image/png")
        data = {"prompt": prompt, "size": "1024x768", "quality": "low"}
        await self.ask("POST", f"/v1/images/{path}", data=data, files=files)

    async def knock(self, times: int) -> None:
        """Ask for what there is not, again and again, faster than the log tells."""
        with contextlib.suppress(httpx.HTTPError):
            async with self._client() as client:
                for _ in range(times):
                    await client.get("/nowhere")

    async def leave(self, prompt: str, when: str) -> None:
        """Ask for a picture, and hang up while that is done for somebody."""
        waiting = asyncio.create_task(self.make(prompt))
        await self.until(when)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async def until(self, when: str, seconds: float = 6.0) -> None:
        """Wait for a state of a task, of the queue or of the breaker; in vain for so long."""
        url, name = f"{self._stand.operators}/metrics", _SIGNS[when]
        shown = re.compile(rf"^image_gateway_{re.escape(name)}\S* [1-9]", re.MULTILINE)
        with contextlib.suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(seconds), httpx.AsyncClient(trust_env=False) as client:
                while not shown.search((await client.get(url)).text):
                    await CLOCK.sleep(0.1)

    async def stop_amid(self, path: str = "/v1/images/generations") -> None:
        """Send half a body, and hang up."""
        port = self._stand.ports["clients"]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {STUDIO}\r\n"
        rest = "Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
        writer.write((head + rest).encode())
        await writer.drain()
        await CLOCK.sleep(0.3)
        writer.close()

    async def crowd(self, number: int, seconds: float) -> None:
        """Hold so many connections open, and ask nothing."""
        port = self._stand.ports["clients"]
        held = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", port) for _ in range(number)),
            return_exceptions=True,
        )
        await CLOCK.sleep(seconds)
        for one in held:
            if not isinstance(one, BaseException):
                one[1].close()

    def _remember(self, answer: httpx.Response) -> None:
        told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        self.links += [one["url"] for one in told.get("data", ()) if "url" in one]
        self.jobs += answer.headers.get("x-gateway-task", "").split(", ")


async def _receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A receiver of webhooks that hears, is gone, out of order, or says nothing, by the path."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        head = (await reader.readuntil(b"\r\n\r\n")).split(b" ")
        if head[1] == b"/silent":
            await reader.read()  # until whoever told has left
        status = {b"/hears": b"204 Heard", b"/gone": b"410 Gone"}.get(head[1], b"500 No")
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
    writer.close()


async def play(stand: Stand) -> None:
    """All of it, with somebody there who is told of what was asked for later."""
    async with await asyncio.start_server(_receive, "127.0.0.1", stand.ports["told"]):
        await _play(stand)


async def _play(stand: Stand) -> None:
    """The gateway is killed and started again once."""
    await _told_of_trouble(stand)
    callers = Callers(stand)
    # It takes longest to give up what the vendor never saw.
    lost = asyncio.create_task(callers.make("NEVERSEEN"))
    await _all(_everyday(callers), _trouble(callers))
    await _hang_ups(callers)
    await _bounds(callers)
    await _all(_ledger(stand, callers), _configuration(stand))
    await lost
    await _restart(stand, callers)
    await _outage(stand, callers)
    await callers.make("THROTTLED")
    await _everyday(callers)


async def _told_of_trouble(stand: Stand) -> None:
    """The vendor learns what it has to do wrong, and whom to tell of tasks that end."""
    await stand.vendor_told("faults", [{"times": None, **one} for one in _TROUBLE])
    told = {"webhook_url": f"{stand.url}/webhooks/toapis", "webhook_secret": WEBHOOK_SECRET}
    await stand.vendor_told("settings", told)


async def _all(*asked: Coroutine[Any, Any, None]) -> None:
    """Ask all of this, a few at a time."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(ask: Coroutine[Any, Any, None]) -> None:
        async with turns:
            await ask

    await asyncio.gather(*(one(ask) for ask in asked))


async def _everyday(callers: Callers) -> None:
    """What goes well, or wrong by the callers' own doing."""
    url: Json = {"response_format": "url"}
    again = {"idempotency-key": f"once-{CLOCK.wall()}"}
    await _all(
        callers.make("a lighthouse", headers=again),
        callers.make("two of them", n=2, **url),
        callers.make("cropped", size="1000x700", output_format="webp"),
        callers.make("large", size="2048x1536", quality="high", **url),
        callers.make("a draft", model="draft", quality="medium", key=SPARING),
        callers.make("for one a day", key=DAILY),
        *(callers.later(f"asked for {path}", path) for path in ("hears", "gone", "broken")),
        callers.edit("changed"),
        callers.edit("changed under a mask", mask=True),
        callers.edit("", path="variations"),
    )
    paths = [link.partition("/images/")[2] for link in callers.links]
    await _all(
        callers.make("a lighthouse", headers=again),
        *(callers.ask("GET", f"/images/{path}") for path in paths[-2:]),
        *(callers.ask("HEAD", f"/images/{path}") for path in paths[-1:]),
        *(callers.ask("GET", f"/v1/images/generations/{one}") for one in callers.jobs[-2:]),
        callers.ask("GET", "/v1/models"),
        callers.ask("GET", "/v1/models/nothing"),
        callers.ask("DELETE", "/v1/models"),
        callers.ask("GET", "/v1/models", key="sk-igw-nobody"),
        callers.make("no such size", size="1x1"),
        callers.ask("POST", "/v1/images/generations", content=b"x" * 1_100_000),
        callers.make("one more for today", key=DAILY),
        *(callers.make(f"too often {n}", key=SPARING) for n in range(4)),
        callers.knock(150),
        callers.stop_amid(),
    )


async def _trouble(callers: Callers) -> None:
    """What goes wrong at the vendor, a little of each kind."""
    words = {one["match"] for one in _TROUBLE if "match" in one}
    # These are asked for where nobody else is held up.
    words -= {
        "NEVERSEEN",
        "STUCK",
        "TAKESTIME",
        "TAKESLONGER",
        "SLOWTAKEN",
        "FILESLOW",
        "THROTTLED",
    }
    await _all(*(callers.make(word) for word in sorted(words)))
    retry = {"x-stainless-retry-count": "1"}
    await callers.make("FAILS", headers=retry)  # is told again that it failed


async def _hang_ups(callers: Callers) -> None:
    """They leave, each while something else is done for them, and come back."""
    await callers.leave("SLOWTAKEN", "creating")
    await callers.leave("TAKESTIME", "running")
    await callers.leave("FILESLOW", "collecting")
    impatient = {"x-stainless-read-timeout": "7"}  # five of which are for the way
    retry = {"x-stainless-retry-count": "1"}
    await _all(
        callers.make("TAKESTIME"),
        callers.make("FILESLOW", headers=retry),
        callers.make("STUCK", headers=impatient),
    )


async def _bounds(callers: Callers) -> None:
    """More than is taken: tasks, the queue (for longer than it looks at first), connections."""
    flood = asyncio.gather(*(callers.make(f"TAKESLONGER {n}") for n in range(45)))
    await callers.leave("in the queue", "queued")
    await flood
    await callers.crowd(70, 1.2)


async def _ledger(stand: Stand, callers: Callers) -> None:
    """Somebody else has the ledger locked for a while."""
    with contextlib.closing(sqlite3.connect(stand.folder / "busy.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        await callers.make("unwritten")
        other.rollback()
    await callers.until("ready")


async def _configuration(stand: Stand) -> None:
    """A file with faults, then a good one with another key."""
    stand.write_config(queue={"requests": "many"})
    stand.busy.send(signal.SIGHUP)
    await CLOCK.sleep(1.5)
    more = {"name": "guest", "key": "sk-igw-test-guest"}
    stand.write_config(keys=[*stand.config["keys"], more])
    stand.busy.send(signal.SIGHUP)
    await CLOCK.sleep(0.5)


async def _restart(stand: Stand, callers: Callers) -> None:
    """It is killed with tasks under way and a caller to be told, and takes them up again."""
    await callers.later("told over the end", "silent")
    left = asyncio.gather(
        callers.make("STUCK for good"),
        callers.make("TAKESTIME over the end"),
        callers.leave("SLOWTAKEN over the end", "creating"),
    )
    await callers.until("creating")
    await CLOCK.sleep(0.3)
    await stand.busy.end(signal.SIGKILL)
    await left
    await stand.busy.start()


async def _outage(stand: Stand, callers: Callers) -> None:
    """The vendor is gone for a few seconds, and has forgotten everything when it is back."""
    await stand.vendor.end(signal.SIGKILL)
    gone = asyncio.gather(*(callers.make(f"to nobody {n}") for n in range(8)))
    await callers.until("open")
    await stand.vendor.start()
    await _told_of_trouble(stand)
    await gone
    await CLOCK.sleep(1.0)
    await callers.make("the probe")
