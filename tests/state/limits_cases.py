"""One case of the limits: what several keys do, told to the accounts and to the slow model at once.

Owns: carrying out deeds on both sides, and counting where the two differ. A case stops at the first
difference, which is a sentence in ``differences``.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import assert_never

from gateway.config.sections import Limits
from gateway.events import FINAL, State, TaskEvent
from gateway.jobs.machine import AFTER_A_LOSS, TABLE
from gateway.state.accounts import Accounts
from gateway.state.base import JobRow, LimitReached, TaskRow
from gateway.translate.model import Finish, Plan, TaskSpec
from tests.state.limits_deeds import (
    FATES,
    Again,
    Deed,
    End,
    Fate,
    Hands,
    Happen,
    Jump,
    Pass,
    Plain,
    Reload,
    Wish,
    event_of,
)
from tests.state.slow_model import NANO, RATES, Refusal, SlowJob, SlowModel, SlowTask, alike

KEYS = ("studio", "press", "lab")
FAULTS = (
    "over-admissions",
    "under-admissions",
    "early waits",
    "late waits",
    "early untils",
    "late untils",
    "misstated",
    "books off",
)
_LONGEST = 40 * 86_400 * NANO  # beyond it a float of seconds tells no nanoseconds
_HOUR = 3_600 * NANO
_MICROSECOND = 1_000
_SPEC = TaskSpec("m", "x", "1:1", "1k", "low", "png", 1)
_MAY_END = FINAL | {State.RUNNING, State.COLLECTING}  # of tasks when a job ends


@dataclass(slots=True)
class Live:
    """A job as both sides know it; its row says which of its tasks have a day."""

    row: JobRow
    slow: SlowJob
    tasks: dict[str, SlowTask] = field(default_factory=dict)


class Case:
    """Both sides, and what they said."""

    def __init__(self, epoch: int, limits: tuple[Limits, ...]) -> None:
        self.clock = Hands(epoch)
        self.accounts = Accounts(self.clock)
        self.model = SlowModel(Fraction(epoch))
        self.limits = dict(zip(KEYS, limits, strict=True))
        self.jobs: list[Live] = []
        self.counts: Counter[str] = Counter(dict.fromkeys(FAULTS, 0))
        self.differences: list[str] = []
        self._wrong_by = 0
        self._wrong_since = 0
        self._names = 0

    def play(self, deeds: list[Deed]) -> "Case":
        """Do one after the other, as long as both sides agree, and compare the books."""
        for deed in deeds:
            if self.differences:
                break
            self.do(deed)
        if not self.differences:
            self._compare_books()
        return self

    def do(self, deed: Deed) -> None:
        """Do one thing."""
        match deed:
            case Pass():
                self._pass(deed.nanoseconds)
            case Wish():
                self._wish(deed)
            case Plain():
                self._plain(deed)
            case Happen():
                self._happen(deed)
            case Fate():
                self._meet(deed)
            case End():
                self._end(deed.job)
            case Again():
                self._again(deed.job)
            case Reload():
                self.limits[KEYS[deed.key]] = deed.limits
            case Jump():
                self._jump(deed.seconds)
            case _:
                assert_never(deed)

    # Time

    @property
    def now(self) -> int:
        return self.clock.passed

    def _pass(self, nanoseconds: int) -> bool:
        """Let time pass; whether there was enough left of it."""
        if self.now + nanoseconds > _LONGEST:
            return False
        if self._on_the_hour(nanoseconds):
            nanoseconds += 3 * _MICROSECOND
        wrong_for = self.now + nanoseconds - self._wrong_since
        if self._wrong_by and abs(wrong_for - _HOUR) < _MICROSECOND:
            nanoseconds += 2 * _MICROSECOND
        self.clock.turn(nanoseconds)
        if self._wrong_by and self.now - self._wrong_since >= _HOUR:
            self.model.epoch += self._wrong_by
            self._wrong_by = 0
        self._compare_books()
        return True

    def _on_the_hour(self, nanoseconds: int) -> bool:
        """Whether that ends where a wall clock's float, too coarse for it, may tell another day."""
        wall = int(self.model.epoch) * NANO + self.now + nanoseconds
        return (wall + _MICROSECOND) % _HOUR <= 2 * _MICROSECOND

    def _jump(self, seconds: int) -> None:
        """What has been wrong for an hour is the time; it counts for nothing before."""
        if self._wrong_by:
            seconds = -self._wrong_by
        self.clock.set_wall(seconds)
        self._wrong_by, self._wrong_since = self._wrong_by + seconds, self.now
        self.counts["jumps"] += 1
        self._compare_books()

    # Asking and taking

    def _wish(self, wish: Wish) -> None:
        key = KEYS[wish.key]
        tasks = tuple(self._named(place, cost) for place, (_, cost) in enumerate(wish.tasks))
        specs = tuple(replace(_SPEC, n=images) for images, _ in wish.tasks)
        row = JobRow(self._name("job"), key, 0.0, _plan(specs), tasks)
        reached = self._take(row)
        if reached is None and wish.undone:
            self._undo()
        elif reached is not None and wish.patience and not self.differences:
            self._be_patient(row, reached)

    def _undo(self) -> None:
        live = self.jobs.pop()
        self.accounts.undo(self._taken)
        self.model.undo(live.slow)

    def _again(self, which: int) -> None:
        """Tasks of which nothing was bought are asked for once more, under new names."""
        ended = [
            live
            for live in self.jobs
            if live.slow.over and all(task.state in FINAL for task in live.tasks.values())
        ]
        if not ended:
            return
        live = ended[which % len(ended)]
        tasks = tuple(
            self._named(task.place, task.reserved)
            if live.tasks[task.task_id].state in {State.DROPPED, State.REFUSED}
            else replace(task, state=live.tasks[task.task_id].state)
            for task in live.row.tasks
        )
        if any(task.day is None for task in tasks):
            self._take(replace(live.row, tasks=tasks), live)

    def _take(self, row: JobRow, before: Live | None = None) -> LimitReached | None:
        """Let both sides decide, and take."""
        key, limits, now = row.key_name, self.limits[row.key_name], self.now
        fresh = [task for task in row.tasks if task.day is None]
        wanted = [(row.plan.tasks[task.place].n, task.reserved) for task in fresh]
        refused = self.model.refused(key, limits, wanted, now)
        reached = self._ask(lambda: self._taken_by(row))
        if not self._agree(f"a job {wanted} of {key}", refused, reached) or reached is not None:
            return reached
        named = [(task.task_id, *one) for task, one in zip(fresh, wanted, strict=True)]
        slow = self.model.take(key, limits, named, now, instead=before.slow if before else None)
        live = Live(self._taken.job, slow, dict(before.tasks) if before else {})
        live.tasks.update({task.task_id: task for task in slow.tasks})
        if before is not None:
            self.jobs.remove(before)
        self.jobs.append(live)
        return None

    def _taken_by(self, row: JobRow) -> None:
        self._taken = self.accounts.take(row, self.limits[row.key_name])

    def _plain(self, plain: Plain) -> None:
        key = KEYS[plain.key]
        limits = self.limits[key]
        if plain.look:
            refused = self.model.request_refused(key, limits, self.now)
            reached = self._ask(lambda: self.accounts.look(key, limits))
        else:
            refused = self.model.take_request(key, limits, self.now)
            reached = self._ask(lambda: self.accounts.take_request(key, limits))
        self._agree(f"a plain request of {key}", refused, reached)

    def _be_patient(self, row: JobRow, reached: LimitReached) -> None:
        """Come back just before the stated time, and then: neither is it early, nor late."""
        if reached.wait is not None:
            since, kind = self.now, "waits"
            soon = int((reached.wait * 0.99 - 1e-6) * NANO)
            then = -int(-reached.wait * NANO // 1)
        elif reached.until is not None and not self._wrong_by:
            since, kind = self.now, "untils"
            then = int((Fraction(reached.until) - self.model.epoch) * NANO) - since
            soon, then = then - NANO, then + NANO // 1_000
        else:
            return
        for moment, early in ((soon, True), (then, False)):
            left = max(0, moment - (self.now - since))
            if moment < 0 or self._on_the_hour(left) or not self._pass(left):
                continue
            self.counts[kind] += not early
            names = {one.name for one in self._refused(row)}
            held = reached.name in names if early else bool(names & _of_its_kind(reached.name))
            if held is not early:
                self.counts[f"late {kind}" if early else f"early {kind}"] += 1
                self._differ(f"{reached.name} was stated wrong: {_said(reached)}; then {names}")
            if self.differences or self._take(row) is None:
                return

    def _refused(self, row: JobRow) -> list[Refusal]:
        fresh = [task for task in row.tasks if task.day is None]
        wanted = [(row.plan.tasks[task.place].n, task.reserved) for task in fresh]
        return self.model.refused(row.key_name, self.limits[row.key_name], wanted, self.now)

    # What becomes of it

    def _happen(self, deed: Happen) -> None:
        found = self._open(deed.task)
        if found is None:
            return
        for one in deed.events:
            kinds = list(_steps(found[1]))
            if kinds:
                self._tell(*found, kinds[one % len(kinds)], deed.cost)

    def _meet(self, deed: Fate) -> None:
        found = self._open(deed.task)
        if found is None:
            return
        for kind in FATES[deed.fate % len(FATES)]:
            if kind in _steps(found[1]):
                self._tell(*found, kind, deed.cost)

    def _open(self, which: int) -> tuple[Live, SlowTask] | None:
        """One of the tasks to which something can happen."""
        found = [
            (live, task)
            for live in self.jobs
            if not live.slow.over
            for task in live.slow.all_tasks
            if _steps(task)
        ]
        return found[which % len(found)] if found else None

    def _tell(self, live: Live, task: SlowTask, kind: type[TaskEvent], cost: int | None) -> None:
        event = event_of(kind, live.row.job_id, task.task_id, cost)
        state = _steps(task)[kind]
        self.accounts.told(event, state)
        self.model.told(live.slow, task, event, state)
        self.counts["events"] += 1

    def _end(self, which: int) -> None:
        ready = [
            live
            for live in self.jobs
            if not live.slow.over and all(task.state in _MAY_END for task in live.slow.all_tasks)
        ]
        if ready:
            live = ready[which % len(ready)]
            self.accounts.ended(live.row.job_id)
            self.model.ended(live.slow)
            self.counts["ends"] += 1
            self._compare_books()

    # Comparing

    def _ask(self, question: Callable[[], None]) -> LimitReached | None:
        try:
            question()
        except LimitReached as reached:
            return reached
        return None

    def _agree(self, what: str, refused: list[Refusal], reached: LimitReached | None) -> bool:
        self.counts["decisions"] += 1
        self.counts["admitted" if reached is None else "refused"] += 1
        self.counts["decisions while the clock was wrong"] += self._wrong_by != 0
        if reached is None and refused:
            self.counts["over-admissions"] += 1
            self._differ(f"{what} was admitted, in spite of {refused}")
        elif reached is not None and not refused:
            self.counts["under-admissions"] += 1
            self._differ(f"{what} was refused: {_said(reached)}")
        elif reached is not None and (fault := self._misstated(refused, reached)):
            self.counts["misstated"] += 1
            self._differ(f"{what}: {_said(reached)}: {fault} {refused}")
        return not self.differences

    def _misstated(self, refused: list[Refusal], reached: LimitReached) -> str | None:
        """What is not true of how a refusal was put, if anything."""
        mine = next((one for one in refused if one.name == reached.name), None)
        if mine is None:
            return "that limit does not refuse, but"
        if (mine.limit, mine.asked, mine.used) != (reached.limit, reached.asked, reached.used):
            return "other numbers, of"
        if (mine.wait is None, mine.until) != (reached.wait is None, reached.until):
            return "frees otherwise, of"
        if mine.wait is not None and reached.wait is not None:
            when = self._untimely(mine.wait, Fraction(reached.wait))
            if when is not None:
                return f"that is {when}, of"
        last = max(self._frees(one) for one in refused)
        return "another frees later, of" if self._frees(mine) < last else None

    def _untimely(self, exact: Fraction, stated: Fraction) -> str | None:
        """Whether a stated wait is early, or more than 1 % late."""
        self.counts["waits stated"] += 1
        if stated < exact - Fraction(1, 10 * NANO):
            self.counts["early waits"] += 1
            return "early"
        if stated * Fraction(99, 100) - Fraction(1, 10**6) > exact:
            self.counts["late waits"] += 1
            return "late"
        return None

    def _frees(self, refusal: Refusal) -> float:
        """Seconds until it frees; what nobody knows comes before all else, never after it."""
        if refusal.wait is not None:
            return float(refusal.wait)
        if refusal.until is not None:
            wall = self.model.epoch + Fraction(self.now, NANO)
            return float(Fraction(refusal.until) - wall)
        return -1.0 if refusal.name == "concurrent" else float("inf")

    def _compare_books(self) -> None:
        """All keys stand alike on both sides."""
        for key, limits in self.limits.items():
            mine = self.model.standing(key, limits, self.now)
            theirs = self.accounts.standing(key, limits)
            self.counts["books compared"] += 1
            if not alike(mine, theirs):
                self.counts["books off"] += 1
                self._differ(f"{key} stands as {theirs}, and should as {mine}")

    def _differ(self, sentence: str) -> None:
        wall = datetime.fromtimestamp(float(self.model.epoch + Fraction(self.now, NANO)), UTC)
        self.differences.append(f"after {self.now} ns, {wall}: {sentence}; {self.limits}")

    def _name(self, of: str) -> str:
        self._names += 1
        return f"{of}_{self._names}"

    def _named(self, place: int, cost: int) -> TaskRow:
        return TaskRow(self._name("task"), place, reserved=cost)


def _plan(specs: tuple[TaskSpec, ...]) -> Plan:
    return Plan("generation", "m", None, specs, Finish(None, "png"), None, None, "url")


def _of_its_kind(name: str) -> set[str]:
    """The limits that must be free at the moment that was stated for one."""
    return set(RATES) if name in RATES else {name}


def _said(reached: LimitReached) -> str:
    when = f"wait {reached.wait}, until {reached.until}"
    return f"{reached.name} {reached.used}+{reached.asked} of {reached.limit}, {when}"


def _steps(task: SlowTask) -> Mapping[type[TaskEvent], State]:
    """What can happen to a task, and where that leads."""
    return (AFTER_A_LOSS if task.lost else TABLE)[task.state]
