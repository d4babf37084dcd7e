"""Node's own patience, in real time: 300 s for headers, against a task that takes longer.

Owns: three users of OpenAI's SDK for Node with all its defaults, at once: one who asks again after
the error, one whose SDK does, one who reads a stream. Must not know: how they are told of.
"""

import asyncio
import base64
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from tests.clients.books import Books
from tests.clients.driving import Driver, Refused
from tests.clients.known import CLIENTS, NODE7
from tests.clients.users import User
from tests.e2e.pictures import Size, decoded
from tests.e2e.stand import Stand, standing

SECONDS = 310.0
# Of the 2k tier, for which a caller is held longer than this takes.
WISH: dict[str, Any] = {"model": "gpt-image-2", "size": "2048x1360", "quality": "medium"}
_AT_ONCE = 900.0


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one of them; ``faults`` are what should not have been so."""

    who: str
    story: str
    faults: tuple[str, ...]


async def patience(seconds: float = SECONDS) -> list[Told]:
    """Run all three; takes as long as the task and little more."""
    with tempfile.TemporaryDirectory(prefix="patience-") as folder:
        where = Path(folder)
        driver = Driver(CLIENTS[NODE7], where)
        try:
            async with standing(where, upstream={"polling": {"scale": 1}}) as stand:
                return await _all(stand, driver, seconds)
        finally:
            driver.close()


async def _all(stand: Stand, driver: Driver, seconds: float) -> list[Told]:
    fault = {"where": "create", "kind": "slow", "times": None, "seconds": seconds}
    stand.vendor_fails(fault)
    user, books = User(CLIENTS[NODE7], driver, stand), Books(stand)
    stories = (
        ("asks again after the error", _by_hand),
        ("lets the SDK ask again", _by_itself),
        ("reads a stream", _by_stream),
    )
    return await asyncio.gather(
        *(_one(who, story, user, books) for who, story in stories),
    )


Passed = Callable[[], float]
Story = Callable[[User, str, Passed], Awaitable[tuple[str, Size]]]


async def _one(who: str, story: Story, user: User, books: Books) -> Told:
    clock = SystemClock()
    begun = clock.monotonic()
    prompt = f"a lighthouse for one who {who}"
    said, size = await story(user, prompt, lambda: clock.monotonic() - begun)
    bought = books.bought(prompt)
    faults = []
    if size != (2048, 1360):
        faults.append(f"the picture is {size}")
    if bought != 1:
        faults.append(f"bought {bought} times")
    return Told(who, f"{said}; bought {bought} time(s)", tuple(faults))


async def _by_hand(user: User, prompt: str, passed: Passed) -> tuple[str, Size]:
    settled = user.with_(max_retries=0)
    try:
        await _generated(settled, prompt)
    except Refused as error:
        name, cause, at = error.told["class"], error.told["cause"], passed()
    else:
        return f"was answered after {passed():.1f} s", (0, 0)
    size = await _generated(settled, prompt)
    return f"{name} ({cause}) after {at:.1f} s, then the picture after {passed():.1f} s", size


async def _by_itself(user: User, prompt: str, passed: Passed) -> tuple[str, Size]:
    size = await _generated(user, prompt)
    return f"the picture after {passed():.1f} s", size


async def _by_stream(user: User, prompt: str, passed: Passed) -> tuple[str, Size]:
    args = {"prompt": prompt, **WISH, "stream": True}
    told = await user.driver.ask(
        "stream", patience=_AT_ONCE, client=user.client, method="images.generate", args=args
    )
    if told["error"] is not None:
        return f"failed after {passed():.1f} s: {told['error']['message']}", (0, 0)
    (event,) = told["events"]
    return f"{event['type']} after {passed():.1f} s", _size(event["b64_json"])


async def _generated(user: User, prompt: str) -> Size:
    told = await user.driver.ask(
        "call",
        patience=_AT_ONCE,
        client=user.client,
        method="images.generate",
        args={"prompt": prompt, **WISH},
    )
    return _size(told["value"]["data"][0]["b64_json"])


def _size(text: str) -> Size:
    return decoded(base64.b64decode(text, validate=True)).size
