"""Every query of the dashboards and rules names what there is, and nothing else."""

import re
from dataclasses import replace

import pytest

from gateway.ops.families import FAMILIES, Family
from tests.grafana import promql
from tests.grafana.boards import Target, marks, targets
from tests.grafana.known import known, recorded, rules, wrong

QUERIES = {
    **{target.where: target.query for target in (*targets(), *marks())},
    **{
        f"rule {rule.get('record', rule.get('alert'))} {n}": rule["expr"]
        for n, rule in enumerate(rules())
    },
}


def named(query: str) -> set[str]:
    """Every name of a query, and of the rules behind those that are recorded."""
    found = {selector.name for selector in promql.selectors(query)}
    behind = recorded()
    return found.union(*(named(behind[name]) for name in found if name in behind))


def test_every_query_names_only_what_there_is() -> None:
    among = known()
    faults = {where: list(wrong(query, among)) for where, query in QUERIES.items()}
    assert {where: said for where, said in faults.items() if said} == {}


def test_legends_show_only_labels_that_are_left() -> None:
    shown = {target.where: strangers(target) for target in targets()}
    assert {where: labels for where, labels in shown.items() if labels} == {}


def strangers(target: Target) -> set[str]:
    lists = [one.labels for one in promql.groupings(target.query) if one.word == "by"]
    return set(re.findall(r"\{\{(\w+)\}\}", target.legend)).difference(*lists)


def test_every_family_is_shown_on_a_dashboard() -> None:
    shown = set().union(*(named(target.query) for target in targets()))
    hidden = [family.name for family in FAMILIES if not shown & exposed(family)]
    assert hidden == []


def test_every_recorded_series_is_asked_for() -> None:
    asked = {one.name for query in QUERIES.values() for one in promql.selectors(query)}
    assert set(recorded()) - asked == set()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_renamed_family_is_missed(family: Family) -> None:
    """The mutation check on paper; ``test_live.py`` does it with what Prometheus has."""
    mutated = [
        replace(one, name=f"renamed_{one.name}") if one is family else one for one in FAMILIES
    ]
    among = known(mutated)
    assert any(list(wrong(target.query, among)) for target in targets()) or any(
        list(wrong(rule["expr"], among)) for rule in rules()
    )


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("image_gateway_queue_length", "there is no image_gateway_queue_length"),
        ('image_gateway_queue_depth{key="a"}', "image_gateway_queue_depth has no label key"),
        (
            'rate(image_gateway_upstream_creates_total{outcome="lost"}[5m])',
            "outcome of image_gateway_upstream_creates_total is never lost",
        ),
        (
            'image_gateway_overhead_seconds_bucket{le="0.2"}',
            "le of image_gateway_overhead_seconds_bucket is never 0.2",
        ),
        ("sum by (phase) (image_gateway_ready)", "nothing has the label phase of by"),
    ],
)
def test_a_wrong_query_is_noticed(query: str, fault: str) -> None:
    assert list(wrong(query, known())) == [fault]


def exposed(family: Family) -> set[str]:
    return {
        family.full_name,
        *(f"{family.full_name}_{part}" for part in ("bucket", "sum", "count")),
    }
