"""A bucket of tokens for each kind of line."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from gateway.ops.floods import Floods
from tests.clocks import FakeClock

BURST, RATE = 40, 20


def test_so_many_pass_at_once_and_then_so_many_a_second() -> None:
    clock = FakeClock()
    floods: Floods[str] = Floods(clock)
    admitted = [floods.admit("a") is not None for _ in range(100)]
    assert admitted == [True] * BURST + [False] * 60
    clock.now += 1
    assert [floods.admit("a") for _ in range(RATE + 1)] == [60] + [0] * (RATE - 1) + [None]
    assert floods.suppressed == 61


def test_kinds_do_not_take_from_each_other() -> None:
    floods: Floods[tuple[str, int]] = Floods(FakeClock())
    for _ in range(100):
        floods.admit(("a", 1))
    assert floods.admit(("a", 2)) == 0


def test_only_floods_that_are_over_are_told_so_and_once() -> None:
    clock = FakeClock()
    floods: Floods[str] = Floods(clock)
    for _ in range(BURST + 5):
        floods.admit("over")
    clock.now += 0.9
    for _ in range(BURST + 3):
        floods.admit("goes on")
    clock.now += 0.2
    assert floods.over() == [("over", 5)]
    assert floods.over() == []
    assert floods.untold() == [("goes on", 3)]
    assert floods.untold() == []
    assert floods.suppressed == 8
    assert repr(floods) == "<Floods of 2 kinds, suppressed=8>"


@given(st.lists(st.floats(0, 0.5), max_size=300))
def test_every_line_is_told_or_counted(gaps: list[float]) -> None:
    clock = FakeClock()
    floods: Floods[str] = Floods(clock)
    told = counted = 0
    for gap in gaps:
        clock.now += gap
        admitted = floods.admit("a")
        if admitted is not None:
            told, counted = told + 1, counted + admitted
    counted += sum(count for _, count in floods.untold())
    assert told + counted == len(gaps)
    assert counted == floods.suppressed
    assert told <= BURST + RATE * sum(gaps) + 1e-6


def test_threads_lose_no_count() -> None:
    floods: Floods[str] = Floods(FakeClock())
    seen: list[int | None] = []

    def flood() -> None:
        seen.extend([floods.admit("a") for _ in range(2_000)])

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.count(None) == floods.suppressed == 8_000 - BURST
