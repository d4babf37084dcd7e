"""The rules that Grafana's dashboard linter has, as tests; each is shown something it refuses."""

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.grafana import promql
from tests.grafana.alarms import alerts
from tests.grafana.boards import boards, panels

Json = dict[str, Any]

# Of Grafana's identifiers of units those that are used here.
UNITS = frozenset(
    {
        *("none", "short", "percentunit", "s", "dateTimeFromNow", "bytes", "Bps"),
        *("reqps", "ops", "cpm", "currencyUSD"),
    }
)
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GRID = 24
CHOSEN = {"job": "$job", "instance": "$instance"}
# What rules or alerts have summed over processes has no instance.
WITHOUT_INSTANCE = re.compile(r"job:.+|ALERTS(_FOR_STATE)?")
# Sums over a time that is named, in place of a pace of the moment.
FIXED = frozenset({"$__range", "24h"})


def data_source(board: Json) -> Iterator[str]:
    found = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
    if [(one["name"], one["label"], one["query"]) for one in found] != [
        ("datasource", "Data Source", "prometheus")
    ]:
        yield "there has to be one variable datasource, called Data Source, of Prometheus"


def variables(board: Json) -> Iterator[str]:
    found = {one["name"]: one for one in board["templating"]["list"]}
    for name in {"job", "instance", *found} - {"datasource"}:
        one = found.get(name, {})
        wanted = {"multi": True, "includeAll": True, "allValue": ".+", "refresh": 2}
        if {key: one.get(key) for key in wanted} != wanted or one.get("datasource") != SOURCE:
            yield f"the variable {name} has to take any number, and to reload with the time"
        if not one.get("query", {}).get("query", "").endswith(f", {name})"):
            yield f"the variable {name} has to be the label {name}"


def not_edited(board: Json) -> Iterator[str]:
    if board["editable"]:
        yield "nobody edits it in place"


def described(board: Json) -> Iterator[str]:
    titles = [panel["title"] for panel in panels(board)]
    for panel in panels(board):
        if not panel["title"] or not panel["description"].endswith("."):
            yield f"{panel['title'] or panel['id']}: no title, or no description"
    if len({*titles}) < len(titles):
        yield "two panels have one title"


def united(board: Json) -> Iterator[str]:
    for panel in panels(board):
        config = panel["fieldConfig"]
        over = [
            one["value"]
            for override in config["overrides"]
            for one in override["properties"]
            if one["id"] == "unit"
        ]
        for unit in (config["defaults"].get("unit"), *over):
            if unit not in UNITS:
                yield f"{panel['title']}: {unit} is no unit that is used here"


def one_source(board: Json) -> Iterator[str]:
    for panel in panels(board):
        if not panel["targets"]:
            yield f"{panel['title']}: shows nothing"
        sources = [panel["datasource"], *(one["datasource"] for one in panel["targets"])]
        if any(source != SOURCE for source in sources):
            yield f"{panel['title']}: asks another source"
    if any(mark["datasource"] != SOURCE for mark in board["annotations"]["list"]):
        yield "a mark asks another source"


def chosen(board: Json) -> Iterator[str]:
    for panel, target in asked(board):
        for selector in promql.selectors(target["expr"]):
            matched = {one.label: one.value for one in selector.matchers if one.how == "=~"}
            wanted = dict(CHOSEN)
            if WITHOUT_INSTANCE.fullmatch(selector.name):
                del wanted["instance"]
            if selector.name.startswith("image_gateway_key_"):
                wanted["key"] = "$key"
            if not wanted.items() <= matched.items():
                yield f"{panel['title']}: {selector.name} is not that of what is chosen"


def over_time(board: Json) -> Iterator[str]:
    for panel, target in asked(board):
        for one in promql.selectors(target["expr"]):
            rates = one.function in {"rate", "irate"} and one.over != "$__rate_interval"
            gains = one.function == "increase" and one.over not in FIXED | {"$__rate_interval"}
            if rates or gains:
                yield f"{panel['title']}: {one.function} over {one.over}"


def counted(board: Json) -> Iterator[str]:
    """A counter is only told by how fast it rises; added up is what is left of it then."""
    for panel, target in asked(board):
        for one in promql.selectors(target["expr"]):
            counts = re.search(r"_(total|bucket|count|sum)$", one.name) is not None
            if counts and one.function not in {"rate", "increase"}:
                yield f"{panel['title']}: {one.name} is a counter"


def distributed(board: Json) -> Iterator[str]:
    for panel, target in asked(board):
        query = target["expr"]
        by_le = [one for one in promql.groupings(query) if one.word == "by" and "le" in one.labels]
        if query.count("histogram_quantile(") > len(by_le):
            yield f"{panel['title']}: a quantile without le"


def laid_out(board: Json) -> Iterator[str]:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        if taken & cells or at["x"] + at["w"] > GRID:
            yield f"{panel['title']}: lies on another panel, or beside the page"
        taken |= cells
    ids = [panel["id"] for panel in board["panels"]]
    if len({*ids}) < len(ids):
        yield "two panels have one number"


def silent(board: Json) -> Iterator[str]:
    """What is not there while nothing happens says so, in words."""
    for panel in panels(board):
        guards = [re.search(r"> 0\)?$|>= 0$", one["expr"]) for one in panel["targets"]]
        if all(guards) and not panel["fieldConfig"]["defaults"].get("noValue"):
            yield f"{panel['title']}: says nothing where there is nothing"


def alarmed(board: Json) -> Iterator[str]:
    """An alert that a description names is there; it is named where its panel is looked at."""
    there = {alert.name for alert in alerts()}
    for panel in panels(board):
        said = re.findall(r"Alerts?: ([^.]+)", panel["description"])
        named = {name for one in said for name in re.findall(r"\b[A-Z][a-z]+[A-Z]\w+", one)}
        if said and not (named and named <= there):
            yield f"{panel['title']}: names an alert that is not there"


def linked(board: Json) -> Iterator[str]:
    uids = {one["uid"] for one in boards()}
    for panel in panels(board):
        for link in panel.get("links", ()):
            if re.match(r"/d/([\w-]+)\?", link["url"])[1] not in uids - {board["uid"]}:  # type: ignore[index]
                yield f"{panel['title']}: leads nowhere else"
    if [link["tags"] for link in board["links"]] != [board["tags"]]:
        yield "does not lead to the others"


def asked(board: Json) -> Iterator[tuple[Json, Json]]:
    for panel in panels(board):
        for target in panel["targets"]:
            yield panel, target


def _spoilt(change: Callable[[Json], object]) -> Json:
    board = copy.deepcopy(boards()[0])
    change(board)
    return board


def _panel(board: Json) -> Json:
    return next(panels(board))


def _ask(query: str) -> Callable[[Json], object]:
    return lambda board: _panel(board)["targets"][0].update(expr=query)


RULES: tuple[tuple[Callable[[Json], Iterator[str]], Callable[[Json], object]], ...] = (
    (data_source, lambda board: board["templating"]["list"][0].update(label="Source")),
    (variables, lambda board: board["templating"]["list"][1].update(refresh=1)),
    (not_edited, lambda board: board.update(editable=True)),
    (described, lambda board: _panel(board).update(description="")),
    (united, lambda board: _panel(board)["fieldConfig"]["defaults"].update(unit="seconds")),
    (one_source, lambda board: _panel(board)["targets"][0].update(datasource={"uid": "mine"})),
    (chosen, _ask('up{job=~"$job"}')),
    (over_time, _ask('rate(a_total{job=~"$job"}[5m])')),
    (counted, _ask("sum(image_gateway_images_total)")),
    (distributed, _ask("histogram_quantile(0.9, sum(rate(a_bucket[$__rate_interval])))")),
    (laid_out, lambda board: _panel(board)["gridPos"].update(x=23)),
    (
        silent,
        lambda board: [
            _ask("a > 0")(board),
            _panel(board)["fieldConfig"]["defaults"].pop("noValue"),
        ],
    ),
    (alarmed, lambda board: _panel(board).update(description="Alert: NoSuchThing.")),
    (linked, lambda board: board["links"].clear()),
)


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
@pytest.mark.parametrize("rule", [rule for rule, _ in RULES], ids=lambda rule: rule.__name__)
def test_a_dashboard_keeps_the_rule(rule: Callable[[Json], Iterator[str]], board: Json) -> None:
    assert list(rule(board)) == []


@pytest.mark.parametrize(("rule", "change"), RULES, ids=lambda one: getattr(one, "__name__", ""))
def test_a_rule_that_is_broken_is_noticed(
    rule: Callable[[Json], Iterator[str]], change: Callable[[Json], object]
) -> None:
    assert list(rule(_spoilt(change))) != []


def test_no_two_dashboards_are_taken_for_one() -> None:
    assert (
        len({board["uid"] for board in boards()})
        == len({board["title"] for board in boards()})
        == 4
    )
