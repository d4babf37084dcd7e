from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest, ModelNotFound
from gateway.translate.model import ImageRequest, ModelCard, Picture, RemotePicture
from gateway.translate.plan import Rules, find_model, make_plan, split

CARD = ModelCard("gpt-image-2", "official", aliases=("gpt-image-1", "dall-e-3", "dall-e-2"))
RULES = Rules(models={"gpt-image-2": CARD}, default_model="gpt-image-2")


def asked(**changes: Any) -> ImageRequest:
    return replace(ImageRequest("generation", "a lighthouse"), **changes)


def refusal(request: ImageRequest, rules: Rules = RULES) -> tuple[str | None, str | None]:
    with pytest.raises(InvalidRequest) as caught:
        make_plan(request, rules)
    return caught.value.param, caught.value.code


@pytest.mark.parametrize(
    ("n", "most", "tasks"), [(1, 4, (1,)), (4, 4, (4,)), (5, 4, (4, 1)), (10, 4, (4, 4, 2))]
)
def test_a_wish_is_split_into_tasks(n: int, most: int, tasks: tuple[int, ...]) -> None:
    assert split(n, most) == tasks


def test_the_tasks_of_a_plan_differ_in_number_only() -> None:
    plan = make_plan(asked(n=10), RULES)
    assert [task.n for task in plan.tasks] == [4, 4, 2]
    assert plan.n == 10
    assert {replace(task, n=1) for task in plan.tasks} == {replace(plan.tasks[0], n=1)}


@pytest.mark.parametrize(
    ("name", "note"),
    [
        (None, None),
        ("gpt-image-2", None),
        ("openai/gpt-image-2", None),
        ("dall-e-3", "model-alias"),
        ("openai/dall-e-3", "model-alias"),
        ("gpt-image-9-mini", "model-family"),
        ("chatgpt-image-latest", "model-family"),
    ],
)
def test_names_lead_to_the_model_and_a_detour_is_noted(name: str | None, note: str | None) -> None:
    card, notes = find_model(name, RULES)
    assert card is CARD
    assert [one.name for one in notes] == ([note] if note else [])


@pytest.mark.parametrize("name", ["stable-diffusion", "", "gpt-4o", "../gpt-image-2"])
def test_other_names_are_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound):
        find_model(name, RULES)


def test_families_can_be_refused() -> None:
    with pytest.raises(ModelNotFound):
        find_model("gpt-image-9", replace(RULES, unknown_models="refuse"))


def test_the_default_model_may_be_an_alias() -> None:
    assert find_model(None, replace(RULES, default_model="dall-e-3"))[0] is CARD
    with pytest.raises(ModelNotFound):
        find_model(None, replace(RULES, default_model="nothing"))


@pytest.mark.parametrize(
    ("model", "response_format", "delivery"),
    [
        ("gpt-image-2", None, "b64_json"),
        ("gpt-image-9", None, "b64_json"),
        ("chatgpt-image-latest", None, "b64_json"),
        ("dall-e-3", None, "url"),
        ("openai/dall-e-2", None, "url"),
        (None, None, "url"),
        ("gpt-image-2", "url", "url"),
        ("dall-e-3", "b64_json", "b64_json"),
        (None, "b64_json", "b64_json"),
    ],
)
def test_the_delivery_follows_the_wish_then_the_name(
    model: str | None, response_format: str | None, delivery: str
) -> None:
    plan = make_plan(asked(requested_model=model, response_format=response_format), RULES)
    assert plan.delivery == delivery


def test_a_setting_overrides_the_delivery_by_name_but_not_the_wish() -> None:
    rules = replace(RULES, delivery="both")
    assert make_plan(asked(), rules).delivery == "both"
    assert make_plan(asked(response_format="url"), rules).delivery == "url"


@pytest.mark.parametrize(
    ("word", "quality", "noted"),
    [
        (None, "high", False),
        ("auto", "high", False),
        ("low", "low", False),
        ("standard", "medium", True),
        ("hd", "high", True),
        ("xhigh", "high", True),
        ("max", "high", True),
    ],
)
def test_quality_words_are_mapped_with_a_note(word: str | None, quality: str, noted: bool) -> None:
    plan = make_plan(asked(quality=word), RULES)
    assert plan.quality == quality
    assert [note.name for note in plan.notes] == (["quality-mapped"] if noted else [])


def test_strict_refuses_the_old_quality_words() -> None:
    rules = replace(RULES, strict=True)
    wish = asked(requested_model="gpt-image-2", quality="standard")
    assert refusal(wish, rules) == ("quality", "invalid_value")
    assert refusal(asked(quality="best")) == ("quality", "invalid_value")


@pytest.mark.parametrize("model", [None, "dall-e-2", "dall-e-3", "openai/dall-e-3"])
def test_strict_knows_the_old_words_where_an_old_model_is_asked_for(model: str | None) -> None:
    rules = replace(RULES, strict=True)
    assert make_plan(asked(requested_model=model, quality="hd"), rules).quality == "high"
    assert make_plan(asked(requested_model=model, quality="standard"), rules).quality == "medium"
    wish = asked(requested_model=model, quality="max")
    assert refusal(wish, rules) == ("quality", "invalid_value")


@pytest.mark.parametrize(
    ("model", "ratio"), [("gpt-image-2", "auto"), ("dall-e-3", "1:1"), (None, "1:1")]
)
def test_a_missing_size_is_auto_or_the_old_square(model: str | None, ratio: str) -> None:
    assert make_plan(asked(requested_model=model), RULES).tasks[0].ratio == ratio


def test_auto_is_bought_at_its_resolution_and_promises_no_pixels() -> None:
    plan = make_plan(asked(size="auto", resolution="2K"), RULES)
    assert (plan.tasks[0].ratio, plan.tier) == ("auto", "2k")
    assert plan.bought is None
    assert plan.promised is None
    assert plan.finish.pixels is None


def test_a_ratio_word_takes_its_resolution() -> None:
    plan = make_plan(asked(size="16:9", resolution="4k"), RULES)
    assert plan.promised == (3840, 2160)


def test_a_resolution_beside_pixels_that_say_otherwise_is_ignored_with_a_note() -> None:
    plan = make_plan(asked(size="1024x1024", resolution="4k"), RULES)
    assert plan.tier == "1k"
    assert [note.name for note in plan.notes] == ["parameter-ignored"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"size": "big"}, "size"),
        ({"size": "16:9", "resolution": "8k"}, "resolution"),
        ({"background": "pink"}, "background"),
        ({"background": "transparent"}, "background"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"references": (RemotePicture("https://x.org/a.png"),) * 17}, "image"),
    ],
)
def test_what_cannot_be_is_refused_with_the_parameters_name(
    changes: dict[str, Any], param: str
) -> None:
    assert refusal(asked(**changes))[0] == param


def test_strict_sizes_refuse_ratio_words() -> None:
    assert refusal(asked(size="16:9"), replace(RULES, sizes="strict"))[0] == "size"


def test_a_card_with_backgrounds_forwards_them_but_never_transparent_jpeg() -> None:
    card = replace(CARD, backgrounds=("opaque", "transparent"))
    rules = replace(RULES, models={card.name: card})
    assert make_plan(asked(background="transparent"), rules).tasks[0].background == "transparent"
    assert refusal(asked(background="transparent", output_format="jpeg"), rules)[0] == "background"
    assert make_plan(asked(background="opaque"), RULES).tasks[0].background is None


def test_a_mask_is_refused_where_the_card_has_none() -> None:
    card = replace(CARD, masks=False)
    picture = Picture("p", "d", "image/png", 8, 8, 1, alpha=True)
    request = asked(references=(picture,), mask=picture)
    assert refusal(request, replace(RULES, models={card.name: card}))[0] == "mask"


@pytest.mark.parametrize(
    ("output_format", "size", "vendor", "vendor_compression", "ours"),
    [
        (None, "1024x1024", "png", None, ("png", None)),
        ("jpeg", "1024x1024", "jpeg", 40, ("jpeg", 40)),
        ("jpeg", "1000x1000", "png", None, ("jpeg", 40)),
        ("webp", "1024x1024", "png", None, ("webp", 40)),
        ("png", "1000x1000", "png", None, ("png", None)),
    ],
)
def test_what_is_encoded_here_is_bought_lossless(
    output_format: Any,
    size: str,
    vendor: str,
    vendor_compression: int | None,
    ours: tuple[str, int | None],
) -> None:
    plan = make_plan(asked(output_format=output_format, size=size, output_compression=40), RULES)
    task = plan.tasks[0]
    assert (task.output_format, task.output_compression) == (vendor, vendor_compression)
    assert (plan.finish.format, plan.finish.compression) == ours


@given(
    n=st.integers(1, 10),
    size=st.one_of(
        st.none(),
        st.sampled_from(["auto", "16:9", "9:21", "1024x1024", "1792x1024", "512"]),
        st.builds("{}x{}".format, st.integers(1, 5000), st.integers(1, 5000)),
    ),
    quality=st.sampled_from([None, "auto", "low", "hd", "max", "nonsense"]),
    resolution=st.sampled_from([None, "1k", "2K", "4k"]),
    output_format=st.sampled_from([None, "png", "jpeg", "webp"]),
    model=st.sampled_from([None, "gpt-image-2", "dall-e-2", "gpt-image-3"]),
)
def test_a_plan_is_exact_or_has_a_note_or_refuses_with_a_name(
    *,
    n: int,
    size: str | None,
    quality: str | None,
    resolution: str | None,
    output_format: Any,
    model: str | None,
) -> None:
    request = asked(
        n=n,
        size=size,
        quality=quality,
        resolution=resolution,
        output_format=output_format,
        requested_model=model,
    )
    try:
        plan = make_plan(request, RULES)
    except InvalidRequest as error:
        assert error.param in {"size", "quality", "resolution"}
        return
    assert plan.n == n
    names = {note.name for note in plan.notes}
    if quality not in {None, "auto", plan.quality}:
        assert "quality-mapped" in names
    if plan.bought is not None and plan.bought != plan.promised:
        assert names & {"size-cropped", "size-scaled"}
        assert plan.tasks[0].output_format == "png"
