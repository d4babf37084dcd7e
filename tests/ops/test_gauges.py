import math
from dataclasses import replace

from gateway.ops.budgets import Shares
from gateway.ops.gauges import set_gauges
from gateway.ops.metrics import MOST_KEYS, Metrics
from gateway.ops.snapshot import Figures, QueueView, Snapshot, VendorView
from tests.ops.gauged import SHOWN, SNAPSHOT
from tests.ops.scraped import NAMES, counting, moved, ours

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
        longest_wait=570.0,
    ),
    figures=Figures(budgets=dict.fromkeys(SNAPSHOT.figures.budgets, 0.0)),
)
BALANCE = "upstream_balance_usd{upstream=toapis}"
BREAKER = "upstream_breaker_state{{state={},upstream=toapis}}"
BUDGETS = "key_budget_used_ratio"


def set_budgets(metrics: Metrics, budgets: Shares) -> None:
    set_gauges(metrics, replace(SNAPSHOT, figures=Figures(budgets=budgets)))


def budgets_of(metrics: Metrics) -> dict[str, float]:
    """What each budget's series says, by its labels."""
    found = {name: value for name, value in ours(metrics).items() if name.startswith(BUDGETS)}
    return {name.removeprefix(BUDGETS): value for name, value in found.items()}


def test_every_gauge_shows_its_figure_of_the_snapshot_and_nothing_else_moves() -> None:
    metrics = counting()
    known = [labels for labels in SNAPSHOT.figures.budgets if labels[0] in NAMES.keys]
    metrics[BUDGETS].keep(known)  # all other series are there from the start
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


def test_a_budget_that_is_gone_has_no_series_and_a_new_one_has() -> None:
    metrics = counting()
    assert budgets_of(metrics) == {}
    set_budgets(metrics, {("studio", "images_per_day"): 0.5, ("studio", "cost_per_day"): 0.25})
    set_budgets(metrics, {("studio", "cost_per_day"): 0.75, ("batch", "cost_per_month"): 0.0})
    assert budgets_of(metrics) == {
        "{budget=cost_per_day,key=studio}": 0.75,
        "{budget=cost_per_month,key=batch}": 0,
    }
    set_budgets(metrics, {})
    assert budgets_of(metrics) == {}


def test_a_budget_that_comes_back_shows_what_is_used_of_it_now() -> None:
    metrics = counting()
    studio: Shares = {("studio", "cost_per_day"): 0.9}
    now: Shares = {("studio", "cost_per_day"): 0.1}
    for budgets in (studio, {}, now):
        set_budgets(metrics, budgets)
    assert budgets_of(metrics) == {"{budget=cost_per_day,key=studio}": 0.1}


def test_budgets_of_keys_beyond_the_two_hundredth_are_left_out() -> None:
    many = tuple(f"key-{number}" for number in range(MOST_KEYS + 5))
    metrics = counting(replace(NAMES, keys=many))
    set_budgets(metrics, {(name, "images_per_day"): 0.5 for name in many})
    told = budgets_of(metrics)
    assert len(told) == MOST_KEYS
    assert "{budget=images_per_day,key=key-199}" in told
    assert "{budget=images_per_day,key=key-200}" not in told
    assert not any("other" in name for name in told)
