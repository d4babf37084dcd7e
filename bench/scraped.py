"""What is scraped, in a process of its own that watches its own loop; told at SIGTERM, as JSON.

Either a gateway with so many keys, jobs on its board and requests in flight; or nothing but the
same families as the reference client's own instruments, rendered by it in a thread.
"""

import argparse
import asyncio
import gc
import gzip
import json
import sys
import tempfile
from collections.abc import Iterable
from itertools import product
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.openmetrics import exposition
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bench.watched import Watch
from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.config.sections import Config, ServerBounds
from gateway.events import State
from gateway.facts import RequestFacts
from gateway.ops.families import FAMILIES, OTHER, REQUESTS, VALUES
from gateway.server.listener import Listener, run_until_signal


def key_names(count: int) -> list[str]:
    return [f"key-{number}" for number in range(count)]


def bare(keys: int) -> CollectorRegistry:
    """The same series as the reference client would keep them."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs
    registry = CollectorRegistry()
    known = {
        **VALUES,
        "upstream": ("toapis",),
        "model": ("gpt-image-2", OTHER),
        "key": (*key_names(keys), OTHER),
        "version": ("0",),
        "python": ("3",),
    }
    for family in FAMILIES:
        kept: Any
        if family.kind == "histogram":
            kept = Histogram(
                family.full_name,
                family.help,
                family.labels,
                buckets=family.buckets,
                registry=registry,
            )
        else:
            kind = Counter if family.kind == "counter" else Gauge
            kept = kind(family.full_name, family.help, family.labels, registry=registry)
        if family.sparse:
            continue  # the gateway's keys have no budgets here
        sets = [(family.own or {}).get(label) or known[label] for label in family.labels]
        for values in product(*sets) if sets else ():
            if family.labels[:2] != ("route", "method") or values[:2] in REQUESTS:
                kept.labels(*values)
    return registry


def latest(registry: CollectorRegistry) -> bytes:
    """The reference client's page."""
    return cast("bytes", exposition.generate_latest(registry))  # type: ignore[no-untyped-call]


def bare_app(keys: int) -> ASGIApp:
    registry = bare(keys)

    def page() -> bytes:
        return gzip.compress(latest(registry))

    async def metrics(request: Request) -> Response:
        headers = {"content-encoding": "gzip"}
        return Response(await asyncio.to_thread(page), headers=headers)

    return Starlette(routes=[Route("/metrics", metrics)])


def jobs(count: int, keys: int) -> Iterable[Any]:
    """As much of a job as is counted."""
    names = key_names(keys)
    for number in range(count):
        task = SimpleNamespace(entry=SimpleNamespace(state=State.RUNNING), accepted_at=1.0)
        yield SimpleNamespace(
            job_id=f"job_{number}",
            key_name=names[number % keys],
            tasks=(task,),
            states=("running",),
        )


def gateway(folder: str, keys: int, busy: int) -> Gateway:
    config = Config.model_validate(
        {
            "upstream": {"base_url": "http://127.0.0.1:9", "api_key": "b", "balance_interval": 0},
            "keys": [{"name": name, "key": f"sk-{name}-bench"} for name in key_names(keys)],
            "images": {"folder": f"{folder}/images"},
            "state": {"url": f"sqlite:///{folder}/state.db"},
        }
    )
    made = Gateway(config, SystemClock(), lambda _: None)
    for job in jobs(busy, keys):
        made.board.put(cast("Any", job))
        made.in_flight.enter(RequestFacts(job.job_id, route="generations"))
    return made


async def watched(app: ASGIApp, port: int) -> dict[str, object]:
    listener = Listener(
        app, host="127.0.0.1", port=port, bounds=ServerBounds(), clock=SystemClock()
    )
    gc.collect()
    gc.freeze()  # as serve does
    watch = Watch()
    watching = asyncio.create_task(watch.run())
    await run_until_signal([listener], grace=0)
    watching.cancel()
    return watch.told()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--keys", type=int, required=True)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--bare", action="store_true")
    arguments = parser.parse_args()
    if arguments.bare:
        told = await watched(bare_app(arguments.keys), arguments.port)
    else:
        with tempfile.TemporaryDirectory() as folder:
            scraped = gateway(folder, arguments.keys, arguments.busy)
            await scraped.start()
            told = await watched(scraped.operators, arguments.port)
            for job in scraped.board.jobs():
                scraped.board.take(job)
            await scraped.stop()
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
