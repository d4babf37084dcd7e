"""Requests of which no two are alike: made-up models, paths, keys and methods."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator

_METHODS = ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "MKCOL", "REPORT", "PURGE")
_PATHS = ("/v1/images/generations", "/v1/images/edits", "/v1/models", "/images/x.png", "/")
_CALLERS = 16


def request(number: int, key: str) -> bytes:
    """The ``number``-th; ``key`` is good, for those that shall get farther with it."""
    junk = f"junk-{number}-{number * 2_654_435_761 % 2**32:08x}"
    wish = {"prompt": junk, "model": junk}
    kinds = (
        ("GET", f"/{junk}?{junk}={junk}", key, None),
        (_METHODS[number // 8 % len(_METHODS)], _PATHS[number // 8 % len(_PATHS)], key, None),
        ("POST", _PATHS[0], f"sk-igw-{junk}", wish),
        ("POST", _PATHS[0], key, wish),
        ("GET", f"/v1/models/{junk}", key, None),
        ("GET", f"/images/{number:032x}.{junk}", key, None),
        ("POST", f"/openai/deployments/{junk}/images/generations", key, {"prompt": junk}),
        (f"BREW{number}", f"/{junk}", key, None),
    )
    return _bytes(*kinds[number % 8])


def _bytes(method: str, path: str, key: str, wish: dict[str, str] | None) -> bytes:
    body = b"" if wish is None else json.dumps(wish).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: junk\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def ask(port: int, count: int, key: str) -> Counter[int]:
    """Send so many on a few connections; how often which status was answered."""
    said: Counter[int] = Counter()
    requests = (request(number, key) for number in range(count))
    await asyncio.gather(*(_caller(port, requests, said) for _ in range(_CALLERS)))
    return said


async def _caller(port: int, requests: Iterator[bytes], said: Counter[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for one in requests:
        writer.write(one)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        said[int(head.split(b" ")[1])] += 1
        length = next(
            (line for line in head.split(b"\r\n") if line.startswith(b"content-length:")), b":0"
        )
        await reader.readexactly(int(length.partition(b":")[2]))
        if b"\r\nconnection: close" in head:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
