import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.units import BYTES, SECONDS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("90s", 90.0),
        (" 1.5 h ", 5400.0),
        ("24H", 86400.0),
        ("7d", 604800.0),
        ("250ms", 0.25),
        ("0.1s", 0.1),
        ("0", 0.0),
    ],
)
def test_times_are_read_with_their_unit(text: str, seconds: float) -> None:
    assert SECONDS.read(text) == seconds
    assert isinstance(SECONDS.read(text), float)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10", 10),
        ("10b", 10),
        ("64MB", 64_000_000),
        ("64 mib", 67_108_864),
        ("0.5kB", 500),
        ("10GB", 10_000_000_000),
        ("1.5GiB", 1_610_612_736),
        ("1KiB", 1024),
    ],
)
def test_sizes_are_read_with_their_unit(text: str, size: int) -> None:
    assert BYTES.read(text) == size
    assert isinstance(BYTES.read(text), int)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "1 2",
        "-1h",
        "+1h",
        "1h30m",
        "1,5h",
        "0x10",
        "1e3",
        "\u0661h",
        "9" * 16,
        "inf",
        "1w",
    ],
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 24h or 90s"):
        SECONDS.read(text)


def test_a_part_of_a_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number of bytes"):
        BYTES.read("0.0001kB")


@pytest.mark.parametrize("value", [None, True, 5, 1.5, ["1h"], float("inf")])
def test_what_is_no_text_is_left_to_the_type_check(value: object) -> None:
    assert SECONDS.read(value) is value
    assert BYTES.read(value) is value


def test_a_size_in_exponents_is_whole() -> None:
    assert isinstance(BYTES.read(1e9), int)
    assert BYTES.read(1e9) == 10**9


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (86_400, "24h"),
        (90, "90s"),
        (60.0, "1m"),
        (0.25, "250ms"),
        (0, "0"),
        (0.0, "0"),
        (1e-05, "1e-05"),
    ],
)
def test_times_are_written_with_the_largest_unit_that_fits(value: float, text: str) -> None:
    assert SECONDS.spell(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10**10, "10GB"),
        (256_000, "256kB"),
        (32_768, "32KiB"),
        (1000, "1kB"),
        (999, "999"),
        (0, "0"),
    ],
)
def test_sizes_are_written_with_the_largest_unit_that_fits(value: int, text: str) -> None:
    assert BYTES.spell(value) == text


@given(st.integers(min_value=0, max_value=10**14))
def test_a_size_written_and_read_is_the_same(size: int) -> None:
    assert BYTES.read(BYTES.spell(size)) == size


@given(st.integers(min_value=0, max_value=10**9).map(lambda ms: ms / 1000))
def test_a_time_written_and_read_is_the_same(seconds: float) -> None:
    assert SECONDS.read(SECONDS.spell(seconds)) == seconds
