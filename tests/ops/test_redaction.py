"""What must never stand in a log line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ops.redaction import MASK, Redaction

CANARY = "canary/with+signs=and-more"


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "Authorization", "api_key", "api-key", "x-api-key", "upstream_api_key",
        "key", "token", "access_token", "prompt", "revised_prompt", "b64", "b64_json", "cookie",
        "client_secret", "password",
    ],
)  # fmt: skip
def test_a_value_under_a_telling_name_is_masked(name: str) -> None:
    assert Redaction().value(name, "whatever") == MASK
    assert Redaction().value(name, ["in", "a", "list"]) == MASK


@pytest.mark.parametrize("name", ["key_name", "model", "tokens", "task_id", "keys"])
def test_a_harmless_name_is_left_alone(name: str) -> None:
    assert Redaction().value(name, "studio") == "studio"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-igw-abc-DEF_123 refused", "key sk-*** refused"),
        ("sk-123", "sk-***"),
        ("task-123 on disk-usage", "task-123 on disk-usage"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ('{"a": "bearer xyz"}', '{"a": "bearer ***"}'),
        ("a" * 199, "a" * 199),
        ("x " + "iVBORw0K" * 30 + "== y", "x <242 characters of base64> y"),
        ("", ""),
    ],
)
def test_what_looks_secret_is_masked_in_text(text: str, shown: str) -> None:
    assert Redaction().text(text) == shown


def test_known_secrets_are_masked_wherever_they_are() -> None:
    redaction = Redaction([CANARY, CANARY + "longer", "tiny", ""])
    assert redaction.text(f"a {CANARY}longer b") == "a *** b"
    assert redaction.text("tiny") == "tiny"  # too short to be told from a word
    nested = redaction.value("phases", {CANARY: [f"x{CANARY}", ("y", 1.5, None)]})
    assert nested == {MASK: ["x***", ["y", 1.5, None]]}
    assert CANARY not in repr(redaction)


def test_secrets_that_are_added_are_masked_besides_those_of_before() -> None:
    redaction = Redaction([CANARY])
    redaction.add(["another-secret", CANARY + "longer", "tiny"])
    redaction.add([])
    assert redaction.text(f"{CANARY}longer {CANARY} another-secret tiny") == "*** *** *** tiny"


@given(st.text(), st.text())
def test_a_known_secret_never_survives(before: str, after: str) -> None:
    assert CANARY not in Redaction([CANARY]).text(before + CANARY + after)


def test_a_very_long_text_is_cut() -> None:
    shown = Redaction().text("word " * 10_000)
    assert len(shown) < 17_000
    assert shown.endswith("… <50000 characters>")
