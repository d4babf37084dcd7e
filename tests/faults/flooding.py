"""Somebody who asks without mercy, as a process of its own, so that its work is nobody else's.

Owns: asking so many times a second whatever the answers are, and counting these. Must not know:
what is tried. It writes a line when it is ready. A line on standard input is the new rate, its end
the end; then the counts are written.
"""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator

import httpx2

from gateway.clock import SystemClock
from tests.cli.processes import environment
from tests.faults.wishes import Wish

_CLOCK = SystemClock()
_TICK = 0.02


class Flood:
    """A running one; ``counts`` (of answers by status) are there once it has ended."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.counts: dict[str, int] = {}
        self._child = child

    def rate(self, per_second: float) -> None:
        """Ask so often from now on."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{per_second}\n".encode())

    async def end(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()  # Python 3.11 does not, where nothing is fed
        out, _ = await self._child.communicate()
        self.counts = json.loads(out)


@contextlib.asynccontextmanager
async def flooding(url: str, key: str, wish: Wish) -> AsyncIterator[Flood]:
    """Somebody who is ready to ask, and begins as soon as a rate is told."""
    command = (sys.executable, "-m", __name__, url, key, wish.name, str(wish.seconds))
    child = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, env=environment()
    )
    flood = Flood(child)
    try:
        assert child.stdout is not None
        await asyncio.wait_for(child.stdout.readline(), 30)  # it has come up
        yield flood
        await asyncio.wait_for(flood.end(), 30)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def _ask(url: str, key: str, wish: Wish) -> Counter[int]:
    counts: Counter[int] = Counter()
    headers = {"authorization": f"Bearer {key}"}
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    reader = asyncio.create_task(_read(lines))
    many = httpx2.Limits(max_connections=None, max_keepalive_connections=50)
    async with httpx2.AsyncClient(
        base_url=url, trust_env=False, timeout=120, limits=many
    ) as client:

        async def post(number: int) -> None:
            body = Wish(f"{wish.name} {number}", wish.seconds).body
            with contextlib.suppress(httpx2.HTTPError):
                answer = await client.post("/v1/images/generations", json=body, headers=headers)
                counts[answer.status_code] += 1

        under_way: set[asyncio.Task[None]] = set()
        rate, due, last, number = 0.0, 0.0, _CLOCK.monotonic(), 0
        while not reader.done() or not lines.empty():
            while not lines.empty():
                rate = float(lines.get_nowait())
            now = _CLOCK.monotonic()
            due, last = min(due + (now - last) * rate, 10.0), now
            while due >= 1:
                due, number = due - 1, number + 1
                task = asyncio.create_task(post(number))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await _CLOCK.sleep(_TICK)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
    return counts


async def _read(lines: asyncio.Queue[bytes]) -> None:
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        lines.put_nowait(line)


if __name__ == "__main__":
    _url, _key, _name, _seconds = sys.argv[1:]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    _counts = asyncio.run(_ask(_url, _key, Wish(_name, float(_seconds))))
    sys.stdout.write(json.dumps(_counts))
