"""Counts over a sliding time: the young is counted, the old is not, and nothing piles up."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.tallies import SLOTS, Tally
from tests.clocks import FakeClock


def test_what_happened_is_counted_until_its_time_is_over() -> None:
    clock = FakeClock(now=0.0)
    tally = Tally(10, clock)
    tally.add()
    clock.now = 4.0
    tally.add()
    tally.add()
    assert tally.total() == 3
    clock.now = 9.9
    assert tally.total() == 3
    clock.now = 10.0
    assert tally.total() == 2
    clock.now = 14.0
    assert tally.total() == 0


def test_what_is_cleared_is_forgotten() -> None:
    tally = Tally(10, FakeClock())
    tally.add()
    tally.clear()
    assert tally.total() == 0
    tally.add()
    assert repr(tally) == "Tally(1 in 10 s)"


def test_a_hundred_thousand_take_no_more_room_than_the_slots() -> None:
    clock = FakeClock()
    tally = Tally(10, clock)
    for _ in range(100_000):
        clock.now += 0.01
        tally.add()
    assert len(tally._slots) <= SLOTS
    assert 950 <= tally.total() <= 1000


@given(st.lists(st.floats(0, 8), max_size=60), st.sampled_from([0.7, 10.0, 30.0]))
def test_the_old_is_never_counted_and_the_young_always(gaps: list[float], seconds: float) -> None:
    clock = FakeClock()
    tally = Tally(seconds, clock)
    moments: list[float] = []
    slack = 1e-9  # of floats
    for gap in gaps:
        clock.now += gap
        tally.add()
        moments.append(clock.now)
        ages = [clock.now - moment for moment in moments]
        least = sum(age < seconds * (1 - 1 / SLOTS) - slack for age in ages)
        most = sum(age <= seconds + slack for age in ages)
        assert least <= tally.total() <= most
