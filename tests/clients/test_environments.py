"""Environments are made once, made anew when their list changes, and a failure is loud."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.clients import environments
from tests.clients.__main__ import main
from tests.clients.environments import NPM, Environment, _make_python, set_up

EMPTY = "# nothing\n"


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "quiet.lock").write_text(EMPTY)
    monkeypatch.setattr(environments, "LISTS", lists)
    monkeypatch.setattr(environments, "HOME", tmp_path / "home")


def test_there_is_one_for_each_list_and_one_for_node() -> None:
    assert [one.name for one in environments.environments()] == [NPM, "quiet"]


def test_one_is_made_once_and_anew_when_its_list_changes() -> None:
    quiet = Environment("quiet")
    assert not quiet.ready()
    ((made, _),) = set_up([quiet])
    assert made.python.exists()
    assert list(set_up([quiet])) == []
    left = quiet.folder / "left-over"
    left.touch()
    quiet.lists()[0].write_text(f"{EMPTY}# and nothing more\n")
    assert not quiet.ready()
    assert [one.name for one, _ in set_up([quiet])] == ["quiet"]
    assert (quiet.ready(), left.exists()) == (True, False)


def test_a_half_made_one_does_not_count() -> None:
    quiet = Environment("quiet")
    quiet.folder.mkdir(parents=True)
    assert not quiet.ready()


class Installers:
    """Stand in for uv and pip: tell what they were asked for, and what they are told to."""

    def __init__(self, *answers: str | None) -> None:
        self.asked: list[list[str]] = []
        self._answers = list(answers)

    def __call__(self, *commands: Sequence[str], cwd: Path = Path()) -> str | None:
        self.asked += [list(command) for command in commands]
        return self._answers.pop(0)


def test_where_uv_does_not_do_pip_does_by_the_same_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    installers = Installers("no such index", None)
    monkeypatch.setattr(environments, "_ran", installers)
    quiet = Environment("quiet")
    quiet.folder.mkdir(parents=True)
    _make_python(quiet)
    by_uv, by_pip = installers.asked[1], installers.asked[3]
    assert by_uv[1:5] == ["-m", "uv", "pip", "sync"]
    assert by_pip[1:4] == ["-m", "pip", "install"]
    assert "--require-hashes" in by_uv
    assert "--require-hashes" in by_pip
    assert by_uv[-1] == by_pip[-1] == str(quiet.lists()[0])


def test_what_cannot_be_installed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environments, "_ran", Installers("no such index", "nor for me"))
    quiet = Environment("quiet")
    monkeypatch.setattr("tests.clients.__main__.environments", lambda: [quiet])
    assert main(["setup"]) == 1
    said = capsys.readouterr().out
    assert "Setting up 1 clients' environments: quiet" in said
    assert "quiet: uv said:\nno such index\npip said:\nnor for me" in said
    assert not quiet.ready()
