"""Real gateways under a scripted load, scraped by a real Prometheus, asked what Grafana asks."""

import json
import math
import re

import pytest

from gateway.ops.families import FAMILIES, Family
from tests.grafana.alarms import alerts
from tests.grafana.boards import Target, board, boards, marks, panels, targets
from tests.grafana.known import known
from tests.grafana.live import OPENMETRICS, Live, faults
from tests.grafana.load import STILL
from tests.grafana.mutations import mutated
from tests.grafana.prometheus import promtool


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.where)
def test_a_panels_query_answers_with_finite_values(run: Live, target: Target) -> None:
    assert list(faults(run.values(target.query))) == []


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.where)
def test_a_gateway_that_nobody_asks_makes_no_panel_strange(run: Live, target: Target) -> None:
    """It may show nothing, in words; but no value that is none."""
    values = run.values(target.query, instance=run.idle)
    assert all(math.isfinite(value) for one in values for value in one)


@pytest.mark.parametrize("mark", marks(), ids=lambda mark: f"{mark.board} {mark.letter}")
def test_what_is_marked_on_the_time_axis_happened(run: Live, mark: Target) -> None:
    assert run.values(mark.query)


def test_the_variables_have_values(run: Live) -> None:
    for one in (one for told in boards() for one in told["templating"]["list"]):
        if one["type"] == "query":
            series, label = re.fullmatch(
                r"label_values\((.+), (\w+)\)", one["query"]["query"]
            ).groups()  # type: ignore[union-attr]
            found = run.server.now(
                f"count by ({label}) ({series.replace('$job', '.+').replace('$instance', '.+')})"
            )
            assert [value["metric"][label] for value in found], one["name"]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_that_is_renamed_breaks_every_query_that_names_it(
    run: Live, family: Family
) -> None:
    mutation = mutated(run, family)
    assert mutation.noticed
    assert mutation.missed == ()


def test_every_family_moves(run: Live) -> None:
    still = {family.name for family in FAMILIES if not run.moved(family)[0]}
    assert still - STILL.keys() == set()


def test_what_is_said_to_stand_still_does(run: Live) -> None:
    moving = {family.name for family in FAMILIES if run.moved(family)[0]}
    assert moving & STILL.keys() == set()


def test_a_scrape_tells_the_families_and_nothing_else_of_ours(run: Live) -> None:
    names = {
        one["metric"]["__name__"]
        for one in run.server.now(f'count by (__name__) ({{instance="{run.busy}"}})', run.end)
    }
    ours = {name for name in known() if name.startswith("image_gateway_")}
    assert {name for name in names if name.startswith("image_gateway_")} == ours
    assert (
        known().keys() - names
        == {name for name in known() if ":" in name or name.startswith("ALERTS")} - names
    )


def test_promtool_finds_no_fault_with_the_exposition(run: Live) -> None:
    assert promtool("check", "metrics", given=run.pages["text/plain"]) == ""


def test_openmetrics_ends_as_it_should(run: Live) -> None:
    assert run.pages[OPENMETRICS].endswith("# EOF\n")


def test_dots_on_the_graphs_lead_to_requests_in_the_log(run: Live) -> None:
    (panel,) = [
        one
        for one in panels(board("image-gateway-overview.json"))
        if any(target["exemplar"] for target in one["targets"])
    ]
    found = run.server.ask(
        "query_exemplars",
        query=panel["targets"][-1]["expr"]
        .replace("$__rate_interval", "1m")
        .replace("$job", ".+")
        .replace("$instance", ".+"),
        start=run.start,
        end=run.end,
    )
    ids = {one["labels"]["request_id"] for series in found for one in series["exemplars"]}
    logged = {
        line.get("request_id")
        for line in run.stand.busy.lines()
        if line["event"] == "request_ended"
    }
    assert ids
    assert ids <= logged


def test_every_target_is_scraped_without_a_fault(run: Live) -> None:
    active = run.server.ask("targets")["activeTargets"]
    assert sorted(one["labels"]["instance"] for one in active) == sorted([run.busy, run.idle])
    assert [one["lastError"] for one in active if one["labels"]["instance"] == run.idle] == [""]


def test_every_rule_is_evaluated_without_a_fault(run: Live) -> None:
    groups = run.server.ask("rules")["groups"]
    told = [rule for group in groups for rule in group["rules"]]
    assert len([rule for rule in told if rule["type"] == "alerting"]) == len(alerts())
    assert [rule["name"] for rule in told if rule["health"] != "ok" or rule.get("lastError")] == []


def test_an_alert_that_fires_speaks_in_whole_sentences(run: Live) -> None:
    firing = [one for one in run.server.ask("alerts")["alerts"] if one["state"] == "firing"]
    assert {"AmbiguousCreate", "JournalErrors", "ConnectionsRefused"} <= {
        one["labels"]["alertname"] for one in firing
    }
    for one in firing:
        text = json.dumps(one["annotations"])
        assert "no value" not in text
        assert "<error" not in text
        assert "{{" not in text


def test_a_stop_is_seen(run: Live) -> None:
    run.server.until(f'max_over_time(image_gateway_draining{{instance="{run.busy}"}}[1m]) == 1')
