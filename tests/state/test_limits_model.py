"""The accounts against the slow exact model: nobody gets more or less, no wait is a lie."""

from hypothesis import HealthCheck, given, settings

from gateway.config.sections import Limits
from tests.state.limits_deeds import Deed
from tests.state.limits_drawn import CASES, played


@settings(max_examples=1_500, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=CASES)
def test_keys_get_exactly_what_the_slow_model_allows(
    case: tuple[int, tuple[Limits, ...], list[Deed]],
) -> None:
    assert played(case).differences == []
