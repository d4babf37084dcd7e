import math
from dataclasses import replace

from gateway.ops.gauges import set_gauges
from gateway.ops.snapshot import Figures, QueueView, Snapshot, VendorView
from tests.ops.gauged import SHOWN, SNAPSHOT
from tests.ops.scraped import counting, moved, ours

IDLE = Snapshot(
    at=0.0,
    uptime=0.0,
    version="",
    draining=False,
    findings={"loops": "not started", "ledger": None},
    config_good=False,
    config_read_at=0.0,
    requests={},
    connections={"clients": 0, "operators": 0},
    connections_limit=0,
    connections_refused=0,
    by_key={},
    by_state={},
    jobs=(),
    queue=QueueView(requests=0, most_requests=0, tasks=0, at_vendor=0, most_at_vendor=0),
    vendor=VendorView(
        name="toapis",
        base_url="",
        breaker="closed",
        held=False,
        submits=0,
        submits_per_second=0,
        queries=0,
        queries_per_second=0,
        retry_budget=0,
    ),
    figures=Figures(),
)
BALANCE = "upstream_balance_usd{upstream=toapis}"
BREAKER = "upstream_breaker_state{{state={},upstream=toapis}}"


def test_every_gauge_shows_its_figure_of_the_snapshot_and_nothing_else_moves() -> None:
    metrics = counting()
    assert moved(metrics, lambda: set_gauges(metrics, SNAPSHOT)) == SHOWN


def test_a_gauge_goes_back_with_what_it_shows() -> None:
    metrics = counting()
    set_gauges(metrics, SNAPSHOT)
    set_gauges(metrics, IDLE)
    after = ours(metrics)
    gauges = {name for name in SHOWN if not name.endswith("_total")}
    assert {name for name in gauges if after[name] != 0} == {BALANCE}
    assert after[BREAKER.format("closed")] == 1
    assert math.isnan(after[BALANCE])


def test_a_balance_without_a_bound_is_infinite() -> None:
    metrics = counting()
    vendor = replace(SNAPSHOT.vendor, balance=math.inf)
    set_gauges(metrics, replace(SNAPSHOT, vendor=vendor))
    assert ours(metrics)[BALANCE] == math.inf


def test_the_breaker_is_in_one_state() -> None:
    metrics = counting()
    for word in ("closed", "open", "half_open"):
        vendor = replace(SNAPSHOT.vendor, breaker=word)
        set_gauges(metrics, replace(SNAPSHOT, vendor=vendor))
        states = {
            one: ours(metrics)[BREAKER.format(one)] for one in ("closed", "open", "half_open")
        }
        assert states == {one: float(one == word) for one in states}


def test_a_check_that_finds_something_makes_it_unready() -> None:
    metrics = counting()
    set_gauges(metrics, replace(SNAPSHOT, findings={"loops": None, "ledger": "disk full"}))
    assert ours(metrics)["ready"] == 0
