"""Any history that the table of states allows is remembered alike, in memory and in a file, and
what the keys have used is what the rows in the file come to.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from gateway.config.sections import Limits
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
    TaskFailed,
)
from gateway.jobs.machine import TABLE
from gateway.state.base import (
    NO_LIMITS,
    Failure,
    IdempotencyKeyTaken,
    JobRow,
    LimitReached,
    Store,
    TaskRow,
)
from gateway.state.memory import MemoryStore
from tests.state.audits import Sums, sums_in_books, sums_of_rows, told
from tests.state.rows import QUICK, Ledger, a_job, a_picture

T = TypeVar("T")
KEYS = ("studio", "press")
PRINTS = (b"one", b"two")
WORDS = ("k", "l")
TEXT = st.text(max_size=8)
COSTS = st.sampled_from([0, 40_000])
TOLD = st.none() | st.sampled_from(["0", "0.01", "0.1", "nothing"])
# No rates: what is given back of them is written down later.
LIMITS = st.sampled_from(
    [
        NO_LIMITS,
        Limits(concurrent=4),
        Limits(images_per_day=6),
        NO_LIMITS.model_copy(update={"cost_per_day": 160_000, "cost_per_month": 300_000}),
    ]
)


class Histories(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(dir=QUICK)
        self.ledger = Ledger(Path(self.folder.name) / "state.db")
        self.file = self.ledger.store(Section())
        self.memory = MemoryStore(self.ledger.clock)
        self.run(self.file.open())
        self.now = 1_000.0
        self.tasks: dict[str, list[TaskRow]] = {}
        self.over: set[str] = set()
        self.names: list[str] = ["nobody"]
        self.tokens: list[str] = ["none"]
        self.forgotten: Sums = Counter()

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
            except LimitReached as reached:
                answers.append((reached.name, reached.used, reached.asked, reached.until))
        assert answers[0] == answers[1], name
        answer: object = answers[0]
        return answer

    def later(self) -> float:
        self.now += 1.0
        return self.now

    def some_task(self, place: int, cost: int) -> TaskRow:
        name = f"task_{len(self.names)}"
        self.names.append(name)
        return TaskRow(name, place, reserved=cost)

    def row(self, name: str) -> JobRow:
        job = self.run(self.memory.job(name))
        assert job is not None
        return job

    @rule(
        key=st.sampled_from(KEYS),
        fingerprint=st.sampled_from(PRINTS),
        word=st.none() | st.sampled_from(WORDS),
        size=st.integers(1, 3),
        cost=COSTS,
        limits=LIMITS,
        replacing=st.booleans(),
    )
    def add(
        self,
        key: str,
        fingerprint: bytes,
        word: str | None,
        size: int,
        cost: int,
        limits: Limits,
        *,
        replacing: bool,
    ) -> None:
        name = f"job_{len(self.names)}"
        self.names.append(name)
        tasks = [self.some_task(place, cost) for place in range(size)]
        job = a_job(name, *(task.task_id for task in tasks), key=key, idempotency_key=word)
        job = replace(job, tasks=tuple(tasks), fingerprint=fingerprint, created_at=self.later())
        holder = self.run(self.memory.keyed(key, word)) if replacing and word else None
        former = None if holder is None else holder.job_id
        if self.both("add_job", job, limits=limits, instead_of=former) is None:
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
        if kind in {Succeeded, TaskFailed}:
            common["cost_usd"] = TOLD
        return data.draw(st.builds(kind, **common))

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), failed=st.booleans(), message=TEXT)
    def end(self, data: st.DataObject, message: str, *, failed: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.tasks)))
        failure = Failure("TaskFailed", message, code="c") if failed else None
        self.both("remark", JobEnded(job_id=name, at=self.later()), failure)
        self.over.add(name)

    @precondition(lambda self: self.over)
    @rule(data=st.data(), fingerprint=st.sampled_from(PRINTS), cost=COSTS, limits=LIMITS)
    def reopen(self, data: st.DataObject, fingerprint: bytes, cost: int, limits: Limits) -> None:
        """Without limits where there is nothing new."""
        name = data.draw(st.sampled_from(sorted(self.over)))
        tasks = [
            self.some_task(place, cost) if task.state in FINAL - {State.DONE} else task
            for place, task in enumerate(self.tasks[name])
        ]
        row = self.row(name)
        old = {task.task_id: task for task in row.tasks}
        rows = tuple(old.get(task.task_id, task) for task in tasks)
        plan = a_job(name, *(task.task_id for task in tasks)).plan
        again = replace(row, tasks=rows, fingerprint=fingerprint, plan=plan, give_up=self.later())
        given = None if tasks == self.tasks[name] else limits
        if self.both("reopen", again, limits=given) is None:
            self.over.remove(name)
            self.tasks[name] = tasks

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), kind=st.sampled_from([JobDelivered, JobClaimed, JobJoined]))
    def remark(self, data: st.DataObject, kind: type) -> None:
        name = data.draw(st.sampled_from(sorted(self.tasks)))
        word = data.draw(st.none() | st.sampled_from(WORDS)) if kind is JobJoined else None
        more = {"how": "retry", "idempotency_key": word} if kind is JobJoined else {}
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
        rows = sums_of_rows(self.ledger.path)
        self.both("prune", before)
        self.forgotten += rows - sums_of_rows(self.ledger.path)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def write_off(self, data: st.DataObject) -> None:
        self.both("write_off", [data.draw(st.sampled_from(sorted(self.tasks)))])

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        self.ledger.clock.now += hours * 3_600.0

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
        self.both("unclaimed")
        figures = [self.run(store.figures()) for store in stores(self)]
        assert replace(figures[0], size=0) == replace(figures[1], size=0)
        assert sum(figures[0].tasks.values()) == self.counted()
        for key in KEYS:
            self.both("standing", key, NO_LIMITS)
        rows = sums_of_rows(self.ledger.path)
        assert sums_in_books(self.ledger.path) == rows + self.forgotten

    def counted(self) -> int:
        """Tasks in the file, as a stranger counts them."""
        ((number,),) = told(self.ledger.path, "SELECT count(*) FROM tasks")
        return int(number)

    def compare(self) -> None:
        for name in self.names:
            self.both("job", name)
        for key in KEYS:
            for fingerprint in PRINTS:
                self.both("ended", key, fingerprint)
                for word in WORDS:
                    self.both("given", key, fingerprint, word)
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
TestHistories.settings = settings(max_examples=15, stateful_step_count=25)
