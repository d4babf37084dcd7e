"""Made-up snapshots of gateways that are idle, busy, or in trouble."""

from collections import Counter
from dataclasses import replace
from typing import Any

from gateway.events import State
from gateway.ops.snapshot import (
    Figures,
    JobView,
    KeyView,
    QueueView,
    Snapshot,
    TaskView,
    VendorView,
)
from gateway.state.base import Room, Standing

NOW = 1_790_000_000.0

QUEUE = QueueView(requests=0, most_requests=1_000, tasks=0, at_vendor=0, most_at_vendor=100)
VENDOR = VendorView(
    name="toapis",
    base_url="https://vendor.example",
    breaker="closed",
    held=False,
    submits=5.0,
    submits_per_second=5.0,
    queries=50.0,
    queries_per_second=50.0,
    retry_budget=1.0,
    longest_wait=570.0,
    balance=812.5,
)
FIGURES = Figures(
    tasks={State.DONE: 1_204, State.FAILED: 3},
    ledger_bytes=4_300_000,
    disk_free=220_000_000_000,
    shelf_bytes=1_900_000_000,
    shelf_limit=10_000_000_000,
)
IDLE = Snapshot(
    at=NOW,
    uptime=7_380.0,
    version="0.1.0",
    draining=False,
    findings={"loops": None, "ledger": None, "draining": None},
    config_good=True,
    config_read_at=NOW - 7_380.0,
    requests={},
    connections={"clients": 0, "operators": 1},
    connections_limit=10_000,
    connections_refused=0,
    by_key={},
    by_state={},
    jobs=(),
    queue=QUEUE,
    vendor=VENDOR,
    figures=FIGURES,
)


def task(state: State = State.RUNNING, progress: int | None = 40, **more: Any) -> TaskView:
    settings: dict[str, Any] = {"task_id": "task_1", "upstream_id": "tsk_0001", "age": 12.0}
    return TaskView(state=state, progress=progress, **{**settings, **more})


def job(number: int = 1, *tasks: TaskView, **more: Any) -> JobView:
    settings: dict[str, Any] = {
        "job_id": f"job_{number:04}",
        "key_name": "studio",
        "model": "gpt-image-2",
        "kind": "generation",
        "size": "1024x1024",
        "quality": "high",
        "n": 1,
        "age": 14.0,
        "callers": 1,
        "tasks": tasks or (task(),),
    }
    return JobView(**{**settings, **more})


def key(name: str = "studio", **more: Any) -> KeyView:
    standing = Standing(
        requests=Room(limit=60, burst=10, left=8, seconds=2.0),
        images=Room(limit=20, burst=4, left=4, seconds=0.0),
        under_way=2,
        images_today=31,
        cost_today=1_240_000,
        cost_this_month=48_100_000,
    )
    settings: dict[str, Any] = {
        "state": "good",
        "requests_per_minute": 60,
        "images_per_minute": 20,
        "concurrent": 8,
        "images_per_day": 500,
        "cost_per_day": 5_000_000,
        "cost_per_month": None,
        "standing": standing,
        "last_used": NOW - 3.0,
    }
    return KeyView(name=name, **{**settings, **more})


def with_jobs(snapshot: Snapshot = IDLE, *jobs: JobView) -> Snapshot:
    by_key = Counter(one.key_name for one in jobs)
    by_state = Counter(each.state for one in jobs for each in one.tasks)
    return replace(snapshot, jobs=jobs, by_key=by_key, by_state=by_state)


def with_vendor(snapshot: Snapshot = IDLE, **changes: Any) -> Snapshot:
    return replace(snapshot, vendor=replace(snapshot.vendor, **changes))


def with_figures(snapshot: Snapshot = IDLE, **changes: Any) -> Snapshot:
    return replace(snapshot, figures=replace(snapshot.figures, **changes))


def with_queue(snapshot: Snapshot = IDLE, **changes: Any) -> Snapshot:
    return replace(snapshot, queue=replace(snapshot.queue, **changes))
