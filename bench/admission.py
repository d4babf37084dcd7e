"""What it costs to say yes, and to say no.

First the accounts alone, in microseconds a call: a look, a whole job's bookkeeping, a refusal,
beside a counter of fixed windows, which is about the least that anybody could do. Then a gateway in
a process of its own: refusals of a key whose requests are used up (429) and of nobody's key (401),
beside the list of models.
"""

import asyncio
import itertools
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

from bench.processes import ready, start, stopped
from gateway.clock import SystemClock
from gateway.config.sections import Limits
from gateway.events import Collected, Created, CreateSent, State, Succeeded, TaskEvent
from gateway.state.accounts import Accounts
from gateway.state.base import JobRow, LimitReached, TaskRow
from gateway.translate.model import Finish, Plan, TaskSpec

_CALLS = 20_000
_ROUNDS = 5
_SECONDS = 3.0
_PORT = 18913
_NONE = Limits()
_ALL = Limits(
    requests_per_minute=1_000_000,
    requests_burst=1_000_000,
    images_per_minute=1_000_000,
    images_burst=1_000_000,
    concurrent=1_000_000,
    images_per_day=1_000_000,
    cost_per_day=10**12,
    cost_per_month=10**12,
)
_USED_UP = Limits(requests_per_minute=1, requests_burst=1)
_SPEC = TaskSpec("m", "x", "1:1", "1k", "low", "png", 1)
Story: TypeAlias = tuple[JobRow, list[tuple[TaskEvent, State]]]
_PLAN = Plan("generation", "m", None, (_SPEC,), Finish(None, "png"), None, None, "url")


class Windows:
    """Calls per key and minute, the naive way: twice the limit passes at a window's edge."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}

    def admits(self, key: str, limit: int) -> bool:
        window = int(time.monotonic() // 60)
        at, count = self._counts.get(key, (window, 0))
        count = count if at == window else 0
        if count >= limit:
            return False
        self._counts[key] = (window, count + 1)
        return True


T = TypeVar("T")


def microseconds(call: Callable[[T], object], prepared: Callable[[], list[T]]) -> float:
    """The best round's mean, of one call for each of what was prepared."""
    best = float("inf")
    for _ in range(_ROUNDS):
        given = prepared()
        started = time.perf_counter()
        for one in given:
            call(one)
        best = min(best, time.perf_counter() - started)
    return round(best / _CALLS * 1e6, 2)


def looks(names: list[str], limits: Limits) -> float:
    accounts = Accounts(SystemClock())
    return microseconds(lambda key: accounts.look(key, limits), lambda: _in_turn(names))


def jobs(names: list[str], limits: Limits) -> float:
    """Take, four events and the end of a job of one picture."""
    accounts = Accounts(SystemClock())
    number = itertools.count()

    def prepared() -> list[Story]:
        return [_story(_job(key, next(number))) for key in _in_turn(names)]

    return microseconds(lambda story: _live(accounts, story, limits), prepared)


def refusals(names: list[str]) -> float:
    accounts = Accounts(SystemClock())
    for name in names:
        accounts.take_request(name, _USED_UP)
    rows = [_job(key, number) for number, key in enumerate(_in_turn(names))]
    return microseconds(lambda row: _refused(accounts, row), lambda: rows)


def windows(names: list[str]) -> float:
    counter = Windows()
    return microseconds(lambda key: counter.admits(key, 1_000_000), lambda: _in_turn(names))


def _in_turn(names: list[str]) -> list[str]:
    return list(itertools.islice(itertools.cycle(names), _CALLS))


def _job(key: str, number: int) -> JobRow:
    return JobRow(
        f"job_{number}", key, 0.0, _PLAN, (TaskRow(f"task_{number}", 0, reserved=40_000),)
    )


def _story(row: JobRow) -> Story:
    job, task = row.job_id, row.tasks[0].task_id
    made = Succeeded(
        job_id=job, task_id=task, at=2.0, images=1, seconds=1.0, completed_at=2.0, cost_usd="0.03"
    )
    events: list[tuple[TaskEvent, State]] = [
        (CreateSent(job_id=job, task_id=task, at=0.0), State.CREATING),
        (Created(job_id=job, task_id=task, at=1.0, upstream_id="x", seconds=1), State.RUNNING),
        (made, State.COLLECTING),
        (Collected(job_id=job, task_id=task, at=3.0, images=1, size=1), State.DONE),
    ]
    return row, events


def _live(accounts: Accounts, story: Story, limits: Limits) -> None:
    row, events = story
    accounts.take(row, limits)
    for event, state in events:
        accounts.told(event, state)
    accounts.ended(row.job_id)


def _refused(accounts: Accounts, row: JobRow) -> None:
    try:
        accounts.take(row, _USED_UP)
    except LimitReached:
        return
    raise SystemExit("a key whose requests are used up was admitted")


def accounts_alone() -> None:
    for count in (1, 200):
        names = [f"key_{number}" for number in range(count)]
        least = windows(names)
        figures = {
            "look, all limits": looks(names, _ALL),
            "look, none": looks(names, _NONE),
            "job, all limits": jobs(names, _ALL),
            "job, none": jobs(names, _NONE),
            "refused": refusals(names),
            "fixed windows": least,
        }
        ratios = {name: round(figure / least, 1) for name, figure in figures.items()}
        print(f"{count:>3} keys, us a call", json.dumps(figures))
        print(f"{count:>3} keys, as often as windows", json.dumps(ratios))


async def caller(request: bytes, until: float, took: list[float], said: Counter[str]) -> None:
    """One request after the other on a connection that is kept while the gateway keeps it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", _PORT)
    while (started := time.perf_counter()) < until:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        took.append(time.perf_counter() - started)
        said[head.split(b" ")[1].decode()] += 1
        if b"\r\nconnection: close" in head:
            said["connections closed"] += 1
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", _PORT)
    writer.close()


async def load(request: bytes, callers: int, pid: int) -> dict[str, object]:
    took, said = list[float](), Counter[str]()
    before, started = cpu_seconds(pid), time.perf_counter()
    until = started + _SECONDS
    await asyncio.gather(*(caller(request, until, took, said) for _ in range(callers)))
    seconds, cpu = time.perf_counter() - started, cpu_seconds(pid) - before
    took.sort()
    return {
        "per_second": round(len(took) / seconds),
        "cpu_ms_each": round(cpu / len(took) * 1000, 3),
        "p50_ms": round(took[len(took) // 2] * 1000, 2),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 2),
        "answers": dict(said),
    }


def cpu_seconds(pid: int) -> float:
    """What a process has had so far, in user and system time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def request(method: str, path: str, key: str, wish: dict[str, object] | None = None) -> bytes:
    body = b"" if wish is None else json.dumps(wish).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def all_loads(pid: int) -> None:
    await ready(f"http://127.0.0.1:{_PORT}/")
    create, wish = "/v1/images/generations", dict[str, object]()  # no prompt: the first is a 400
    loads = (
        ("models", "200", request("GET", "/v1/models", "sk-bench")),
        ("401", "401", request("POST", create, "sk-nobody", wish)),
        ("429", "429", request("POST", create, "sk-spent", wish)),
    )
    for name, expected, one in loads:
        for callers in (1, 32):
            told = await load(one, callers, pid)
            print(f"{name:<7}{callers:>3} callers", json.dumps(told))
            answers = told["answers"]
            assert isinstance(answers, dict)
            if max(answers, key=lambda said: int(answers[said])) != expected:
                raise SystemExit(f"{name} was not answered with {expected}: {answers}")


def main() -> None:
    accounts_alone()
    with tempfile.TemporaryDirectory() as folder:
        gateway = start(
            "bench.watched",
            *("--vendor", "http://127.0.0.1:9"),  # nobody is asked anything
            *("--folder", folder),
            *("--port", str(_PORT)),
        )
        try:
            asyncio.run(all_loads(gateway.pid))
        finally:
            stopped(gateway)


if __name__ == "__main__":
    main()
