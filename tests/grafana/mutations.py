"""Families renamed, one at a time: what a dashboard or a rule would get then.

Owns: which queries name a family, and asking them for another name in its place. That is the same
as asking for a family that the gateway has renamed, since nobody asks for the new name. Must not
know: how the run came about.
"""

import re
from dataclasses import dataclass

from gateway.ops.families import Family
from tests.grafana.boards import asked, targets
from tests.grafana.known import rules
from tests.grafana.live import Live, faults


@dataclass(frozen=True, slots=True)
class Mutation:
    """What happened to the queries that name a family: ``noticed`` are those that broke."""

    family: str
    noticed: tuple[str, ...]
    missed: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.family:<62} {len(self.noticed):>3} of {len(self.noticed) + len(self.missed)}"


def queries() -> dict[str, str]:
    """All queries of panels and rules, by where they stand."""
    panels = {target.where: asked(target.query) for target in targets()}
    told = {
        f"rule {rule.get('record', rule.get('alert'))} {place}": rule["expr"]
        for place, rule in enumerate(rules())
        if "record" in rule
    }
    return panels | told


def mutated(run: Live, family: Family) -> Mutation:
    """Ask every query that names the family for another one."""
    name = re.compile(rf"\b{family.full_name}(_bucket|_sum|_count)?\b")
    noticed: list[str] = []
    missed: list[str] = []
    for where, query in queries().items():
        if name.search(query):
            other = name.sub(rf"renamed_{family.full_name}\1", query)
            found = run.server.now(other, run.end)
            values = [[float(one["value"][1])] for one in found]
            (noticed if list(faults(values)) else missed).append(where)
    return Mutation(family.full_name, tuple(noticed), tuple(missed))
