"""The dashboards as they lie in ``grafana/``: panels, queries, and what Grafana puts in.

Owns: reading the files, walking them, and replacing Grafana's variables by values. Must not know:
what is right about them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.repo.source import ROOT

FOLDER = ROOT / "grafana"
RULES = FOLDER / "prometheus"
BOARDS = tuple(sorted((FOLDER / "dashboards").glob("*.json")))

# What Grafana would put in; the longest names first, for one begins with another.
PUT_IN = {
    "$__rate_interval": "1m",
    "$__interval": "15s",
    "$__range": "1h",
    "$instance": ".+",
    "$job": ".+",
    "$key": ".+",
}


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel; ``where`` names it for people."""

    board: str
    panel: str
    letter: str
    query: str
    legend: str
    shape: str

    @property
    def where(self) -> str:
        return f"{self.board} / {self.panel} / {self.letter}"


@cache
def board(name: str) -> dict[str, Any]:
    """A dashboard's JSON, by its file's name."""
    found: dict[str, Any] = json.loads((FOLDER / "dashboards" / name).read_text("utf-8"))
    return found


def boards() -> list[dict[str, Any]]:
    return [board(path.name) for path in BOARDS]


def panels(of: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel that shows something."""
    for panel in of["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panels({"panels": panel.get("panels", ())})


def targets() -> list[Target]:
    """Every query of every panel, and of what is marked on the time axes."""
    return [
        Target(
            of["uid"].removeprefix("image-gateway-"),
            panel["title"],
            target["refId"],
            target["expr"],
            target["legendFormat"],
            target["format"],
        )
        for of in boards()
        for panel in panels(of)
        for target in panel["targets"]
    ]


def marks() -> list[Target]:
    """The queries of annotations."""
    return [
        Target(
            of["uid"].removeprefix("image-gateway-"),
            "mark",
            mark["name"],
            mark["target"]["expr"],
            "",
            "",
        )
        for of in boards()
        for mark in of["annotations"]["list"]
    ]


def asked(query: str, **chosen: str) -> str:
    """A query as Prometheus gets it; ``chosen`` are variables that stand for one value only."""
    for name, value in {**PUT_IN, **{f"${key}": one for key, one in chosen.items()}}.items():
        query = query.replace(name, value)
    return query
