"""Whose the time is that a request waits: its turn's, the vendor's, or ours."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from gateway.images.finish import Finished
from gateway.jobs.phases import Meter, Watch
from gateway.jobs.reception import CallerLeft, Visit
from gateway.jobs.wish import Wish
from gateway.translate.model import Finish, Picture
from gateway.upstream import base
from tests.jobs.fakes import FakeFinisher, House
from tests.jobs.plans import a_plan
from tests.jobs.test_moments import one_turn_every

Phases = Mapping[str, float]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as house:
        yield house


def rounded(phases: Phases) -> dict[str, float]:
    return {name: round(seconds, 3) for name, seconds in phases.items()}


# The arithmetic


def test_a_watch_adds_up_each_phase_for_itself() -> None:
    watch = Watch()
    for phase, now in (("queue", 10.0), (None, 13.0), ("upstream", 14.0), ("queue", 20.0)):
        watch.enter(phase, now)  # type: ignore[arg-type]
    assert watch.read(21.0) == (4.0, 6.0)
    watch.enter("upstream", 22.0)
    assert watch.read(30.0) == (5.0, 14.0)
    watch.end(32.0)
    assert watch.read(99.0) == (5.0, 16.0)


def test_the_vendors_phase_ends_with_the_last_picture_fetched() -> None:
    watch = Watch()
    watch.enter("upstream", 10.0)
    for fetched in (20.0, 25.0):
        watch.fetched = fetched
    assert watch.read(26.0) == (0.0, 16.0)  # perhaps another has to be fetched
    watch.end(29.0)
    assert watch.read(99.0) == (0.0, 15.0)


def test_of_several_tasks_the_one_that_ended_last_counts() -> None:
    quick, slow = Watch(), Watch()
    meter = Meter([quick, slow], 0.0, joined=False)
    for watch, turn, end in ((quick, 9.0, 12.0), (slow, 1.0, 30.0)):
        watch.enter("queue", 0.0)
        watch.enter("upstream", turn)
        watch.end(end)
    assert meter.read(31.0) == {"queue": 1.0, "upstream": 29.0}


def test_of_tasks_that_go_on_the_one_that_waits_longest_counts() -> None:
    bought, waiting, over = Watch(), Watch(), Watch()
    meter = Meter([bought, waiting, over], 0.0, joined=False)
    bought.enter("upstream", 1.0)
    waiting.enter("queue", 1.0)
    over.end(6.0)
    assert meter.read(7.0) == {"queue": 6.0, "upstream": 0.0}


def test_who_joins_waits_for_the_vendor_but_for_the_turns_that_are_waited_for_meanwhile() -> None:
    watch = Watch()
    watch.enter("queue", 0.0)
    meter = Meter([watch], 4.0, joined=True)
    watch.enter("upstream", 10.0)
    watch.fetched = 18.0
    watch.end(20.0)
    assert meter.read(20.0) == {"queue": 6.0, "upstream": 10.0}
    assert Meter([watch], 20.0, joined=True).read(21.0) == {"queue": 0.0, "upstream": 1.0}
    assert Meter([], 5.0, joined=True).read(5.5) == {"queue": 0.0, "upstream": 0.5}


# Real jobs


async def measured(
    house: House, wish: Wish, *, retry: bool = False, gone: asyncio.Future[None] | None = None
) -> tuple[Visit, Phases, float]:
    """A request's visit, its phases, and how long it waited in all."""
    gone = gone or asyncio.get_running_loop().create_future()
    async with house.visit(wish, retry=retry, gone=gone) as visit:
        meter, began = visit.meter(), house.clock.monotonic()
        with contextlib.suppress(CallerLeft):
            await visit.wait(wish, gone)
        now = house.clock.monotonic()
        return visit, rounded(meter.read(now)), round(now - began, 3)


class SlowFinisher(FakeFinisher):
    """Takes three seconds for each picture."""

    house: House

    async def finish(self, source: str, target: str, wanted: Finish) -> Finished:
        await self.house.clock.sleep(3.0)
        return await super().finish(source, target, wanted)


async def test_turn_and_vendor_are_told_apart_and_finishing_is_ours(house: House) -> None:
    finisher = SlowFinisher()
    finisher.house = house
    house.runner._line.collector._finisher = finisher
    house.governor.submits.pause(4.0)
    _, phases, waited = await house.clock.drive(measured(house, house.wish(a_plan())))
    assert phases["queue"] == 4.0
    assert waited - phases["queue"] - phases["upstream"] == pytest.approx(3.0)
    assert phases["upstream"] >= house.vendor.seconds


async def test_a_put_off_create_waits_for_its_turn_again(house: House) -> None:
    house.vendor.creates = [base.CreateThrottled("429", 7.0)]
    _, phases, waited = await house.clock.drive(measured(house, house.wish(a_plan())))
    assert phases["queue"] == 7.0
    assert phases["upstream"] == pytest.approx(waited - 7.0)


async def test_a_lost_answer_is_the_vendors_time(house: House) -> None:
    house.vendor.creates = [base.CreateLost("reset"), base.CreateLost("reset")]
    house.vendor.bought_though_lost = False
    _, phases, waited = await house.clock.drive(measured(house, house.wish(a_plan())))
    assert waited > 90
    assert phases == {"queue": 0.0, "upstream": pytest.approx(waited)}


async def test_an_upload_is_the_vendors_time(house: House) -> None:
    picture = Picture("p", "digest", "image/png", 64, 64, 10, alpha=False)
    house.vendor.creates = [base.CreateRefused("400", ValueError("no"))]  # type: ignore[arg-type]
    wish = house.wish(a_plan(kind="edit", references=(picture,)))
    _, phases, waited = await house.clock.drive(measured(house, wish))
    assert (phases, waited) == ({"queue": 0.0, "upstream": 0.3}, 0.3)


async def test_the_last_of_several_tasks_decides(house: House) -> None:
    one_turn_every(house, 10.0)
    _, phases, waited = await house.clock.drive(measured(house, house.wish(a_plan(10))))
    assert len(house.vendor.purchases) == 3
    assert phases["queue"] == pytest.approx(25.0)
    assert phases["queue"] + phases["upstream"] == pytest.approx(waited)


async def test_who_joins_a_job_waits_as_it_does(house: House) -> None:
    house.governor.submits.pause(10.0)
    wish = house.wish(a_plan(), idempotency_key="k")
    first = asyncio.ensure_future(measured(house, wish))
    await house.clock.advance(6.0)
    again = asyncio.ensure_future(measured(house, house.wish(a_plan(), idempotency_key="k")))
    await house.clock.advance(10.0)
    late = asyncio.ensure_future(measured(house, house.wish(a_plan(), idempotency_key="k")))
    await house.clock.until(lambda: first.done() and again.done() and late.done())
    (_, one, _), (visit, two, waited), (_, three, _) = (await first, await again, await late)
    assert one["queue"] == 10.0
    assert visit.how == "idempotency_key"
    assert two["queue"] == 4.0
    assert two["upstream"] == pytest.approx(waited - 4.0)
    assert three["queue"] == 0.0
    _, over, _ = await house.clock.drive(measured(house, house.wish(a_plan(), idempotency_key="k")))
    assert over == {"queue": 0.0, "upstream": 0.0}


async def test_who_leaves_has_waited_that_long(house: House) -> None:
    gone = asyncio.get_running_loop().create_future()
    stay = asyncio.ensure_future(measured(house, house.wish(a_plan()), gone=gone))
    await house.clock.advance(5.0)
    gone.set_result(None)
    await house.clock.until(stay.done)
    assert (await stay)[1:] == ({"queue": 0.0, "upstream": 5.0}, 5.0)


# Where it stands


async def test_what_a_caller_waits_for_follows_the_task_that_is_furthest_behind(
    house: House,
) -> None:
    house.governor.submits._gap = 0.5
    house.governor.submits._next = house.clock.monotonic() + 0.5
    fetching = house.fetcher.fetch

    async def slowly(url: str, path: str) -> int:
        await house.clock.sleep(2.0)
        return await fetching(url, path)

    house.fetcher.fetch = slowly  # type: ignore[method-assign]
    wish = house.wish(a_plan(8))
    async with house.visit(wish) as visit:
        seen = [visit.whereabouts()]
        while not visit.outcome.done():
            await house.clock.advance(0.125)
            seen.append(visit.whereabouts())
    order = ["queue", "create", "poll", "download"]
    assert list(dict.fromkeys(seen)) == order
    assert seen == sorted(seen, key=order.index)
    assert seen.count("queue") >= 8  # until the second has its turn, a second later


async def test_a_job_that_is_over_is_only_to_be_written(house: House) -> None:
    visit, _ = await house.clock.drive(house.served(house.wish(a_plan()), deliver=False))
    again, _ = await house.clock.drive(house.served(house.wish(a_plan())))
    assert (visit.whereabouts(), again.how, again.whereabouts()) == (
        "download",
        "orphan",
        "download",
    )


async def test_only_who_began_a_job_is_charged_for_it(house: House) -> None:
    visit, _ = await house.clock.drive(house.served(house.wish(a_plan(8)), deliver=False))
    again, _ = await house.clock.drive(house.served(house.wish(a_plan(8))))
    assert (visit.cost, again.how, again.cost) == (200_000, "orphan", 0)
