"""What each step settles of a task's cost, and that the keys' books say the same."""

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events import (
    FINAL,
    Collected,
    Created,
    CreateLost,
    CreateSent,
    Dropped,
    Found,
    JobEnded,
    LinkDead,
    NotFound,
    NotSent,
    Polled,
    PollFailed,
    RecreateAllowed,
    Refused,
    State,
    Succeeded,
    TaskEvent,
    TaskFailed,
    Throttled,
    Vanished,
)
from gateway.jobs.charges import Charge, charge_of
from gateway.jobs.journal import Stamp
from gateway.jobs.machine import AFTER_A_LOSS, TABLE, step
from gateway.state.accounts import Accounts
from gateway.state.base import NO_LIMITS, JobRow, PictureRow, TaskRow
from gateway.state.memory import MemoryStore
from tests.clocks import FakeClock
from tests.state.rows import a_job, a_picture

T = TypeVar("T")
RESERVED = 40_000
WHO = Stamp(job_id="j", task_id="t", at=1.0)

SENT = CreateSent(**WHO)
CREATED = Created(**WHO, upstream_id="v", seconds=0.1)
LOST = CreateLost(**WHO, reason="r")
DROPPED = Dropped(**WHO, reason="r")
REFUSED = Refused(**WHO, reason="r")
NOT_FOUND = NotFound(**WHO)
AGAIN = RecreateAllowed(**WHO)
FOUND = Found(**WHO, upstream_id="v")
VANISHED = Vanished(**WHO, reason="r")
DEAD = LinkDead(**WHO, reason="r")
KEPT = Collected(**WHO, images=1, size=1)
OTHERS = (
    NotSent(**WHO, reason="r"),
    Throttled(**WHO, retry_after=None),
    Polled(**WHO, word="w", progress=None),
    PollFailed(**WHO, reason="r"),
)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """What a call of a store in memory gives: it never waits."""
    with pytest.raises(StopIteration) as end:
        work.send(None)
    given: T = end.value.value
    return given


def a_wish_for(wanted: int) -> JobRow:
    """A job of one task of so many pictures, for which as much as always is set aside."""
    job = a_job("j", "t")
    spec = replace(job.plan.tasks[0], n=wanted)
    plan, task = replace(job.plan, tasks=(spec,)), replace(job.tasks[0], reserved=RESERVED)
    return replace(job, plan=plan, tasks=(task,))


def a_task(state: State, **known: Any) -> TaskRow:
    """A task as another process left it."""
    return TaskRow("t", 0, state, reserved=RESERVED, **known)


def made(cost_usd: str | None) -> Succeeded:
    return Succeeded(**WHO, images=1, seconds=1.0, completed_at=None, cost_usd=cost_usd)


def gave_up(cost_usd: str | None) -> TaskFailed:
    return TaskFailed(**WHO, reason="r", cost_usd=cost_usd)


def told(*events: TaskEvent) -> tuple[list[int], int]:
    """What each step settles, and what is settled in the end."""
    charge, state, settled = Charge(RESERVED), State.INTENT, []
    for event in events:
        state = step(state, event, perhaps=charge.perhaps)
        settled.append(charge.step(event, state))
    return settled, charge.cost


@pytest.mark.parametrize(
    ("events", "settled", "cost"),
    [
        ((SENT, CREATED, made("0.1"), KEPT), [0, 0, 100_000, 0], 100_000),
        ((SENT, CREATED, made(None), KEPT), [0, 0, RESERVED, 0], RESERVED),
        ((SENT, CREATED, made("0.1"), DEAD), [0, 0, 100_000, 0], 100_000),
        ((SENT, CREATED, gave_up("0")), [0, 0, 0], 0),
        ((SENT, CREATED, gave_up(None)), [0, 0, RESERVED], RESERVED),
        ((SENT, CREATED, VANISHED), [0, 0, RESERVED], RESERVED),
        ((DROPPED,), [0], 0),
        ((SENT, REFUSED), [0, 0], 0),
        ((SENT, LOST, NOT_FOUND), [0, 0, RESERVED], RESERVED),
        ((SENT, LOST, FOUND, made("0.01")), [0, 0, 0, 10_000], 10_000),
        # What was taken for spent is not told again; what comes to more is.
        ((SENT, LOST, NOT_FOUND, FOUND, made("0.1")), [0, 0, RESERVED, 0, 60_000], 100_000),
        ((SENT, LOST, NOT_FOUND, FOUND, gave_up("0")), [0, 0, RESERVED, 0, 0], 0),
        # A create whose answer was lost may have been paid, whatever became of the next.
        ((SENT, LOST, AGAIN, NOT_FOUND), [0, 0, 0, RESERVED], RESERVED),
        ((SENT, LOST, AGAIN, SENT, REFUSED, NOT_FOUND), [0, 0, 0, 0, 0, RESERVED], RESERVED),
        ((SENT, LOST, AGAIN, SENT, REFUSED, FOUND, made("0.1")), [0] * 6 + [100_000], 100_000),
    ],
)
def test_a_step_settles_what_it_made_certain(
    events: tuple[TaskEvent, ...], settled: list[int], cost: int
) -> None:
    assert told(*events) == (settled, cost)


EVENTS = (
    *(SENT, CREATED, LOST, DROPPED, REFUSED, NOT_FOUND, AGAIN, FOUND, VANISHED, DEAD, KEPT),
    *(made("0.02"), made("0.09"), made(None), made("junk"), gave_up("0"), gave_up(None), *OTHERS),
)


def legal_events(state: State, charge: Charge) -> list[TaskEvent]:
    table = AFTER_A_LOSS if charge.perhaps else TABLE
    return [event for event in EVENTS if type(event) in table[state]]


@given(st.lists(st.integers(0, 99), max_size=12))
def test_a_task_costs_what_the_books_of_its_key_say(choices: list[int]) -> None:
    accounts = Accounts(FakeClock())
    job = a_job("j", "t")
    job = replace(job, tasks=(replace(job.tasks[0], reserved=RESERVED),))
    accounts.take(job, NO_LIMITS)
    charge, state, charged = Charge(RESERVED), State.INTENT, 0
    for choice in choices:
        legal = legal_events(state, charge)
        if not legal:
            break
        event = legal[choice % len(legal)]
        state = step(state, event, perhaps=charge.perhaps)
        change = accounts.told(event, state)
        charged += charge.step(event, state)
        assert accounts.standing("studio", NO_LIMITS).cost_today == charge.amount
        if change is not None:
            assert charge.amount == change.charged
        if state in FINAL:
            assert charge.cost == charge.amount
        assert charged == charge.charged >= charge.cost


@pytest.mark.parametrize(
    ("state", "charged", "cost"),
    [
        (State.RUNNING, None, 0),
        (State.COLLECTING, 70_000, 70_000),
        (State.DONE, 70_000, 70_000),
        (State.LOST, None, RESERVED),
        (State.FAILED, None, RESERVED),
        (State.DROPPED, 0, 0),
    ],
)
def test_what_another_process_had_settled_is_not_told_again(
    state: State, charged: int | None, cost: int
) -> None:
    charge = charge_of(a_task(state, charged=charged))
    assert (charge.cost, charge.charged) == (cost, cost)


def test_a_lost_task_of_another_process_is_perhaps_paid() -> None:
    charge = charge_of(a_task(State.UNCERTAIN, create_lost=True))
    assert [charge.step(AGAIN, State.INTENT), charge.step(NOT_FOUND, State.LOST)] == [0, RESERVED]


def test_so_is_one_that_another_process_was_about_to_create_again() -> None:
    charge = charge_of(a_task(State.INTENT, create_lost=True))
    assert charge.step(NOT_FOUND, State.LOST) == charge.waste(NOT_FOUND) == RESERVED
    charge = charge_of(a_task(State.INTENT))
    assert charge.step(DROPPED, State.DROPPED) == charge.waste(DROPPED) == 0


@pytest.mark.parametrize(
    ("events", "wasted"),
    [
        ((SENT, CREATED, made("0.1"), KEPT), 0),
        ((SENT, CREATED, made("0.1"), DEAD), 100_000),
        ((SENT, CREATED, gave_up("0")), 0),
        ((SENT, CREATED, gave_up(None)), RESERVED),
        ((SENT, CREATED, VANISHED), RESERVED),
        ((DROPPED,), 0),
        ((SENT, REFUSED), 0),
        ((SENT, LOST, NOT_FOUND), RESERVED),
        # One task, one loss: what was lost, found and failed after all is counted once.
        ((SENT, LOST, NOT_FOUND, FOUND, gave_up(None)), RESERVED),
        ((SENT, LOST, NOT_FOUND, FOUND, VANISHED), RESERVED),
        ((SENT, LOST, NOT_FOUND, FOUND, made("0.1"), DEAD), 100_000),
        # Given up after a create that may have been paid.
        ((SENT, LOST, AGAIN, NOT_FOUND), RESERVED),
        ((SENT, LOST, AGAIN, SENT, REFUSED), 0),
        ((SENT, LOST, AGAIN, SENT, REFUSED, NOT_FOUND), RESERVED),
        ((SENT, LOST, AGAIN, NOT_FOUND, FOUND, gave_up(None)), RESERVED),
    ],
)
def test_what_nobody_is_given_is_wasted_once(events: tuple[TaskEvent, ...], wasted: int) -> None:
    charge, state, total = Charge(RESERVED), State.INTENT, 0
    for event in events:
        state = step(state, event, perhaps=charge.perhaps)
        charge.step(event, state)
        total += charge.waste(event)
    assert total == wasted


@pytest.mark.parametrize(
    ("events", "kept", "wasted"),
    [
        ((SENT, CREATED, made("0.1")), 0, 100_000),
        ((SENT, CREATED, made("0.1")), 3, 25_000),
        ((SENT, CREATED, made("0.000001")), 1, 0),
        # It was told as lost with more than what is missing comes to now.
        ((SENT, LOST, NOT_FOUND, FOUND, made("0.1")), 3, RESERVED),
        ((SENT, LOST, NOT_FOUND, FOUND, made("0.1")), 1, 75_000),
    ],
)
def test_of_a_task_whose_pictures_were_kept_in_part_the_others_share_is_wasted(
    events: tuple[TaskEvent, ...], kept: int, wasted: int
) -> None:
    charge, state, total = Charge(RESERVED), State.INTENT, 0
    for event in events:
        state = step(state, event, perhaps=charge.perhaps)
        charge.step(event, state)
        total += charge.waste(event)
    assert charge.step(DEAD, State.FAILED) == 0
    assert total + charge.waste(DEAD, kept, 4) == wasted == charge.unserved


@pytest.mark.parametrize("state", [State.LOST, State.RUNNING])
def test_what_another_process_had_lost_is_not_told_again(state: State) -> None:
    """Found by this process, or by the one before."""
    charge = charge_of(a_task(state, create_lost=True, not_found=True))
    assert (charge.cost, charge.spent, charge.unserved) == (RESERVED, 0, RESERVED)
    assert charge.step(gave_up(None), State.FAILED) == charge.waste(gave_up(None)) == 0


def test_of_what_another_process_had_lost_and_found_the_rest_is_told() -> None:
    charge = charge_of(a_task(State.COLLECTING, charged=10_000, not_found=True))
    assert (charge.cost, charge.charged, charge.waste(DEAD)) == (10_000, RESERVED, 0)
    charge = charge_of(a_task(State.RUNNING, not_found=True))
    assert charge.step(made("0.1"), State.COLLECTING) == 60_000
    charge = charge_of(a_task(State.COLLECTING, charged=100_000, not_found=True))
    assert (charge.step(DEAD, State.FAILED), charge.waste(DEAD)) == (0, 60_000)


@given(
    choices=st.lists(st.tuples(st.integers(0, 99), st.booleans()), max_size=12),
    wanted=st.integers(1, 4),
    missing=st.integers(0, 4),
    fetched=st.integers(0, 4),
)
def test_whoever_goes_on_with_a_task_tells_what_one_process_would_and_no_loss_twice(
    choices: list[tuple[int, bool]], wanted: int, missing: int, fetched: int
) -> None:
    """Processes end after some of the steps: the next one has the ledger's row alone."""
    store, state = MemoryStore(FakeClock()), State.INTENT
    at_once(store.add_job(a_wish_for(wanted)))
    tokens = [f"p{place}" for place in range(max(0, wanted - missing))]
    pictures = [replace(a_picture(one, "t", n), expires_at=9.0) for n, one in enumerate(tokens)]
    kept: list[PictureRow] = []
    one = Charge(RESERVED)
    many = replace(one)
    for choice, ends in choices:
        legal = legal_events(state, one)
        if not legal:
            break
        event = legal[choice % len(legal)]
        state = step(state, event, perhaps=one.perhaps)
        kept = pictures if isinstance(event, Collected | LinkDead) else []
        at_once(store.record(event, state, kept))
        assert many.step(event, state) == one.step(event, state)
        assert many.waste(event, len(kept), wanted) == one.waste(event, len(kept), wanted)
        assert one.unserved <= one.charged
        if ends:
            (row,) = at_once(store.unfinished())
            many = charge_of(row.tasks[0])
        if TABLE[state]:
            assert replace(many, earlier=0) == one
    for token in tokens[:fetched]:
        at_once(store.fetched(token, 5.0))
    at_once(store.remark(JobEnded(job_id="j", at=6.0)))
    dead = sum(each.cost for each in at_once(store.unclaimed()))
    assert one.unserved + dead <= one.charged
    if kept and not fetched:
        assert one.unserved + dead > one.cost - 2  # two shares, rounded down
