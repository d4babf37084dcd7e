"""What Prometheus will know of a running gateway: the series, their labels, what these may say.

Owns: the table of families as it is exposed, what others expose, and what rules record. Must not
know: dashboards. ``wrong`` holds a query against it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway.ops.families import FAMILIES, VALUES, Family
from tests.grafana import promql
from tests.grafana.alarms import groups

_FROM_SCRAPES = frozenset({"job", "instance"})
_ALERTS = frozenset({"job", "alertname", "alertstate", "severity", "service"})

# Of every target, and of the libraries' own collectors.
_FOREIGN: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            "up",
            "scrape_duration_seconds",
            "scrape_samples_scraped",
            "process_cpu_seconds_total",
            "process_max_fds",
            "process_open_fds",
            "process_resident_memory_bytes",
            "process_start_time_seconds",
        ),
        _FROM_SCRAPES,
    ),
    "python_gc_collections_total": _FROM_SCRAPES | {"generation"},
    "ALERTS": _ALERTS,
    "ALERTS_FOR_STATE": _ALERTS - {"alertstate"},
}


@dataclass(frozen=True, slots=True)
class Series:
    """Labels of a name, and the closed sets of what some of them say."""

    labels: frozenset[str]
    values: Mapping[str, tuple[str, ...]]
    kind: str


@cache
def recorded() -> dict[str, str]:
    """What rules record: names, and PromQL."""
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def rules() -> list[dict[str, Any]]:
    """Every rule of both files."""
    return [rule for group in groups() for rule in group["rules"]]


def known(families: Iterable[Family] = FAMILIES) -> dict[str, Series]:
    """Every name that a query may have."""
    found = {name: Series(labels, {}, "gauge") for name, labels in _FOREIGN.items()}
    found |= {
        name: Series(
            frozenset({"job"} if name.startswith("job:") else {"job", "instance"}), {}, "gauge"
        )
        for name in recorded()
    }
    for family in families:
        found |= _exposed(family)
    return found


def _exposed(family: Family) -> dict[str, Series]:
    values = {**VALUES, **(family.own or {})}
    told = {label: values[label] for label in family.labels if label in values}
    labels = _FROM_SCRAPES | set(family.labels)
    if family.kind != "histogram":
        return {family.full_name: Series(labels, told, family.kind)}
    edges = tuple(str(float(edge)) for edge in family.buckets)
    buckets = Series(labels | {"le"}, {**told, "le": (*edges, "+Inf")}, "counter")
    plain = Series(labels, told, "counter")
    name = family.full_name
    return {f"{name}_bucket": buckets, f"{name}_sum": plain, f"{name}_count": plain}


def wrong(query: str, among: Mapping[str, Series]) -> Iterator[str]:
    """What of a query cannot be meant: names, labels and values that there are not."""
    for selector in promql.selectors(query):
        series = among.get(selector.name)
        if series is None:
            yield f"there is no {selector.name}"
            continue
        for matcher in selector.matchers:
            yield from _wrong_matcher(selector.name, matcher, series)
    for grouping in promql.groupings(query):
        about = [among[one.name] for one in grouping.about if one.name in among]
        for label in grouping.labels:
            if not any(label in series.labels for series in about):
                yield f"nothing has the label {label} of {grouping.word}"


def _wrong_matcher(name: str, matcher: promql.Matcher, series: Series) -> Iterator[str]:
    if matcher.label not in series.labels:
        yield f"{name} has no label {matcher.label}"
        return
    values = series.values.get(matcher.label)
    if values is None:
        return
    # Each of the alternatives has to be one that there is; else it was renamed, or mistyped.
    for word in matcher.value.split("|"):
        pattern = word if "~" in matcher.how else re.escape(word)
        if not any(re.fullmatch(pattern, value) for value in values):
            yield f"{matcher.label} of {name} is never {word}"
