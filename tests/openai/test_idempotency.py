"""How a request says that it was sent before."""

import pytest

from gateway.openai.idempotency import is_retry, retries


@pytest.mark.parametrize(
    ("said", "count", "again"),
    [
        (None, None, False),
        ("", None, False),
        ("0", 0, False),
        ("1", 1, True),
        ("2", 2, True),
        ("99", 99, True),
        ("100", 99, True),
        ("9" * 5_000, 99, True),
        ("-1", None, False),
        ("1.0", None, False),
        ("٣", None, False),
        ("two", None, False),
    ],
)
def test_an_sdks_count_is_taken_within_bounds(
    said: str | None, count: int | None, again: bool
) -> None:
    headers = {} if said is None else {"x-stainless-retry-count": said}
    assert (retries(headers), is_retry(headers)) == (count, again)
