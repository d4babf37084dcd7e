"""A mixture of requests as a long day brings it: good ones, refused ones, faults, hang-ups.

Owns: the kinds, the vendor's script for them, and what each must be answered. Must not know: what
is measured meanwhile. Which request comes is drawn from seed and number.
"""

import asyncio
import contextlib
import json
import random
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import httpx

from gateway.clock import SystemClock
from tests.e2e.pictures import drawn_png
from tests.e2e.stand import KEY

Kind: TypeAlias = Literal["ok", "edit", "refused", "fault", "hang_up"]
_SHARES: Mapping[Kind, float] = {
    "ok": 0.09,
    "edit": 0.02,
    "refused": 0.5,
    "fault": 0.3,
    "hang_up": 0.09,
}
_GENERATIONS = "/v1/images/generations"
_RESET = struct.pack("ii", 1, 0)
_CLOCK = SystemClock()
_WELL: dict[str, Any] = {
    "model": "gpt-image-2",
    "size": "1024x768",
    "quality": "low",
    "output_format": "jpeg",
}

# The vendor's fault by name: its line in the script, and the status callers are told.
_FAULTS: Mapping[str, tuple[dict[str, object], int]] = {
    "refusal": ({"where": "create", "kind": "bad_request"}, 400),
    "moderated": ({"where": "create", "kind": "moderated"}, 400),
    "unfunded": ({"where": "create", "kind": "insufficient_quota"}, 429),
    "lost": ({"where": "create", "kind": "garbage"}, 502),
    "failed": ({"where": "create", "kind": "failed"}, 502),
    "none": ({"where": "create", "kind": "no_links"}, 502),
    "denied": ({"where": "file", "kind": "forbidden"}, 502),
    "html": ({"where": "file", "kind": "html_as_picture"}, 502),
}
SCRIPT = [{**line, "match": f"fault {name};", "times": None} for name, (line, _) in _FAULTS.items()]

# Bodies that are refused before anything is begun, and the status they are refused with.
_REFUSED: tuple[tuple[bytes, int], ...] = (
    (b"{", 400),
    (b"[]", 400),
    (b"{}", 400),
    (json.dumps({**_WELL, "prompt": "a cat", "size": "7x7"}).encode(), 400),
    (json.dumps({**_WELL, "prompt": "a cat", "n": 11}).encode(), 400),
    (json.dumps({**_WELL, "prompt": "a cat", "model": "gpt-4o"}).encode(), 404),
    (json.dumps({"prompt": "x" * 40_000}).encode(), 400),
    (b" " * 1_100_000, 413),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of the mixture; ``wrong`` is what was answered instead of what had to be."""

    kind: Kind
    wrong: str | None = None


async def send(client: httpx.AsyncClient, seed: int, number: int) -> Sent:
    """Send the request of that number."""
    dice = random.Random(f"{seed}/{number}")  # noqa: S311 - repeatable on purpose
    (kind,) = dice.choices(list(_SHARES), list(_SHARES.values()))
    wish = {**_WELL, "prompt": f"wish {number} of {seed}"}
    match kind:
        case "ok":
            wish["response_format"] = dice.choice(("url", "b64_json"))
            answer, told = await client.post(_GENERATIONS, json=wish), 200
        case "edit":
            picture = await asyncio.to_thread(drawn_png, (64, 64), number)
            files = {"image": ("a.png", picture, "image/png")}
            answer, told = await client.post("/v1/images/edits", data=wish, files=files), 200
        case "fault":
            name = dice.choice(list(_FAULTS))
            told = _FAULTS[name][1]
            wish["prompt"] = f"fault {name}; {wish['prompt']}"
            answer = await client.post(_GENERATIONS, json=wish)
        case "hang_up":
            await _hang_up(client.base_url, json.dumps(wish).encode(), dice)
            return Sent(kind)
        case _:
            answer, told = await _refused(client, dice)
    wrong = f"{kind} {number}: {answer.status_code}, not {told}: {answer.text[:200]}"
    return Sent(kind, None if answer.status_code == told else wrong)


async def _refused(client: httpx.AsyncClient, dice: random.Random) -> tuple[httpx.Response, int]:
    if dice.random() < 0.1:
        strange = {"authorization": "Bearer sk-nobody", "content-type": "application/json"}
        return await client.post(_GENERATIONS, content=b"{}", headers=strange), 401
    body, status = dice.choice(_REFUSED)
    headers = {"content-type": "application/json"}
    return await client.post(_GENERATIONS, content=body, headers=headers), status


async def _hang_up(url: httpx.URL, body: bytes, dice: random.Random) -> None:
    """Send all of a wish, and leave at some moment after that."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    lines = (f"POST {_GENERATIONS} HTTP/1.1", "host: gateway", f"authorization: Bearer {KEY}")
    head = "\r\n".join((*lines, "content-type: application/json", f"content-length: {len(body)}"))
    writer.write(head.encode() + b"\r\n\r\n" + body)
    await writer.drain()
    await _CLOCK.sleep(dice.random() * 0.1)
    if dice.random() < 0.5:
        plug = writer.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    del reader
