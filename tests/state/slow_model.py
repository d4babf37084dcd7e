"""The limits once more, slowly: from what the pages promise, nothing pruned, nothing cached.

Every take that stands is kept for ever, and every question walks all of them, in fractions. Times
are nanoseconds of the monotonic clock, days come from ``datetime``. It was written from the words
of ``Store``, of ``Limits`` and of the issue, and must never import the parts it is compared with.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from gateway.config.sections import Limits
from gateway.events import FINAL, CreateLost, Found, State, Succeeded, TaskEvent, TaskFailed
from gateway.state.base import Room, Standing

NANO = 1_000_000_000
RATES = ("requests_per_minute", "images_per_minute")
_BURSTS = {"requests_per_minute": "requests_burst", "images_per_minute": "images_burst"}
_NOTHING_BOUGHT = (State.DROPPED, State.REFUSED)


@dataclass(slots=True)
class Refusal:
    """A limit that says no: ``wait`` in seconds for rates, ``until`` (Unix seconds) for quotas.

    Neither is known for what is under way, nor for what no day will ever allow.
    """

    name: str
    limit: int
    asked: int
    used: int = 0
    wait: Fraction | None = None
    until: float | None = None


@dataclass(slots=True)
class SlowTake:
    """So many tokens at a moment; ``given_back`` ones count as though they had never been."""

    at: int
    count: int
    settled: bool = False
    given_back: bool = False


@dataclass(slots=True)
class SlowChange:
    """From a moment on another limit holds."""

    at: int
    limit: int


@dataclass(slots=True)
class SlowRate:
    """A fluid bucket: its limits as they changed, and all takes there ever were, in order."""

    first: int
    story: list[SlowTake | SlowChange] = field(default_factory=list)

    @property
    def limit(self) -> int:
        """The one that holds now."""
        changes = [one.limit for one in self.story if isinstance(one, SlowChange)]
        return changes[-1] if changes else self.first

    def use(self, limit: int, now: int) -> None:
        """A limit holds from the first call that names it; what is owed then stands."""
        if limit == self.limit:
            return
        for one in self.story:
            if isinstance(one, SlowTake):
                one.settled = True
        self.story.append(SlowChange(now, limit))

    def debt(self, now: int) -> Fraction:
        """What is owed, in tokens: every take adds to it, every minute pays ``limit`` of it."""
        owed, at, limit = Fraction(0), 0, self.first
        for one in self.story:
            if isinstance(one, SlowTake) and one.given_back:
                continue
            owed, at = _paid(owed, limit, one.at - at), one.at
            if isinstance(one, SlowTake):
                owed += one.count
            else:
                limit = one.limit
        return _paid(owed, limit, now - at)

    def wait(self, now: int, count: int, burst: int) -> Fraction:
        """Seconds until so many may be taken."""
        too_much = self.debt(now) - max(0, burst - count)
        return max(Fraction(0), too_much * 60 / self.limit)

    def give_back(self, take: SlowTake) -> None:
        if not take.settled:
            take.given_back = True


def _paid(owed: Fraction, limit: int, nanoseconds: int) -> Fraction:
    return max(Fraction(0), owed - Fraction(limit * nanoseconds, 60 * NANO))


@dataclass(slots=True)
class SlowTask:
    """What a task was taken for, and what became of it."""

    task_id: str
    images: int
    cost: int
    day: date
    take: SlowTake | None = None
    state: State = State.INTENT
    found: bool = False
    lost: bool = False


@dataclass(slots=True)
class SlowJob:
    """What one request took: its own token, and its tasks; ``adopted`` are an earlier one's."""

    key_name: str
    tasks: list[SlowTask]
    request: SlowTake | None
    adopted: list[SlowTask] = field(default_factory=list)
    over: bool = False

    @property
    def all_tasks(self) -> list[SlowTask]:
        """Its own and the adopted ones."""
        return [*self.adopted, *self.tasks]


@dataclass(slots=True)
class SlowModel:
    """All keys. ``epoch`` is the wall clock's time when the monotonic one showed 0."""

    epoch: Fraction
    rates: dict[tuple[str, str], SlowRate] = field(default_factory=dict)
    jobs: list[SlowJob] = field(default_factory=list)

    def day(self, now: int) -> date:
        return date(1970, 1, 1) + timedelta(days=(self.epoch + Fraction(now, NANO)) // 86_400)

    def request_refused(self, key: str, limits: Limits, now: int) -> list[Refusal]:
        """Who refuses a request that buys nothing."""
        return self._too_fast(key, limits, now, {"requests_per_minute": 1})

    def take_request(self, key: str, limits: Limits, now: int) -> list[Refusal]:
        """Take a request's token, if it may be had."""
        refused = self.request_refused(key, limits, now)
        if not refused:
            self._take(key, "requests_per_minute", limits, 1, now)
        return refused

    def refused(
        self, key: str, limits: Limits, wanted: Sequence[tuple[int, int]], now: int
    ) -> list[Refusal]:
        """Who refuses tasks of so many pictures and micro-dollars each, and a request for them."""
        images, cost = sum(one[0] for one in wanted), sum(one[1] for one in wanted)
        counts = {"requests_per_minute": 1, "images_per_minute": images}
        return [
            *self._too_fast(key, limits, now, counts),
            *self._too_many(key, limits, images),
            *self._used_up(key, limits, (images, cost), now),
        ]

    def take(
        self,
        key: str,
        limits: Limits,
        wanted: Sequence[tuple[str, int, int]],
        now: int,
        instead: SlowJob | None = None,
    ) -> SlowJob:
        """Take all of it; whoever calls has asked before. It may take up a job that had ended."""
        tasks = [
            SlowTask(
                name,
                images,
                cost,
                self.day(now),
                self._take(key, "images_per_minute", limits, images, now),
            )
            for name, images, cost in wanted
        ]
        job = SlowJob(key, tasks, self._take(key, "requests_per_minute", limits, 1, now))
        if instead is not None:
            job.adopted = instead.all_tasks
            for task in job.adopted:
                task.found = False
            instead.adopted, instead.tasks = [], []
        self.jobs.append(job)
        return job

    def undo(self, job: SlowJob) -> None:
        """It was not begun: nothing of it was ever taken."""
        self.jobs.remove(job)
        self._give_back(job.key_name, "requests_per_minute", job.request)
        for task in job.tasks:
            self._give_back(job.key_name, "images_per_minute", task.take)

    def told(self, job: SlowJob, task: SlowTask, event: TaskEvent, state: State) -> None:
        """Something happened to a task."""
        task.state = state
        task.found = task.found or isinstance(event, Found)
        task.lost = task.lost or isinstance(event, CreateLost)
        if state in _NOTHING_BOUGHT and not task.lost:  # else one was perhaps bought all the same
            self._give_back(job.key_name, "images_per_minute", task.take)
            task.images = task.cost = 0
        elif isinstance(event, Succeeded | TaskFailed) and event.cost_usd is not None:
            task.cost = int(Fraction(event.cost_usd) * 1_000_000)

    def ended(self, job: SlowJob) -> None:
        """A job of which nothing was bought, though the vendor refused nothing, was no request.

        A task that is LOST was perhaps bought. What was bought before it was taken up, and not
        found only now, is no purchase of this request's.
        """
        job.over = True
        found = any(task.found for task in job.adopted) or any(task.lost for task in job.tasks)
        if all(task.state is State.DROPPED for task in job.tasks) and not found:
            self._give_back(job.key_name, "requests_per_minute", job.request)

    def standing(self, key: str, limits: Limits, now: int) -> Standing:
        """What a key has used."""
        today = self.day(now)
        return Standing(
            requests=self._room(key, "requests_per_minute", limits, now),
            images=self._room(key, "images_per_minute", limits, now),
            under_way=self._under_way(key),
            images_today=sum(task.images for task in self._of(key, [today])),
            cost_today=sum(task.cost for task in self._of(key, [today])),
            cost_this_month=sum(task.cost for task in self._of(key, _month(today))),
        )

    def _tasks(self, key: str) -> list[SlowTask]:
        return [task for job in self.jobs if job.key_name == key for task in job.all_tasks]

    def _of(self, key: str, days: Iterable[date]) -> list[SlowTask]:
        wanted = set(days)
        return [task for task in self._tasks(key) if task.day in wanted]

    def _under_way(self, key: str) -> int:
        live = [job for job in self.jobs if job.key_name == key and not job.over]
        return sum(task.images for job in live for task in job.all_tasks if task.state not in FINAL)

    def _rate(self, key: str, name: str, limits: Limits, now: int) -> tuple[SlowRate, int] | None:
        limit: int | None = getattr(limits, name)
        if limit is None:
            return None
        rate = self.rates.setdefault((key, name), SlowRate(limit))
        rate.use(limit, now)
        burst: int | None = getattr(limits, _BURSTS[name])
        return rate, ten_seconds(limit) if burst is None else burst

    def _take(self, key: str, name: str, limits: Limits, count: int, now: int) -> SlowTake | None:
        found = self._rate(key, name, limits, now)
        if found is None:
            return None
        take = SlowTake(now, count)
        found[0].story.append(take)
        return take

    def _give_back(self, key: str, name: str, take: SlowTake | None) -> None:
        if take is not None:
            self.rates[key, name].give_back(take)

    def _room(self, key: str, name: str, limits: Limits, now: int) -> Room | None:
        found = self._rate(key, name, limits, now)
        if found is None:
            return None
        rate, burst = found
        debt = rate.debt(now)
        left = max(0, (burst - debt).__floor__())
        return Room(rate.limit, burst, left, float(debt * 60 / rate.limit))

    def _too_fast(
        self, key: str, limits: Limits, now: int, counts: dict[str, int]
    ) -> list[Refusal]:
        refusals = []
        for name, count in counts.items():
            found = self._rate(key, name, limits, now)
            if found is not None and (wait := found[0].wait(now, count, found[1])):
                refusals.append(Refusal(name, found[0].limit, count, wait=wait))
        return refusals

    def _too_many(self, key: str, limits: Limits, images: int) -> list[Refusal]:
        used, limit = self._under_way(key), limits.concurrent
        if limit is None or used + images <= limit:
            return []
        return [Refusal("concurrent", limit, images, used)]

    def _used_up(
        self, key: str, limits: Limits, wanted: tuple[int, int], now: int
    ) -> list[Refusal]:
        today = self.day(now)
        month = _month(today)
        here, then = self._of(key, [today]), self._of(key, month)
        images, cost = wanted
        tomorrow, next_month = today + timedelta(days=1), month[-1] + timedelta(days=1)
        quotas = (
            ("images_per_day", images, sum(task.images for task in here), tomorrow),
            ("cost_per_day", cost, sum(task.cost for task in here), tomorrow),
            ("cost_per_month", cost, sum(task.cost for task in then), next_month),
        )
        refusals = []
        for name, asked, used, free in quotas:
            limit: int | None = getattr(limits, name)
            if limit is not None and asked and used + asked > limit:
                until = _midnight(free) if asked <= limit else None
                refusals.append(Refusal(name, limit, asked, used, until=until))
        return refusals


def ten_seconds(limit: int) -> int:
    """The burst of a limit that names none: ten seconds' worth, and one at least."""
    return max(1, -(-limit // 6))


def _month(day: date) -> list[date]:
    """All days of a day's month."""
    days = [day.replace(day=1)]
    while (after := days[-1] + timedelta(days=1)).month == day.month:
        days.append(after)
    return days


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def alike(mine: Standing, theirs: Standing) -> bool:
    """Whether they are the same: moments to a nanosecond or two, the rest exactly."""
    rooms = ((mine.requests, theirs.requests), (mine.images, theirs.images))
    return all(_rooms_alike(*both) for both in rooms) and (
        replace(mine, requests=None, images=None) == replace(theirs, requests=None, images=None)
    )


def _rooms_alike(mine: Room | None, theirs: Room | None) -> bool:
    if mine is None or theirs is None:
        return mine is theirs
    if not -1e-9 <= theirs.seconds - mine.seconds <= 3e-9:
        return False
    return replace(mine, seconds=0) == replace(theirs, seconds=0)
