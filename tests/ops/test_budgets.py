"""Shares of budgets, by what keys are allowed and what they have used."""

from typing import Any

import pytest

from gateway.config.sections import Key, Limits
from gateway.ops.budgets import BUDGETS, Used, shares, used, with_budgets
from gateway.state.base import Standing

USED = used(
    Standing(
        requests=None,
        images=None,
        under_way=3,
        images_today=40,
        cost_today=2_500_000,
        cost_this_month=30_000_000,
    )
)


def a_key(name: str = "studio", **limits: Any) -> Key:
    return Key.model_validate({"name": name, "key": f"sk-igw-{name}", "limits": limits})


def test_a_share_is_what_is_used_of_what_is_allowed() -> None:
    key = a_key(images_per_day=50, cost_per_day="10", cost_per_month="120")
    assert shares([key], {"studio": USED}) == {
        ("studio", "images_per_day"): 0.8,
        ("studio", "cost_per_day"): 0.25,
        ("studio", "cost_per_month"): 0.25,
    }


def test_each_key_has_the_shares_of_its_own_budgets() -> None:
    found = shares(
        [a_key("one", images_per_day=80), a_key("two", cost_per_day="5"), a_key("three")],
        {"one": USED, "two": USED, "three": USED},
    )
    assert found == {("one", "images_per_day"): 0.5, ("two", "cost_per_day"): 0.5}


def test_every_budget_is_a_limit_by_its_name_and_no_rate_is_a_budget() -> None:
    assert set(BUDGETS) < set(Limits.model_fields)
    rates = a_key(requests_per_minute=6, images_per_minute=6, concurrent=2)
    assert shares([rates], {"studio": USED}) == {}


@pytest.mark.parametrize("uses", [{}, {"studio": USED}])
def test_there_is_no_share_of_a_budget_of_nothing(uses: dict[str, Used]) -> None:
    key = a_key(images_per_day=80, cost_per_day="0", cost_per_month=0)
    assert shares([key], uses).keys() == {("studio", "images_per_day")}


def test_of_a_key_that_was_never_asked_about_nothing_is_used() -> None:
    assert shares([a_key(images_per_day=1)], {"other": USED}) == {("studio", "images_per_day"): 0}


def test_more_may_be_used_than_is_allowed() -> None:
    assert shares([a_key(cost_per_day="1")], {"studio": USED}) == {("studio", "cost_per_day"): 2.5}


def test_keys_without_a_budget_need_not_be_asked_about() -> None:
    with_one = a_key("small", cost_per_day="0.1")
    keys = [a_key("unbounded"), with_one, a_key("shut", cost_per_day="0")]
    assert list(with_budgets(keys)) == [with_one]
