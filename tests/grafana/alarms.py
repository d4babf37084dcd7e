"""Every alert, and the unit tests in which it fires and in which it is silent.

Owns: reading the files in ``rules/``, and running them: one file for each group of rules. Must not
know: thresholds. Annotations are prose and left out of what is run; ``test_alerts.py`` reads them.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.grafana.boards import RULES
from tests.grafana.prometheus import promtool

FOLDER = Path(__file__).parent / "rules"


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert; those on burn rates have one for each ``window``."""

    name: str
    window: str
    group: str
    query: str
    annotations: Mapping[str, str]
    labels: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.name} ({self.window})" if self.window else self.name


@dataclass(slots=True)
class Shown:
    """In which tests an alert fires, with which labels, and in which it does not."""

    fires: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    labels: list[Mapping[str, str]] = field(default_factory=list)


@cache
def files() -> Mapping[str, list[dict[str, Any]]]:
    """The groups of rules, by their file's name."""
    return {
        name: yaml.safe_load((RULES / name).read_text("utf-8"))["groups"]
        for name in ("objectives.yml", "alerts.yml")
    }


def groups() -> list[dict[str, Any]]:
    """The groups of both files."""
    return [group for told in files().values() for group in told]


@cache
def alerts() -> tuple[Alert, ...]:
    """Every alert."""
    return tuple(
        Alert(
            rule["alert"],
            rule["labels"].get("window", ""),
            group["name"],
            rule["expr"],
            rule["annotations"],
            rule["labels"],
        )
        for group in groups()
        for rule in group["rules"]
        if "alert" in rule
    )


@cache
def shown() -> dict[tuple[str, str], Shown]:
    """By an alert's name and window, what the unit tests show of it."""
    found = {(alert.name, alert.window): Shown() for alert in alerts()}
    for path in sorted(FOLDER.glob("*.yml")):
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            for look in test["alert_rule_test"]:
                _add(found, look, f"{path.stem}: {test['name']} ({look['eval_time']})")
    return found


def _add(found: dict[tuple[str, str], Shown], look: Mapping[str, Any], test: str) -> None:
    fired = [one["exp_labels"] for one in look.get("exp_alerts", ())]
    for (name, window), told in found.items():
        if name != look["alertname"]:
            continue
        here = [labels for labels in fired if labels.get("window", "") == window]
        (told.fires if here else told.silent).append(test)
        told.labels += here


def unit_tests_of(group: str, folder: Path) -> str:
    """Run a group's unit tests. Raises: AssertionError with what promtool said."""
    for name, told in files().items():
        bare = [
            {**one, "rules": [{**rule, "annotations": {}} for rule in one["rules"]]} for one in told
        ]
        (folder / name).write_text(json.dumps({"groups": bare}))
    shutil.copy(FOLDER / f"{group}.yml", folder)
    return promtool("test", "rules", str(folder / f"{group}.yml"))
