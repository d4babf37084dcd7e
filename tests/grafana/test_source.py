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
    command = [sys.executable, "-S", "-E", "-B", "-m", "grafana.source"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for path, text in files().items():
        assert (tmp_path / path.relative_to(ROOT)).read_text("utf-8") == text
    assert len(done.stdout.splitlines()) == len(files())


def test_a_file_that_was_changed_by_hand_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "grafana")
    changed = tmp_path / "grafana" / "dashboards" / BOARDS[0].name
    changed.write_text(changed.read_text("utf-8").replace("Charged", "Spent", 1), "utf-8")
    command = [sys.executable, "-B", "-m", "grafana.source", "--check"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, f"grafana/dashboards/{changed.name}\n")
