"""The report of a run of proofs: one for machines, one for people.

Owns: what both say, versions of everything that took part among it. Must not know: how a proof
is run.
"""

import json
import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai

from gateway import __version__
from tests.faults.proving import Findings, Proof
from tests.faults.records import Asked, Part

_NAMES = ("report.json", "report.txt")
_SHOWN = 20  # breaches of one proof, in the report for people


@dataclass(slots=True)
class Result:
    """What became of one proof; ``errors`` are parts that could not be run."""

    proof: Proof
    wanted: int
    trials: int = 0
    seconds: float = 0.0
    findings: Findings = field(default_factory=Findings)
    errors: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether every trial was made and the promise was kept in all."""
        return not self.findings.breaches and not self.errors and self.trials == self.wanted


def result(proof: Proof, wanted: int, parts: Sequence[Part]) -> Result:
    """Sum up a proof's parts."""
    found = Result(proof, wanted)
    for part in parts:
        found.seconds += part.seconds
        if part.error is not None:
            found.errors.append(f"trials from {part.first} on: {part.error}")
            continue
        found.trials += part.trials
        found.findings.add(part.findings)
    return found


def versions() -> dict[str, str]:
    """Of all that took part."""
    return {
        "gateway": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "openai": openai.__version__,
        "platform": platform.platform(),
        "processors": str(os.cpu_count()),
    }


def forget(folder: Path) -> None:
    """Remove an older run's report: it says nothing of a run that has begun."""
    for name in _NAMES:
        (folder / name).unlink(missing_ok=True)


def write(folder: Path, asked: Asked, results: Sequence[Result]) -> Path:
    """Write ``report.json`` and ``report.txt``; gives the latter."""
    machines, text = (folder / name for name in _NAMES)
    machines.write_text(json.dumps(for_machines(asked, results), indent=1), "utf-8")
    text.write_text(for_people(asked, results), "utf-8")
    return text


def for_machines(asked: Asked, results: Sequence[Result]) -> dict[str, Any]:
    """All there is."""
    return {
        "seed": asked.seed,
        "full": asked.full,
        "only": list(asked.only),
        "versions": versions(),
        "seconds": round(sum(one.seconds for one in results), 1),
        "held": all(one.held for one in results),
        "proofs": [
            {
                "promise": one.proof.promise,
                "name": one.proof.name,
                "sentence": one.proof.sentence,
                "held": one.held,
                "trials": one.trials,
                "wanted": one.wanted,
                "seconds": round(one.seconds, 1),
                "counts": one.findings.counts,
                "worst": one.findings.worst,
                "goals": dict(one.proof.goals),
                "breaches": one.findings.breaches,
                "errors": one.errors,
            }
            for one in results
        ],
    }


def for_people(asked: Asked, results: Sequence[Result]) -> str:
    """The same to be read, breaches cut short where there are many."""
    lines = [
        f"Proofs, seed {asked.seed}, {'full' if asked.full else 'light'} numbers",
        "",
        *(f"{name}: {value}" for name, value in versions().items()),
        "",
        "| promise | proof | trials | seconds | |",
        "|---|---|---|---|---|",
        *map(_row, results),
    ]
    for one in results:
        lines += ["", f"## {one.proof.promise} {one.proof.name}: {_verdict(one)}", ""]
        lines += [one.proof.sentence, "", *_figures(one)]
        lines += [f"* could not be run: {error}" for error in one.errors]
        lines += [f"* BROKEN: {breach}" for breach in one.findings.breaches[:_SHOWN]]
        more = len(one.findings.breaches) - _SHOWN
        if more > 0:
            lines.append(f"* and {more} breaches more (all are in report.json)")
    return "\n".join(lines) + "\n"


def _row(one: Result) -> str:
    trials = f"{one.trials} of {one.wanted}"
    cells = (one.proof.promise, one.proof.name, trials, f"{one.seconds:.0f}", _verdict(one))
    return f"| {' | '.join(cells)} |"


def _verdict(one: Result) -> str:
    if one.findings.breaches:
        return f"BROKEN {len(one.findings.breaches)} times"
    return "held" if one.held else "not proven"


def _figures(one: Result) -> list[str]:
    figures: Mapping[str, float] = {**one.findings.counts, **one.findings.worst}
    goals = dict(one.proof.goals)
    lines = [
        f"* {name}: {value:g}{f' (goal: {goals.pop(name)})' if name in goals else ''}"
        for name, value in figures.items()
    ]
    return lines + [f"* goal, {name}: {goal}" for name, goal in goals.items()]
