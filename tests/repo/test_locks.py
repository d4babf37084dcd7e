import tomllib
from pathlib import Path

import pytest

from tests.repo.locks import faults, pins
from tests.repo.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
RUNTIME: list[str] = PROJECT["project"]["dependencies"]
DEVELOPMENT: list[str] = PROJECT["dependency-groups"]["dev"]

GOOD = f"first==1.2 \\\n    --hash=sha256:{'0' * 64}\n    # via nothing\n"


def test_the_runtime_lock_holds_what_the_project_asks_for() -> None:
    assert list(faults(ROOT / "requirements.lock", RUNTIME)) == []


def test_the_development_lock_holds_what_the_project_asks_for() -> None:
    assert list(faults(ROOT / "requirements-dev.lock", RUNTIME + DEVELOPMENT)) == []


def test_the_development_set_contains_the_runtime_set() -> None:
    runtime = pins((ROOT / "requirements.lock").read_text("utf-8"))
    development = pins((ROOT / "requirements-dev.lock").read_text("utf-8"))
    assert {name: development.get(name) for name in runtime} == runtime


def test_there_is_no_other_lock() -> None:
    assert [name for name in ("uv.lock", "pylock.toml") if (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("lock", "wanted", "fault"),
    [
        (GOOD, "first>=2", "first 1.2 is not >=2"),
        (GOOD, "second>=1", "second is missing"),
        ("first==1.2\n", "first", "first has no hash"),
        (f"# from https://example.invalid\n{GOOD}", "first", "holds a link"),
        (GOOD.replace("1.2", "1.2 ; sys_platform == 'win32'"), "first", "only where"),
    ],
)
def test_a_bad_lock_is_noticed(tmp_path: Path, lock: str, wanted: str, fault: str) -> None:
    path = tmp_path / "some.lock"
    path.write_text(lock)
    (found,) = faults(path, [wanted])
    assert fault in found


def test_a_good_lock_passes(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    path.write_text(GOOD)
    assert list(faults(path, ["First>=1,<2"])) == []


@pytest.mark.parametrize(
    "line", ["first>=1", "first", "first @ https://example.invalid/f.whl", GOOD + GOOD]
)
def test_what_is_not_one_exact_pin_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"not pinned|pinned twice"):
        pins(line)
