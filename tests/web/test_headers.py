import pytest

from gateway.web.headers import retry_after

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-4", 0.0),
        ("3600", 3600.0),
        ("Mon, 21 Sep 2026 14:13:30 GMT", 10.0),
        ("Mon, 21 Sep 2020 14:13:30 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("inf", None),
        ("nan", None),
    ],
)
def test_a_wait_is_read_from_seconds_and_dates_and_nonsense_is_none(
    text: str, seconds: float | None
) -> None:
    assert retry_after({"retry-after": text}, NOW) == seconds


def test_no_header_is_no_wait() -> None:
    assert retry_after({}, NOW) is None
