"""What a key may ask for, compared with plans that the real planner makes."""

from typing import Any

import pytest

from gateway.access.keys import Key, Keys
from gateway.access.permissions import check, rules_for, visible
from gateway.config import sections
from gateway.errors import InvalidRequest, NotPermitted
from gateway.translate.model import ImageRequest, ModelCard, Quality
from gateway.translate.plan import Rules, make_plan

CARDS = (
    ModelCard("gpt-image-2", "vendor-2", aliases=("dall-e-3",)),
    ModelCard("gpt-image-mini", "vendor-mini", default_quality="medium"),
    ModelCard("gpt-image-plain", "vendor-plain", default_quality="low"),
)
RULES = Rules({card.name: card for card in CARDS}, "gpt-image-2")
BIG = "3840x2160"  # needs 4k


def key(**permissions: Any) -> Key:
    section = sections.Key.model_validate({"name": "lab", "key": "sk-igw-lab", **permissions})
    return Keys([section]).identify("sk-igw-lab", 0)


def ask(mine: Key, **asked: Any) -> Quality:
    """Plan and compare, as it is done for a request; the quality that would be bought."""
    request = ImageRequest("generation", "a lamp", **{"requested_model": "gpt-image-2", **asked})
    plan = make_plan(request, rules_for(mine, RULES))
    check(mine, plan)
    return plan.quality


def test_a_key_without_permissions_may_ask_for_everything() -> None:
    mine = key()

    assert ask(mine, size=BIG, quality="high", n=10) == "high"
    assert ask(mine, requested_model="gpt-image-mini") == "medium"
    assert visible(mine, RULES) == RULES.models
    assert rules_for(mine, RULES) is RULES


def test_a_model_that_is_not_among_a_keys_own_is_refused_and_its_own_are_named() -> None:
    mine = key(models=["gpt-image-mini", "gpt-image-plain"])

    with pytest.raises(NotPermitted) as caught:
        ask(mine)
    assert (caught.value.param, caught.value.code) == ("model", "permission_denied")
    assert caught.value.message == (
        "This key may not use the model 'gpt-image-2'. It may use: gpt-image-mini, gpt-image-plain."
    )
    assert ask(mine, requested_model="gpt-image-mini") == "medium"


@pytest.mark.parametrize("name", ["dall-e-3", "gpt-image-9", "openai/gpt-image-2", None])
def test_whatever_name_leads_to_a_model_the_model_is_what_counts(name: str | None) -> None:
    assert ask(key(models=["gpt-image-2"]), requested_model=name, size="1024x1024")
    with pytest.raises(NotPermitted):
        ask(key(models=["gpt-image-mini"]), requested_model=name, size="1024x1024")


def test_the_models_that_are_visible_are_a_keys_own_in_the_configurations_order() -> None:
    mine = key(models=["gpt-image-plain", "gpt-image-2"])

    assert list(visible(mine, RULES)) == ["gpt-image-2", "gpt-image-plain"]
    assert visible(mine, RULES)["gpt-image-2"] is CARDS[0]


@pytest.mark.parametrize(
    ("most", "size", "needed"),
    [("1k", "2048x2048", "2k"), ("1k", BIG, "4k"), ("2k", BIG, "4k")],
)
def test_a_larger_tier_than_allowed_is_a_wrong_size(most: str, size: str, needed: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(key(max_tier=most), size=size)
    assert (caught.value.param, caught.value.code) == ("size", "invalid_value")
    assert f"needs the {needed} tier" in caught.value.message
    assert f"may ask for is {most}." in caught.value.message


@pytest.mark.parametrize(
    ("most", "size"), [("1k", "1024x1024"), ("2k", "1024x1024"), ("2k", "2048x2048"), ("4k", BIG)]
)
def test_the_largest_tier_itself_and_what_is_below_are_allowed(most: str, size: str) -> None:
    assert ask(key(max_tier=most), size=size)


@pytest.mark.parametrize(
    ("most", "asked"), [("low", "medium"), ("low", "high"), ("medium", "high"), ("low", "hd")]
)
def test_a_higher_quality_than_allowed_is_refused_not_lowered(most: str, asked: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(key(max_quality=most), quality=asked)
    assert (caught.value.param, caught.value.code) == ("quality", "invalid_value")
    assert caught.value.message.endswith(f"the highest that this key may ask for is '{most}'.")


@pytest.mark.parametrize(
    ("most", "asked"), [("low", "low"), ("medium", "low"), ("medium", "medium"), ("high", "high")]
)
def test_the_highest_quality_itself_and_what_is_below_are_allowed(most: str, asked: str) -> None:
    assert ask(key(max_quality=most), quality=asked) == asked


@pytest.mark.parametrize("asked", [None, "auto"])
@pytest.mark.parametrize(
    ("model", "most", "bought"),
    [
        ("gpt-image-2", "low", "low"),
        ("gpt-image-2", "medium", "medium"),
        ("gpt-image-2", "high", "high"),
        ("gpt-image-mini", "low", "low"),
        ("gpt-image-mini", "high", "medium"),
        ("gpt-image-plain", "high", "low"),
    ],
)
def test_who_names_no_quality_gets_the_models_default_or_the_highest_allowed_if_that_is_less(
    model: str, most: str, bought: str, asked: str | None
) -> None:
    assert ask(key(max_quality=most), requested_model=model, quality=asked) == bought


def test_more_pictures_at_once_than_allowed_are_a_wrong_n_however_many_tasks_they_are() -> None:
    mine = key(max_n=5)

    assert ask(mine, n=5)
    with pytest.raises(InvalidRequest) as caught:
        ask(mine, n=6)
    assert (caught.value.param, caught.value.code) == ("n", "integer_above_max_value")
    assert caught.value.message.endswith("at most 5 at once, not 6.")


def test_the_model_is_judged_before_all_else() -> None:
    with pytest.raises(NotPermitted):
        ask(key(models=["gpt-image-mini"], max_tier="1k", max_n=1), size=BIG, n=4)
