"""Whoever brings a key of the house's own again has again what it was given."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import ContentRefused, RateLimited
from gateway.events import JobJoined, JobReopened
from gateway.jobs.given import Given
from gateway.jobs.reception import CallerLeft, Visit
from gateway.jobs.wish import OWN
from gateway.state.base import JobRow
from gateway.upstream import base
from tests.clocks import FakeClock
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan
from tests.jobs.test_joins import hangs_up, nobody_leaves, over, served
from tests.jobs.test_recovery import dies

A, B, C = (OWN + name for name in "abc")
LATE = 660.0  # past the time in which anybody may have what nobody took


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as house:
        yield house


async def joins_and_hangs_up(house: House, idempotency_key: str | None) -> None:
    """A request for what another had left; its caller leaves too."""
    gone = nobody_leaves()
    wish = house.wish(a_plan(), idempotency_key=idempotency_key)
    waiting = asyncio.ensure_future(house.served(wish, gone=gone))
    await house.clock.advance(3)
    gone.set_result(None)
    with pytest.raises(CallerLeft):
        await waiting


async def failed_in_part(house: House, idempotency_key: str | None) -> Visit:
    """A job of three tasks whose second was refused, and old enough to be taken up again."""
    ids = iter(range(3))
    refused = base.CreateRefused("x", ContentRefused("no"))
    house.vendor.refuse = lambda _: refused if next(ids) == 1 else None
    wish = house.wish(a_plan(10), idempotency_key=idempotency_key)
    visit, told = await house.clock.drive(house.served(wish))
    assert told.error is not None
    house.vendor.refuse = lambda _: None
    await house.clock.advance(301)
    return visit


async def again_in_ten(house: House, idempotency_key: str | None) -> Visit:
    wish = house.wish(a_plan(10), idempotency_key=idempotency_key)
    visit, told = await house.clock.drive(house.served(wish))
    assert len(told.images) == 10
    return visit


# ── an orphan ──


@pytest.mark.parametrize("first", [A, None])
async def test_who_took_an_orphan_joins_it_again_while_it_is_waited_for(
    house: House, first: str | None
) -> None:
    job_id = await hangs_up(house, idempotency_key=first)
    waiting = asyncio.ensure_future(house.served(house.wish(a_plan(), idempotency_key=B)))
    await house.clock.advance(3)
    again, _ = await served(house, idempotency_key=B)
    other, _ = await served(house, idempotency_key=C)
    visit, _ = await waiting
    assert (visit.job_id, visit.how) == (job_id, "orphan")
    assert (again.job_id, again.how) == (job_id, "idempotency_key")
    assert other.how is None
    assert len(house.vendor.purchases) == 2


@pytest.mark.parametrize("first", [A, None])
async def test_who_took_an_orphan_has_it_again_for_as_long_as_it_lies_there(
    house: House, first: str | None
) -> None:
    job_id = await hangs_up(house, idempotency_key=first)
    await joins_and_hangs_up(house, B)
    await over(house)
    for _ in range(3):
        await house.clock.advance(LATE)
        again, made = await served(house, idempotency_key=B)
        assert (again.job_id, again.how) == (job_id, "idempotency_key")
        assert made.images
    assert len(house.vendor.purchases) == 1
    await house.clock.advance(86_401)
    anew, _ = await served(house, idempotency_key=B)
    assert anew.how is None


async def test_who_took_an_orphan_that_was_made_has_it_again(house: House) -> None:
    job_id = await hangs_up(house, idempotency_key=A)
    await over(house)
    visits = [(await served(house, idempotency_key=B))[0] for _ in range(2)]
    assert [visit.how for visit in visits] == ["orphan", "idempotency_key"]
    assert {visit.job_id for visit in visits} == {job_id}


async def test_the_key_that_a_job_was_begun_with_finds_it_still(house: House) -> None:
    job_id = await hangs_up(house, idempotency_key=A)
    await joins_and_hangs_up(house, B)
    await over(house)
    await house.clock.advance(LATE)
    again, _ = await served(house, idempotency_key=A)
    assert (again.job_id, again.how) == (job_id, "idempotency_key")


async def test_what_was_given_is_told_under_keys_of_the_houses_own_alone(house: House) -> None:
    await hangs_up(house)
    await joins_and_hangs_up(house, B)
    await served(house, idempotency_key="a caller's")
    for _ in range(2):
        await served(house, idempotency_key="a caller's")
    told = [fact.idempotency_key for fact in house.facts if isinstance(fact, JobJoined)]
    assert told == [B, None, None]


async def test_a_caller_without_a_key_who_took_an_orphan_finds_it_by_none(house: House) -> None:
    await hangs_up(house, idempotency_key=A)
    await joins_and_hangs_up(house, None)
    await over(house)
    await house.clock.advance(LATE)
    again, _ = await served(house)
    assert again.how is None


async def test_who_was_refused_for_too_many_requests_has_it_later_all_the_same(
    house: House,
) -> None:
    job_id = await hangs_up(house, idempotency_key=A)
    await over(house)
    take = house.store.take_request

    async def no(*_: object) -> None:
        raise RateLimited("slowly")

    house.store.take_request = no  # type: ignore[method-assign, assignment]
    with pytest.raises(RateLimited):
        await served(house, idempotency_key=B)
    house.store.take_request = take  # type: ignore[method-assign]
    await house.clock.advance(LATE)
    again, _ = await served(house, idempotency_key=B)
    assert (again.job_id, again.how) == (job_id, "idempotency_key")


# ── what is taken up again ──


@pytest.mark.parametrize("first", [A, None])
async def test_who_took_up_what_had_failed_in_part_has_it_again(
    house: House, first: str | None
) -> None:
    failed = await failed_in_part(house, first)
    gone = nobody_leaves()
    wish = house.wish(a_plan(10), idempotency_key=B)
    waiting = asyncio.ensure_future(house.served(wish, gone=gone))
    await house.clock.advance(3)
    (live,) = house.board.jobs()
    row = await house.store.job(failed.job_id)
    assert row is not None
    assert live.idempotency_key == row.idempotency_key == first
    twice = await again_in_ten(house, B)
    await waiting
    await house.clock.advance(LATE)
    thrice = await again_in_ten(house, B)
    assert [visit.how for visit in (twice, thrice)] == ["idempotency_key"] * 2
    assert {twice.job_id, thrice.job_id} == {failed.job_id}
    assert len(house.vendor.purchases) == 3
    (told,) = [fact for fact in house.facts if isinstance(fact, JobReopened)]
    assert told.idempotency_key == B


async def test_while_it_is_written_as_taken_up_the_same_key_finds_it(house: House) -> None:
    failed = await failed_in_part(house, None)
    held = asyncio.Event()
    reopen = house.store.reopen

    async def slow(job: JobRow, **how: object) -> None:
        await held.wait()
        await reopen(job, **how)  # type: ignore[arg-type]

    house.store.reopen = slow  # type: ignore[method-assign]
    stays = []
    for _ in range(2):
        wish = house.wish(a_plan(10), idempotency_key=B)
        stays.append(asyncio.ensure_future(house.served(wish)))
        await house.clock.advance(1)
    held.set()
    served_both = await house.clock.drive(asyncio.gather(*stays))
    assert [visit.how for visit, _ in served_both] == [None, "idempotency_key"]
    assert {visit.job_id for visit, _ in served_both} == {failed.job_id}
    assert len(house.vendor.purchases) == 3


# ── over time ──


@pytest.mark.parametrize("late", [3.0, LATE])
async def test_what_was_given_is_found_after_a_restart(tmp_path: Path, late: float) -> None:
    """Whether it was running when the process died, or had ended."""
    async with House(tmp_path, durable=True) as house:
        job_id = await hangs_up(house, idempotency_key=A)
        await joins_and_hangs_up(house, B)
        await house.clock.advance(late)
        dies(house)
        async with House(tmp_path, durable=True, before=house) as heir:
            await heir.recovery.recover()
            waiting = asyncio.ensure_future(heir.served(heir.wish(a_plan(), idempotency_key=A)))
            await heir.clock.advance(1)
            again, made = await served(heir, idempotency_key=B)
            assert (again.job_id, again.how) == (job_id, "idempotency_key")
            assert made.images
            await waiting
            assert len(heir.vendor.purchases) == 1


async def test_what_was_taken_up_again_is_found_after_a_restart(tmp_path: Path) -> None:
    async with House(tmp_path, durable=True) as house:
        failed = await failed_in_part(house, None)
        await again_in_ten(house, B)
        dies(house)
        async with House(tmp_path, durable=True, before=house) as heir:
            await heir.recovery.recover()
            again = await again_in_ten(heir, B)
            assert (again.job_id, again.how) == (failed.job_id, "idempotency_key")
            assert len(heir.vendor.purchases) == 3


@pytest.mark.parametrize("key", ["k", A, B])
async def test_a_job_that_ends_while_the_ledger_is_asked_is_found_by_its_key(
    house: House, key: str
) -> None:
    job_id = await hangs_up(house, idempotency_key="k" if key == "k" else A)
    if key == B:
        await joins_and_hangs_up(house, B)
    ended = house.store.ended

    async def slow(*asked: object) -> tuple[JobRow, ...]:
        await over(house)
        return await ended(*asked)  # type: ignore[arg-type]

    house.store.ended = slow  # type: ignore[method-assign, assignment]
    visiting = house.served(house.wish(a_plan(), idempotency_key=key))
    again, _ = await asyncio.wait_for(visiting, 30)
    assert (again.job_id, again.how) == (job_id, "idempotency_key")
    assert len(house.vendor.purchases) == 1


def test_no_more_are_remembered_than_may_be_and_for_no_longer_than_pictures_last() -> None:
    clock = FakeClock()
    given = Given(clock, 100.0, most=2)
    for key in "abc":
        given.note("studio", key, f"job_{key}")
    assert [given.of("studio", key) for key in "abc"] == [None, "job_b", "job_c"]
    assert given.of("lab", "b") is None
    clock.now += 60
    given.note("studio", "b", "job_d")
    clock.now += 60
    assert [given.of("studio", key) for key in "bc"] == ["job_d", None]
    given.note("studio", "e", "job_e")
    assert repr(given) == "Given(2 jobs)"
