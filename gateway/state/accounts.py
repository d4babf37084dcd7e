"""What each key has used: the arithmetic of its limits, in memory, for one process.

Owns: what a key has under way and what it spent by day; taking all of a request's limits at once
or none, and giving back what bought nothing. Must not know: where any of it is written down, HTTP,
what a limit's message says. Nothing here waits, so that looking and taking is one step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf

from gateway.clock import Clock
from gateway.config.sections import Limits
from gateway.events import (
    FINAL,
    Created,
    CreateLost,
    Dropped,
    Found,
    NotFound,
    Refused,
    State,
    Succeeded,
    TaskEvent,
    TaskFailed,
)
from gateway.state.base import JobRow, LimitReached, Standing
from gateway.state.books import Change, Owed, Spent, Taken, Use
from gateway.state.bucket import Take
from gateway.state.days import DAY, SteadyDays, month_of
from gateway.state.rates import Rates
from gateway.translate.money import micro_dollars

KEPT_DAYS = 62
_NOT_BOUGHT = frozenset({State.DROPPED, State.REFUSED})


@dataclass(slots=True)
class _Part:
    """One task's part of what its job holds."""

    images: int
    charge: int
    day: int
    under_way: bool = False
    take: Take | None = None
    perhaps: bool = False  # a create of it was sent whose answer never came


@dataclass(slots=True)
class _Held:
    """What a live job holds. ``keeps`` says that its request counts whatever becomes of it."""

    key_name: str
    parts: dict[str, _Part] = field(default_factory=dict)
    request: Take | None = None
    keeps: bool = False


@dataclass(slots=True)
class _Account:
    """One key's pictures under way, and its pictures and micro-dollars by day."""

    under_way: int = 0
    days: dict[int, list[int]] = field(default_factory=dict)


class Accounts:
    """The accounts of all keys."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._days = SteadyDays(clock)
        self._rates = Rates(clock)
        self._accounts: dict[str, _Account] = {}
        self._held: dict[str, _Held] = {}
        self._uses: dict[tuple[str, str], float] = {}

    def __repr__(self) -> str:
        return f"Accounts({len(self._accounts)} keys, {len(self._held)} jobs)"

    # Asking

    def look(self, key_name: str, limits: Limits) -> None:
        """Whether the key may send one more request. Raises: LimitReached. Takes nothing."""
        reached = self._rates.too_fast(key_name, limits, requests=1, images=0)
        if reached is not None:
            raise reached

    def standing(self, key_name: str, limits: Limits) -> Standing:
        """Where a key stands."""
        account, today = self._account(key_name), self._days.today()
        images, cost = account.days.get(today, (0, 0))
        return Standing(
            requests=self._rates.room(key_name, "requests_per_minute", limits),
            images=self._rates.room(key_name, "images_per_minute", limits),
            under_way=account.under_way,
            images_today=images,
            cost_today=cost,
            cost_this_month=_month(account.days, today),
        )

    # Taking

    def take_request(self, key_name: str, limits: Limits) -> None:
        """Count a request that buys nothing. Raises: LimitReached."""
        self.look(key_name, limits)
        take = self._rates.take(key_name, "requests_per_minute", limits, 1)
        self._rates.settle(key_name, "requests_per_minute", take)

    def take(self, job: JobRow, limits: Limits) -> Taken:
        """Take all that a job's tasks without a day need, or nothing. Raises: LimitReached."""
        fresh = [task for task in job.tasks if task.state is State.INTENT and task.day is None]
        numbers = {task.task_id: job.plan.tasks[task.place].n for task in fresh}
        today = self._days.today()
        images, cost = sum(numbers.values()), sum(task.reserved for task in fresh)
        spent = Spent(job.key_name, today, images, cost)
        reached = self._reached(spent, limits)
        if reached is not None:
            raise reached
        held = self._held[job.job_id] = self._holding(job)
        held.request = self._rates.take(job.key_name, "requests_per_minute", limits, 1)
        for task in fresh:
            number = numbers[task.task_id]
            take = self._rates.take(job.key_name, "images_per_minute", limits, number)
            part = _Part(number, task.reserved, today, take=take)
            held.parts[task.task_id] = part
            self._enter(held, part)
        self._spend(spent)
        tasks = tuple(
            replace(task, day=today) if task.task_id in numbers else task for task in job.tasks
        )
        owed = self._rates.owed_by(job.key_name)
        return Taken(replace(job, tasks=tasks), owed, spent)

    def undo(self, taken: Taken) -> None:
        """The job was not begun after all."""
        held = self._held.pop(taken.job.job_id)
        for part in held.parts.values():
            if part.under_way:
                self._leave(held, part)
            self._rates.give_back(held.key_name, "images_per_minute", part.take)
        self._rates.give_back(held.key_name, "requests_per_minute", held.request)
        self._rates.not_written(taken.owed)
        spent = taken.spent
        self._spend(Spent(spent.key_name, spent.day, -spent.images, -spent.cost))

    # What becomes of it

    def told(self, event: TaskEvent, state: State) -> Change | None:
        """What happened to a task; what that changes in the books, if anything."""
        held = self._held.get(event.job_id)
        part = held.parts.get(event.task_id) if held is not None else None
        if held is None or part is None:
            return None
        if part.under_way and state in FINAL:
            self._leave(held, part)
        elif not part.under_way and state not in FINAL:
            self._enter(held, part)
        match event:
            case CreateLost():
                part.perhaps = held.keeps = True
            case Dropped() | Refused() if not part.perhaps:
                held.keeps = held.keeps or isinstance(event, Refused)
                self._rates.give_back(held.key_name, "images_per_minute", part.take)
                return self._charge(held, event.task_id, 0, images=-part.images)
            case Created() | Found():
                held.keeps = True
                self._rates.settle(held.key_name, "images_per_minute", part.take)
            case NotFound():
                held.keeps = True  # perhaps bought: the request counts, as its pictures do
            case Succeeded() | TaskFailed():
                charge = micro_dollars(event.cost_usd, otherwise=part.charge)
                return self._charge(held, event.task_id, charge)
        return None

    def ended(self, job_id: str) -> None:
        """A job is over: what bought nothing, for no fault of the request, has cost no request."""
        held = self._held.pop(job_id, None)
        if held is None:
            return
        for part in held.parts.values():
            if part.under_way:
                self._leave(held, part)
            self._rates.settle(held.key_name, "images_per_minute", part.take)
        if held.keeps:
            self._rates.settle(held.key_name, "requests_per_minute", held.request)
        else:
            self._rates.give_back(held.key_name, "requests_per_minute", held.request)

    # Remembering

    def resume(self, job: JobRow) -> None:
        """A job was begun by another process, or is taken up again: its day has counted it."""
        held = self._held[job.job_id] = self._holding(job)
        held.keeps = True

    def restore(self, owed: Iterable[Owed], spent: Iterable[Spent]) -> None:
        """Take up what was written down."""
        self._rates.restore(owed)
        for one in spent:
            self._spend(one)

    def used(self, key_name: str, credential: str) -> None:
        """A key was used, by this credential of it."""
        self._uses[key_name, credential] = self._clock.wall()

    def unwritten(self) -> tuple[tuple[Owed, ...], tuple[Use, ...]]:
        """The rates and keys that were used since they were told here, or rates with a job."""
        uses = tuple(Use(*key, at) for key, at in self._uses.items())
        self._uses.clear()
        return self._rates.unwritten(), uses

    def not_written(self, owed: Iterable[Owed], uses: Iterable[Use]) -> None:
        """What ``unwritten`` told could not be written down: it is to be told again."""
        self._rates.not_written(owed)
        for use in uses:
            self._uses.setdefault((use.key_name, use.credential), use.at)

    # Parts

    def _holding(self, job: JobRow) -> _Held:
        held = _Held(job.key_name)
        for task in job.tasks:
            if task.day is not None and task.state not in _NOT_BOUGHT:
                charge = task.reserved if task.charged is None else task.charged
                part = _Part(job.plan.tasks[task.place].n, charge, task.day)
                part.perhaps = task.create_lost
                held.parts[task.task_id] = part
                if task.state not in FINAL:
                    self._enter(held, part)
        return held

    def _reached(self, wanted: Spent, limits: Limits) -> LimitReached | None:
        """The limit that frees last of those that refuse, if any does."""
        account = self._account(wanted.key_name)
        used_up = _used_up(account.days, wanted, limits)
        too_fast = self._rates.too_fast(wanted.key_name, limits, 1, wanted.images)
        if used_up is not None and too_fast is not None:
            return (
                too_fast if self._days.wall() + (too_fast.wait or 0) > _free(used_up) else used_up
            )
        return used_up or too_fast or _too_many(account.under_way, wanted.images, limits.concurrent)

    def _charge(self, held: _Held, task_id: str, charge: int, images: int = 0) -> Change:
        part = held.parts[task_id]
        spent = Spent(held.key_name, part.day, images, charge - part.charge)
        part.charge = charge
        self._spend(spent)
        return Change(task_id, charge, spent)

    def _spend(self, spent: Spent) -> None:
        days = self._account(spent.key_name).days
        day = days.setdefault(spent.day, [0, 0])
        day[0] += spent.images
        day[1] += spent.cost
        if len(days) > KEPT_DAYS:
            # The farthest off: of a clock that was set back, that is not today.
            del days[max(days, key=lambda one: abs(one - spent.day))]

    def _enter(self, held: _Held, part: _Part) -> None:
        part.under_way = True
        self._account(held.key_name).under_way += part.images

    def _leave(self, held: _Held, part: _Part) -> None:
        part.under_way = False
        self._account(held.key_name).under_way -= part.images

    def _account(self, key_name: str) -> _Account:
        account = self._accounts.get(key_name)
        if account is None:
            account = self._accounts[key_name] = _Account()
        return account


def _month(days: Mapping[int, list[int]], today: int) -> int:
    first, following = month_of(today)
    return sum(cost for day, (_, cost) in days.items() if first <= day < following)


def _used_up(days: Mapping[int, list[int]], wanted: Spent, limits: Limits) -> LimitReached | None:
    images, cost = days.get(wanted.day, (0, 0))
    following = wanted.day + 1
    asked = [
        ("cost_per_day", limits.cost_per_day, cost, wanted.cost, following),
        ("images_per_day", limits.images_per_day, images, wanted.images, following),
    ]
    if limits.cost_per_month is not None:
        month, following = _month(days, wanted.day), month_of(wanted.day)[1]
        asked.insert(0, ("cost_per_month", limits.cost_per_month, month, wanted.cost, following))
    reached = [
        LimitReached(
            name, limit, used=used, asked=more, until=until * DAY if more <= limit else None
        )
        for name, limit, used, more, until in asked
        if limit is not None and more and used + more > limit
    ]
    return max(reached, key=_free, default=None)


def _free(used_up: LimitReached) -> float:
    """When it frees: never, for what is more than all of it."""
    return inf if used_up.until is None else used_up.until


def _too_many(under_way: int, images: int, limit: int | None) -> LimitReached | None:
    if limit is None or under_way + images <= limit:
        return None
    return LimitReached("concurrent", limit, used=under_way, asked=images)
