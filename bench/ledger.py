"""The ledger in a file: one, 8 and 64 callers that write without a pause, synced and not.

Tells writes and synced commits per second, how long a caller waits for its own, and the pauses of
the loop meanwhile, beside those of an idle loop in a process of its own, which are the machine's.
The folder is the system's for temporary files: set TMPDIR to measure another disk.
"""

import asyncio
import contextlib
import json
import tempfile
import time
from pathlib import Path

from bench.processes import start, stopped
from bench.watched import Watch
from gateway.clock import SystemClock
from gateway.config.sections import State as Section
from gateway.events import CreateSent, State, TaskEvent, Throttled
from gateway.state.base import JobRow, TaskRow
from gateway.state.sqlite import SqliteStore
from gateway.translate.model import Finish, Plan, TaskSpec

_CALLERS = (1, 8, 64)
_SECONDS = 3.0


def job(name: str) -> JobRow:
    spec = TaskSpec("m", "x" * 500, "1:1", "1k", "low", "png", 1)
    plan = Plan("generation", "m", None, (spec,), Finish(None, "png"), None, None, "url")
    return JobRow(name, "bench", 0.0, plan, (TaskRow(f"task_{name}", 0),), fingerprint=b"f" * 32)


def event(name: str, *, synced: bool) -> TaskEvent:
    """An event of a kind that is synced before the caller goes on, or of one that is not."""
    task = f"task_{name}"
    if synced:
        return CreateSent(job_id=name, task_id=task, at=0.0)
    return Throttled(job_id=name, task_id=task, at=0.0, retry_after=1.0)


async def caller(store: SqliteStore, written: TaskEvent, until: float, took: list[float]) -> None:
    while (started := time.perf_counter()) < until:
        await store.record(written, State.CREATING)
        took.append(time.perf_counter() - started)


async def load(store: SqliteStore, callers: int, mark: Path, *, synced: bool) -> dict[str, object]:
    names = [f"job_{callers}_{synced}_{number}" for number in range(callers)]
    for name in names:
        await store.add_job(job(name))
    watch, took = Watch(), list[float]()
    watching = asyncio.create_task(watch.run())
    before, started = int(mark.read_text()), time.perf_counter()
    until = started + _SECONDS
    await asyncio.gather(
        *(caller(store, event(name, synced=synced), until, took) for name in names)
    )
    seconds = time.perf_counter() - started
    commits = int(mark.read_text()) - before
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    took.sort()
    return {
        "writes_per_second": round(len(took) / seconds),
        "synced_commits_per_second": round(commits / seconds),
        "p50_ms": round(took[len(took) // 2] * 1000, 2),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 2),
        **watch.told(),
    }


async def all_loads(folder: str) -> None:
    path = Path(folder) / "state.db"
    store = SqliteStore(str(path), Section(), SystemClock(), lambda _: None)
    await store.open()
    for synced in (True, False):
        for callers in _CALLERS:
            told = await load(store, callers, Path(f"{path}.mark"), synced=synced)
            print(f"{'FULL' if synced else 'NORMAL':<7}{callers:>3} callers", json.dumps(told))
    await store.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        idle = start("bench.idle")
        try:
            asyncio.run(all_loads(folder))
        finally:
            told = stopped(idle)
        print("an idle loop     ", json.dumps(told))


if __name__ == "__main__":
    main()
