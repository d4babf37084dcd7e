import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jobs.schedule import ENOUGH, REMEMBERED, TABLE, Experience, Pace, next_ask
from gateway.translate.model import QUALITIES, TIERS

PACE = Pace(first=6.0, gap=4.0)


def test_the_table_has_every_tier_and_quality() -> None:
    assert set(TABLE) == set(itertools.product(TIERS, QUALITIES))


def test_the_first_question_waits_for_the_earliest_plausible_end() -> None:
    assert next_ask(PACE, 0, 0.0, 0.5) == pytest.approx(6.0)
    assert next_ask(PACE, 0, 2.0, 0.5) == pytest.approx(4.0)
    assert next_ask(PACE, 0, 60.0, 0.5) == 0.0


def test_then_the_gap_is_steady_and_grows_only_far_beyond_the_expected_end() -> None:
    assert next_ask(PACE, 1, 6.0, 0.5) == pytest.approx(4.0)
    assert next_ask(PACE, 9, 90.0, 0.5) == pytest.approx(4.0)
    assert 4.0 < next_ask(PACE, 50, 250.0, 0.5) <= 10.0


@given(
    asked=st.integers(0, 500),
    age=st.floats(0, 3600),
    chance=st.floats(0, 1, exclude_max=True),
    kind=st.sampled_from(sorted(TABLE)),
)
def test_the_wait_is_never_negative_and_never_beyond_the_cap(
    asked: int, age: float, chance: float, kind: tuple[str, str]
) -> None:
    pace = TABLE[kind]  # type: ignore[index]
    assert 0.0 <= next_ask(pace, asked, age, chance) <= max(10.0, pace.first) * 1.15


def test_chance_spreads_tasks_that_started_together() -> None:
    assert next_ask(PACE, 1, 6.0, 0.0) < next_ask(PACE, 1, 6.0, 0.99)


def test_without_enough_experience_the_table_stands_scaled() -> None:
    experience = Experience(scale=0.5)
    for _ in range(ENOUGH - 1):
        experience.observe("1k", "high", 30.0)
    assert experience.pace("1k", "high") == Pace(3.0, 2.0)


def test_experience_moves_the_first_question_to_where_tasks_begin_to_end() -> None:
    experience = Experience()
    for seconds in range(18, 18 + ENOUGH):
        experience.observe("1k", "high", float(seconds))
    pace = experience.pace("1k", "high")
    assert pace.first == pytest.approx(16.0)
    assert pace.gap == TABLE["1k", "high"].gap


def test_a_slow_vendor_cannot_push_the_first_question_out_of_reach() -> None:
    experience = Experience()
    for _ in range(ENOUGH):
        experience.observe("1k", "low", 600.0)
    assert experience.pace("1k", "low").first == 4 * TABLE["1k", "low"].first


def test_old_experience_is_forgotten() -> None:
    experience = Experience()
    for seconds in [500.0] * REMEMBERED + [10.0] * REMEMBERED:
        experience.observe("2k", "low", seconds)
    assert experience.pace("2k", "low").first < 10.0
