"""Amounts of money, as they are told and as they are kept."""

import pytest

from gateway.translate.money import micro_dollars


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("0.135", 135_000),
        ("0", 0),
        ("1e-6", 1),
        ("0.0000004", 0),
        (" 2 ", 2_000_000),
        ("1e6", 10**12),
    ],
)
def test_an_amount_is_kept_in_whole_micro_dollars(told: str, kept: int) -> None:
    assert micro_dollars(told, 7) == kept


@pytest.mark.parametrize(
    "told",
    [None, "", "free", "-1", "NaN", "sNaN", "Infinity", "1000001", "9e999999", "1e-9999999x"],
)
def test_what_is_no_amount_counts_as_what_was_expected(told: str | None) -> None:
    assert micro_dollars(told, 7) == 7
