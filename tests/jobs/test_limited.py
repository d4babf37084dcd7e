"""What a wish takes of its key's limits, and gets back when it bought nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.sections import Limits
from gateway.errors import (
    GatewayError,
    IdempotencyKeyReused,
    InvalidRequest,
    Overloaded,
    QuotaExceeded,
    RateLimited,
    UpstreamRefused,
    UpstreamUnavailable,
)
from gateway.jobs.board import Job
from gateway.jobs.wish import Wish
from gateway.state.base import Standing
from gateway.upstream import base
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan

LIMITS = Limits.model_validate(
    {"requests_per_minute": 6, "requests_burst": 6, "images_per_minute": 12, "images_burst": 12}
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as house:
        yield house


class Asked:
    """Wishes that differ, of one key with these limits."""

    def __init__(self, house: House, limits: Limits = LIMITS) -> None:
        self.house = house
        self.limits = limits
        self.count = 0

    def wish(self, n: int = 1, **changes: Any) -> Wish:
        self.count += 1
        told = {"fingerprint": b"%d" % self.count, "limits": self.limits, **changes}
        return self.house.wish(a_plan(n), **told)

    async def error(self, wish: Wish) -> GatewayError:
        """What the wish ends with: at the door, or as its job's error."""
        try:
            _, outcome = await self.house.clock.drive(self.house.served(wish))
        except GatewayError as error:
            return error
        assert outcome.error is not None
        return outcome.error

    async def standing(self) -> Standing:
        return await self.house.store.standing("studio", self.limits)

    async def left(self) -> tuple[int, int]:
        standing = await self.standing()
        assert standing.requests is not None
        assert standing.images is not None
        return standing.requests.left, standing.images.left


async def test_a_wish_takes_a_request_and_its_pictures(house: House) -> None:
    asked = Asked(house)
    await house.start(a_plan())  # another key's, without limits
    await house.runner.start(asked.wish(n=5))
    assert await asked.left() == (5, 7)
    assert (await asked.standing()).under_way == 6


async def test_a_retry_that_gets_what_is_made_costs_a_request_alone(house: House) -> None:
    asked = Asked(house)
    wish = asked.wish(n=2)
    first, _ = await house.clock.drive(house.served(wish, deliver=False))
    left = await asked.left()
    second, _ = await house.clock.drive(house.served(wish, retry=True))
    assert second.job_id == first.job_id
    assert await asked.left() == (left[0] - 1, left[1])
    assert len(house.vendor.purchases) == 1


async def test_even_a_retry_waits_for_its_request(house: House) -> None:
    asked = Asked(house, Limits(requests_per_minute=1))
    wish = asked.wish()
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stay = asyncio.ensure_future(house.served(wish, gone=gone))
    await house.clock.advance(1)
    refused = await asked.error(wish)
    assert isinstance(refused, RateLimited)
    assert refused.retry_after == pytest.approx(59, abs=0.1)
    await house.clock.drive(stay)
    assert house.board.visits(house.vendor.purchases[0]) == 0
    assert len(house.vendor.purchases) == 1


async def test_what_is_refused_by_a_limit_takes_nothing_and_leaves_nothing(house: House) -> None:
    asked = Asked(house)
    await house.runner.start(asked.wish(n=10))
    left = await asked.left()
    refused = await asked.error(asked.wish(n=4))
    assert isinstance(refused, RateLimited)
    assert refused.retry_after == pytest.approx(10.0)
    assert "images per minute: limit 12, requested 4. Please try again in 10s." in refused.message
    assert await asked.left() == left
    assert len(house.queue) == 0
    assert len(house.board) == 1
    await house.clock.advance(10)
    await house.runner.start(asked.wish(n=4))


async def test_pictures_at_once_are_refused_until_one_is_made(house: House) -> None:
    asked = Asked(house, Limits(concurrent=2))
    assert isinstance(await asked.error(asked.wish(n=3)), InvalidRequest)
    await house.runner.start(asked.wish(n=2))
    await house.clock.advance(5)
    refused = await asked.error(asked.wish())
    assert isinstance(refused, RateLimited)
    assert refused.retry_after is not None
    assert 1 <= refused.retry_after <= 60
    await house.clock.advance(60)
    await house.runner.start(asked.wish(n=2))


async def test_a_used_up_day_says_until_when(house: House) -> None:
    asked = Asked(house, Limits(images_per_day=2))
    await house.runner.start(asked.wish(n=2))
    refused = await asked.error(asked.wish())
    assert isinstance(refused, QuotaExceeded)
    assert refused.retry_after is None
    assert "limit 2, used 2, requested 1. It will again at 2026-" in refused.message
    assert "00:00:00 UTC" in refused.message


async def test_money_is_reserved_and_then_settled_with_what_the_vendor_took(house: House) -> None:
    limits = Limits.model_validate({"cost_per_day": "1.00"})
    asked = Asked(house, limits)
    job = await house.runner.start(asked.wish(n=5, reserved=(400_000, 100_000)))
    assert (await asked.standing()).cost_today == 500_000
    refused = await asked.error(asked.wish(reserved=(600_000,)))
    assert isinstance(refused, QuotaExceeded)
    assert "limit $1, used $0.5, requested $0.6." in refused.message
    await house.clock.drive(job.outcome)
    assert (await asked.standing()).cost_today == 200_000  # two tasks, 0.1 each
    row = await house.store.job(job.job_id)
    assert row is not None
    assert [(task.reserved, task.charged) for task in row.tasks] == [
        (400_000, 100_000),
        (100_000, 100_000),
    ]


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (base.CreateNotSent("refused"), (6, 12)),
        (base.CreateRefused("no", UpstreamRefused("no")), (5, 12)),
    ],
    ids=["a vendor who cannot be reached costs nothing", "a refusal of the vendor costs a request"],
)
async def test_what_was_not_bought_is_given_back(
    house: House, outcome: Exception, left: tuple[int, int]
) -> None:
    asked = Asked(house)
    house.vendor.creates = [outcome] * 9
    error = await asked.error(asked.wish(n=2, reserved=(5,)))
    assert isinstance(error, UpstreamUnavailable | UpstreamRefused)
    house.vendor.creates = []
    standing = await asked.standing()
    assert (standing.images_today, standing.cost_today, standing.under_way) == (0, 0, 0)
    assert await asked.left() == left


async def test_a_full_queue_counts_nothing_and_a_retry_is_let_in(tmp_path: Path) -> None:
    async with House(tmp_path, queue=1, max_tasks=1) as house:
        asked = Asked(house)
        running = await house.runner.start(asked.wish())
        await house.clock.advance(1)
        await house.runner.start(asked.wish())
        await house.clock.advance(0.1)
        left = await asked.left()
        refused = await asked.error(asked.wish())
        assert isinstance(refused, Overloaded)
        assert refused.retry_after is not None
        assert await asked.left() == left
        with pytest.raises(Overloaded):
            await house.reception.look_ahead("studio", LIMITS, 1, returning=False)
        await house.reception.look_ahead("studio", LIMITS, 1, returning=True)
        assert isinstance(house.board.live(running.job_id), Job)


async def test_who_waits_in_the_queue_in_vain_is_not_charged(tmp_path: Path) -> None:
    async with House(tmp_path, max_tasks=1) as house:
        house.vendor.seconds = 200
        asked = Asked(house)
        await house.runner.start(asked.wish())
        await house.clock.advance(10)
        house.queue._stays.append(1.0)
        before = await asked.standing()
        refused = await asked.error(asked.wish(n=2))
        assert isinstance(refused, Overloaded)
        after = await asked.standing()
        assert (after.images_today, after.under_way) == (before.images_today, before.under_way)
        assert len(house.vendor.purchases) == 1


async def test_nothing_is_bought_that_could_not_be_made_in_time(tmp_path: Path) -> None:
    async with House(tmp_path, max_tasks=1) as house:
        for _ in range(10):
            house.poller.experience.observe("1k", "high", 30.0)
        error = await Asked(house).error(house.wish(a_plan(), 300.0, own_seconds=20.0))
        assert error.code == "upstream_timeout"
        assert house.vendor.purchases == []
        # A caller who is in a hurry himself may come back for it.
        house.vendor.seconds = 40
        await house.runner.start(house.wish(a_plan(), 5.0, own_seconds=300.0, fingerprint=b"2"))
        await house.clock.advance(1)
        assert len(house.vendor.purchases) == 1


async def test_who_may_come_for_what_is_paid_is_told_to_come_back(house: House) -> None:
    before = Limits(requests_per_minute=1_000, requests_burst=1_000)
    for _ in range(30):
        await house.reception.count("studio", before)
    lowered = Limits(requests_per_minute=2)
    with pytest.raises(RateLimited) as put_off:
        await house.reception.look_ahead("studio", lowered, 1, returning=True)
    assert put_off.value.come_back
    assert put_off.value.retry_after == 60.0
    with pytest.raises(QuotaExceeded):
        await house.reception.look_ahead("studio", lowered, 1, returning=False)


async def test_what_is_wrong_counts_as_a_request_and_as_nothing_else(house: House) -> None:
    limits = LIMITS.model_copy(update={"concurrent": 2})
    asked = Asked(house, limits)
    assert isinstance(await asked.error(asked.wish(n=3)), InvalidRequest)
    assert await asked.left() == (5, 12)
    await house.runner.start(asked.wish(idempotency_key="k"))
    reused = await asked.error(asked.wish(idempotency_key="k"))
    assert isinstance(reused, IdempotencyKeyReused)
    assert await asked.left() == (3, 11)


async def test_one_failure_ends_the_waiting_of_the_whole_job(tmp_path: Path) -> None:
    async with House(tmp_path, max_tasks=1) as house:
        house.vendor.creates = [base.CreateRefused("no", UpstreamRefused("no"))]
        began = house.clock.monotonic()
        error = await Asked(house).error(house.wish(a_plan(10)))
        assert isinstance(error, UpstreamRefused)
        assert house.clock.monotonic() - began < 5
        assert house.vendor.purchases == []
        assert (len(house.queue), house.queue.at_vendor) == (0, 0)
