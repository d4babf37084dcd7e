"""The process as it is, looked at from one place."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import gateway
from gateway.config.sections import Images, Key, Limits, Queue, Upstream
from gateway.config.sections import State as StateSection
from gateway.events import State
from gateway.facts import InFlight, RequestFacts
from gateway.notices import ObserverFailed
from gateway.overview import REFRESHED, Overview, Parts, Settings, Surroundings, uses_in
from gateway.state.base import LedgerFigures, Standing
from gateway.state.sqlite import SqliteStore
from gateway.upstream.balance import Balance
from gateway.upstream.budget import RetryBudget
from gateway.upstream.quota import Quota
from gateway.web.clients import Answer, Method, Part
from tests.clocks import FakeClock
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan

LIMITS = {"requests_per_minute": 60, "images_per_day": 500, "cost_per_month": "20"}
STUDIO = {"name": "studio", "key": "sk-igw-studio", "limits": LIMITS}


def keys(*told: Mapping[str, Any]) -> tuple[Key, ...]:
    return tuple(Key.model_validate(one) for one in told)


@dataclass
class Door:
    connections_open: int
    connections_refused: int


class Vendor:
    """Tells the balance, and nothing else."""

    async def create(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        raise AssertionError("nothing is bought here")

    async def call(
        self,
        method: Method,
        url: str,
        headers: Mapping[str, str],
        seconds: float,
        part: Part | None = None,
    ) -> Answer:
        return Answer(200, {}, b'{"success": true, "remain_balance": 8.5}')


@dataclass
class Stand:
    """A house, and the look at it."""

    house: House
    overview: Overview
    in_flight: InFlight
    budget: RetryBudget
    quota: Quota
    balance: Balance
    checks: dict[str, Callable[[], str | None]]
    uses: dict[tuple[str, str], float] = field(default_factory=dict)
    draining: bool = False

    @property
    def clock(self) -> FakeClock:
        return self.house.clock


async def look(house: House, folder: Path, **upstream: Any) -> Stand:
    clock = house.clock
    section = Upstream.model_validate({"api_key": "vendor-secret", **upstream})
    images = Images(folder=str(folder), shelf=1_000_000)
    in_flight, budget, quota = InFlight(), RetryBudget(0.2, clock), Quota(clock)
    balance = Balance(section, Vendor(), clock)
    stand: Stand
    checks: dict[str, Callable[[], str | None]] = {"ledger": lambda: None}
    uses: dict[tuple[str, str], float] = {}
    parts = Parts(
        board=house.board,
        in_flight=in_flight,
        queue=house.queue,
        experience=house.poller.experience,
        breaker=house.breaker,
        governor=house.governor,
        budget=budget,
        quota=quota,
        balance=balance,
        store=house.store,
        shelf=house.shelf,
        checks=checks,
        draining=lambda: stand.draining,
        uses=lambda: dict(uses),
    )
    settings = Settings(upstream=section, queue=Queue(), images=images, connections=7)
    overview = Overview(parts, settings, keys(STUDIO), clock, house.facts.append)
    stand = Stand(house, overview, in_flight, budget, quota, balance, checks, uses)
    return stand


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with House(tmp_path, max_tasks=1) as house:
        yield await look(house, tmp_path, max_tasks=1)


async def test_an_idle_process(stand: Stand) -> None:
    stand.clock.now += 42
    seen = stand.overview.snapshot()
    assert (seen.at, seen.uptime, seen.version) == (stand.clock.wall(), 42, gateway.__version__)
    assert (seen.jobs, seen.by_key, seen.by_state, seen.requests) == ((), {}, {}, {})
    assert (seen.draining, seen.findings) == (False, {"ledger": None})
    assert (seen.config_good, seen.config_read_at) == (True, stand.clock.wall() - 42)
    assert (seen.connections, seen.connections_limit, seen.connections_refused) == ({}, 7, 0)
    assert (seen.vendor.name, seen.vendor.base_url) == ("toapis", "https://toapis.com")
    assert (seen.vendor.breaker, seen.vendor.held) == ("closed", False)
    assert (seen.vendor.submits, seen.vendor.submits_per_second) == (5, 5)
    assert (round(seen.vendor.queries), seen.vendor.queries_per_second) == (50, 50)
    assert (seen.vendor.retry_budget, seen.vendor.balance, seen.vendor.oldest_task) == (
        1,
        None,
        None,
    )
    assert (seen.queue.requests, seen.queue.tasks, seen.queue.at_vendor) == (0, 0, 0)
    assert (seen.queue.most_requests, seen.queue.most_at_vendor) == (1_000, 1)


async def test_jobs_are_shown_as_they_are(stand: Stand) -> None:
    house = stand.house
    running = await house.start(a_plan())
    await stand.clock.until(lambda: running.tasks[0].entry.state is State.RUNNING)
    waiting = await house.start(a_plan(size="auto", quality="low"))
    house.board.enter(waiting.job_id)
    await stand.clock.advance(3)
    running.tasks[0].progress = 30
    seen = stand.overview.snapshot()
    first, second = seen.jobs
    assert (first.job_id, first.key_name, first.model) == (running.job_id, "studio", "gpt-image-2")
    assert (first.kind, first.size, first.quality, first.n) == (
        "generation",
        "1024x1024",
        "high",
        1,
    )
    assert (first.callers, first.position, first.waiting) == (1, None, None)
    assert first.age == stand.clock.now - running.started
    (task,) = first.tasks
    accepted = running.tasks[0].accepted_at
    assert accepted is not None
    assert (task.state, task.progress, task.age) == (State.RUNNING, 30, stand.clock.now - accepted)
    assert task.upstream_id == running.tasks[0].upstream_id
    assert task.task_id == running.tasks[0].entry.task_id
    assert first.expected is not None
    typical = house.poller.experience.typical("1k", "high")
    assert first.expected == pytest.approx(accepted + typical - stand.clock.now)
    assert (second.size, second.quality, second.callers) == ("auto", "low", 2)
    assert (second.position, second.waiting) == (1, 1)
    assert (second.tasks[0].upstream_id, second.tasks[0].age) == (None, None)
    place = waiting.place
    assert place is not None
    low = house.poller.experience.typical("1k", "low")
    assert second.expected == pytest.approx(place.expected + low)
    assert (seen.queue.requests, seen.queue.tasks, seen.queue.at_vendor) == (1, 1, 1)
    assert seen.vendor.oldest_task == stand.clock.now - accepted
    assert seen.by_key == {"studio": 2}
    assert seen.by_state == {State.RUNNING: 1, State.INTENT: 1}


async def test_of_a_job_that_takes_long_nobody_can_say_when_it_ends(stand: Stand) -> None:
    stand.house.vendor.seconds = 10_000
    job = await stand.house.start(a_plan())
    await stand.clock.until(lambda: job.tasks[0].entry.state is State.RUNNING)
    await stand.clock.advance(800)
    assert stand.overview.snapshot().jobs[0].expected is None


async def test_so_many_of_the_oldest_jobs_are_shown_and_all_are_counted(stand: Stand) -> None:
    started = [await stand.house.start(a_plan()) for _ in range(4)]
    for most, shown in ((0, 0), (2, 2), (9, 4), (None, 4)):
        seen = stand.overview.snapshot(most)
        assert [job.job_id for job in seen.jobs] == [job.job_id for job in started[:shown]]
        assert seen.by_key == {"studio": 4}
        assert sum(seen.by_state.values()) == 4


async def test_nothing_shown_is_a_prompt_or_a_key(stand: Stand) -> None:
    await stand.house.start(a_plan())
    await stand.clock.advance(1)
    told = repr((stand.overview.snapshot(), await stand.overview.keys()))
    assert "lighthouse" not in told
    assert "sk-igw" not in told
    assert "vendor-secret" not in told


async def test_requests_in_flight_are_counted_by_route(stand: Stand) -> None:
    for number, route in enumerate(("models", None, "models")):
        facts = RequestFacts(f"req_{number}", route=route)
        stand.in_flight.enter(facts)
    assert stand.overview.snapshot().requests == {"models": 2, None: 1}


async def test_the_vendor_in_trouble(stand: Stand) -> None:
    house = stand.house
    house.governor.submits.pause(20)
    for _ in range(10):
        leave = house.breaker.admit()
        assert not isinstance(leave, float)
        house.breaker.failed(leave)
    for _ in range(5):
        stand.budget.take()
    seen = stand.overview.snapshot().vendor
    assert (seen.breaker, seen.held, seen.submits, seen.retry_budget) == ("open", True, 0, 0.5)
    stand.clock.now += 15
    assert stand.overview.snapshot().vendor.breaker == "half_open"


async def test_what_the_vendor_says_is_left_counts_more_than_what_we_count(stand: Stand) -> None:
    stand.quota.hear({"x-ratelimit-category": "async_submit", "x-ratelimit-remaining": "41"})
    seen = stand.overview.snapshot().vendor
    assert (seen.submits, round(seen.queries)) == (41, 50)
    stand.clock.now += 60
    assert stand.overview.snapshot().vendor.submits == 5


async def test_the_balance_is_shown_once_it_is_known(stand: Stand) -> None:
    await stand.balance.ask()
    assert stand.overview.snapshot().vendor.balance == 8.5


async def test_what_the_process_around_knows_is_shown(stand: Stand) -> None:
    stand.overview.around = Surroundings(
        doors={"clients": Door(3, 4), "operators": Door(1, 2)},
        config=lambda: (False, 12.5),
        log_dropped=lambda: 5,
        log_suppressed=lambda: 6,
    )
    stand.draining = True
    stand.checks["ledger"] = lambda: "disk full"
    seen = stand.overview.snapshot()
    assert (seen.connections, seen.connections_refused) == ({"clients": 3, "operators": 1}, 6)
    assert (seen.config_good, seen.config_read_at) == (False, 12.5)
    assert (seen.log_dropped, seen.log_suppressed) == (5, 6)
    assert (seen.draining, seen.findings) == (True, {"ledger": "disk full"})


# Keys


async def test_a_key_is_shown_with_its_limits_and_what_it_used(stand: Stand) -> None:
    await stand.house.start(a_plan(n=3))
    (key,) = await stand.overview.keys()
    assert (key.name, key.state, key.last_used) == ("studio", "good", None)
    assert (key.requests_per_minute, key.images_per_minute, key.concurrent) == (60, None, None)
    assert (key.images_per_day, key.cost_per_day, key.cost_per_month) == (500, None, 20_000_000)
    assert (key.standing.images_today, key.standing.under_way) == (3, 3)
    assert key.standing.requests is not None
    assert key.standing.requests.limit == 60


async def test_a_key_was_used_when_any_of_its_credentials_was(stand: Stand) -> None:
    other = {"name": "other", "key": "sk-igw-other"}
    also = [{"key": "sk-igw-second"}, {"id": "k3v9x2ab", "sha256": "0" * 64}]
    stand.overview.reload(keys({**STUDIO, "also": also}, other))
    stand.uses.update({("studio", "key"): 5.0, ("studio", "k3v9x2ab"): 7.0, ("gone", "key"): 9.0})
    assert [key.last_used for key in await stand.overview.keys()] == [None, None]
    await stand.overview.refresh()
    assert [key.last_used for key in await stand.overview.keys()] == [7.0, None]


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({}, "good"),
        ({"expires": "2999-01-01"}, "good"),
        ({"expires": "2020-01-01"}, "expired"),
        ({"disabled": True}, "disabled"),
        ({"disabled": True, "expires": "2020-01-01"}, "disabled"),
        ({"disabled": True, "also": [{"key": "sk-igw-second"}]}, "disabled"),
        ({"expires": "2020-01-01", "also": [{"key": "sk-igw-second"}]}, "good"),
        (
            {"expires": "2020-01-01", "also": [{"key": "sk-igw-second", "disabled": True}]},
            "expired",
        ),
    ],
)
async def test_a_keys_state_says_whether_it_would_be_admitted(
    stand: Stand, told: Mapping[str, Any], state: str
) -> None:
    stand.overview.reload(keys({**STUDIO, **told}))
    assert [key.state for key in await stand.overview.keys()] == [state]


# Figures


def counting(stand: Stand, figures: Callable[[], LedgerFigures]) -> None:
    """Have the house's memory say what it holds."""

    async def count() -> LedgerFigures:
        return figures()

    stand.house.store.figures = count  # type: ignore[method-assign]


async def test_figures_are_counted_every_few_seconds_and_not_for_every_look(stand: Stand) -> None:
    counts: list[None] = []

    def figures() -> LedgerFigures:
        counts.append(None)
        return LedgerFigures({State.DONE: len(counts)}, 2, 3.5, 4_096)

    counting(stand, figures)
    running = asyncio.create_task(stand.overview.run())
    await stand.clock.advance(3 * REFRESHED)
    for _ in range(5):
        seen = stand.overview.snapshot().figures
    running.cancel()
    assert seen.tasks == {State.DONE: 3}
    assert (seen.unclaimed, seen.oldest_uncertain, seen.ledger_bytes) == (2, 3.5, 4_096)


async def test_the_shelf_and_the_disk_are_looked_at(stand: Stand, tmp_path: Path) -> None:
    job = await stand.house.start(a_plan())
    await stand.house.finished(job)
    await stand.overview.refresh()
    seen = stand.overview.snapshot().figures
    (picture,) = job.tasks[0].kept
    assert (seen.shelf_bytes, seen.shelf_limit) == (picture.size, 1_000_000)
    assert seen.disk_free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)


async def test_the_disk_is_looked_at_though_the_ledger_cannot_be_read(stand: Stand) -> None:
    def figures() -> LedgerFigures:
        raise OSError

    counting(stand, figures)
    await stand.overview.refresh()
    assert stand.overview.snapshot().figures.disk_free > 0


async def test_of_many_jobs_an_uncertain_one_is_shown_first(stand: Stand) -> None:
    jobs = [await stand.house.start(a_plan()) for _ in range(3)]
    jobs[2].tasks[0].entry.state = State.UNCERTAIN
    shown = stand.overview.snapshot(most_jobs=2).jobs
    assert [job.job_id for job in shown] == [jobs[2].job_id, jobs[0].job_id]
    assert len(stand.overview.snapshot().jobs) == 3


async def test_what_cannot_be_counted_is_told_once_until_it_can(stand: Stand) -> None:
    trouble: list[Exception] = []

    def figures() -> LedgerFigures:
        if trouble:
            raise trouble[0]
        return LedgerFigures({State.DONE: 1}, 0, 0.0, 9)

    counting(stand, figures)
    running = asyncio.create_task(stand.overview.run())
    await stand.clock.advance(REFRESHED)
    for _ in range(2):
        trouble.append(OSError("gone"))
        await stand.clock.advance(3 * REFRESHED)
        assert stand.overview.snapshot().figures.ledger_bytes == 9
        trouble.clear()
        await stand.clock.advance(REFRESHED)
    assert not running.done()
    running.cancel()
    told = [fact for fact in stand.house.facts if isinstance(fact, ObserverFailed)]
    assert [(fact.event, fact.error) for fact in told] == [("figures", "OSError")] * 2


# Budgets


async def test_every_budget_is_there_from_the_start(stand: Stand) -> None:
    assert stand.overview.snapshot().figures.budgets == {
        ("studio", "images_per_day"): 0,
        ("studio", "cost_per_month"): 0,
    }


async def test_what_is_used_of_budgets_is_counted_with_the_other_figures(stand: Stand) -> None:
    await stand.house.start(a_plan(n=3))
    running = asyncio.create_task(stand.overview.run())
    (key,) = await stand.overview.keys()
    for after, images, cost in ((0, 0, 0), (REFRESHED, 3, key.standing.cost_this_month)):
        await stand.clock.advance(after)
        assert stand.overview.snapshot().figures.budgets == {
            ("studio", "images_per_day"): images / 500,
            ("studio", "cost_per_month"): cost / 20_000_000,
        }
    running.cancel()


async def test_budgets_are_counted_though_the_ledger_cannot_be_read(stand: Stand) -> None:
    def figures() -> LedgerFigures:
        raise OSError

    counting(stand, figures)
    await stand.house.start(a_plan(n=5))
    await stand.overview.refresh()
    assert stand.overview.snapshot().figures.budgets["studio", "images_per_day"] == 0.01


async def test_a_reload_changes_budgets_at_once(stand: Stand) -> None:
    await stand.house.start(a_plan(n=3))
    await stand.overview.refresh()
    newcomer = {"name": "newcomer", "key": "sk-igw-new", "limits": {"cost_per_day": "1"}}
    smaller = {**STUDIO, "limits": {"images_per_day": 4, "cost_per_day": "5"}}
    stand.overview.reload(keys(smaller, newcomer))
    (used, *_) = await stand.overview.keys()
    assert stand.overview.snapshot().figures.budgets == {
        ("studio", "images_per_day"): 0.75,
        ("studio", "cost_per_day"): used.standing.cost_today / 5_000_000,
        ("newcomer", "cost_per_day"): 0,
    }
    stand.overview.reload(keys({**STUDIO, "limits": {}}))
    assert stand.overview.snapshot().figures.budgets == {}


async def test_keys_that_change_while_they_are_counted_are_told_as_they_are_then(
    stand: Stand,
) -> None:
    store = stand.house.store
    asked = store.standing

    async def standing(key_name: str, limits: Limits) -> Standing:
        stand.overview.reload(keys({**STUDIO, "name": "newcomer"}))
        return await asked(key_name, limits)

    store.standing = standing  # type: ignore[method-assign]
    await stand.overview.refresh()
    assert stand.overview.snapshot().figures.budgets == {
        ("newcomer", "images_per_day"): 0,
        ("newcomer", "cost_per_month"): 0,
    }


@pytest.mark.parametrize("asking", [Overview.refresh, Overview.keys])
async def test_others_have_their_turns_while_many_keys_are_counted(
    stand: Stand, asking: Callable[[Overview], Awaitable[object]]
) -> None:
    number = 500
    many = [{**STUDIO, "name": f"key-{n}", "key": f"sk-igw-key-{n}"} for n in range(number)]
    stand.overview.reload(keys(*many))
    asked = stand.house.store.standing
    turn, asked_in = 0, Counter[int]()

    async def standing(key_name: str, limits: Limits) -> Standing:
        asked_in[turn] += 1
        return await asked(key_name, limits)

    async def others() -> None:
        nonlocal turn
        while True:
            turn += 1
            await stand.clock.sleep(0)

    stand.house.store.standing = standing  # type: ignore[method-assign]
    running = asyncio.create_task(others())
    await asking(stand.overview)
    running.cancel()
    assert asked_in.total() == number
    assert max(asked_in.values()) <= 50


async def test_uses_are_read_from_the_ledger_while_it_is_open(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    assert uses_in(None) == {}
    assert uses_in(path) == {}
    clock = FakeClock()
    store = SqliteStore(path, StateSection(), clock, lambda _: None)
    await store.open()
    await store.used("studio", "key")
    await store.keep_accounts()
    assert await asyncio.to_thread(uses_in, path) == {("studio", "key"): clock.wall()}
    await store.close()
