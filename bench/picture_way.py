"""The way of a picture: 20 MB, n=4, eight callers at once, as ``b64_json``, through everything.

Tells the gateway's memory before, at its peak and after, and the largest pause of its loop, beside
that of an idle loop in a process of its own, which is the machine's. Side by side in the same run:
the same pictures sent by a naive route (read, base64, JSON encoder).
"""

import asyncio
import json
import random
import tempfile
import time
from pathlib import Path

import httpx
from PIL import Image

from bench.processes import ready, start, stopped

_CALLERS = 8
_IMAGES = 4
_PIXELS = (2600, 2600)


def noise(path: Path) -> int:
    """A PNG of noise: about 20 MB, for nothing in it compresses."""
    width, height = _PIXELS
    content = random.Random(1).randbytes(width * height * 3)
    Image.frombytes("RGB", _PIXELS, content).save(path, compress_level=0)
    return path.stat().st_size


async def one(client: httpx.AsyncClient, url: str) -> tuple[int, float]:
    """Bytes received, and seconds to the first of them."""
    body = {"model": "gpt-image-2", "prompt": "noise", "n": _IMAGES, "size": "auto"}
    headers = {"authorization": "Bearer sk-bench"}
    started = time.perf_counter()
    size, first = 0, 0.0
    async with client.stream("POST", url, json=body, headers=headers) as answer:
        if answer.status_code != 200:
            raise SystemExit((await answer.aread()).decode())
        async for chunk in answer.aiter_raw(1 << 20):
            first = first or time.perf_counter() - started
            size += len(chunk)
    return size, first


async def load(url: str) -> dict[str, float]:
    started = time.perf_counter()
    async with httpx.AsyncClient(timeout=600) as client:
        got = await asyncio.gather(*(one(client, url) for _ in range(_CALLERS)))
    seconds = time.perf_counter() - started
    return {
        "seconds": round(seconds, 2),
        "mb_per_second": round(sum(size for size, _ in got) / seconds / 1e6),
        "first_byte_s": round(max(first for _, first in got), 2),
    }


def measured(script: str, url: str, *arguments: str) -> dict[str, object]:
    process, idle = start(script, *arguments), start("bench.idle")
    try:
        asyncio.run(ready(url))
        told: dict[str, object] = dict(asyncio.run(load(url)))
    finally:
        told |= stopped(process)
        told["idle_process_largest_pause_ms"] = stopped(idle)["largest_pause_ms"]
    return told


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        size = noise(picture)
        print(f"picture {size / 1e6:.1f} MB, n={_IMAGES}, {_CALLERS} callers at once")
        vendor = start("bench.vendor", "--picture", str(picture), "--port", "18901")
        try:
            asyncio.run(ready("http://127.0.0.1:18901/"))
            path = "v1/images/generations"
            whole = measured(
                "bench.watched",
                f"http://127.0.0.1:18902/{path}",
                *("--vendor", "http://127.0.0.1:18901"),
                *("--folder", f"{folder}/shelf"),
                *("--port", "18902"),
            )
            print("whole trip  ", json.dumps(whole))
            for way in ("streamed", "naive"):
                url = f"http://127.0.0.1:18903/{way}"
                script = "bench.delivering"
                told = measured(script, url, "--picture", str(picture), "--port", "18903")
                print(f"{way:<12}", json.dumps(told))
        finally:
            vendor.terminate()
            vendor.wait(10)


if __name__ == "__main__":
    main()
