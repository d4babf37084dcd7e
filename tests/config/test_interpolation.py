import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.interpolation import InterpolationFault, expand

ENVIRON = {"A": "one", "EMPTY": "", "TRAP": "${A} $$ {x: y}", "a_1": "low"}

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
WORDS = st.text(st.characters(exclude_characters="${}", codec="utf-8"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${A}", "one"),
        ("x${A}y${A}z", "xoneyonez"),
        ("${a_1}", "low"),
        ("${EMPTY}", ""),
        ("${A:-two}", "one"),
        ("${B:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${B:-}", ""),
        ("${B:-a:-b}", "a:-b"),
        ("${B:-two words, a list}", "two words, a list"),
        ("${B:-a\nb}", "a\nb"),
        ("${B:-cost $$5}", "cost $5"),
        ("${A:?needed}", "one"),
        ("$$", "$"),
        ("$$$$", "$$"),
        ("$${A}", "${A}"),
        ("$$${A}", "$one"),
        ("${TRAP}", "${A} $$ {x: y}"),
        ("{A}", "{A}"),
        ("}", "}"),
    ],
)
def test_variables_are_put_in_by_composes_rules(text: str, value: str) -> None:
    assert expand(text, ENVIRON) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${B}", "environment variable B is not set"),
        ("${B:?}", "environment variable B is not set: required"),
        ("${B:?ask the ops team}", "environment variable B is not set: ask the ops team"),
        ("${EMPTY:?}", "environment variable EMPTY is not set: required"),
        ("$A", "a dollar sign alone"),
        ("costs 5$", "a dollar sign alone"),
        ("$ {A}", "a dollar sign alone"),
        ("$$$", "a dollar sign alone"),
        ("${A", "a dollar sign alone"),
        ("${B:-$x}", "a dollar sign alone"),
        ("${}", "a malformed variable"),
        ("${1}", "a malformed variable"),
        ("${A B}", "a malformed variable"),
        ("${ A }", "a malformed variable"),
        ("${A-x}", "a malformed variable"),
        ("${A:+x}", "a malformed variable"),
        ("${A:x}", "a malformed variable"),
        ("${Ä}", "a malformed variable"),
        ("${B:-${A}}", "a variable within a variable"),
    ],
)
def test_what_cannot_be_put_in_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(InterpolationFault, match=re.escape(message)):
        expand(text, ENVIRON)


@given(st.text())
def test_a_text_with_its_dollars_doubled_comes_out_as_it_was(text: str) -> None:
    assert expand(text.replace("$", "$$"), {}) == text


@given(NAMES, st.text(), WORDS, WORDS)
def test_content_comes_through_untouched_whatever_it_is(
    name: str, content: str, before: str, after: str
) -> None:
    assert expand(f"{before}${{{name}}}{after}", {name: content}) == before + content + after


@given(NAMES, WORDS)
def test_a_default_stands_in_for_what_is_unset_and_for_what_is_empty(name: str, word: str) -> None:
    text = f"${{{name}:-{word}}}"

    assert expand(text, {}) == expand(text, {name: ""}) == word


@given(st.text(), st.text(min_size=1))
def test_any_text_is_expanded_or_refused_without_its_variables_content(
    text: str, content: str
) -> None:
    secret = f"S3cret{content}"
    message = ""
    try:
        expand(text, {"A": secret})
    except InterpolationFault as fault:
        message = str(fault)
    assert secret not in message
