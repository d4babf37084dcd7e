import pytest

from gateway.openai.ratelimits import spell, standing_headers
from gateway.state.base import Room, Standing


def standing(requests: Room | None = None, images: Room | None = None) -> Standing:
    return Standing(requests, images, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "0ms"),
        (0.012, "12ms"),
        (0.999, "999ms"),
        (1.0, "1s"),
        (1.5, "1.5s"),
        (1.25, "1.25s"),
        (10.0, "10s"),
        (59.5, "59.5s"),
        (60.0, "1m0s"),
        (61.5, "1m1.5s"),
        (360.0, "6m0s"),
        (3600.0, "60m0s"),
    ],
)
def test_times_are_written_as_openai_writes_them(seconds: float, told: str) -> None:
    assert spell(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0000001, "1ms"), (0.0121, "13ms"), (0.9991, "1s"), (59.9999, "1m0s"), (1.5001, "1.501s")],
)
def test_a_time_is_never_told_shorter_than_it_is(seconds: float, told: str) -> None:
    assert spell(seconds) == told


def test_both_rates_are_told_each_with_its_own_numbers() -> None:
    told = standing_headers(standing(Room(60, 10, 9, 1.0), Room(12, 2, 0, 10.5)))

    assert told == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-images": "12",
        "x-ratelimit-remaining-images": "0",
        "x-ratelimit-reset-images": "10.5s",
    }


def test_a_rate_without_a_limit_has_no_headers() -> None:
    room = Room(60, 10, 10, 0.0)

    assert standing_headers(standing()) == {}
    assert {name.rpartition("-")[2] for name in standing_headers(standing(room))} == {"requests"}
    assert {name.rpartition("-")[2] for name in standing_headers(standing(images=room))} == {
        "images"
    }
