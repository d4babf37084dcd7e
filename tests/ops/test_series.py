"""Families on a registry: which series there are, and what an unknown value counts as."""

from prometheus_client import CollectorRegistry, Counter, generate_latest

from gateway.ops.families import Family
from gateway.ops.series import Counters, Gauges, Histograms, counters, gauges, histograms

KNOWN = {"who": ("a", "b", "other"), "how": ("fast", "slow")}
COUNTER = Family("seen_total", "counter", "How often it was seen.", ("who", "how"))
GAUGE = Family("level", "gauge", "How high it stands.")
HISTOGRAM = Family("took_seconds", "histogram", "How long.", ("how",), (0.5, 1, 2_097_152))


def kept() -> tuple[CollectorRegistry, Counters, Gauges, Histograms]:
    registry = CollectorRegistry()
    made = counters(COUNTER, registry), gauges(GAUGE, registry), histograms(HISTOGRAM, registry)
    for one in made:
        one.open(KNOWN)
    return registry, *made


def value(counter: Counter) -> float:
    return next(iter(counter.collect())).samples[0].value


def test_every_series_is_there_from_the_start_at_zero() -> None:
    registry, counter, _, _ = kept()
    lines = generate_latest(registry).decode().splitlines()
    values = [
        line.rpartition(" ")[2]
        for line in lines
        if not line.startswith("#") and "_created" not in line
    ]
    assert values == ["0.0"] * (3 * 2 + 1 + 2 * (4 + 2))
    assert repr(counter) == "<Labelled image_gateway_seen_total series=6>"


def test_a_value_that_is_not_known_makes_no_series() -> None:
    _, counter, _, _ = kept()
    before = len(counter)
    counter.at("junk", "fast").inc()
    counter.at("a", "junk").inc()
    counter.at("junk", "junk").inc()
    assert len(counter) == before
    assert value(counter.at("other", "fast")) == 2
    assert value(counter.at("a", "fast")) == 1


def test_what_is_opened_again_keeps_its_count() -> None:
    _, counter, _, _ = kept()
    counter.at("a", "fast").inc(4)
    counter.open({**KNOWN, "who": ("c", "other")})
    assert value(counter.at("a", "fast")) == 4
    counter.at("c", "slow").inc()
    assert value(counter.at("c", "slow")) == 1
    assert len(counter) == 8


def test_only_what_exists_is_opened() -> None:
    made = counters(COUNTER, CollectorRegistry())
    made.open(KNOWN, lambda values: values != ("b", "slow"))
    assert len(made) == 5


def test_what_is_kept_stays_as_it_is_and_all_else_goes() -> None:
    registry = CollectorRegistry()
    made = gauges(Family("share", "gauge", "How much of it.", ("who", "how")), registry)
    made.keep([("a", "fast"), ("b", "slow")])
    made.at("a", "fast").set(0.5)
    made.at("b", "slow").set(0.75)
    made.keep([("a", "fast"), ("c", "slow")])
    lines = generate_latest(registry).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'image_gateway_share{how="fast",who="a"} 0.5',
        'image_gateway_share{how="slow",who="c"} 0.0',
    ]
    assert len(made) == 2
