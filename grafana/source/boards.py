"""Dashboards: rows of panels laid out, with the variables, links and marks that all of them have.

Owns: what the four dashboards have in common. Must not know: what they show.
"""

from collections.abc import Sequence
from typing import Any

from grafana.source.panels import SOURCE, Json
from grafana.source.promql import RATE, of

SCHEMA = 42  # as in the Grafana 13 of compose.yaml
OVERVIEW, TASKS, KEYS, RUNTIME = (
    f"image-gateway-{name}" for name in ("overview", "tasks", "keys", "runtime")
)
TAG = "image-gateway"

_ACROSS = 24
_RELOADED = "config_last_reload_success_timestamp_seconds"

Row = tuple[str, Sequence[Json]]


def board(
    uid: str, title: str, about: str, rows: Sequence[Row], *, since: str, by_key: bool = False
) -> Json:
    """A dashboard that nobody edits in place: its source is here."""
    return {
        "annotations": {"list": _marks()},
        "description": about,
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": None,
        "links": [_links()],
        "panels": list(_placed(rows)),
        "refresh": "30s",
        "schemaVersion": SCHEMA,
        "tags": [TAG],
        "templating": {"list": _variables(by_key=by_key)},
        "time": {"from": since, "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": f"Image gateway / {title}",
        "uid": uid,
        "version": 1,
        "weekStart": "",
    }


def _placed(rows: Sequence[Row]) -> list[Json]:
    """Every panel with its place and number, from left to right and from top to bottom."""
    found: list[Json] = []
    top = 0
    for title, panels in rows:
        grid = {"h": 1, "w": _ACROSS, "x": 0, "y": top}
        row: Json = {"collapsed": False, "gridPos": grid, "panels": [], "title": title}
        found.append({**row, "id": len(found) + 1, "type": "row"})
        left, top, height = 0, top + 1, 0
        for panel in panels:
            size = panel["gridPos"]
            if left + size["w"] > _ACROSS:
                left, top, height = 0, top + height, 0
            place = {**size, "x": left, "y": top}
            found.append({**panel, "gridPos": place, "id": len(found) + 1})
            left, height = left + size["w"], max(height, size["h"])
        top += height
    return found


def _variables(*, by_key: bool) -> list[Json]:
    source = {
        "current": {"selected": False, "text": "", "value": ""},
        "hide": 0,
        "includeAll": False,
        "label": "Data Source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
        "type": "datasource",
    }
    job = 'job=~"$job"'
    chosen = f'{job}, instance=~"$instance"'
    found = [
        source,
        _variable("job", "Job", "image_gateway_build_info"),
        _variable("instance", "Instance", f"image_gateway_build_info{{{job}}}"),
    ]
    if by_key:
        found.append(_variable("key", "Key", f"image_gateway_key_requests_total{{{chosen}}}"))
    return found


def _variable(name: str, label: str, series: str) -> Json:
    """A label's values, of which any number may be chosen; read anew when the time changes."""
    query = f"label_values({series}, {name})"
    return {
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": SOURCE,
        "hide": 0,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "options": [],
        "query": {
            "qryType": 1,
            "query": query,
            "refId": "PrometheusVariableQueryEditor-VariableQuery",
        },
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


def _links() -> Json:
    return {
        "asDropdown": False,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": [TAG],
        "targetBlank": False,
        "title": "",
        "tooltip": "",
        "type": "dashboards",
        "url": "",
    }


def _marks() -> list[Json]:
    """What is marked on every time axis: that a process began, that a configuration came."""
    return [
        _mark("Starts", "blue", f"changes({of('process_start_time_seconds', over=RATE)}) > 0"),
        _mark("Configuration read", "purple", f"changes({of(_RELOADED, over=RATE)}) > 0"),
    ]


def _mark(name: str, color: str, query: str) -> dict[str, Any]:
    return {
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "name": name,
        "tagKeys": "instance",
        "target": {"expr": query, "interval": "", "refId": "Anno"},
        "titleFormat": name,
    }
