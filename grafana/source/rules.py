"""The objectives' rules, as the text of ``grafana/prometheus/objectives.yml``.

Owns: how recording rules and alerts on burn rates are written down. Must not know: what the
objectives are. The other alerts are written by hand, in ``alerts.yml``.
"""

from collections.abc import Iterator
from textwrap import indent

from grafana.source.objectives import FAST, LEAST, OBJECTIVES, SLOW, Objective

RUNBOOK = "docs/runbook.md"

_HEAD = """\
# The objectives: what is recorded of them, and the alerts on how fast their budgets burn.
# Written by ./run dashboards; the source is grafana/source/objectives.py.
groups:
"""


def text() -> str:
    """The whole file."""
    return _HEAD + "".join(line for one in OBJECTIVES for line in _group(one))


def _group(objective: Objective) -> Iterator[str]:
    # Three days are a lot to look at: once a minute will do, however often others are looked at.
    yield f"  - name: {objective.name}\n    interval: 1m\n    rules:\n"
    for name, query in objective.recorded().items():
        yield f"      - record: {name}\n" + _expression(query)
    for speed, severity, pairs in (("Fast", "page", FAST), ("Slow", "ticket", SLOW)):
        for factor, long, short in pairs:
            yield f"      - alert: {objective.name.capitalize()}Burn{speed}\n"
            yield _expression(objective.burns(factor, long, short))
            yield _words(objective, severity, f"{factor:g}", long, f"burn{speed.lower()}")


def _expression(query: str) -> str:
    return "        expr: |\n" + indent(query, " " * 10) + "\n"


def _words(objective: Objective, severity: str, factor: str, window: str, anchor: str) -> str:
    goal = f"{objective.goal * 100:g} %"
    return f"""\
        labels:
          severity: {severity}
          service: image-gateway
          window: {window}
        annotations:
          summary: >-
            {{{{ $value | humanizePercentage }}}} {objective.said}
          description: >-
            The objective of {{{{ $labels.job }}}} is {goal} over 30 days. For {window} its budget
            has been going more than {factor} times as fast as it may, and it still does. It takes
            more than {LEAST} requests in that time to tell.
          runbook_url: {RUNBOOK}#{objective.name}{anchor}
"""
