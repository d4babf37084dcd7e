"""What a key is told of its limits: the sentence, the kind of error, and when to ask again."""

import pytest

from gateway.access.limits import SOON, refusal
from gateway.config.sections import Limits
from gateway.errors import InvalidRequest, QuotaExceeded, RateLimited
from gateway.state.base import LimitReached

NOON = 1_800_014_400.0  # 2027-01-15 12:00:00 UTC
MIDNIGHT = 1_800_057_600.0


def told(reached: LimitReached, soonest: float = 5.0) -> RateLimited | QuotaExceeded:
    error = refusal(reached, NOON, soonest)
    assert isinstance(error, RateLimited | QuotaExceeded)
    return error


@pytest.mark.parametrize(
    ("reached", "message"),
    [
        (
            LimitReached("requests_per_minute", 60, asked=1, wait=1.5),
            (
                "Rate limit reached for this key on requests per minute: limit 60. "
                "Please try again in 1.5s."
            ),
        ),
        (
            LimitReached("images_per_minute", 12, asked=4, wait=20.0),
            (
                "Rate limit reached for this key on images per minute: limit 12, requested 4. "
                "Please try again in 20s."
            ),
        ),
        (
            LimitReached("images_per_minute", 12, asked=4, wait=SOON),
            (
                "Rate limit reached for this key on images per minute: limit 12, requested 4. "
                "Please try again in 60s."
            ),
        ),
    ],
)
def test_a_rate_that_frees_within_a_minute_says_in_how_many_seconds(
    reached: LimitReached, message: str
) -> None:
    error = told(reached)

    assert isinstance(error, RateLimited)
    assert error.message == message
    assert error.retry_after == reached.wait


@pytest.mark.parametrize(
    ("reached", "message"),
    [
        (
            LimitReached("images_per_minute", 2, asked=10, wait=SOON + 0.25),
            (
                "This key's images per minute do not allow for it: limit 2, requested 10. "
                "It will again at 2027-01-15 12:01:01 UTC."
            ),
        ),
        (
            LimitReached("requests_per_minute", 1, asked=1, wait=120.0),
            (
                "This key's requests per minute do not allow for it: limit 1, requested 1. "
                "It will again at 2027-01-15 12:02:00 UTC."
            ),
        ),
        (
            LimitReached("images_per_day", 100, asked=4, used=98, until=MIDNIGHT),
            (
                "This key's images per day do not allow for it: limit 100, used 98, requested 4. "
                "It will again at 2027-01-16 00:00:00 UTC."
            ),
        ),
        (
            LimitReached("cost_per_day", 2_500_000, asked=135_000, used=2_400_000, until=MIDNIGHT),
            (
                "This key's costs per day do not allow for it: "
                "limit $2.5, used $2.4, "
                "requested $0.135. It will again at 2027-01-16 00:00:00 UTC."
            ),
        ),
        (
            LimitReached("cost_per_month", 9_000_000, asked=1, used=9_000_000, until=MIDNIGHT),
            (
                "This key's costs per month do not allow for it: "
                "limit $9, used $9, "
                "requested $0.000001. It will again at 2027-01-16 00:00:00 UTC."
            ),
        ),
    ],
)
def test_what_frees_later_says_at_which_moment_and_not_in_how_many_seconds(
    reached: LimitReached, message: str
) -> None:
    error = told(reached)

    assert isinstance(error, QuotaExceeded)
    assert error.message == message
    assert error.retry_after is None


def test_a_day_that_ends_within_a_minute_is_still_a_day() -> None:
    soon = LimitReached("images_per_day", 5, asked=1, used=5, until=NOON + 1)

    assert isinstance(told(soon), QuotaExceeded)


@pytest.mark.parametrize(
    ("name", "asked"),
    [("images_per_day", "4"), ("cost_per_day", "$0.000004"), ("cost_per_month", "$0.000004")],
)
def test_what_is_more_than_the_limit_never_frees(name: str, asked: str) -> None:
    error = told(LimitReached(name, 3, asked=4))

    assert isinstance(error, QuotaExceeded)
    assert error.message.endswith(f"requested {asked}. It is more than the limit ever allows.")
    assert "UTC" not in error.message


@pytest.mark.parametrize(
    ("soonest", "wait", "word"), [(0.2, 1.0, "1s"), (12.5, 12.5, "12.5s"), (400.0, SOON, "60s")]
)
def test_pictures_under_way_free_when_one_may_end_between_a_second_and_a_minute(
    soonest: float, wait: float, word: str
) -> None:
    error = told(LimitReached("concurrent", 4, asked=2, used=3), soonest)

    assert isinstance(error, RateLimited)
    assert error.retry_after == wait
    assert error.message == (
        "Rate limit reached for this key on images at once: limit 4, under way 3, requested 2. "
        f"Please try again in {word}."
    )


def test_more_at_once_than_may_ever_be_under_way_is_a_wrong_n() -> None:
    error = refusal(LimitReached("concurrent", 2, asked=3), NOON, 5.0)

    assert isinstance(error, InvalidRequest)
    assert (error.param, error.code, error.retry_after) == ("n", "invalid_value", None)
    assert error.message == "This key may have at most 2 images under way at once."


def test_every_limit_that_can_be_set_has_words() -> None:
    limits = [name for name in Limits.model_fields if not name.endswith("_burst")]

    assert len(limits) == 6
    for name in limits:
        assert told(LimitReached(name, 3, asked=1, wait=1.0)).message
