import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.allowances import Allowance
from gateway.simulator.envelopes import Refused
from gateway.simulator.fates import WELL
from gateway.simulator.orders import QUALITIES, TIERS, Order, read_order
from gateway.simulator.settings import Settings
from gateway.simulator.tasks import Book
from gateway.simulator.timing import MEDIANS, duration, progress, waiting
from tests.simulator.house import ORDER, FakeClock, House
from tests.simulator.house import house as opened


def an_order(**changes: object) -> Order:
    return read_order({**ORDER, **changes}, Settings())


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - repeatable on purpose


# ── the book ──


def test_the_book_forgets_the_oldest_tasks_but_not_the_counts() -> None:
    book = Book(FakeClock(), dice(1), most=3)
    for number in range(5):
        book.accept(an_order(client_business_id=f"gw-{number % 4}"), (8, 8), 1.0, WELL)
    assert book.purchases == 5
    assert book.find("gw-1") is None
    assert book.find("gw-2") is not None
    assert [line["client_business_id"] for line in _tasks(book)] == ["gw-2", "gw-3", "gw-0"]
    assert book.find("gw-0") is not None


def test_a_task_without_the_callers_id_is_forgotten_too() -> None:
    book = Book(FakeClock(), dice(1), most=1)
    first = book.accept(an_order(), (8, 8), 1.0, WELL)
    book.accept(an_order(), (8, 8), 1.0, WELL)
    assert book.find(first.id) is None


def _tasks(book: Book) -> list[dict[str, object]]:
    tasks = book.purchases_made(100)["tasks"]
    assert isinstance(tasks, list)
    return tasks


def test_ids_are_all_different_and_sorted_by_time() -> None:
    clock = FakeClock()
    book = Book(clock, dice(1))
    made = []
    for _ in range(200):
        made.append(book.accept(an_order(), (8, 8), 1.0, WELL).id)
        clock.now += 0.01
    assert len({*made}) == 200
    assert made == sorted(made)
    assert all(len(name) == len("tsk_img_") + 26 for name in made)


# ── time ──


def test_durations_follow_tier_and_quality() -> None:
    thrown = dice(1)
    for quality in QUALITIES:
        for index, tier in enumerate(TIERS):
            drawn = sorted(duration(tier, quality, 1, thrown) for _ in range(500))
            median = MEDIANS[quality][index]
            assert drawn[250] == pytest.approx(median, rel=0.1)
            assert median / 4 <= drawn[0] < drawn[-1] <= median * 4
    assert MEDIANS["high"][2] > 120
    assert duration("1k", "low", 4, dice(5)) > duration("1k", "low", 1, dice(5))


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_progress_rises_and_never_ends_early(first: float, second: float) -> None:
    least, most = sorted((first, second))
    assert 1 <= progress(least, 800) <= progress(most, 800) <= 99


def test_progress_without_an_end_stays() -> None:
    assert progress(10, float("inf")) == progress(1e9, float("inf")) == progress(1, 0) == 35
    assert waiting(100) == 10


# ── allowances ──


def test_a_burst_passes_and_then_the_rate() -> None:
    clock = FakeClock()
    bucket = Allowance(clock, "async_submit", rate=5, burst=50)
    headers = [bucket.take() for _ in range(50)]
    assert headers[0]["x-ratelimit-limit"] == "300"
    assert headers[0]["x-ratelimit-remaining"] == "49"
    assert headers[-1]["x-ratelimit-remaining"] == "0"
    assert headers[-1]["x-ratelimit-reset"] == "10"
    assert headers[-1]["x-ratelimit-category"] == "async_submit"
    with pytest.raises(Refused) as refused:
        bucket.take()
    assert refused.value.refusal.retry_after == "1"
    clock.now += 0.2
    bucket.take()
    with pytest.raises(Refused):
        bucket.take()
    assert bucket.refused == 2
    assert repr(bucket) == "Allowance(async_submit, 0.0 of 50)"


def test_the_wait_told_is_long_enough() -> None:
    clock = FakeClock()
    bucket = Allowance(clock, "async_query", rate=0.1, burst=1)
    bucket.take()
    with pytest.raises(Refused) as refused:
        bucket.take()
    clock.now += float(refused.value.refusal.retry_after or 0)
    bucket.take()


async def test_submits_and_queries_have_allowances_of_their_own(house: House) -> None:
    created = await house.create()
    assert created.headers["x-ratelimit-category"] == "async_submit"
    told = await house.status(created.json()["id"])
    assert told.headers["x-ratelimit-category"] == "async_query"
    assert told.headers["x-ratelimit-limit"] == "3000"


async def test_a_throttled_create_buys_nothing_and_takes_nothing() -> None:
    async with opened(Settings(submit_burst=2, query_burst=1, query_per_second=0.5)) as house:
        answers = [await house.create() for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert answers[3].headers["retry-after"] == "1"
        assert answers[3].headers["x-ratelimit-remaining"] == "0"
        assert answers[3].json()["error"]["code"] == "rate_limit_exceeded"
        house.clock.now += 0.2
        assert (await house.create()).status_code == 200
        assert (await house.control("purchases"))["purchases"] == 3
        assert (
            await house.status("x")
        ).status_code == 404  # a failure takes its place all the same
        assert (await house.status("x")).headers["retry-after"] == "2"
        told = await house.control("stats")
        assert (told["throttled_submits"], told["throttled_queries"]) == (2, 1)
