"""What is committed is what the source makes."""

import shutil
import subprocess
import sys
from pathlib import Path

from grafana.source.__main__ import files, main
from tests.grafana.boards import BOARDS, FOLDER, RULES
from tests.repo.source import ROOT


def test_the_committed_files_are_what_the_source_makes() -> None:
    stale = [path.name for path, text in files().items() if path.read_text("utf-8") != text]
    assert stale == [], "write them anew: ./run dashboards"
    assert main(["--check"]) == 0


def test_every_dashboard_has_a_source() -> None:
    assert {*BOARDS, RULES / "objectives.yml"} == {*files()}


def test_it_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "source", tmp_path / "grafana" / "source")
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
            "import runpy; runpy.run_module('grafana.source', run_name='__main__')",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    made = sorted(
        path
        for path in (tmp_path / "grafana").rglob("*.*")
        if path.suffix != ".py" and path.suffix != ".pyc"
    )
    assert [path.name for path in made] == sorted(path.name for path in files())
    assert (
        "grafana/" not in (ROOT / "pyproject.toml").read_text("utf-8").partition("[tool.ruff]")[0]
    )
