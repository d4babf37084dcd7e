"""Every row of the list has a test, and every client that is set up answers some."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.clients.conftest import EVERYTHING
from tests.clients.known import CLIENTS
from tests.clients.reporting import Answer, answers_of, table
from tests.clients.rows import ROWS
from tests.repo.source import ROOT

ELSEWHERE = sorted({test.partition("::")[0] for row in ROWS.values() for test in row.elsewhere})


@pytest.fixture(scope="module")
def collected(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[Answer]:
    """What a run of everything would answer: this one, or one that collects and does no more."""
    items = request.config.stash[EVERYTHING]
    ours = {str(path.relative_to(ROOT)) for path in Path(__file__).parent.rglob("test_*.py")}
    if ours | set(ELSEWHERE) <= {item.nodeid.partition("::")[0] for item in items}:
        return [answer for item in items for answer in answers_of(item)]
    return _collected_apart(tmp_path_factory.mktemp("rows") / "rows.json")


def _collected_apart(file: Path) -> list[Answer]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", ""),
            *("-p", "no:cacheprovider", "-p", "tests.clients.reporting", "--rows-to", file),
            *("tests/clients", *ELSEWHERE),
        ],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return [Answer(**told) for told in json.loads(file.read_text("utf-8"))]


def test_the_rows_are_those_of_the_list() -> None:
    assert list(ROWS) == list(range(1, 51))
    assert len({row.behaviour for row in ROWS.values()}) == 50


def test_each_row_has_a_test_that_is_collected(collected: list[Answer]) -> None:
    answered = {answer.number for answer in collected}
    assert sorted(ROWS.keys() - answered) == []
    assert answered <= ROWS.keys()


def test_each_test_that_a_row_names_elsewhere_is_there(collected: list[Answer]) -> None:
    there = {answer.test.partition("[")[0] for answer in collected}
    named = {test for row in ROWS.values() for test in row.elsewhere}
    assert sorted(named - there) == []


def test_each_client_that_is_set_up_answers_rows(collected: list[Answer]) -> None:
    answering = {answer.client for answer in collected}
    assert sorted(known.called for known in CLIENTS.values() if known.called not in answering) == []


def test_a_row_without_a_test_or_with_a_failure_is_named() -> None:
    answers = [
        Answer(1, "openai 3.1 (Python)", "real client", "a::b", "passed"),
        Answer(1, "openai 2.1 (Python)", "real client", "a::b", "passed"),
        Answer(2, "ruby-openai 8", "raw bytes", "a::c", "failed"),
        Answer(2, "ai 7.0, @ai-sdk/openai 4.0 (npm)", "real client", "a::d", "passed"),
    ]
    told = table(answers).splitlines()
    assert told[2].endswith("| openai 2.1, 3.1 (Python) | 2 | passed |")
    assert "| ai 7.0, @ai-sdk/openai 4.0 (npm); raw bytes: ruby-openai 8 | 2 |" in told[3]
    assert told[3].endswith("| failed: ruby-openai 8 |")
    assert told[-50] == "1 of 50 rows passed"
    assert told[-49] == "row 2: failed: ruby-openai 8"
    assert told[-1] == "row 50: not run"


THREE = """
import os

import pytest

@pytest.mark.row(1, client="one")
def test_one():
    pass

@pytest.mark.row(1, client="two")
@pytest.mark.row(2, client="two")
def test_two():
    {ending}

@pytest.mark.row(1, client="three")
@pytest.mark.row(3, client="three")
def test_three():
    pass

@pytest.mark.row(4, client="four")
@pytest.mark.skip
def test_four():
    pass
"""


@pytest.mark.parametrize(
    ("ending", "how"),
    [
        pytest.param("os._exit(3)", ("-n", "1", "--max-worker-restart=0"), id="its process died"),
        pytest.param("assert False", ("-n", "1", "-x"), id="it failed in another process"),
        pytest.param("assert False", ("-x",), id="it failed"),
        pytest.param("raise KeyboardInterrupt", (), id="somebody ended it"),
    ],
)
def test_what_did_not_come_to_its_end_has_passed_nothing(
    tmp_path: Path, ending: str, how: Sequence[str]
) -> None:
    told, outcomes = _ran(tmp_path, THREE.format(ending=ending), *how)
    fallen = "not run" if "Interrupt" in ending else "failed"
    assert outcomes["one"] == ["passed"]
    assert outcomes["two"] == ["" if "Interrupt" in ending else "failed"] * 2
    assert outcomes["three"] == ["", ""]
    lines = told.splitlines()
    both = "not run: three, two" if fallen == "not run" else "failed: two; not run: three"
    assert f"row 1: {both}" in lines
    assert f"row 2: {fallen}: two" in lines
    assert "row 3: not run: three" in lines
    assert "row 4: not run: four" in lines
    assert "0 of 50 rows passed" in lines


def test_a_process_that_died_fails_the_test_it_was_at_and_no_other(tmp_path: Path) -> None:
    """Another process takes its place and runs the rest."""
    told, outcomes = _ran(tmp_path, THREE.format(ending="os._exit(3)"), "-n", "1")
    assert outcomes["two"] == ["failed", "failed"]
    assert outcomes["one"] == ["passed"]
    assert outcomes["three"] == ["passed", "passed"]
    lines = told.splitlines()
    assert "row 1: failed: two" in lines
    assert "row 2: failed: two" in lines
    assert "row 4: not run: four" in lines
    assert "1 of 50 rows passed" in lines


def test_what_was_left_out_is_not_run(tmp_path: Path) -> None:
    told, outcomes = _ran(tmp_path, THREE.format(ending="pass"), "-k", "test_one")
    assert outcomes["one"] == ["passed"]
    assert outcomes["two"] == ["", ""]
    assert "row 1: not run: three, two" in told.splitlines()


def _ran(folder: Path, tests: str, *how: str) -> tuple[str, dict[str, list[str]]]:
    """What a run of these tests says, and what it writes: each client's outcomes."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = row\n")
    (folder / "test_three.py").write_text(tests)
    rows = folder / "rows.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "tests.clients.reporting", "--rows-to", str(rows), *how, "test_three.py"),
        ],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    outcomes: dict[str, list[str]] = {}
    for one in json.loads(rows.read_text("utf-8")):
        outcomes.setdefault(one["client"], []).append(one["outcome"])
    return done.stdout, outcomes
