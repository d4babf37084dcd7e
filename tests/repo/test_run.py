"""``./run`` in a project of its own, with stand-ins for uv and pip that write down what is asked.

The stand-ins make an environment in no time, fail on demand, and count how often they were needed.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.repo.source import ROOT

UV = """#!/bin/sh
echo "$@" >>"$CALLS"
case "$1" in
    --version) echo "uv 0.0.0"; exit ;;
    venv) for folder; do :; done; mkdir -p "$folder/bin"; ln -sf "$REAL" "$folder/bin/python" ;;
    pip) sleep "${SLOW:-0}"; [ -z "${BROKEN:-}" ] || { echo "$BROKEN" >&2; exit 1; } ;;
esac
"""
USAGE = 2
GATEWAY = """import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd()]))
"""


class Project:
    """A folder with ``./run``, two small locks and a package that tells how it was started."""

    def __init__(self, root: Path, tools: Path) -> None:
        self.root = root
        self.tools = tools
        self.calls = tools / "calls"
        self.calls.touch()

    def environment(self, **more: str) -> Mapping[str, str]:
        return {
            "PATH": f"{self.tools}:/usr/bin:/bin",
            "HOME": str(self.tools),
            "CALLS": str(self.calls),
            "REAL": sys.executable,
            "PIP_NO_INDEX": "1",
            **more,
        }

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "run", *arguments],
            cwd=self.tools,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def installs(self) -> list[str]:
        """The locks that were installed, in order."""
        return [
            Path(line.split()[-1]).name
            for line in self.calls.read_text().splitlines()
            if line.startswith("pip sync")
        ]

    def environments(self) -> int:
        """How many environments were made."""
        return sum(line.startswith("venv") for line in self.calls.read_text().splitlines())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "a folder with spaces"
    package = root / "gateway"
    package.mkdir(parents=True)
    shutil.copy(ROOT / "run", root)
    (root / "requirements.lock").write_text("one==1\n")
    (root / "requirements-dev.lock").write_text("one==1\ntwo==2\nuv==3\n")
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(GATEWAY)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text(UV)
    (tools / "uv").chmod(0o755)
    (tools / "python3.13").symlink_to(sys.executable)
    return Project(root, tools)


def test_the_first_start_sets_up_and_the_second_does_nothing(project: Project) -> None:
    first = project.run("serve", "--config", "a b.yaml")
    assert first.returncode == 0, first.stderr
    assert first.stdout == f'[["serve", "--config", "a b.yaml"], "{project.tools}"]\n'
    assert "Setting up" in first.stderr
    calls = project.calls.read_text()

    second = project.run("serve")
    assert (second.returncode, second.stderr) == (0, "")
    assert project.calls.read_text() == calls
    assert project.installs() == ["requirements.lock"]


def test_an_environment_for_tests_will_do_for_the_demo(project: Project) -> None:
    project.run("test", "--version")
    assert project.run("demo").stderr == ""
    assert project.installs() == ["requirements-dev.lock"]


def test_an_environment_for_the_demo_grows_where_it_is_for_the_tests(project: Project) -> None:
    project.run("demo")
    project.run("test", "--version")
    assert project.installs() == ["requirements.lock", "requirements-dev.lock"]
    assert project.environments() == 1


def test_the_proofs_get_the_environment_of_the_tests_and_their_arguments(project: Project) -> None:
    proofs = project.root / "tests/faults"
    proofs.mkdir(parents=True)
    (proofs / "__main__.py").write_text(GATEWAY)
    done = project.run("prove", "--only", "R3")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f'[["--only", "R3"], "{project.root}"]\n'
    assert project.installs() == ["requirements-dev.lock"]


@pytest.mark.parametrize(
    ("arguments", "module", "given"),
    [(["--check"], "grafana/source", ["--check"]), (["--show"], "tests/grafana", [])],
)
def test_the_dashboards_are_written_or_shown(
    project: Project, arguments: list[str], module: str, given: list[str]
) -> None:
    (project.root / module).mkdir(parents=True)
    (project.root / module / "__main__.py").write_text(GATEWAY)
    done = project.run("dashboards", *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [given, str(project.root)]
    assert project.installs() == ["requirements-dev.lock"]


def test_a_changed_lock_is_noticed(project: Project) -> None:
    project.run("demo")
    (project.root / "requirements.lock").write_text("one==2\n")
    project.run("demo")
    assert project.installs() == ["requirements.lock"] * 2
    assert project.environments() == 1


def test_a_failure_shows_all_that_was_said_and_is_not_taken_for_an_environment(
    project: Project,
) -> None:
    done = project.run("demo", BROKEN="error: dns error: no such host")
    assert done.returncode == 1
    assert "dns error: no such host" in done.stderr
    assert "Set-up failed" in done.stderr
    assert "No package index could be reached" in done.stderr

    leftover = project.root / ".venv" / "leftover"
    leftover.touch()
    assert project.run("demo").returncode == 0
    assert not leftover.exists()


def test_an_environment_that_was_moved_is_made_anew(project: Project) -> None:
    project.run("demo")
    project.root = project.root.rename(project.root.with_name("elsewhere"))
    assert project.run("demo").returncode == 0
    assert len(project.installs()) == project.environments() == 2


def test_an_environment_whose_python_is_gone_is_made_anew(project: Project) -> None:
    project.run("demo")
    (project.root / ".venv/bin/python").unlink()
    assert project.run("demo").returncode == 0
    assert len(project.installs()) == 2


def test_two_at_once_set_up_once(project: Project) -> None:
    starts = [
        subprocess.Popen(
            [project.root / "run", "demo"],
            env=project.environment(SLOW="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [start.communicate() for start in starts]
    assert [start.returncode for start in starts] == [0, 0, 0], said
    assert all(out.startswith('[["demo"]') for out, _ in said)
    assert len(project.installs()) == 1


def test_a_folder_that_cannot_be_written_to_is_said_plainly(project: Project) -> None:
    (project.root / ".cache").write_text("no folder")
    done = project.run("demo")
    assert done.returncode == 1
    assert "cannot be written to by you" in done.stderr


def test_an_old_python_is_not_taken(project: Project) -> None:
    (project.tools / "python3.13").unlink()
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14", "python"):
        (project.tools / name).write_text("#!/bin/sh\nexit 1\n")
        (project.tools / name).chmod(0o755)
    done = project.run("demo")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert project.installs() == []


def test_a_python_of_pyenv_is_found(project: Project) -> None:
    (project.tools / "python3.13").unlink()
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14", "python"):
        (project.tools / name).write_text("#!/bin/sh\nexit 127\n")
        (project.tools / name).chmod(0o755)
    hidden = project.tools / "pyenv/versions/3.11.7/bin/python3"
    hidden.parent.mkdir(parents=True)
    hidden.symlink_to(sys.executable)
    assert project.run("demo", PYENV_ROOT=str(project.tools / "pyenv")).returncode == 0


@pytest.mark.parametrize("arguments", [(), ("dance",)])
def test_an_unknown_command_is_named_and_answered_with_the_usage(
    project: Project, arguments: tuple[str, ...]
) -> None:
    done = project.run(*arguments)
    assert done.returncode == USAGE
    said, usage, _ = done.stderr.partition("usage: ./run COMMAND")
    assert usage
    assert said == "".join(f"./run: there is no command '{word}'.\n" for word in arguments)
    assert project.calls.read_text() == ""


def test_help_is_no_error(project: Project) -> None:
    done = project.run("--help")
    assert done.returncode == 0
    assert "bench" not in done.stdout
    (project.root / "bench").mkdir()
    assert "bench" in project.run("--help").stdout


def test_the_gateways_own_exit_code_is_passed_on(project: Project) -> None:
    (project.root / "gateway/__main__.py").write_text(f"raise SystemExit({USAGE})\n")
    assert project.run("check").returncode == USAGE
