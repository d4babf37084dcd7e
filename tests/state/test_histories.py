"""Any history that the table of states allows is remembered alike, in memory and in a file."""

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from gateway.config.sections import State as Section
from gateway.events import (
    FINAL,
    Collected,
    Created,
    Found,
    JobClaimed,
    JobDelivered,
    JobEnded,
    JobJoined,
    LinkDead,
    Polled,
    PollFailed,
    State,
    Succeeded,
    TaskEvent,
)
from gateway.jobs.machine import TABLE
from gateway.state.base import Failure, IdempotencyKeyTaken, JobRow, Store, TaskRow
from gateway.state.memory import MemoryStore
from tests.clocks import FakeClock
from tests.state.rows import QUICK, Ledger, a_job, a_picture

T = TypeVar("T")
KEYS = ("studio", "press")
PRINTS = (b"one", b"two")
WORDS = ("k", "l")
TEXT = st.text(max_size=8)


class Histories(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(dir=QUICK)
        self.ledger = Ledger(Path(self.folder.name) / "state.db")
        self.file = self.ledger.store(Section())
        self.memory = MemoryStore(FakeClock())
        self.run(self.file.open())
        self.now = 1_000.0
        self.tasks: dict[str, list[TaskRow]] = {}
        self.over: set[str] = set()
        self.names: list[str] = ["nobody"]
        self.tokens: list[str] = ["none"]

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(work)

    def both(self, name: str, *given: object, **named: object) -> object:
        """What both answer to a call, errors included; it must be one."""
        answers = []
        for store in (self.memory, self.file):
            try:
                answers.append(self.run(getattr(store, name)(*given, **named)))
            except IdempotencyKeyTaken as taken:
                answers.append(("taken", taken.job_id))
        assert answers[0] == answers[1], name
        answer: object = answers[0]
        return answer

    def later(self) -> float:
        self.now += 1.0
        return self.now

    def some_task(self, job: str, place: int) -> TaskRow:
        name = f"task_{len(self.names)}"
        self.names.append(name)
        return TaskRow(name, place)

    def row(self, name: str) -> JobRow:
        job = self.run(self.memory.job(name))
        assert job is not None
        return job

    @rule(
        key=st.sampled_from(KEYS),
        fingerprint=st.sampled_from(PRINTS),
        word=st.none() | st.sampled_from(WORDS),
        size=st.integers(1, 3),
        replacing=st.booleans(),
    )
    def add(
        self, key: str, fingerprint: bytes, word: str | None, size: int, *, replacing: bool
    ) -> None:
        name = f"job_{len(self.names)}"
        self.names.append(name)
        tasks = [self.some_task(name, place) for place in range(size)]
        job = a_job(name, *(task.task_id for task in tasks), key=key, idempotency_key=word)
        job = replace(job, fingerprint=fingerprint, created_at=self.later())
        holder = self.run(self.memory.keyed(key, word)) if replacing and word else None
        former = None if holder is None else holder.job_id
        if self.both("add_job", job, instead_of=former) is None:
            self.tasks[name] = tasks

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), times=st.integers(1, 5))
    def happen(self, data: st.DataObject, times: int) -> None:
        """A few events of one task."""
        name = data.draw(st.sampled_from(sorted(self.tasks)))
        place = data.draw(st.integers(0, len(self.tasks[name]) - 1))
        for _ in range(times):
            task = self.tasks[name][place]
            kinds = [one for one in TABLE[task.state] if one not in {Polled, PollFailed}]
            if not kinds:
                return
            kind = data.draw(st.sampled_from(kinds))
            event = self.an_event(data, kind, name, task.task_id)
            after = TABLE[task.state][kind]
            pictures = []
            if kind in {Collected, LinkDead}:
                tokens = [f"token_{len(self.tokens) + more}" for more in range(2)]
                self.tokens += tokens
                pictures = [a_picture(one, task.task_id, 1 - n) for n, one in enumerate(tokens)]
            self.both("record", event, after, pictures)
            self.tasks[name][place] = replace(task, state=after)

    def an_event(
        self, data: st.DataObject, kind: type[TaskEvent], job: str, task: str
    ) -> TaskEvent:
        common = {"job_id": st.just(job), "task_id": st.just(task), "at": st.just(self.later())}
        if kind in {Created, Found}:
            name = data.draw(st.sampled_from(["twice", f"v_{task}", *self.names]))
            self.names.append(name)
            common["upstream_id"] = st.just(name)
        if kind is Succeeded:
            common["cost_usd"] = st.none() | st.sampled_from(["0.01", "0.1"])
        return data.draw(st.builds(kind, **common))

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), failed=st.booleans(), message=TEXT)
    def end(self, data: st.DataObject, message: str, *, failed: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.tasks)))
        failure = Failure("TaskFailed", message, code="c") if failed else None
        self.both("remark", JobEnded(job_id=name, at=self.later()), failure)
        self.over.add(name)

    @precondition(lambda self: self.over)
    @rule(data=st.data(), fingerprint=st.sampled_from(PRINTS))
    def reopen(self, data: st.DataObject, fingerprint: bytes) -> None:
        name = data.draw(st.sampled_from(sorted(self.over)))
        self.over.remove(name)
        for place, task in enumerate(self.tasks[name]):
            if task.state in FINAL - {State.DONE}:
                self.tasks[name][place] = self.some_task(name, place)
        row = self.row(name)
        old = {task.task_id: task for task in row.tasks}
        tasks = tuple(old.get(task.task_id, task) for task in self.tasks[name])
        plan = a_job(name, *(task.task_id for task in tasks)).plan
        again = replace(row, tasks=tasks, fingerprint=fingerprint, plan=plan, give_up=self.later())
        self.both("reopen", again)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), kind=st.sampled_from([JobDelivered, JobClaimed, JobJoined]))
    def remark(self, data: st.DataObject, kind: type) -> None:
        name = data.draw(st.sampled_from(sorted(self.tasks)))
        more = {"how": "retry"} if kind is JobJoined else {}
        self.both("remark", kind(job_id=name, at=self.later(), **more))

    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        self.both("fetched", data.draw(st.sampled_from(self.tokens)), self.later())

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), links=st.dictionaries(st.sampled_from("abc"), TEXT))
    def link(self, data: st.DataObject, links: dict[str, str]) -> None:
        self.both("add_links", data.draw(st.sampled_from(sorted(self.tasks))), links)

    @rule(ago=st.integers(0, 20))
    def prune(self, ago: int) -> None:
        before = self.now - ago
        for name in list(self.over):
            if (self.row(name).ended_at or 0.0) < before:
                del self.tasks[name]
                self.over.remove(name)
        self.both("prune", before)

    @rule()
    def start_again(self) -> None:
        self.run(self.file.close())
        self.file = self.ledger.store(Section())
        self.run(self.file.open())
        self.compare()

    @invariant()
    def agree(self) -> None:
        self.both("unfinished")
        self.both("claimed")

    def compare(self) -> None:
        for name in self.names:
            self.both("job", name)
        for key in KEYS:
            for fingerprint in PRINTS:
                self.both("ended", key, fingerprint)
            for word in WORDS:
                self.both("keyed", key, word)
        self.both("lost", 0.0)
        self.both("lost", self.now - 10.0)

    def teardown(self) -> None:
        self.compare()
        self.run(self.file.close())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


def stores(histories: Histories) -> tuple[Store, Store]:
    """Both keep the protocol: the type checker's word for it."""
    return histories.memory, histories.file


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
