"""Panels as Grafana's JSON: one plain function for each kind that the dashboards use.

Owns: how a kind of panel looks and how its queries are asked. Must not know: what is shown. Places
(``gridPos``) have a width and a height here; ``boards.py`` lays them out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Query = tuple[str, str]
"""PromQL, and what its series are called in the legend."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GOOD, FAIR, BAD, CALM, DULL = "green", "orange", "red", "blue", "gray"

Steps = Sequence[tuple[float | None, str]]
"""Colours from a value upwards; the first is for all that is lower (``None``)."""

PLAIN: Steps = ((None, GOOD),)


class Panel(Json):
    """A panel's JSON; 8 of 24 columns wide if nothing else is said."""

    def sized(self, width: int) -> "Panel":
        """So many columns wide."""
        self["gridPos"]["w"] = width
        return self

    def leading_to(self, board: str) -> "Panel":
        """With a link to the dashboard (its uid) that says more."""
        self["links"] = [_link(board)]
        return self

    def with_past(self) -> "Panel":
        """A stat with a small graph of how it came about."""
        self["options"]["graphMode"] = "area"
        self["targets"][0] |= {"instant": False, "range": True}
        return self

    def with_exemplars(self) -> "Panel":
        """A graph with dots for single requests; each has its id."""
        for target in self["targets"]:
            target["exemplar"] = True
        return self


def lines(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    steps: Steps = PLAIN,
    colors: Mapping[str, str] | None = None,
    idle: str = "",
) -> Panel:
    """Lines over time; where ``steps`` begin there are dashed ones across."""
    panel = _graph(title, about, unit, queries, idle)
    panel["fieldConfig"]["defaults"]["thresholds"]["steps"] = _steps(steps)
    if steps != PLAIN:
        panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] = {"mode": "dashed"}
    return _colored(panel, colors)


def areas(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    colors: Mapping[str, str] | None = None,
    idle: str = "",
) -> Panel:
    """What adds up to a whole, over time."""
    panel = _graph(title, about, unit, queries, idle)
    stacking = {"group": "A", "mode": "normal"}
    panel["fieldConfig"]["defaults"]["custom"] |= {"fillOpacity": 25, "stacking": stacking}
    panel["options"]["tooltip"]["hideZeros"] = True
    return _colored(panel, colors)


def columns(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    colors: Mapping[str, str] | None = None,
    idle: str = "",
) -> Panel:
    """How many there were in each step of time: for what is rare."""
    panel = areas(title, about, unit, *queries, colors=colors, idle=idle)
    panel["fieldConfig"]["defaults"]["custom"] |= {"drawStyle": "bars", "fillOpacity": 60}
    return panel


def stat(
    title: str,
    about: str,
    unit: str,
    query: str,
    *,
    steps: Steps = PLAIN,
    texts: Sequence[Json] = (),
    idle: str = "–",
    decimals: int | None = None,
) -> Panel:
    """One number, coloured by ``steps``; ``idle`` stands for none."""
    options = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "value",
        "wideLayout": True,
    }
    defaults = _defaults(unit, steps, idle)
    defaults["mappings"] = [*texts, text_for_nan(idle)]
    if decimals is not None:
        defaults["decimals"] = decimals
    panel = _panel("stat", title, about, defaults, options)
    panel["gridPos"] |= {"w": 3, "h": 4}
    panel["targets"] = _targets([(query, "")], "time_series", instant=True)
    return panel


def gauges(title: str, about: str, *queries: Query, steps: Steps, idle: str = "–") -> Panel:
    """A bar for each series, as it is now, from 0 to 1; ``idle`` stands for none."""
    options = {
        "displayMode": "basic",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }
    defaults = _defaults("percentunit", steps, idle) | {"min": 0, "max": 1}
    defaults["mappings"] = [text_for_nan("nothing happened")]
    panel = _panel("bargauge", title, about, defaults, options)
    panel["targets"] = _targets(queries, "time_series", instant=True)
    return panel


def heatmap(title: str, about: str, unit: str, query: str, *, idle: str) -> Panel:
    """How many fell into each bucket, over time; ``unit`` is the buckets'."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "exponent": 0.5,
            "fill": "dark-orange",
            "mode": "scheme",
            "reverse": False,
            "scale": "exponential",
            "scheme": "Oranges",
            "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
    }
    panel = _panel("heatmap", title, about, _defaults(unit, PLAIN, idle), options)
    panel["targets"] = _targets([(query, "{{le}}")], "heatmap")
    return panel


def timeline(title: str, about: str, query: Query, texts: Sequence[Json]) -> Panel:
    """A state over time, in words and colours."""
    options = {
        "alignValue": "left",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "mergeValues": True,
        "rowHeight": 0.9,
        "showValue": "auto",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    defaults = _defaults("none", PLAIN, "–") | {"mappings": list(texts)}
    defaults["custom"] = {"fillOpacity": 70, "lineWidth": 0}
    panel = _panel("state-timeline", title, about, defaults, options)
    panel["targets"] = _targets([query], "time_series")
    return panel


def table(
    title: str,
    about: str,
    by: Sequence[str],
    told: Sequence[tuple[str, str, str]],
    *,
    idle: str,
) -> Panel:
    """A row for each of ``by``; what is ``told`` has a name, a unit and PromQL that sums by them.

    Sorted by the last, the largest first.
    """
    options = {
        "cellHeight": "sm",
        "frameIndex": 0,
        "showHeader": True,
        "sortBy": [{"desc": True, "displayName": told[-1][0]}],
    }
    panel = _panel("table", title, about, _defaults("short", PLAIN, idle), options)
    panel["fieldConfig"]["overrides"] = [
        _override(name, {"unit": unit, "decimals": 2 if unit == "currencyUSD" else 0})
        for name, unit, _ in told
    ]
    queries = [(query, "") for _, _, query in told]
    panel["targets"] = _targets(queries, "table", instant=True)
    # So the columns of several queries are called; that of a single one would be just Value.
    found = [f"Value #{target['refId']}" for target in panel["targets"]]
    panel["transformations"] = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "indexByName": {name: place for place, name in enumerate([*by, *found])},
                "renameByName": {
                    value: name for value, (name, _, _) in zip(found, told, strict=True)
                },
            },
        },
    ]
    return panel


def _link(board: str) -> Json:
    """To another of these dashboards, with the time and what is chosen."""
    return {
        "asDropdown": False,
        "icon": "dashboard",
        "includeVars": False,
        "keepTime": False,
        "tags": [],
        "targetBlank": False,
        "title": "More",
        "tooltip": "",
        "type": "link",
        "url": f"/d/{board}?${{__url_time_range}}&${{datasource:queryparam}}"
        "&${job:queryparam}&${instance:queryparam}",
    }


def words(**names: tuple[str, str]) -> list[Json]:
    """Words and colours for values: ``words(v0=("closed", GOOD))``."""
    options = {
        name.removeprefix("v"): {"color": color, "index": place, "text": text}
        for place, (name, (text, color)) in enumerate(names.items())
    }
    return [{"type": "value", "options": options}]


def text_above(least: float, text: str) -> Json:
    """A word for whatever is larger than that."""
    result = {"color": DULL, "index": 8, "text": text}
    return {"type": "range", "options": {"from": least, "to": None, "result": result}}


def text_for_nan(text: str) -> Json:
    """A word for what cannot be told."""
    result = {"color": DULL, "index": 9, "text": text}
    return {"type": "special", "options": {"match": "null+nan", "result": result}}


def _panel(kind: str, title: str, about: str, defaults: Json, options: Json) -> Panel:
    return Panel(
        datasource=SOURCE,
        description=about,
        fieldConfig={"defaults": defaults, "overrides": []},
        gridPos={"h": 8, "w": 8, "x": 0, "y": 0},
        options=options,
        title=title,
        type=kind,
    )


def _defaults(unit: str, steps: Steps, idle: str) -> Json:
    found: Json = {
        "color": {"mode": "thresholds"},
        "mappings": [],
        "thresholds": {
            "mode": "absolute",
            "steps": _steps(steps),
        },
        "unit": unit,
    }
    if idle:
        found["noValue"] = idle
    return found


def _graph(title: str, about: str, unit: str, queries: Sequence[Query], idle: str) -> Panel:
    defaults = _defaults(unit, PLAIN, idle) | {"color": {"mode": "palette-classic"}, "min": 0}
    defaults["custom"] = {
        "drawStyle": "line",
        "fillOpacity": 8,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "none"},
        "thresholdsStyle": {"mode": "off"},
    }
    options = {
        "legend": {
            "calcs": ["lastNotNull", "max"],
            "displayMode": "list",
            "placement": "bottom",
            "showLegend": True,
        },
        "tooltip": {"hideZeros": False, "mode": "multi", "sort": "desc"},
    }
    panel = _panel("timeseries", title, about, defaults, options)
    panel["targets"] = _targets(queries, "time_series")
    return panel


def _colored(panel: Panel, colors: Mapping[str, str] | None) -> Panel:
    panel["fieldConfig"]["overrides"] = [
        _override(name, {"color": {"mode": "fixed", "fixedColor": color}})
        for name, color in (colors or {}).items()
    ]
    return panel


def _steps(steps: Steps) -> list[Json]:
    return [{"color": color, "value": value} for value, color in steps]


def _override(name: str, values: Mapping[str, object]) -> Json:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in values.items()],
    }


def _targets(queries: Sequence[Query], shape: str, *, instant: bool = False) -> list[Json]:
    return [
        {
            "datasource": SOURCE,
            "editorMode": "code",
            "exemplar": False,
            "expr": query,
            "format": shape,
            "instant": instant,
            "legendFormat": legend or "__auto",
            "range": not instant,
            "refId": chr(ord("A") + place),
        }
        for place, (query, legend) in enumerate(queries)
    ]
