"""A log that nobody reads any more stops nobody else."""

import asyncio
import fcntl
import json
import signal
from collections import Counter
from pathlib import Path

import httpx

from tests.cli.conftest import KEY
from tests.cli.served import Served, serving

LINES = 4096  # that wait for their reader at most
REQUESTS = 1600
BODY = {"model": "dall-e-3", "prompt": "fog", "quality": "standard"}
HEADERS = {"authorization": f"Bearer {KEY}", "idempotency-key": "the-same-again"}
AT_ONCE = 16


async def ask(served: Served, times: int) -> Counter[int]:
    """Ask for the same picture again and again: three lines each time, and no purchase."""
    statuses: Counter[int] = Counter()
    left = iter(range(times))

    async def caller(client: httpx.AsyncClient) -> None:
        for _ in left:
            answer = await client.post("/v1/images/generations", json=BODY)
            statuses[answer.status_code] += 1

    async with httpx.AsyncClient(
        base_url=served.url, headers=HEADERS, timeout=30, trust_env=False
    ) as client:
        await asyncio.gather(*(caller(client) for _ in range(AT_ONCE)))
    return statuses


async def test_with_its_output_blocked_the_gateway_serves_on_and_counts_what_is_lost(
    config: Path,
) -> None:
    config.write_text(f"{config.read_text()}log: {{level: debug}}\n")
    with serving(config) as served:
        assert served.process._child.stdout is not None
        fcntl.fcntl(served.process._child.stdout, fcntl.F_SETPIPE_SZ, 4096)
        assert await ask(served, 1) == {200: 1}
        await asyncio.to_thread(served.process.until, '"request_ended"')
        # From here on nobody reads: first the pipe is full, then the queue behind it.
        assert await ask(served, REQUESTS) == {200: REQUESTS}
        assert await asyncio.to_thread(served.probe, "/livez") == (200, "ok")
        assert await asyncio.to_thread(served.probe, "/readyz") == (200, "ok")
        before = len(served.process.out)
        assert await asyncio.to_thread(served.process.end, signal.SIGTERM) == 0
        assert not served.process.err
    told = [json.loads(line) for line in served.process.out[before:]]
    counts = Counter(line["event"] for line in told)
    lost = sum(line["count"] for line in told if line["event"] == "log_dropped")
    assert {line["level"] for line in told if line["event"] == "log_dropped"} == {"warning"}
    assert lost > 0
    said = sum(counts[name] for name in ("job_joined", "job_delivered", "request_ended"))
    assert 3 * REQUESTS <= said + lost <= 3 * REQUESTS + _others(told)
    assert said >= LINES  # what there was room for is told, in the end
    assert counts["stopped"] == 1


def _others(told: list[dict[str, object]]) -> int:
    """How many lines of chatter at most may be among those that were lost."""
    return 3 * 40 + 20 * 60
