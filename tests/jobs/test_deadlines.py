import pytest

from gateway.config.sections import Deadlines
from gateway.jobs.deadlines import callers_deadline, own_deadline
from gateway.translate.model import Quality, Tier


@pytest.mark.parametrize(
    ("tier", "quality", "seconds"),
    [
        ("1k", "high", 300),
        ("1k", "low", 150),
        ("2k", "medium", 420),
        ("4k", "high", 570),
        ("4k", "low", 285),
    ],
)
def test_the_deadline_goes_by_tier_and_low_quality_gets_half(
    tier: Tier, quality: Quality, seconds: float
) -> None:
    assert own_deadline(Deadlines(), tier, quality) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"x-stainless-read-timeout": "600"}, 595.0),
        ({"x-stainless-timeout": "60"}, 55.0),
        ({"x-stainless-read-timeout": "100", "x-stainless-timeout": "60"}, 95.0),
        ({"x-stainless-read-timeout": "4"}, 3.2),
        ({"x-stainless-read-timeout": "not-a-number"}, None),
        ({"x-stainless-read-timeout": "-1"}, None),
        ({"x-stainless-read-timeout": "nan"}, None),
        ({"x-stainless-read-timeout": "inf"}, None),
    ],
)
def test_a_callers_own_timeout_shortens_it_with_a_margin(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert callers_deadline(headers) == pytest.approx(seconds)
