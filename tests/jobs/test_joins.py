"""Who gets what was paid for already, and who buys anew."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import (
    ContentRefused,
    Draining,
    IdempotencyKeyReused,
    ResultUnusable,
    TaskFailed,
    UpstreamOutcomeUnknown,
)
from gateway.events import Dropped, JobJoined, JobReopened, Stepped
from gateway.jobs.board import Outcome
from gateway.jobs.reception import CallerLeft, Visit
from gateway.jobs.wish import OWN
from gateway.state.base import NO_LIMITS
from gateway.upstream import base
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as house:
        yield house


def nobody_leaves() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def served(house: House, *, retry: bool = False, **wish: object) -> tuple[Visit, Outcome]:
    """A request from its arrival to the delivery."""
    arriving = house.served(house.wish(a_plan(), **wish), retry=retry)  # type: ignore[arg-type]
    return await house.clock.drive(arriving)


async def hangs_up(house: House, after: float = 5.0, n: int = 1, **wish: object) -> str:
    """A request whose caller leaves; the id of its job."""
    gone = nobody_leaves()
    before = {job.job_id for job in house.board.jobs()}
    waiting = asyncio.ensure_future(
        house.served(house.wish(a_plan(n), **wish), gone=gone)  # type: ignore[arg-type]
    )
    await house.clock.advance(after)
    (job,) = [job for job in house.board.jobs() if job.job_id not in before]
    gone.set_result(None)
    with pytest.raises(CallerLeft):
        await waiting
    return job.job_id


async def over(house: House) -> None:
    await house.clock.until(lambda: len(house.board) == 0)


# ── the caller's own key ──


async def test_the_same_key_gets_the_same_pictures_and_buys_once(house: House) -> None:
    first, made = await served(house, idempotency_key="k")
    again, had = await served(house, idempotency_key="k")
    assert (first.how, again.how) == (None, "idempotency_key")
    assert again.job_id == first.job_id
    assert again.created_at == first.created_at
    assert had.images == made.images
    assert len(house.vendor.purchases) == 1


async def test_the_same_key_joins_what_is_running(house: House) -> None:
    wish = house.wish(a_plan(), idempotency_key="k")
    both = asyncio.gather(house.served(wish), house.served(wish))
    (first, made), (second, had) = await house.clock.drive(both)
    assert {first.how, second.how} == {None, "idempotency_key"}
    assert made.images == had.images
    assert len(house.vendor.purchases) == 1


async def test_the_same_key_for_something_else_is_refused(house: House) -> None:
    await served(house, idempotency_key="k")
    with pytest.raises(IdempotencyKeyReused):
        await served(house, idempotency_key="k", fingerprint=b"other")
    assert len(house.vendor.purchases) == 1


async def test_a_key_for_something_else_is_refused_while_it_runs(house: House) -> None:
    await hangs_up(house, idempotency_key="k")
    with pytest.raises(IdempotencyKeyReused):
        await served(house, idempotency_key="k", fingerprint=b"other")


async def test_a_key_of_which_nothing_was_bought_is_free_again(house: House) -> None:
    house.vendor.creates = [base.CreateRefused("x", ContentRefused("no"))]
    _, refused = await served(house, idempotency_key="k")
    assert isinstance(refused.error, ContentRefused)
    again, made = await served(house, idempotency_key="k", fingerprint=b"other")
    assert again.how is None
    assert made.images
    third, _ = await served(house, idempotency_key="k", fingerprint=b"other")
    assert third.job_id == again.job_id


async def test_a_key_is_free_again_once_its_pictures_are_gone(house: House) -> None:
    first, _ = await served(house, idempotency_key="k")
    await house.clock.advance(86_401)
    again, _ = await served(house, idempotency_key="k")
    assert again.how is None
    assert again.job_id != first.job_id
    assert len(house.vendor.purchases) == 2


async def test_another_key_is_another_wish(house: House) -> None:
    await hangs_up(house, idempotency_key="one")
    other, _ = await served(house, idempotency_key="two")
    none, _ = await served(house)
    assert other.how is none.how is None
    assert len(house.vendor.purchases) == 3


# ── an SDK's own retry ──


async def test_a_retry_joins_what_its_first_try_left_running(house: House) -> None:
    job_id = await hangs_up(house)
    again, made = await served(house, retry=True)
    assert (again.job_id, again.how) == (job_id, "sdk_retry")
    assert made.images
    assert len(house.vendor.purchases) == 1


async def test_a_retry_gets_what_was_made_meanwhile(house: House) -> None:
    job_id = await hangs_up(house)
    await over(house)
    again, made = await served(house, retry=True)
    assert (again.job_id, again.how) == (job_id, "sdk_retry")
    assert made.images
    assert len(house.vendor.purchases) == 1


async def test_a_retry_after_a_delivery_nobody_received_gets_it_again(house: House) -> None:
    first, made = await served(house)
    await house.clock.advance(599)
    again, had = await served(house, retry=True)
    assert (again.job_id, again.how) == (first.job_id, "sdk_retry")
    assert had.images == made.images


async def test_ten_minutes_after_the_delivery_a_retry_is_a_new_wish(house: House) -> None:
    await served(house)
    await house.clock.advance(601)
    again, _ = await served(house, retry=True)
    assert again.how is None
    assert len(house.vendor.purchases) == 2


async def test_each_of_several_retries_gets_a_picture_of_its_own(house: House) -> None:
    async with house.visit(house.wish(a_plan())), house.visit(house.wish(a_plan())):
        await house.clock.advance(1)
    await over(house)
    jobs = [(await served(house, retry=True))[0].job_id for _ in range(2)]
    assert len(set(jobs)) == 2
    assert len(house.vendor.purchases) == 2


async def test_pictures_nobody_had_come_before_those_that_were_delivered(house: House) -> None:
    delivered, _ = await served(house)
    left = await hangs_up(house, fingerprint=b"same")
    await over(house)
    again, _ = await served(house, retry=True)
    assert left == again.job_id != delivered.job_id


async def test_where_everybody_is_waited_for_a_retry_joins_the_newest(house: House) -> None:
    async with house.visit(house.wish(a_plan())), house.visit(house.wish(a_plan())) as newest:
        await house.clock.advance(1)
        async with house.visit(house.wish(a_plan()), retry=True) as again:
            assert (again.job_id, again.how) == (newest.job_id, "sdk_retry")
        await house.clock.advance(1)
    assert len(house.vendor.purchases) == 2


# ── a picture that nobody took ──


async def test_an_equal_request_gets_what_nobody_waits_for(house: House) -> None:
    job_id = await hangs_up(house)
    again, _ = await served(house)
    assert (again.job_id, again.how) == (job_id, "orphan")


async def test_an_equal_request_gets_the_picture_nobody_took(house: House) -> None:
    job_id = await hangs_up(house)
    await over(house)
    await house.clock.advance(599)
    again, _ = await served(house)
    assert (again.job_id, again.how) == (job_id, "orphan")
    third, _ = await served(house)
    assert third.how is None


async def test_after_ten_minutes_an_equal_request_is_a_new_wish(house: House) -> None:
    await hangs_up(house)
    await over(house)
    await house.clock.advance(601)
    again, _ = await served(house)
    assert again.how is None


async def test_a_picture_that_was_fetched_by_its_link_is_no_orphan(house: House) -> None:
    await hangs_up(house)
    await over(house)
    (token,) = house.shelf._entries
    house.shelf.fetched(token)
    again, _ = await served(house)
    assert again.how is None


async def test_two_equal_requests_that_are_waited_for_are_two_wishes(house: House) -> None:
    both = asyncio.gather(house.served(house.wish(a_plan())), house.served(house.wish(a_plan())))
    (first, _), (second, _) = await house.clock.drive(both)
    assert first.how is second.how is None
    assert len(house.vendor.purchases) == 2


@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize(
    ("first", "second"), [(f"{OWN}a", f"{OWN}b"), (f"{OWN}a", None), (None, f"{OWN}b")]
)
async def test_a_key_of_the_houses_own_hides_nothing_that_nobody_took(
    house: House, first: str | None, second: str | None, made: bool
) -> None:
    job_id = await hangs_up(house, idempotency_key=first)
    if made:
        await over(house)
    again, _ = await served(house, idempotency_key=second)
    assert (again.job_id, again.how) == (job_id, "orphan")
    third, _ = await served(house, idempotency_key=f"{OWN}c")
    assert third.how is None


@pytest.mark.parametrize(("first", "second"), [("a", f"{OWN}b"), (f"{OWN}a", "b")])
async def test_between_a_callers_key_and_the_houses_own_nothing_is_shared(
    house: House, first: str, second: str
) -> None:
    await hangs_up(house, idempotency_key=first)
    await over(house)
    again, _ = await served(house, idempotency_key=second)
    assert again.how is None


async def test_who_waits_is_joined_by_the_houses_own_key_alone(house: House) -> None:
    wishes = [house.wish(a_plan(), idempotency_key=f"{OWN}{name}") for name in "aab"]
    visits = await house.clock.drive(asyncio.gather(*(house.served(wish) for wish in wishes)))
    jobs = [visit.job_id for visit, _ in visits]
    assert jobs[0] == jobs[1] != jobs[2]
    assert len(house.vendor.purchases) == 2


async def test_one_orphan_is_given_to_one_of_two(house: House) -> None:
    job_id = await hangs_up(house)
    both = asyncio.gather(house.served(house.wish(a_plan())), house.served(house.wish(a_plan())))
    visits = [visit for visit, _ in await house.clock.drive(both)]
    assert sorted(visit.job_id == job_id for visit in visits) == [False, True]
    assert len(house.vendor.purchases) == 2


async def test_other_requests_and_other_keys_names_never_meet(house: House) -> None:
    await hangs_up(house)
    other, _ = await served(house, retry=True, fingerprint=b"other")
    assert other.how is None
    assert len(house.vendor.purchases) == 2


async def test_a_job_that_is_about_to_end_with_nothing_bought_is_not_joined(house: House) -> None:
    house.governor.submits.pause(30.0)
    gone = nobody_leaves()
    waiting = asyncio.ensure_future(house.served(house.wish(a_plan()), gone=gone))
    await house.clock.advance(1)
    (job,) = house.board.jobs()
    gone.set_result(None)
    with pytest.raises(CallerLeft):
        await waiting
    dropped = asyncio.Event()
    held = asyncio.Event()
    record = house.store.record

    async def slow(event: object, *rest: object) -> None:
        if isinstance(event, Dropped):
            dropped.set()
            await held.wait()
        await record(event, *rest)  # type: ignore[arg-type]

    house.store.record = slow  # type: ignore[method-assign, assignment]
    await house.clock.until(dropped.is_set)
    again = asyncio.ensure_future(house.served(house.wish(a_plan()), retry=True))
    await house.clock.sleep(0)
    held.set()
    visit, outcome = await house.clock.drive(again)
    assert visit.how is None
    assert visit.job_id != job.job_id
    assert outcome.images


# ── failures ──


async def test_a_failure_of_what_was_paid_for_is_told_again(house: House) -> None:
    house.vendor.failure = TaskFailed("it broke", code="upstream_task_failed", param="p")
    first, told = await served(house)
    await house.clock.advance(299)
    for retry in (False, True):
        again, repeated = await served(house, retry=retry)
        assert (again.job_id, again.how) == (first.job_id, "replay")
        assert isinstance(repeated.error, TaskFailed)
        assert told.error is not None
        for name in ("message", "code", "param", "bought"):
            assert getattr(repeated.error, name) == getattr(told.error, name)
    assert len(house.vendor.purchases) == 1


async def test_a_failure_under_a_key_of_the_houses_own_is_told_again_to_another(
    house: House,
) -> None:
    house.vendor.failure = TaskFailed("it broke")
    first, _ = await served(house, idempotency_key=f"{OWN}a")
    house.vendor.failure = None
    again, told = await served(house, idempotency_key=f"{OWN}b")
    assert (again.job_id, again.how) == (first.job_id, "replay")
    assert isinstance(told.error, TaskFailed)


async def test_a_failure_is_forgotten_after_its_time(house: House) -> None:
    house.vendor.failure = TaskFailed("it broke")
    await served(house)
    house.vendor.failure = None
    await house.clock.advance(301)
    again, made = await served(house)
    assert again.how is None
    assert made.images


async def test_a_failure_that_cost_nothing_is_not_told_again(house: House) -> None:
    house.vendor.creates = [base.CreateRefused("x", ContentRefused("no"))]
    await served(house)
    again, made = await served(house, retry=True)
    assert again.how is None
    assert made.images


async def test_an_outcome_that_stays_unknown_is_told_again_and_never_bought(house: House) -> None:
    house.vendor.creates = [base.CreateLost("timeout")]
    house.vendor.bought_though_lost = False
    _, told = await served(house)
    again, repeated = await served(house, retry=True)
    assert again.how == "replay"
    assert isinstance(told.error, UpstreamOutcomeUnknown)
    assert isinstance(repeated.error, UpstreamOutcomeUnknown)
    assert repeated.error.bought == told.error.bought
    assert house.vendor.purchases == []


async def test_of_a_partial_failure_only_what_is_missing_is_bought_later(house: House) -> None:
    ids = iter(range(3))

    def second_fails(_: object) -> Exception | None:
        return base.CreateRefused("x", ContentRefused("no")) if next(ids) == 1 else None

    house.vendor.refuse = second_fails
    wish = house.wish(a_plan(10))
    first, told = await house.clock.drive(house.served(wish))
    assert told.error is not None
    assert told.error.bought is not None
    assert len(told.error.bought.kept) == 6
    house.vendor.refuse = lambda _: None
    await house.clock.advance(301)
    again, made = await house.clock.drive(house.served(house.wish(a_plan(10))))
    assert (again.how, again.job_id) == (None, first.job_id)
    assert len(made.images) == 10
    assert {one.filename for one in made.images} > set(told.error.bought.kept)
    assert len(house.vendor.purchases) == 3
    assert [fact.missing for fact in house.facts if isinstance(fact, JobReopened)] == [1]


async def test_what_a_partial_failure_left_keeps_the_key_the_ledger_has_it_under(
    house: House,
) -> None:
    ids = iter(range(3))

    def second_fails(_: object) -> Exception | None:
        return base.CreateRefused("x", ContentRefused("no")) if next(ids) == 1 else None

    house.vendor.refuse = second_fails
    first, told = await house.clock.drive(
        house.served(house.wish(a_plan(10), idempotency_key=f"{OWN}a"))
    )
    assert told.error is not None
    house.vendor.refuse = lambda _: None
    await house.clock.advance(301)
    again = asyncio.gather(
        house.served(house.wish(a_plan(10), idempotency_key=f"{OWN}b")),
        house.served(house.wish(a_plan(10), idempotency_key=f"{OWN}a")),
    )
    visits = await house.clock.drive(again)
    assert {visit.job_id for visit, _ in visits} == {first.job_id}
    assert len(house.vendor.purchases) == 3


async def test_of_two_at_once_only_one_is_given_what_a_partial_failure_left(house: House) -> None:
    ids = iter(range(10))

    def second_is_lost(_: object) -> Exception | None:
        return base.CreateLost("timeout") if next(ids) == 1 else None

    house.vendor.refuse, house.vendor.bought_though_lost = second_is_lost, False
    first, told = await house.clock.drive(house.served(house.wish(a_plan(10))))
    assert isinstance(told.error, UpstreamOutcomeUnknown)
    await house.clock.advance(301)
    # Both have the vendor asked for the lost one, which takes a while.
    both = (house.served(house.wish(a_plan(10))) for _ in range(2))
    stays = await house.clock.drive(asyncio.gather(*both))
    assert len({visit.job_id for visit, _ in stays} | {first.job_id}) == 2
    assert [len(outcome.images) for _, outcome in stays] == [10, 10]
    assert len(house.vendor.purchases) == 2 + 1 + 3
    assert (await house.store.standing("studio", NO_LIMITS)).under_way == 0
    assert house.queue.at_vendor == 0


async def test_pictures_of_a_failed_request_that_were_fetched_are_not_used_again(
    house: House,
) -> None:
    dead = base.CreateRefused("x", ContentRefused("no"))
    house.vendor.creates = [dead]
    _, told = await house.clock.drive(house.served(house.wish(a_plan(10))))
    assert told.error is not None
    assert told.error.bought is not None
    house.shelf.fetched(told.error.bought.kept[0].partition(".")[0])
    await house.clock.advance(301)
    bought = len(house.vendor.purchases)
    _, made = await house.clock.drive(house.served(house.wish(a_plan(10))))
    assert made.error is None
    assert len(house.vendor.purchases) == bought + 3


# ── on the way in ──


async def test_for_who_has_left_before_nothing_is_begun(house: House) -> None:
    gone = nobody_leaves()
    gone.set_result(None)
    with pytest.raises(CallerLeft):
        await house.clock.drive(house.served(house.wish(a_plan()), gone=gone))
    assert (len(house.board), house.released, house.vendor.purchases) == (0, 1, [])


async def test_whoever_joins_gives_up_the_files_it_brought_at_once(house: House) -> None:
    await hangs_up(house)
    async with house.visit(house.wish(a_plan()), retry=True):
        assert house.released == 1


async def test_joining_is_told(house: House) -> None:
    job_id = await hangs_up(house)
    await served(house, retry=True)
    (told,) = [fact for fact in house.facts if isinstance(fact, JobJoined)]
    assert (told.job_id, told.how, told.request_id) == (job_id, "sdk_retry", "req_1")


async def test_who_joins_gets_as_much_time_to_buy_as_it_brings(house: House) -> None:
    async with house.visit(house.wish(a_plan(), 10.0)):
        (job,) = house.board.jobs()
        assert job.deadline == house.clock.monotonic() + 10
        async with house.visit(house.wish(a_plan(), 300.0), retry=True) as again:
            assert again.job is job
            assert job.deadline == house.clock.monotonic() + 300


async def test_while_stopping_nobody_is_let_in(house: House) -> None:
    await house.runner.stop()
    with pytest.raises(Draining) as caught:
        await served(house)
    assert caught.value.come_back
    assert house.released == 1


async def test_a_dead_link_is_remembered_with_what_was_kept(house: House) -> None:
    house.fetcher.crashes = []
    house.finisher.unusable = 2
    _, told = await served(house)
    assert isinstance(told.error, ResultUnusable)
    again, repeated = await served(house)
    assert again.how == "replay"
    assert isinstance(repeated.error, ResultUnusable)
    names = [type(fact.event).__name__ for fact in house.facts if isinstance(fact, Stepped)]
    assert names.count("LinkDead") == 1
