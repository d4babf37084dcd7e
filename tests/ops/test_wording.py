"""Figures in words."""

import math

import pytest

from gateway.ops import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3_600, "1 h"),
        (4_350, "1 h 12 min"),
        (86_400, "1 d"),
        (273_600, "3 d 4 h"),
    ],
)
def test_a_span_has_two_units_at_most(seconds: float, text: str) -> None:
    assert wording.span(seconds) == text


@pytest.mark.parametrize(
    ("then", "text"), [(100.0, "just now"), (500.0, "just now"), (88.0, "12 s ago")]
)
def test_what_was_is_told_from_now(then: float, text: str) -> None:
    assert wording.ago(then, 100.0) == text


def test_a_moment_is_utc() -> None:
    assert wording.moment(1_790_000_000.4) == "2026-09-21 14:13:20 UTC"


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (0, "$0.00"),
        (40_000, "$0.04"),
        (4_200, "$0.0042"),
        (1, "$0.000001"),
        (1_234_500_000, "$1,234.50"),
        (1_240_001, "$1.24"),
    ],
)
def test_money_is_as_exact_as_it_must_be(micro: int, text: str) -> None:
    assert wording.dollars(micro) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "not known"),
        (math.nan, "not known"),
        (math.inf, "without a bound"),
        (12.5, "$12.50"),
    ],
)
def test_a_balance_may_be_unknown_or_boundless(usd: float | None, text: str) -> None:
    assert wording.balance(usd) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (812, "812 B"),
        (1_500, "1.5 kB"),
        (4_000_000, "4 MB"),
        (220_000_000_000, "220 GB"),
        (3_200_000_000_000, "3.2 TB"),
        (4_000_000_000_000_000, "4,000 TB"),
    ],
)
def test_sizes_have_a_unit(number: int, text: str) -> None:
    assert wording.size(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (112, "112th"),
        (1_021, "1,021st"),
    ],
)
def test_places_are_ordinals(number: int, text: str) -> None:
    assert wording.ordinal(number) == text


def test_numbers_are_grouped_and_things_counted() -> None:
    assert wording.count(1_234_567) == "1,234,567"
    assert wording.counted(1, "task") == "1 task"
    assert wording.counted(0, "task") == "0 tasks"
    assert wording.counted(2, "thing needs", "things need") == "2 things need"
    assert (wording.amount(4.25), wording.amount(5.0), wording.amount(31.4)) == ("4.2", "5", "31")
    assert wording.share(0.874) == "87 %"
