"""A plugin for pytest (``-p tests.clients.reporting``): which rows were answered, and how.

Owns: gathering results by row, also from several processes, and the table in Markdown at a run's
end. ``--rows-to FILE`` writes what was collected or run as JSON. Must not know: what rows mean.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.clients.rows import ROWS

RAW = "raw bytes"
_OUR_OWN = "this suite"
_PROPERTY = "row"


@dataclass(frozen=True, slots=True)
class Answer:
    """One test's answer to one row for one client; ``outcome`` is empty until it was run."""

    number: int
    client: str
    how: str
    test: str
    outcome: str = ""


_ELSEWHERE = {test: number for number, row in ROWS.items() for test in row.elsewhere}
_COLLECTED = pytest.StashKey[list[Answer]]()
_RESULTS = pytest.StashKey[dict[Answer, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rows-to", metavar="FILE", help="write which rows were answered, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_COLLECTED] = []
    config.stash[_RESULTS] = {}
    config.pluginmanager.register(_Listener(config), "rows")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each test carries its rows along, so that they come back with its result."""
    for item in items:
        for answer in answers_of(item):
            config.stash[_COLLECTED].append(answer)
            item.user_properties.append((_PROPERTY, asdict(answer)))


def answers_of(item: pytest.Item) -> Iterable[Answer]:
    """What a test says of itself, and what a row says of it."""
    for mark in item.iter_markers("row"):
        yield _answer(item, *mark.args, **mark.kwargs)
    number = _ELSEWHERE.get(item.nodeid.partition("[")[0])
    if number is not None:
        yield _answer(item, number, _OUR_OWN)


def _answer(item: pytest.Item, number: int, client: str, how: str = "") -> Answer:
    return Answer(number, client, how, item.nodeid)


class _Listener:
    """Hears of every test's end, wherever it ran."""

    def __init__(self, config: pytest.Config) -> None:
        self._results = config.stash[_RESULTS]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, told in report.user_properties:
            if name == _PROPERTY and isinstance(told, dict):
                answer = Answer(**told)
                if report.outcome != "passed" or report.when == "call":
                    worst = self._results.get(answer) == "failed"
                    self._results[answer] = "failed" if worst else report.outcome


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    ran = [_with(answer, outcome) for answer, outcome in config.stash[_RESULTS].items()]
    found = ran or config.stash[_COLLECTED]
    if file := config.getoption("--rows-to"):
        told = json.dumps([asdict(answer) for answer in found])
        Path(file).write_text(told, "utf-8")
    if ran:
        terminalreporter.write_line(f"\n{table(ran)}\n")


def _with(answer: Answer, outcome: str) -> Answer:
    return Answer(answer.number, answer.client, answer.how, answer.test, outcome)


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
    fallen = sorted({one.client for one in answers if one.outcome != "passed"})
    return f"failed: {', '.join(fallen)}" if fallen else "passed"


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
