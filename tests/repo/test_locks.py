import json
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


CLIENTS = ROOT / "tests" / "clients"
LISTS = sorted((CLIENTS / "lists").glob("*.in"))


@pytest.mark.parametrize("asked", LISTS, ids=lambda path: str(path.stem))
def test_a_clients_list_holds_what_it_is_asked_for(asked: Path) -> None:
    wanted = [line.partition("#")[0].strip() for line in asked.read_text("utf-8").splitlines()]
    assert list(faults(asked.with_suffix(".lock"), wanted)) == []


def test_each_clients_list_is_asked_for_by_something() -> None:
    assert [path.with_suffix(".in") for path in sorted((CLIENTS / "lists").glob("*.lock"))] == LISTS


@pytest.mark.parametrize("folder", [CLIENTS / "npm", ROOT / "tests" / "grafana" / "schema"])
def test_a_list_for_npm_is_pinned_by_hashes_and_points_nowhere(folder: Path) -> None:
    text = (folder / "package-lock.json").read_text("utf-8")
    assert "://" not in text
    packages = json.loads(text)["packages"]
    asked = json.loads((folder / "package.json").read_text("utf-8"))["dependencies"]
    assert packages.pop("")["dependencies"] == asked
    assert [
        name for name, one in packages.items() if not one["integrity"].startswith("sha512-")
    ] == []
    for name, version in asked.items():
        have = packages[f"node_modules/{name}"]["version"]
        assert have == version.rpartition("@")[2], name
    assert (folder / ".npmrc").read_text("utf-8") == "omit-lockfile-registry-resolved=true\n"
