"""Series, held to the text that the reference client writes of the same registry."""

import math
import re
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics_format

from gateway.ops.families import Family
from gateway.ops.series import Histograms, Values, number

AWKWARD = 'a "quoted" \\ word\nof two lines'
KNOWN = {"who": ("a", "b", AWKWARD, "other"), "how": ("fast", "slow")}
COUNTER = Family("seen_total", "counter", f"Help with {AWKWARD}", ("who", "how"))
GAUGE = Family("level", "gauge", "How high it stands.")
HISTOGRAM = Family("took_seconds", "histogram", "How long.", ("how",), (0.5, 1, 2_097_152))


def kept() -> tuple[CollectorRegistry, Values, Values, Histograms]:
    registry = CollectorRegistry()
    all_of_them = (Values(COUNTER), Values(GAUGE), Histograms(HISTOGRAM))
    for one in all_of_them:
        registry.register(one)
        one.open(KNOWN)
    return registry, *all_of_them


@pytest.mark.parametrize(
    ("openmetrics", "reference"),
    [(False, generate_latest), (True, openmetrics_format.generate_latest)],
)
def test_the_text_is_byte_for_byte_the_reference_clients(
    *, openmetrics: bool, reference: Callable[[CollectorRegistry], bytes]
) -> None:
    registry, counter, gauge, histogram = kept()
    counter.at("a", "fast").add(3)
    counter.at(AWKWARD, "slow").add(123_456_789)
    for value in (-1.5, 0.1, math.inf, math.nan, 1e-9, 1_790_000_000.25):
        gauge.at().set(value)
        for amount in (0.2, 0.5, 0.7, 3e6):
            histogram.at("fast").observe(amount)
            histogram.at("slow").observe_of(amount, {"request_id": AWKWARD}, 1_790_000_000.125)
        text = "".join(one.text(openmetrics=openmetrics) for one in (counter, gauge, histogram))
        end = "# EOF\n" if openmetrics else ""
        assert (text + end).encode() == reference(registry)
    assert ("request_id" in text) is openmetrics


def test_every_series_is_there_from_the_start_at_zero() -> None:
    _, counter, gauge, histogram = kept()
    lines = "".join(one.text(openmetrics=False) for one in (counter, gauge, histogram)).splitlines()
    values = [line.rpartition(" ")[2] for line in lines if not line.startswith("#")]
    assert values == ["0.0"] * (4 * 2 + 1 + 2 * (4 + 2))
    assert repr(counter) == "<Values image_gateway_seen_total series=8>"


def test_a_value_that_is_not_known_makes_no_series() -> None:
    _, counter, _, _ = kept()
    before = len(counter)
    counter.at("junk", "fast").add()
    counter.at("a", "junk").add()
    counter.at("junk", "junk").add()
    assert len(counter) == before
    assert counter.at("other", "fast").get() == 2
    assert counter.at("a", "fast").get() == 1


def test_what_is_opened_again_keeps_its_count() -> None:
    _, counter, _, _ = kept()
    counter.at("a", "fast").add(4)
    counter.open({**KNOWN, "who": ("c", "other")})
    assert counter.at("a", "fast").get() == 4
    counter.at("c", "slow").add()
    assert counter.at("c", "slow").get() == 1
    assert len(counter) == 10


def test_an_observation_on_an_edge_belongs_to_its_bucket() -> None:
    _, _, _, histogram = kept()
    for amount in (0.5, 0.500001, 1, 1e9):
        histogram.at("fast").observe(amount)
    counts, total, _ = histogram.at("fast").get()
    assert counts == [1, 3, 3, 4]
    assert total == pytest.approx(1e9 + 2.000001)


def test_a_buckets_exemplar_is_its_last_one() -> None:
    _, _, _, histogram = kept()
    for name in ("req_1", "req_2"):
        histogram.at("fast").observe_of(0.7, {"request_id": name}, 5.5)
    found = re.findall(
        r"\{how=\"fast\",le=\"(.+?)\"\} .+? # (.+)", histogram.text(openmetrics=True)
    )
    assert found == [("1.0", '{request_id="req_2"} 0.7 5.5')]


def test_a_scale_is_kept_whole_and_told_divided() -> None:
    family = Family("cost_usd_total", "counter", "Dollars.")
    money = Values(family, scale=1_000_000)
    money.open({})
    for _ in range(1_000_000 // 100):
        money.at().add(1)
    money.at().add(90_000)
    assert money.text(openmetrics=False).endswith("image_gateway_cost_usd_total 0.1\n")


def test_numbers_are_told_as_go_tells_them() -> None:
    assert [number(one) for one in (0, 1, 0.25, 1e6, 1e21)] == [
        "0.0",
        "1.0",
        "0.25",
        "1e+06",
        "1e+21",
    ]
