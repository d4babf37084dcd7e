"""Which of the hooks that are due are begun, and which are left alone."""

from gateway.jobs.turns import Turns
from gateway.state.hooks import HookRow

PAUSES = (5.0, 30.0)


def turns(places: int, of_a_key: int) -> Turns:
    return Turns(places, of_a_key, PAUSES)


def due(*keys: str) -> list[HookRow]:
    return [HookRow(f"{key}{n}", "", "", "", key_name=key) for n, key in enumerate(keys)]


def names(found: list[HookRow]) -> list[str]:
    return [hook.hook_id for hook in found]


def test_a_place_goes_to_the_key_that_has_the_fewest() -> None:
    found = turns(6, 4).next(due("a", "a", "b", "b", "c"), ["a", "a", "b"])
    assert names(found) == ["c4", "b2", "a0"]


def test_of_those_that_have_as_few_to_the_one_that_is_due_the_longest() -> None:
    assert names(turns(3, 4).next(due("b", "a", "a", "c"), ["x"])) == ["b0", "a1"]


def test_and_before_that_to_the_one_whose_last_turn_was_the_longest_ago() -> None:
    one = turns(1, 1)
    found = [names(one.next(due("a", "a", "b", "c"), [])) for _ in range(4)]
    assert found == [["a0"], ["b2"], ["c3"], ["a0"]]


def test_no_key_has_more_than_its_part_and_none_is_begun_beyond_the_places() -> None:
    assert names(turns(8, 2).next(due("a", "a", "a", "b"), ["b", "b"])) == ["a0", "a1"]
    assert turns(2, 2).next(due("a"), ["b", "b"]) == []


def test_one_is_left_alone_for_longer_each_time_until_it_is_free() -> None:
    one = turns(1, 1)
    assert (one.held(0.0), one.wait(0.0)) == (frozenset(), None)
    for at, until in ((0.0, 5.0), (10.0, 40.0), (50.0, 80.0)):
        one.hold("h", at)
        assert (one.held(at), one.wait(at)) == (frozenset({"h"}), until - at)
        assert (one.held(until), one.wait(until)) == (frozenset(), None)
    one.free("h")
    one.hold("h", 100.0, longer=False)
    one.hold("h", 100.0, longer=False)
    assert one.wait(100.0) == 5.0
    one.free("h")
    one.free("h")
    assert one.held(100.0) == frozenset()


def test_of_very_many_those_that_are_free_soonest_are_forgotten_and_looks_are_few() -> None:
    one = turns(1, 1)
    for number in range(1_000):
        assert one.gap == 0.05
        one.hold(f"h{number}", float(number) / 1_000)
    assert one.gap == PAUSES[0]
    one.hold("late", 1.0)
    held = one.held(1.0)
    assert (len(held), "h0" in held, "late" in held) == (1_000, False, True)
    one.free("late")
    assert one.gap == 0.05
