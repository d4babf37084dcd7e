"""The table of parameters: what each value becomes, lenient and strict, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest, UnmakeableImage
from gateway.openai.faults import Json
from gateway.openai.fields import Given
from gateway.openai.lifting import Lifted
from gateway.openai.parameters import MAX_PROMPT, Scalars, read_scalars
from gateway.translate.model import Kind, Note, note

GPT = "gpt-image-2"


def read(
    values: dict[str, Json],
    *,
    kind: Kind = "generation",
    strict: bool = False,
    form: bool = False,
    lifted: dict[str, Lifted] | None = None,
) -> Scalars:
    whole: dict[str, Json] = {"prompt": "a cat", **values}
    return read_scalars(Given(kind, whole, form=form, strict=strict, lifted=lifted or {}))


def refusal(values: dict[str, Json], **how: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(values, **how)
    return caught.value


def ignored(*names: str) -> tuple[Note, ...]:
    return tuple(note("parameter-ignored", name_=name) for name in names)


def test_a_prompt_alone_is_a_request() -> None:
    assert read({}) == Scalars(
        prompt="a cat",
        model=None,
        n=1,
        size=None,
        resolution=None,
        quality=None,
        background=None,
        output_format=None,
        output_compression=None,
        response_format=None,
        safety_identifier=None,
        stream=False,
        webhook_url=None,
        notes=(),
    )


ALL = [
    "model", "n", "size", "resolution", "quality", "background", "output_format",
    "output_compression", "response_format", "stream", "user", "safety_identifier", "style",
    "moderation", "seed",
]  # fmt: skip


@pytest.mark.parametrize("value", [None, "", "null", "undefined", " NULL "])
def test_what_says_nothing_is_absent(value: Json) -> None:
    assert read(dict.fromkeys(ALL, value)) == read({})


def test_null_is_absent_when_strict_too() -> None:
    known: dict[str, Json] = dict.fromkeys({*ALL} - {"seed", "resolution"})
    assert read(known, strict=True) == read({})


@pytest.mark.parametrize(
    ("name", "value", "read_as"),
    [
        ("model", " openai/gpt-image-2 ", "openai/gpt-image-2"),
        ("n", 3, 3),
        ("n", "2", 2),
        ("n", " 4 ", 4),
        ("n", 2.0, 2),
        ("n", "2.0", 2),
        ("size", "1024x1024", "1024x1024"),
        ("size", " AUTO ", "auto"),
        ("size", 1024, "1024"),
        ("size", "16:9", "16:9"),
        ("resolution", "4K", "4k"),
        ("quality", "HD", "hd"),
        ("quality", "anything", "anything"),  # the planner judges
        ("background", "Opaque", "opaque"),
        ("output_format", "JPG", "jpeg"),
        ("output_format", "webp", "webp"),
        ("response_format", "b64_json", "b64_json"),
        ("response_format", "URL", "url"),
        ("safety_identifier", "abc", "abc"),
        ("safety_identifier", 7, "7"),
    ],
)
def test_values_are_read_leniently(name: str, value: Json, read_as: object) -> None:
    scalars = read({name: value})
    assert getattr(scalars, name) == read_as
    assert not scalars.notes


def test_zero_images_are_one_with_a_note() -> None:
    for value in (0, "0", 0.0):
        scalars = read({"n": value})
        assert scalars.n == 1
        assert scalars.notes == (note("n-raised", from_=0, to=1),)
    assert refusal({"n": 0}, strict=True).code == "integer_below_min_value"


@pytest.mark.parametrize(
    ("name", "value", "code", "message"),
    [
        ("n", 11, "integer_above_max_value",
         "Invalid 'n': integer above maximum value. Expected a value <= 10, but got 11 instead."),
        ("n", "-1", "integer_below_min_value",
         "Invalid 'n': integer below minimum value. Expected a value >= 1, but got -1 instead."),
        ("n", True, "invalid_type",
         "Invalid type for 'n': expected an integer, but got a boolean instead."),
        ("n", 2.5, "invalid_type",
         "Invalid type for 'n': expected an integer, but got a decimal number instead."),
        ("n", float("inf"), "invalid_type",
         "Invalid type for 'n': expected an integer, but got a decimal number instead."),
        ("n", 10**300, "integer_above_max_value",
         ("Invalid 'n': integer above maximum value. Expected a value <= 10, "
          "but got 1000000000000000000000000000000000000000000000000000000000000... instead.")),
        ("n", "two", "invalid_type",
         "Invalid type for 'n': expected an integer, but got a string instead."),
        ("n", [1], "invalid_type",
         "Invalid type for 'n': expected an integer, but got an array instead."),
        ("size", {}, "invalid_type",
         "Invalid type for 'size': expected a string, but got an object instead."),
        ("size", True, "invalid_type",
         "Invalid type for 'size': expected a string, but got a boolean instead."),
        ("size", "1" * 65, "string_above_max_length",
         ("Invalid 'size': string too long. Expected a string with maximum length 64, "
          "but got a string with length 65 instead.")),
        ("model", 5, "invalid_type",
         "Invalid type for 'model': expected a string, but got an integer instead."),
        ("background", "green", "invalid_value",
         "Invalid value: 'green'. Supported values are: 'transparent', 'opaque', and 'auto'."),
        ("background", 1, "invalid_type",
         ("Invalid type for 'background': expected one of 'transparent', 'opaque', 'auto', "
          "but got an integer instead.")),
        ("output_format", "svg", "invalid_value",
         "Invalid value: 'svg'. Supported values are: 'png', 'jpeg', and 'webp'."),
        ("output_format", "gif", "invalid_value",
         "Invalid value: 'gif'. Supported values are: 'png', 'jpeg', and 'webp'."),
        ("response_format", "base64\n" + "x" * 80, "invalid_value",
         "Invalid value: 'base64?" + "x" * 54 + "...'. Supported values are: "
         "'url' and 'b64_json'."),
        ("resolution", "8k", "invalid_value",
         "Invalid value: '8k'. Supported values are: '1k', '2k', and '4k'."),
        ("output_compression", 101, "integer_above_max_value",
         ("Invalid 'output_compression': integer above maximum value. Expected a value <= 100, "
          "but got 101 instead.")),
        ("stream", "maybe", "invalid_type",
         "Invalid type for 'stream': expected a boolean, but got a string instead."),
        ("stream", [], "invalid_type",
         "Invalid type for 'stream': expected a boolean, but got an array instead."),
        ("user", "\ud800", "invalid_value", "Invalid 'user': it is not valid Unicode text."),
        ("markup", "x", "invalid_value", "'markup' is not supported for this model."),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_by_name(name: str, value: Json, code: str, message: str) -> None:
    fault = refusal({name: value})
    assert (fault.param, fault.code, fault.message) == (name, code, message)


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        (None, "missing_required_parameter"),
        ("null", "missing_required_parameter"),
        ("undefined", "missing_required_parameter"),
        ("", "empty_string"),
        (" \n", "empty_string"),
        ("x" * (MAX_PROMPT + 1), "string_above_max_length"),
        (5, "invalid_type"),
        (["a", "cat"], "invalid_type"),
        ("half \udc00 a pair", "invalid_value"),
    ],
)
def test_a_prompt_must_say_something(prompt: Json, code: str) -> None:
    fault = refusal({"prompt": prompt})
    assert (fault.param, fault.code) == ("prompt", code)


def test_the_longest_prompt_is_read_and_never_quoted() -> None:
    prompt = "\U0001f431" * MAX_PROMPT
    assert read({"prompt": prompt}).prompt == prompt
    assert "secret" not in refusal({"prompt": "secret " * 9000}).message


def test_a_standing_prompt_serves_where_there_is_none() -> None:
    for values in ({}, {"prompt": ""}, {"prompt": None}, {"prompt": "undefined"}):
        given_ = Given("edit", values)
        assert read_scalars(given_, "a variation").prompt == "a variation"
    assert read_scalars(Given("edit", {"prompt": "mine"}), "a variation").prompt == "mine"


def test_a_prompt_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidRequest, match="Missing required parameter: 'prompt'"):
        read_scalars(Given("generation", {}))


@pytest.mark.parametrize("value", [False, "false", "0", 0, "False", "", None])
def test_no_stream_is_fine(value: Json) -> None:
    assert read({"stream": value, "partial_images": 2}) == read({})


@pytest.mark.parametrize("value", [True, "true", "True", "1", 1])
def test_a_stream_is_asked_for_in_many_words(value: Json) -> None:
    scalars = read({"stream": value, "partial_images": 3})
    assert scalars.stream
    assert scalars.notes == ()  # fewer partial pictures than asked for are legal


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("value", "stream"), [("true", True), ("True", True), ("1", True), ("", False), ("0", False)]
)
def test_a_form_says_it_as_text_and_php_says_no_by_nothing(
    value: str, *, stream: bool, strict: bool
) -> None:
    assert read({"stream": value}, form=True, strict=strict).stream is stream


@pytest.mark.parametrize("count", [0, 3])
def test_partial_pictures_may_be_asked_for_when_strict(count: int) -> None:
    assert read({"stream": True, "partial_images": count}, strict=True).stream


def test_the_safety_identifier_wins_over_the_user() -> None:
    assert read({"user": "u"}).safety_identifier == "u"
    assert read({"user": "u", "safety_identifier": "s"}).safety_identifier == "s"
    assert read({"user": "u", "safety_identifier": ""}).safety_identifier == "u"
    assert read({"user": "u", "safety_identifier": ""}, strict=True).safety_identifier == "u"


@pytest.mark.parametrize(
    ("output_format", "compression", "kept", "noted"),
    [
        ("jpeg", 50, 50, False),
        ("webp", "0", 0, False),
        ("png", 100, 100, False),
        (None, 100, 100, False),
        ("png", 50, None, True),
        (None, 50, None, True),
    ],
)
def test_compression_is_for_formats_that_have_it(
    *, output_format: Json, compression: Json, kept: int | None, noted: bool
) -> None:
    values = {"output_format": output_format, "output_compression": compression}
    scalars = read(values)
    assert scalars.output_compression == kept
    assert scalars.notes == (ignored("output_compression") if noted else ())


def test_png_with_compression_is_refused_when_strict() -> None:
    fault = refusal({"output_compression": 50}, strict=True)
    assert isinstance(fault, UnmakeableImage)
    assert fault.param == "output_compression"


def test_what_is_ignored_is_noted_once_by_name() -> None:
    values: dict[str, Json] = {"style": "vivid", "seed": 1, "input_fidelity": "high", "x": None}
    assert read(values).notes == ignored("style", "seed", "input_fidelity")


def test_moderation_auto_changes_nothing_and_low_is_noted() -> None:
    assert read({"moderation": "auto"}).notes == ()
    assert read({"moderation": "low"}).notes == ignored("moderation")


def test_nested_extras_of_a_form_are_one_parameter() -> None:
    values: dict[str, Json] = {"svg[model]": "a", "svg[effort]": "b", "[x]": "c", "foo[]": "1"}
    assert read(values, form=True).notes == ignored("svg", "[x]", "foo")


def test_the_notes_are_bounded() -> None:
    values: dict[str, Json] = {f"x{i}": i for i in range(20)}
    notes = read(values).notes
    assert notes == (*ignored(*(f"x{i}" for i in range(8))), note("parameters-ignored", count=12))


def test_a_name_in_a_note_is_printable_and_short() -> None:
    (one,) = read({"x\r\n\ud800\u732b" + "y" * 100: 1}).notes
    ((_, name),) = one.params
    assert isinstance(name, str)
    assert name.startswith("x????yyy")
    assert len(name) == 64


@pytest.mark.parametrize("name", ["image", "images", "mask"])
def test_a_picture_is_not_silently_left_out_of_a_generation(name: str) -> None:
    fault = refusal({name: "https://example.com/a.png"})
    assert (fault.param, fault.code) == (name, "unknown_parameter")
    assert read({name: None, "image": [], "mask": ""}) == read({})
    assert read({name: "x"}, kind="edit").notes == ()


@pytest.mark.parametrize(
    ("values", "how", "param", "code"),
    [
        ({"seed": 1}, {}, "seed", "unknown_parameter"),
        ({"seed": None}, {}, "seed", "unknown_parameter"),
        ({"resolution": "2k"}, {}, "resolution", "unknown_parameter"),
        ({"n": "2"}, {}, "n", "invalid_type"),
        ({"n": 2.0}, {}, "n", "invalid_type"),
        ({"size": 1024}, {}, "size", "invalid_type"),
        ({"stream": "true"}, {}, "stream", "invalid_type"),
        ({"prompt": ""}, {}, "prompt", "empty_string"),
        ({"model": GPT, "quality": "standard"}, {}, "quality", "invalid_value"),
        ({"model": GPT, "quality": "LOW"}, {}, "quality", "invalid_value"),
        ({"output_format": "jpg"}, {}, "output_format", "invalid_value"),
        ({"model": GPT, "response_format": "url"}, {}, "response_format", "unknown_parameter"),
        ({"response_format": "url"}, {"kind": "edit"}, "response_format", "unknown_parameter"),
        ({"model": GPT, "style": "vivid"}, {}, "style", "unknown_parameter"),
        ({"style": "loud"}, {}, "style", "invalid_value"),
        ({"input_fidelity": "low"}, {}, "input_fidelity", "unknown_parameter"),
        ({"model": GPT, "input_fidelity": "high"}, {"kind": "edit"}, "input_fidelity",
         "invalid_input_fidelity_model"),
        ({"partial_images": 4}, {}, "partial_images", "integer_above_max_value"),
        ({"moderation": "none"}, {}, "moderation", "invalid_value"),
        ({"image": "x"}, {"kind": "edit"}, "image", "unknown_parameter"),
        ({"images": []}, {"kind": "edit", "form": True}, "images", "unknown_parameter"),
        ({"images": []}, {}, "images", "unknown_parameter"),
        ({"mask": {}}, {}, "mask", "unknown_parameter"),
    ],
)  # fmt: skip
def test_strict_answers_as_openai(
    values: dict[str, Json], how: dict[str, Any], param: str, code: str
) -> None:
    fault = refusal(values, strict=True, **how)
    assert (fault.param, fault.code) == (param, code)


def test_strict_names_the_qualities_in_openais_words() -> None:
    fault = refusal({"model": GPT, "quality": "standard"}, strict=True)
    assert fault.message == (
        "Invalid value: 'standard'. Supported values are: 'low', 'medium', 'high', and 'auto'."
    )


@pytest.mark.parametrize(
    ("values", "how"),
    [
        ({"model": "dall-e-3", "quality": "hd", "style": "vivid", "response_format": "url"}, {}),
        ({"model": GPT, "quality": "auto", "moderation": "low", "partial_images": 0}, {}),
        ({"model": "gpt-image-1", "input_fidelity": "high", "images": []}, {"kind": "edit"}),
        ({"n": "2", "stream": "false", "response_format": "url"}, {"kind": "edit", "form": True}),
    ],
)
def test_strict_takes_what_openai_took(values: dict[str, Json], how: dict[str, Any]) -> None:
    assert read(values, strict=True, **how).notes == ()


def test_a_text_that_was_lifted_is_too_long_for_any_parameter() -> None:
    lifted = {"placeholder": Lifted("path", 40_000)}
    for name in ("prompt", "size", "background", "user"):
        fault = refusal({name: "placeholder"}, lifted=lifted)
        assert (fault.param, fault.code) == (name, "string_above_max_length")
        assert "length 40000" in fault.message
    assert read({"extra": "placeholder"}, lifted=lifted).notes == ignored("extra")


words = st.sampled_from(
    ["", "null", "auto", "1", "0", "-1", "2.0", "11", "true", "png", "url", "low", "1k", "x" * 99]
) | st.text(max_size=20)
anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
bodies = st.dictionaries(
    st.sampled_from([*ALL, "prompt", "images", "mask", "markup", "input_fidelity", "complexity"])
    | st.text(max_size=8),
    anything,
    max_size=8,
)


@given(
    values=bodies,
    kind=st.sampled_from(["generation", "edit"]),
    strict=st.booleans(),
    form=st.booleans(),
)
def test_every_body_is_read_or_refused_by_name(
    *, values: dict[str, Any], kind: Kind, strict: bool, form: bool
) -> None:
    if form:
        values = {name: str(value) for name, value in values.items()}
    refused: InvalidRequest | None = None
    try:
        scalars = read_scalars(Given(kind, values, form=form, strict=strict))
    except InvalidRequest as fault:
        refused = fault
    if refused:
        assert refused.param is not None
        assert refused.code
        assert refused.message.isprintable()
        assert len(refused.message) < 400
        return
    assert scalars.prompt.strip() or strict
    assert 1 <= scalars.n <= 10
    assert len(scalars.notes) <= 11
