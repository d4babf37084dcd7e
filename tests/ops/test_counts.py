"""Each event, and all that it moves: nothing else does."""

from collections.abc import Mapping

import pytest

from gateway.events import TaskFailed
from tests.ops.counted import AT, CASES, step
from tests.ops.scraped import counting, ended, moved


@pytest.mark.parametrize(("event", "expected"), CASES.values(), ids=CASES.keys())
def test_an_event_moves_its_series_and_no_other(
    event: object, expected: Mapping[str, float]
) -> None:
    metrics = counting()
    assert moved(metrics, lambda: metrics.observe(event)) == expected
    assert moved(metrics, lambda: metrics.observe(event)) == expected


@pytest.mark.parametrize(
    ("status", "word", "kind"),
    [
        (200, "200", "2xx"),
        (206, "other", "2xx"),
        (304, "other", "2xx"),
        (418, "other", "4xx"),
        (599, "other", "5xx"),
    ],
)
def test_a_status_that_is_not_listed_counts_in_its_class(status: int, word: str, kind: str) -> None:
    metrics = counting()
    told = moved(metrics, lambda: metrics.observe(ended(status=status)))
    assert told[f"http_requests_total{{method=POST,route=generations,status={word}}}"] == 1
    assert told[f"http_request_duration_seconds_count{{route=generations,status_class={kind}}}"]


@pytest.mark.parametrize(
    ("late", "kind", "outcome", "level"),
    [
        (502, "5xx", "failed", "warning"),
        (400, "4xx", "failed", "info"),
        (499, "4xx", "left", "info"),
    ],
)
def test_a_failure_after_an_answer_began_counts_as_if_it_had_not(
    late: int, kind: str, outcome: str, level: str
) -> None:
    metrics, left = counting(), late == 499
    event = ended(status=200, late_status=late, left_early=left, key_name="studio")
    told = moved(metrics, lambda: metrics.observe(event))
    assert told[f"http_requests_total{{method=POST,route=generations,status={late}}}"] == 1
    assert told[f"http_request_duration_seconds_count{{route=generations,status_class={kind}}}"]
    assert told[f"key_requests_total{{key=studio,outcome={outcome}}}"] == 1
    assert not [name for name in told if name.startswith("overhead_seconds")]
    assert event.level == level


@pytest.mark.parametrize(
    ("route", "method"),
    [
        (None, "POST"),
        ("generations", "GET"),
        ("junk", "POST"),
        ("models", "BREW"),
        (None, "X" * 99),
    ],
)
def test_a_method_that_a_route_does_not_have_counts_as_other(
    route: str | None, method: str
) -> None:
    metrics = counting()
    told = moved(metrics, lambda: metrics.observe(ended(route=route, method=method)))
    assert told["http_requests_total{method=other,route=other,status=200}"] == 1


def test_ten_thousand_sums_of_money_are_told_to_the_micro_dollar() -> None:
    metrics = counting()
    third = step(TaskFailed(**AT, reason="r"), charged=100_001, cost=100_001, unserved=100_001)

    def many() -> None:
        for _ in range(10_000):
            metrics.observe(third)

    told = moved(metrics, many)
    expected = pytest.approx(1_000.01, abs=1e-6)
    assert told["cost_usd_total{model=gpt-image-2,tier=2k}"] == expected
