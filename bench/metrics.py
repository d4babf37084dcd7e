"""What counting costs, and what a scrape costs those who are served meanwhile.

First the observer, in microseconds an event, beside the reference client's own counter and
histogram. Then a page: series, bytes, milliseconds of the interpreter, beside the reference client
writing the same series at once; and the longest pause of the loop while each is written in a
thread, beside that of as much time in which nothing is. Last a gateway in a process of its own,
idle and with a thousand jobs, scraped as Prometheus does but many times a second, beside a bare
registry of the same series, and beside an idle loop, whose pauses are the machine's.
"""

import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Counter, Histogram

from bench.processes import ready, start, stopped
from bench.scraped import bare, key_names, latest
from bench.watched import Watch
from gateway.events import About, Created, Polled, State, Stepped, Succeeded
from gateway.facts import RequestEnded
from gateway.notices import Asked, BreakerClosed, LedgerCommitted
from gateway.ops.exposition import Exposition
from gateway.ops.families import TASK
from gateway.ops.metrics import Metrics, Names, Registry

_CALLS = 20_000
_ROUNDS = 7
_SCRAPES = 60
_PAUSE = 0.05
_PORT = 18914
_ABOUT = About(key_name="key-1", model="gpt-image-2", tier="1k", quality="high", images=1)


def step(event: Created | Succeeded | Polled, charged: int = 0) -> Stepped:
    return Stepped(event=event, state=State.RUNNING, about=_ABOUT, charged=charged, cost=charged)


def events() -> dict[str, object]:
    who = {"job_id": "job_1", "task_id": "task_1"}
    ended = RequestEnded(
        request_id="req_" + "0" * 32,
        method="POST",
        status=200,
        duration=42.0,
        sent=2_000_000,
        received=300,
        key_name="key-1",
        route="generations",
        model="gpt-image-2",
        images=1,
        delivery="url",
        phases={"client": 0.1, "queue": 0.0, "upstream": 41.0},
    )
    created = Created(job_id="job_1", task_id="task_1", at=1.0, upstream_id="u", seconds=1.0)
    made = Succeeded(
        job_id="job_1",
        task_id="task_1",
        at=9.0,
        images=1,
        seconds=40.0,
        completed_at=8.0,
        cost_usd="0.04",
    )
    return {
        "request ended": ended,
        "task created": step(created),
        "task succeeded": step(made, charged=40_000),
        "question": Asked(**who, answer="pending", seconds=0.1),
        "commit": LedgerCommitted(seconds=0.001, entries=3),
        "poll, not counted": step(Polled(**who, at=1.0, word="running", progress=1)),
        "nothing counted": BreakerClosed(),
    }


def microseconds(call: Callable[[], object]) -> float:
    """The best round's mean."""
    best = float("inf")
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in range(_CALLS):
            call()
        best = min(best, time.perf_counter() - started)
    return round(best / _CALLS * 1e6, 2)


def counting() -> None:
    metrics, _ = ours(20)
    told = {
        name: microseconds(lambda event=event: metrics.observe(event))  # type: ignore[misc]
        for name, event in events().items()
    }
    print("ours, us an event", json.dumps(told))
    registry = CollectorRegistry()
    labels = ("route", "method", "status")
    counter = Counter("c", "c", labels, registry=registry)
    spread = Histogram("h", "h", ("route",), buckets=TASK, registry=registry)
    reference = {
        "labels and inc": microseconds(lambda: counter.labels("generations", "POST", "200").inc()),
        "labels and observe": microseconds(lambda: spread.labels("generations").observe(42.0)),
        "observe with exemplar": microseconds(
            lambda: spread.labels("generations").observe(42.0, {"request_id": "req_" + "0" * 32})
        ),
    }
    print("reference, us a call", json.dumps(reference))


def ours(keys: int) -> tuple[Metrics, Exposition]:
    registry = Registry()
    names = Names(upstream="toapis", models=("gpt-image-2",), keys=tuple(key_names(keys)))
    metrics = Metrics(registry, names)
    for event in events().values():
        metrics.observe(event)
    return metrics, Exposition(registry, lambda: None)


def milliseconds(call: Callable[[], object]) -> float:
    """The median of some."""
    took = []
    for _ in range(11):
        started = time.perf_counter()
        call()
        took.append(time.perf_counter() - started)
    return round(sorted(took)[5] * 1000, 2)


def pages(keys: int) -> None:
    _, page = ours(keys)
    registry = bare(keys)
    for openmetrics in (False, True):
        text = page.render(openmetrics=openmetrics)
        told = {
            "series": sum(not line.startswith(b"#") for line in text.splitlines()),
            "bytes": len(text),
            "gzipped": len(gzip.compress(text, 1)),
            "ms": milliseconds(lambda: page.render(openmetrics=openmetrics)),  # noqa: B023 - called at once
            "ms to zip": milliseconds(lambda: gzip.compress(text, 1)),  # noqa: B023 - the same
        }
        print(f"{keys:>3} keys, {'OpenMetrics' if openmetrics else 'text':<11}", json.dumps(told))
    reference = {
        "ms": milliseconds(lambda: latest(registry)),
        "ms to zip": milliseconds(lambda: gzip.compress(latest(registry))),
    }
    print(f"{keys:>3} keys, reference  ", json.dumps(reference))


async def pauses(write: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """The longest pauses while a page is written, and in as much time without; in milliseconds."""
    watch = Watch()
    watching = asyncio.create_task(watch.run())
    writing, idle = [], []
    for _ in range(_SCRAPES):
        watch.late.clear()
        started = time.perf_counter()
        await write()
        took = time.perf_counter() - started
        await asyncio.sleep(0.01)
        writing.append(max(watch.late, default=0.0))
        watch.late.clear()
        await asyncio.sleep(took + 0.01)
        idle.append(max(watch.late, default=0.0))
    watching.cancel()
    told = {}
    for name, longest in (("while written", sorted(writing)), ("without", sorted(idle))):
        told[f"{name}, median"] = round(longest[_SCRAPES // 2] * 1000, 1)
        told[f"{name}, p90"] = round(longest[_SCRAPES * 9 // 10] * 1000, 1)
    return told


async def held(keys: int) -> None:
    _, page = ours(keys)
    registry = bare(keys)
    told = await pauses(lambda: page.page(openmetrics=True))
    print(f"{keys:>3} keys, in pieces, longest pause, ms", json.dumps(told))
    told = await pauses(lambda: asyncio.to_thread(latest, registry))
    print(f"{keys:>3} keys, at once, longest pause, ms  ", json.dumps(told))


async def scrapes() -> dict[str, object]:
    await ready(f"http://127.0.0.1:{_PORT}/metrics")
    request = (
        b"GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept-encoding: gzip\r\n"
        b"accept: application/openmetrics-text;version=1.0.0\r\n\r\n"
    )
    took, size = [], 0
    reader, writer = await asyncio.open_connection("127.0.0.1", _PORT)
    for _ in range(_SCRAPES):
        await asyncio.sleep(_PAUSE)
        started = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200 "):
            raise RuntimeError(head.decode("latin-1"))
        line = next(one for one in head.split(b"\r\n") if one.startswith(b"content-length:"))
        size = int(line.split(b":")[1])
        await reader.readexactly(size)
        took.append(time.perf_counter() - started)
    writer.close()
    took.sort()
    return {
        "bytes": size,
        "p50_ms": round(took[len(took) // 2] * 1000, 1),
        "worst_ms": round(took[-1] * 1000, 1),
    }


def scraped(name: str, *options: str) -> None:
    process = start("bench.scraped", "--port", str(_PORT), *options)
    try:
        told = asyncio.run(scrapes())
    finally:
        paused = stopped(process)
    print(f"{name:<28}", json.dumps({**told, **paused}))


def main() -> None:
    counting()
    for keys in (20, 200):
        pages(keys)
        asyncio.run(held(keys))
    idle = start("bench.idle")
    try:
        for keys in (20, 200):
            chosen = ("--keys", str(keys))
            scraped(f"{keys:>3} keys, idle", *chosen)
            scraped(f"{keys:>3} keys, 1,000 jobs", *chosen, "--busy", "1000")
            scraped(f"{keys:>3} keys, reference alone", *chosen, "--bare")
    finally:
        told = stopped(idle)
    print(f"{'an idle loop':<28}", json.dumps(told))


if __name__ == "__main__":
    main()
