"""Times, sizes, money and foreign texts, as people read them."""

import pytest

from gateway.cli.telling import (
    counted,
    dollars,
    duration,
    elapsed,
    moment,
    money,
    paragraph,
    plain,
    size,
    table,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0.0 s"),
        (0.44, "0.4 s"),
        (12.4, "12 s"),
        (119, "119 s"),
        (121, "2 min"),
        (7_199, "119 min"),
        (7_200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 d"),
        (86_400 * 365, "365 d"),
    ],
)
def test_a_duration_is_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-0.5, "-0.5 s"),
        (0, "+0.0 s"),
        (12.14, "+12.1 s"),
        (119.9, "+119.9 s"),
        (184, "+3 min 04 s"),
        (7_199.9, "+119 min 59 s"),
        (7_500, "+2 h 05 min"),
        (100_000, "+27 h 46 min"),
    ],
)
def test_a_moment_in_a_story_is_exact_while_that_matters(seconds: float, words: str) -> None:
    assert elapsed(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (1_400_000, "1.4 MB"), (3 * 10**10, "30.0 GB")],
)
def test_a_size_is_rounded(count: int, words: str) -> None:
    assert size(count) == words


def test_a_moment_is_told_in_utc_whatever_it_is() -> None:
    assert moment(1_790_000_000) == "2026-09-21 14:13:20 UTC"
    assert moment(1e300) == moment(float("nan")) == "at no time that there is"


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        ([], ""),
        ([None, "dear", "NaN", "Infinity", ""], ""),
        (["0"], "$0"),
        (["0.1", None, "0.2"], "$0.3"),
        (["0.060", "0.075"], "$0.135"),
        (["1E-7"], "$0.0000001"),
    ],
)
def test_costs_are_added_exactly(costs: list[str | None], words: str) -> None:
    assert money(costs) == words


def test_equal_costs_are_equal_however_they_are_written() -> None:
    assert dollars("0.060") == dollars("0.06") == dollars("6e-2")


def test_numbers_are_counted_with_their_word() -> None:
    assert [counted(number, "job") for number in (0, 1, 2, 1200)] == [
        *("0 jobs", "1 job", "2 jobs", "1,200 jobs")
    ]
    assert counted(2, "FISH", "FISH") == "2 FISH"


def test_a_foreign_text_is_one_line_that_does_nothing() -> None:
    assert plain("a\x1b[31mb\r\nc\u202e\u200bd é 灯") == "a�[31mb��c��d é 灯"


def test_a_paragraph_breaks_no_word() -> None:
    name = "tsk-img-" + "x" * 100
    lines = paragraph(f"{'word ' * 30}{name} end", 4).splitlines()
    assert len(lines) == 4
    assert all(line.startswith("    ") for line in lines)
    assert lines[2:] == [f"    {name}", "    end"]


def test_a_table_is_as_wide_as_it_must_be_and_leaves_out_what_nobody_has() -> None:
    rows = [("a", "", "one"), ("bbbb", "", ""), ("c", "", "two")]
    assert table(("X", "NONE", "Y"), rows) == "X     Y\na     one\nbbbb\nc     two"
