"""The families as a whole: which series there are, and that there are never more."""

import platform
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import DuplicateTimeseries

import gateway
from gateway.events import Stepped
from gateway.notices import LedgerCommitted
from gateway.ops.families import FAMILIES, PREFIX, REQUESTS, ROUTES, VALUES, Family
from gateway.ops.metrics import MOST_KEYS, Metrics
from tests.ops.counted import CASES
from tests.ops.gauged import SHOWN
from tests.ops.scraped import (
    ABOUT,
    NAMES,
    TWENTY,
    counting,
    ended,
    families_of,
    moved,
    ours,
    series,
)

BUILD = f"build_info{{python={platform.python_version()},version={gateway.__version__}}}"


def names_of_series(metrics: Metrics) -> set[str]:
    return set(ours(metrics))


def disagreement(families: Sequence[Family]) -> set[str]:
    """Families that no table of the tests moves, and series in the tables that are of none."""
    counted = {name for _, expected in CASES.values() for name in expected}
    tables = [*counted, *SHOWN, BUILD, "event_loop_lag_seconds_count"]
    return families_of(tables, families) ^ {family.name for family in families}


def test_every_family_is_moved_by_a_test() -> None:
    assert disagreement(FAMILIES) == set()


def test_a_family_that_was_renamed_is_noticed() -> None:
    for family in FAMILIES:
        renamed = replace(family, name=f"renamed_{family.name}")
        changed = [renamed if one is family else one for one in FAMILIES]
        assert renamed.name in disagreement(changed)


def test_every_known_series_is_there_from_the_start_and_all_but_the_build_are_zero() -> None:
    metrics = counting()
    assert {name: value for name, value in ours(metrics).items() if value} == {BUILD: 1}
    assert {family.family.name for family in metrics.families} == {one.name for one in FAMILIES}
    for family in metrics.families:
        known = [len(_values(family.family, label)) for label in family.family.labels]
        expected = 1
        for number in known:
            expected *= number
        if family.family.name == "http_requests_total":
            expected = len(REQUESTS) * len(VALUES["status"])
        if family.family.sparse:
            expected = 0
        assert len(family) == expected, family


def _values(family: Family, label: str) -> tuple[str, ...]:
    configured = {
        "upstream": ("toapis",),
        "model": (*NAMES.models, "other"),
        "key": (*NAMES.keys, "other"),
        "version": ("",),
        "python": ("",),
    }
    return (family.own or {}).get(label) or configured.get(label) or VALUES[label]


def test_there_are_less_than_3000_series_with_twenty_keys_and_one_model() -> None:
    metrics = counting(TWENTY)
    assert series(metrics) < 2_900  # a score of the process's own come with them
    assert repr(metrics).startswith(f"<Metrics families={len(FAMILIES)} label_sets=")


def test_junk_makes_no_series() -> None:
    metrics = counting()
    before = series(metrics)
    for number in range(1_000):
        junk = f"junk {number}"
        metrics.observe(
            ended(route=junk, method=junk, status=number, model=junk, key_name=junk, images=1)
        )
        metrics.observe(ended(waiting=junk, left_early=True, rejection=junk, delivery=junk))
        about = replace(ABOUT, key_name=junk, model=junk, tier=junk, quality=junk)
        for event, _ in CASES.values():
            if isinstance(event, Stepped):
                metrics.observe(replace(event, about=about))
    assert series(metrics) == before
    assert ours(metrics)["key_requests_total{key=other,outcome=served}"] > 0


def test_a_reload_adds_series_at_zero_and_keeps_those_of_what_went() -> None:
    metrics = counting()
    metrics.observe(ended(key_name="studio"))
    before = names_of_series(metrics)
    metrics.extend(models=("gpt-image-3",), keys=("newcomer",))
    added = names_of_series(metrics) - before
    assert before < names_of_series(metrics)
    assert "key_requests_total{key=newcomer,outcome=served}" in added
    assert "key_cost_usd_total{key=newcomer,model=gpt-image-3}" in added
    assert "cost_usd_total{model=gpt-image-3,tier=4k}" in added
    assert all("newcomer" in name or "gpt-image-3" in name for name in added)
    assert ours(metrics)["key_requests_total{key=studio,outcome=served}"] == 1
    told = moved(metrics, lambda: metrics.observe(ended(key_name="newcomer")))
    assert told["key_requests_total{key=newcomer,outcome=served}"] == 1


def test_keys_beyond_the_two_hundredth_count_as_other() -> None:
    many = tuple(f"key-{number}" for number in range(MOST_KEYS + 5))
    metrics = counting(replace(NAMES, keys=many))
    metrics.extend((), ("one more",))
    assert len(metrics["key_in_flight"]) == MOST_KEYS + 1
    for name in ("key-199", "key-200", "one more"):
        metrics.observe(ended(key_name=name))
    after = ours(metrics)
    assert after["key_requests_total{key=key-199,outcome=served}"] == 1
    assert after["key_requests_total{key=other,outcome=served}"] == 2


def test_the_loops_lag_is_observed() -> None:
    metrics = counting()
    told = moved(metrics, lambda: metrics.lag.observe(0.03))
    assert told == {"event_loop_lag_seconds_count": 1, "event_loop_lag_seconds_sum": 0.03}


def test_nothing_is_lost_between_threads() -> None:
    metrics = counting()
    told: list[object] = [
        ended(key_name="studio"),
        LedgerCommitted(seconds=0.001, entries=1),
        CASES["lost"][0],
    ]

    def tell(number: int) -> None:
        for _ in range(500):
            for event in told:
                metrics.observe(event)
        metrics.extend((), (f"key-{number}",))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tell, range(8)))
    after = ours(metrics)
    assert after["key_requests_total{key=studio,outcome=served}"] == 4_000
    assert after["ledger_commit_seconds_count"] == 4_000
    assert after["ledger_commit_seconds_sum"] == pytest.approx(4)
    assert after["cost_unserved_usd_total{reason=ambiguous}"] == pytest.approx(160)


def test_two_of_them_do_not_fit_on_one_registry() -> None:
    registry = CollectorRegistry()
    Metrics(registry, NAMES)
    with pytest.raises(DuplicateTimeseries):
        Metrics(registry, NAMES)


def test_names_and_helps_are_in_the_manner_of_prometheus() -> None:
    for family in FAMILIES:
        assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z]", family.name)
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert family.help.endswith(".")
        assert (family.kind == "histogram") == bool(family.buckets)
        assert list(family.buckets) == sorted(set(family.buckets))
        assert family.full_name == PREFIX + family.name
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


def test_the_routes_asked_are_all_routes() -> None:
    assert {route for route, _ in REQUESTS} == set(ROUTES)
    assert {method for _, method in REQUESTS} <= set(VALUES["method"])
