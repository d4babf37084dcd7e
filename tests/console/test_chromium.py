"""A browser that cannot be had is a loud failure."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.console import chromium


@pytest.fixture(autouse=True)
def _locks_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))


def only(*programs: str) -> Any:
    return lambda name: f"/usr/bin/{name}" if name in programs else None


def test_one_that_is_there_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", only("chromium"))
    assert chromium.executable() == "/usr/bin/chromium"


@pytest.mark.parametrize(("user", "programs"), [(1000, ("apt-get",)), (0, ())])
def test_where_nothing_may_be_installed_the_package_is_named(
    monkeypatch: pytest.MonkeyPatch, user: int, programs: tuple[str, ...]
) -> None:
    monkeypatch.setattr(shutil, "which", only(*programs))
    monkeypatch.setattr(os, "getuid", lambda: user)
    with pytest.raises(chromium.Missing, match="apt-get install chromium"):
        chromium.executable()


def test_root_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"apt-get"}
    called: list[Sequence[str]] = []

    def run(command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        called.append(command)
        if "install" in command:
            there.add("chromium")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(shutil, "which", lambda name: name if name in there else None)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(subprocess, "run", run)
    assert chromium.executable() == "chromium"
    assert [command[2:] for command in called] == [["update"], ["install", "-y", "chromium"]]


@pytest.mark.parametrize(
    ("code", "why"), [(100, "no such mirror"), (0, "has brought no program of its name")]
)
def test_what_cannot_be_installed_says_why(
    monkeypatch: pytest.MonkeyPatch, code: int, why: str
) -> None:
    def run(command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, code, "", "no such mirror")

    monkeypatch.setattr(shutil, "which", only("apt-get"))
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(chromium.Missing, match=why):
        chromium.executable()
