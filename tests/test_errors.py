"""What an error must not say."""

import pytest

from gateway.errors import TaskFailed

PROMPT = "a lighthouse in fog,\n  drawn with a very soft pencil"


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ("it failed", "it failed"),
        (f"no: {' '.join(PROMPT.split())}!", "no: [removed]!"),
        ("no: a lighthouse in fog, drawn with a ve", "no: [removed]"),
        ("no: a lighthouse in sunshine", "no: a lighthouse in sunshine"),
    ],
)
def test_a_secret_is_withheld_whole_or_from_its_beginning_on(message: str, left: str) -> None:
    error = TaskFailed(message)
    error.withhold(PROMPT)
    assert error.message == left


@pytest.mark.parametrize("secret", ["", " ", "a", "a cat"])
def test_a_word_like_others_stays(secret: str) -> None:
    error = TaskFailed("a cat cannot be drawn")
    error.withhold(secret)
    assert error.message == "a cat cannot be drawn"
