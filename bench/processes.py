"""Programs of the benchmarks, each in a process of its own."""

import asyncio
import json
import signal
import subprocess
import sys

import httpx


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True)


async def ready(url: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(200):
            try:
                await client.get(url)
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
            else:
                return
    raise SystemExit(f"nothing came up at {url}")


def stopped(process: subprocess.Popen[str]) -> dict[str, object]:
    """What a process tells at its end."""
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    told: dict[str, object] = json.loads(output)
    return told
