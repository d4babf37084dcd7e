"""What a run of proofs has done so far, on disk: so that one that was interrupted goes on.

Owns: ``progress.jsonl``: first how the run was asked for, then a line for each part that is done.
A line cut short by a dying process was not done. Must not know: how a part is run.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.proving import Findings

_NAME = "progress.jsonl"


@dataclass(frozen=True, slots=True)
class Asked:
    """How a run was asked for."""

    seed: int
    full: bool = False
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """So many trials of a proof, from a first one on. ``error``: they could not be made."""

    proof: str
    first: int
    trials: int
    seconds: float
    findings: Findings = field(default_factory=Findings)
    error: str | None = None


class Records:
    """The record of one run in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME

    def begin(self, asked: Asked) -> None:
        """Begin a new record in place of any old one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(asdict(asked)) + "\n", "utf-8")

    def asked(self) -> Asked | None:
        """How the run that is recorded was asked for; None if there is none."""
        lines = self._lines()
        if not lines:
            return None
        return Asked(lines[0]["seed"], lines[0]["full"], tuple(lines[0]["only"]))

    def add(self, part: Part) -> None:
        """Write that a part is done."""
        lines = self._path.read_bytes()
        whole = lines[: lines.rfind(b"\n") + 1]
        if len(whole) < len(lines):
            self._path.write_bytes(whole)
        with self._path.open("a", encoding="utf-8") as record:
            record.write(json.dumps(asdict(part)) + "\n")

    def parts(self) -> dict[tuple[str, int], Part]:
        """The parts that are done, by proof and first trial; the last word on each."""
        done = [
            Part(**{**line, "findings": Findings(**line["findings"])}) for line in self._lines()[1:]
        ]
        return {(part.proof, part.first): part for part in done}

    def _lines(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        *whole, _cut = self._path.read_text("utf-8").split("\n")
        return [json.loads(line) for line in whole]
