"""JSON's rules here: a mapping, or a refusal that says why."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.openai.documents import MOST_VALUES, parse


@pytest.mark.parametrize(
    ("text", "document"),
    [
        (b"{}", {}),
        (b'\xef\xbb\xbf{"n": 1}', {"n": 1}),
        (b' {"n":1,"n":2}\n', {"n": 2}),
        (b'{"a":1e300,"b":-0.5}', {"a": 1e300, "b": -0.5}),
        ('{"prompt":"\u732b"}'.encode(), {"prompt": "\u732b"}),
        (b'{"a":1e400}', {"a": float("inf")}),
        (b'{"a":"\\ud800"}', {"a": "\ud800"}),
        (b'{"a":' + b"9" * 400 + b"}", {"a": int("9" * 400)}),
    ],
)
def test_an_object_is_read(text: bytes, document: dict[str, object]) -> None:
    assert parse(text) == document


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "expecting value"),
        (b'{"prompt":', "expecting value"),
        (b"{'prompt': 1}", "expecting property name"),
        (b'{"a":1}{"b":2}', "extra data"),
        (b'{"a":"line\nbreak"}', "invalid control character"),
        (b"[]", "it is not an object"),
        (b'"text"', "it is not an object"),
        (b"null", "it is not an object"),
        (b'{"n":NaN}', "NaN is no number"),
        (b'{"n":-Infinity}', "-Infinity is no number"),
        (b'{"n":' + b"9" * 401 + b"}", "a number is too long"),
        (b'{"n":' + b"9" * 5000 + b"}", "a number is too long"),
        (b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "it is nested too deeply"),
        (b'{"a":[' + b"1," * MOST_VALUES + b"1]}", "it holds too many values"),
        (b'{"a":"\xff"}', "it is not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "it is not UTF-8"),
        ('{"a":1}'.encode("utf-16-le"), "expecting property name"),
    ],
)
def test_what_is_none_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(text)
    prefix = "We could not parse the JSON body of your request: "
    assert caught.value.message.startswith(prefix + reason)
    assert caught.value.param is None
    assert caught.value.code is None


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_an_object_or_refused(text: bytes) -> None:
    try:
        document = parse(text)
    except InvalidRequest:
        return
    assert document == json.loads(text.decode("utf-8-sig"))
