"""Gauges, and counters that others keep: set from a snapshot of the process.

Owns: which part of a snapshot each shows. Must not know: where a snapshot comes from, when it is
taken. It is all done at once on the loop, so it is arithmetic alone.
"""

import math
from collections.abc import Mapping

from gateway.events import State
from gateway.ops.budgets import Shares
from gateway.ops.families import OTHER, ROUTES, UNFINISHED
from gateway.ops.metrics import Metrics
from gateway.ops.snapshot import Figures, QueueView, Snapshot, VendorView

_BREAKER = ("closed", "open", "half_open")


def set_gauges(metrics: Metrics, snapshot: Snapshot) -> None:
    """Set them all."""
    _callers(metrics, snapshot)
    _budgets(metrics, snapshot.figures.budgets)
    _turns(metrics, snapshot.queue, snapshot.vendor.name)
    _vendor(metrics, snapshot.vendor, snapshot.by_state)
    _stores(metrics, snapshot.figures)
    _process(metrics, snapshot)


def _callers(metrics: Metrics, snapshot: Snapshot) -> None:
    routes = _within(snapshot.requests, ROUTES)
    for route in ROUTES:
        metrics["http_requests_in_flight"].at(route).set(routes.get(route, 0))
    for listener, count in snapshot.connections.items():
        metrics["http_connections"].at(listener).set(count)
    metrics["http_connections_limit"].at().set(snapshot.connections_limit)
    metrics.reach("http_connections_refused_total", snapshot.connections_refused)
    keys = _within(snapshot.by_key, metrics.keys)
    for key in metrics.keys:
        metrics["key_in_flight"].at(key).set(keys.get(key, 0))


def _budgets(metrics: Metrics, budgets: Shares) -> None:
    """Shares cannot be added up: of the keys that count as ``other`` none is told."""
    gauge, known = metrics["key_budget_used_ratio"], frozenset(metrics.keys)
    told = {labels: share for labels, share in budgets.items() if labels[0] in known}
    gauge.keep(told.keys())
    for labels, share in told.items():
        gauge.at(*labels).set(share)


def _turns(metrics: Metrics, queue: QueueView, upstream: str) -> None:
    metrics["queue_depth"].at().set(queue.requests)
    metrics["queue_limit"].at().set(queue.most_requests)
    metrics["upstream_tasks_limit"].at(upstream).set(queue.most_at_vendor)


def _vendor(metrics: Metrics, vendor: VendorView, tasks: Mapping[State, int]) -> None:
    name = vendor.name
    for state in UNFINISHED:
        metrics["upstream_tasks"].at(name, state).set(tasks.get(State(state), 0))
    metrics["upstream_oldest_task_age_seconds"].at(name).set(vendor.oldest_task or 0)
    metrics["upstream_retry_budget_ratio"].at(name).set(vendor.retry_budget)
    for word in _BREAKER:
        metrics["upstream_breaker_state"].at(name, word).set(int(vendor.breaker == word))
    metrics["upstream_quota_remaining"].at(name, "submit").set(vendor.submits)
    metrics["upstream_quota_remaining"].at(name, "query").set(vendor.queries)
    balance = math.nan if vendor.balance is None else vendor.balance
    metrics["upstream_balance_usd"].at(name).set(balance)


def _stores(metrics: Metrics, figures: Figures) -> None:
    for state in State:
        metrics["ledger_tasks"].at(state.value).set(figures.tasks.get(state, 0))
    metrics["ledger_tasks"].at("unclaimed").set(figures.unclaimed)
    metrics["ledger_oldest_uncertain_seconds"].at().set(figures.oldest_uncertain)
    metrics["webhooks_pending"].at().set(figures.hooks)
    metrics["ledger_bytes"].at().set(figures.ledger_bytes)
    metrics["disk_free_bytes"].at().set(figures.disk_free)
    metrics["shelf_bytes"].at().set(figures.shelf_bytes)
    metrics["shelf_limit_bytes"].at().set(figures.shelf_limit)


def _process(metrics: Metrics, snapshot: Snapshot) -> None:
    metrics["config_last_reload_successful"].at().set(int(snapshot.config_good))
    metrics["config_last_reload_success_timestamp_seconds"].at().set(snapshot.config_read_at)
    metrics["draining"].at().set(int(snapshot.draining))
    ready = all(wrong is None for wrong in snapshot.findings.values())
    metrics["ready"].at().set(int(ready))
    metrics.reach("log_dropped_total", snapshot.log_dropped)
    metrics.reach("log_suppressed_total", snapshot.log_suppressed)


def _within(
    counts: Mapping[str, int] | Mapping[str | None, int], known: tuple[str, ...]
) -> Mapping[str, int]:
    """Counts by what is known; the rest together as ``other``."""
    found = dict.fromkeys(known, 0)
    for name, count in counts.items():
        label = name if name is not None and name in found else OTHER
        found[label] = found.get(label, 0) + count
    return found
