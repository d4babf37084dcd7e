"""A plugin for pytest (``-p tests.clients.reporting``): which rows were answered, and how.

Owns: gathering what was collected and how it ended, also from several processes, and the table in
Markdown at a run's end. ``--rows-to FILE`` writes the same as JSON. Must not know: what rows mean.

A row's answers are those that were collected, whatever became of them: what did not come to its
end, because a test before it stopped the run or a process died, has passed nothing. So each process
writes down what it collected before it runs any of it.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.clients.rows import ROWS

RAW = "raw bytes"
OUR_OWN = "this suite"
_FOLDER = "rows_folder"


@dataclass(frozen=True, slots=True)
class Answer:
    """One test's answer to one row for one client; ``outcome`` is empty until it was run."""

    number: int
    client: str
    how: str
    test: str
    outcome: str = ""


_ELSEWHERE = {test: number for number, row in ROWS.items() for test in row.elsewhere}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rows-to", metavar="FILE", help="write which rows were answered, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    told: dict[str, Any] = getattr(config, "workerinput", {})
    if _FOLDER in told:
        folder = Path(told[_FOLDER])
    else:
        made = tempfile.TemporaryDirectory(prefix="rows-")
        config.add_cleanup(made.cleanup)
        folder = Path(made.name)
    config.pluginmanager.register(_Listener(folder), "rows")


def answers_of(item: pytest.Item) -> Iterable[Answer]:
    """What a test says of itself, and what a row says of it."""
    for mark in item.iter_markers("row"):
        yield _answer(item, *mark.args, **mark.kwargs)
    number = _ELSEWHERE.get(item.nodeid.partition("[")[0])
    if number is not None:
        yield _answer(item, number, OUR_OWN)


def _answer(item: pytest.Item, number: int, client: str, how: str = "") -> Answer:
    return Answer(number, client, how, item.nodeid)


class _Listener:
    """Hears of what is collected and of every test's end, wherever it runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._outcomes: dict[str, str] = {}
        self._items: list[pytest.Item] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Another process is to run tests: it collects by itself, and writes where this reads."""
        node.workerinput[_FOLDER] = str(self._folder)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """What was collected, before any of it is left out."""
        self._items = list(items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write it down, under the names that results will have."""
        told = [asdict(answer) for item in self._items for answer in answers_of(item)]
        worker = getattr(session.config, "workerinput", {}).get("workerid", "alone")
        (self._folder / f"{worker}.json").write_text(json.dumps(told), "utf-8")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A process that died is told of as a failure of the test it was at."""
        if report.outcome == "failed" or self._outcomes.get(report.nodeid) == "failed":
            self._outcomes[report.nodeid] = "failed"
        elif report.outcome != "passed" or report.when == "call":
            self._outcomes[report.nodeid] = report.outcome

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> None:
        found = self._found()
        if file := config.getoption("--rows-to"):
            told = json.dumps([asdict(answer) for answer in found])
            Path(file).write_text(told, "utf-8")
        if found and not config.getoption("--collect-only"):
            terminalreporter.write_line(f"\n{table(found)}\n")

    def _found(self) -> list[Answer]:
        """What any process collected, and how it ended."""
        collected = {
            Answer(**told): None
            for file in sorted(self._folder.glob("*.json"))
            for told in json.loads(file.read_text("utf-8"))
        }
        return [replace(one, outcome=self._outcomes.get(one.test, "")) for one in collected]


def table(answers: Iterable[Answer]) -> str:
    """The rows as a table in Markdown, and below it those that did not pass."""
    by_row: defaultdict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_row[answer.number].append(answer)
    lines = ["| # | behaviour | clients | tests | result |", "|---|---|---|---|---|"]
    wanting = []
    for number, row in ROWS.items():
        result = _result(by_row[number])
        if result != "passed":
            wanting.append(f"row {number}: {result}")
        told = (str(number), row.behaviour, _clients(by_row[number]), len(by_row[number]), result)
        lines.append(f"| {' | '.join(map(str, told))} |")
    lines += ["", f"{len(ROWS) - len(wanting)} of {len(ROWS)} rows passed", *wanting]
    return "\n".join(lines)


def _result(answers: list[Answer]) -> str:
    if not answers:
        return "not run"
    failed = {one.client for one in answers if one.outcome == "failed"}
    left_out = {one.client for one in answers if one.outcome not in {"passed", "failed"}}
    told = [
        f"{how}: {', '.join(sorted(clients))}"
        for how, clients in (("failed", failed), ("not run", left_out))
        if clients
    ]
    return "; ".join(told) or "passed"


def _clients(answers: list[Answer]) -> str:
    """The real ones first; versions of one package stand together."""
    packages: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name in dict.fromkeys(one.client for one in answers if one.how != RAW):
        package, version, kind = _parted(name)
        packages[package, kind].append(version)
    told = [
        f"{package} {', '.join(sorted(filter(None, versions)))}".strip() + kind
        for (package, kind), versions in packages.items()
    ]
    if raw := dict.fromkeys(one.client for one in answers if one.how == RAW):
        told.append(f"{RAW}: {', '.join(raw)}")
    return "; ".join(told)


def _parted(name: str) -> tuple[str, str, str]:
    """``openai 1.2 (npm)`` in three; a name of several packages is one word."""
    bare, bracket, kind = name.partition(" (")
    package, _, version = bare.rpartition(" ")
    if not package or "," in bare or not version[:1].isdigit():
        return bare, "", f"{bracket}{kind}"
    return package, version, f"{bracket}{kind}"
