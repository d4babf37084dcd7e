import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.lettering import LEADING, fit, pack, printable, wrap


def measure(text: str) -> float:
    """Every character is as wide as the type is high, narrow ones half of that."""
    return sum(0.5 if character.isascii() else 1.0 for character in text)


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 3.5, ["one two", "three"]),
        ("雾中的灯塔", 3, ["雾中的", "灯塔"]),
        ("雾中，灯塔", 2, ["雾", "中，", "灯塔"]),  # noqa: RUF001 - Chinese
        ("说「灯塔」了", 3, ["说「灯", "塔」了"]),
        ("灯「塔」", 2, ["灯", "「塔", "」"]),
        ("extraordinary", 2, ["extr", "aord", "inar", "y"]),
        ("a 灯塔 b", 2, ["a 灯", "塔 b"]),
        ("", 3, []),
    ],
)
def test_lines_break_where_a_reader_expects(text: str, width: float, lines: list[str]) -> None:
    assert wrap(text, width, measure, 99) == (lines, True)


def test_what_does_not_fit_ends_in_an_ellipsis() -> None:
    assert wrap("one two three four", 3.5, measure, 2) == (["one two", "three…"], False)
    assert wrap("灯塔灯塔", 2, measure, 1) == (["灯…"], False)


def test_the_largest_size_that_holds_the_text_is_chosen() -> None:
    assert fit("灯塔", (100, 70), (50, 40, 10), measure).size == 50
    block = fit("灯塔灯塔", (100, 70), (50, 40, 20), measure)
    assert (block.size, block.lines, block.whole) == (20, ("灯塔灯塔",), True)
    assert block.height == 20 * LEADING
    cut = fit("灯塔" * 50, (100, 70), (50, 40, 20), measure)
    assert (cut.size, cut.whole) == (20, False)
    assert cut.lines[-1].endswith("…")


def test_facts_are_packed_whole_with_gaps_between() -> None:
    assert pack(["one", "two", "three"], 4.6, measure) == ["one   two", "three"]
    assert pack(["extraordinary"], 4, measure) == ["extraord", "inary"]
    assert pack([], 4, measure) == []


def test_control_characters_and_line_breaks_become_blanks() -> None:
    assert printable(" a\n\tb\x00c  \u200b ") == "a b c"


@given(st.text(max_size=80), st.floats(0.2, 30))
def test_no_character_is_lost_and_no_line_too_long(text: str, width: float) -> None:
    text = printable(text)
    lines, whole = wrap(text, width, measure, 1000)
    assert whole
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(measure(line) <= width or len(line) == 1 for line in lines)
