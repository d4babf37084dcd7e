"""Instant tasks: create, one poll, one small picture, an answer with a link; 32 callers at once.

Tells completions per second of one process and what each costs it in CPU. Side by side in the
same run: a route of the same server with nothing behind it.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path

from PIL import Image

from bench.processes import ready, start, stopped

_CALLERS = 32
_REQUESTS = 3_000
_VENDOR, _GATEWAY = 18911, 18912


async def caller(request: bytes, left: list[int]) -> None:
    """One connection, one request after the other, as little of a client as can be."""
    reader, writer = await asyncio.open_connection("127.0.0.1", _GATEWAY)
    while left[0] > 0:
        left[0] -= 1
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        await reader.readexactly(int(length.split(b":")[1]))
    writer.close()


async def load(request: bytes, count: int) -> float:
    left = [count]
    started = time.perf_counter()
    await asyncio.gather(*(caller(request, left) for _ in range(_CALLERS)))
    return time.perf_counter() - started


def request(method: str, path: str, body: bytes) -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer sk-bench\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measured(folder: str, name: str, one: bytes, count: int) -> None:
    gateway = start(
        "bench.watched",
        *("--vendor", f"http://127.0.0.1:{_VENDOR}"),
        *("--folder", f"{folder}/shelf"),
        *("--port", str(_GATEWAY)),
    )
    try:
        asyncio.run(ready(f"http://127.0.0.1:{_GATEWAY}/"))
        seconds = asyncio.run(load(one, count))
    finally:
        told = stopped(gateway)
    cpu = told["cpu_seconds"]
    assert isinstance(cpu, float)
    figures = {
        "per_second": round(count / seconds),
        "cpu_ms_each": round(cpu / count * 1000, 2),
        "peak_mb": told["peak_mb"],
        "p99_pause_ms": told["p99_pause_ms"],
    }
    print(f"{name:<14}", json.dumps(figures))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        Image.new("RGB", (64, 64), "teal").save(picture)
        vendor = start("bench.vendor", "--picture", str(picture), "--port", str(_VENDOR))
        try:
            asyncio.run(ready(f"http://127.0.0.1:{_VENDOR}/"))
            wish = {"prompt": "x", "size": "auto", "response_format": "url"}
            body = json.dumps(wish).encode()
            measured(
                folder, "whole trip", request("POST", "/v1/images/generations", body), _REQUESTS
            )
            measured(folder, "models", request("GET", "/v1/models", b""), 10 * _REQUESTS)
        finally:
            vendor.terminate()
            vendor.wait(10)


if __name__ == "__main__":
    main()
