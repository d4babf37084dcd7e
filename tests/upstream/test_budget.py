"""Repetitions are a share of the calls, so that a vendor who is down is not buried by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.budget import FLOOR, SECONDS, RetryBudget
from tests.clocks import FakeClock


def taken(budget: RetryBudget, wanted: int = 1_000) -> int:
    """How many of so many repetitions are allowed."""
    return sum(budget.take() for _ in range(wanted))


@pytest.mark.parametrize(
    ("share", "calls", "allowed"),
    [
        (0.2, 0, 10),
        (0.2, 4, 10),
        (0.2, 5, 11),
        (0.2, 100, 30),
        (0.0, 100, 10),
        (1.0, 100, 110),
    ],
)
def test_a_share_of_the_calls_may_be_repeated_and_ten_besides(
    share: float, calls: int, allowed: int
) -> None:
    budget = RetryBudget(share, FakeClock())
    for _ in range(calls):
        budget.called()
    assert taken(budget) == allowed
    assert repr(budget) == f"RetryBudget({allowed} of {calls} repeated)"


def test_what_is_left_is_a_share_of_what_is_allowed() -> None:
    budget = RetryBudget(0.2, FakeClock())
    assert budget.left == 1
    assert taken(budget, 5) == 5
    assert budget.left == 0.5
    assert taken(budget) == 5
    assert budget.left == 0
    for _ in range(50):
        budget.called()
    assert budget.left == 0.5


def test_after_ten_seconds_calls_and_repetitions_are_forgotten() -> None:
    clock = FakeClock()
    budget = RetryBudget(0.5, clock)
    for _ in range(20):
        budget.called()
    assert taken(budget) == 20
    clock.now += SECONDS
    assert taken(budget) == FLOOR


def test_what_was_refused_takes_nothing() -> None:
    clock = FakeClock()
    budget = RetryBudget(1.0, clock)
    assert taken(budget, 500) == FLOOR
    budget.called()
    assert budget.take()
    assert not budget.take()


def test_a_vendor_who_is_down_sees_a_fifth_more_than_the_usual_load() -> None:
    clock = FakeClock()
    budget = RetryBudget(0.2, clock)
    calls = repeated = 0
    for _ in range(10 * 60):
        clock.now += 0.1
        for _ in range(10):  # a hundred calls a second, each of which would be tried three times
            budget.called()
            calls += 1
            repeated += taken(budget, 2)
    assert 0.2 * calls * 0.9 <= repeated <= 0.2 * calls + FLOOR * 60 / SECONDS + FLOOR


@given(
    st.floats(0, 1),
    st.lists(st.tuples(st.sampled_from(["call", "take"]), st.floats(0, 3)), max_size=120),
)
def test_a_repetition_is_given_exactly_while_there_are_few_enough(
    share: float, steps: list[tuple[str, float]]
) -> None:
    clock = FakeClock(now=0.0)
    budget = RetryBudget(share, clock)
    slot = SECONDS / 20
    calls: list[int] = []
    takes: list[int] = []
    for what, gap in steps:
        clock.now += gap
        now = int(clock.now // slot)
        if what == "call":
            budget.called()
            calls.append(now)
            continue
        young = [[one for one in kind if one > now - 20] for kind in (calls, takes)]
        fits = len(young[1]) + 1 <= FLOOR + share * len(young[0])
        assert budget.take() is fits
        if fits:
            takes.append(now)
