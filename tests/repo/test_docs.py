import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import gateway
from tests.repo import pages
from tests.repo.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
README_WORDS = 600


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def run_commands() -> set[str]:
    """What ``./run`` understands, from its own text."""
    return set(re.findall(r"^  ([a-z]+) ", text("run"), re.MULTILINE)) | {"bench"}


def names(requirements: list[str]) -> list[str]:
    return sorted(Requirement(line).name for line in requirements)


def test_the_version_is_the_same_everywhere() -> None:
    top = re.search(r"^## \[(.+?)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert top is not None
    assert top[1] == gateway.__version__ == PROJECT["project"]["version"]


def test_the_readme_is_short() -> None:
    assert pages.words(text("README.md")) <= README_WORDS


@pytest.mark.parametrize("page", pages.pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_to_is_there(page: Path) -> None:
    assert list(pages.dead_links(page)) == []
    assert list(pages.dead_commands(page.read_text("utf-8"), ROOT, run_commands())) == []


def test_run_lists_every_command_it_takes() -> None:
    taken = re.search(r"^case \$command in\n(.*)^esac", text("run"), re.MULTILINE | re.DOTALL)
    assert taken is not None
    known = {
        word
        for line in re.findall(r"^    ([a-z |-]+)\)", taken[1], re.MULTILINE)
        for word in line.split(" | ")
    }
    assert known - {"help", "-h", "--help", "--version"} == run_commands()


@pytest.mark.parametrize(
    ("heading", "requirements"),
    [
        ("Dependencies", PROJECT["project"]["dependencies"]),
        ("Tools of development", PROJECT["dependency-groups"]["dev"]),
    ],
)
def test_each_dependency_is_accounted_for(heading: str, requirements: list[str]) -> None:
    table = pages.section(text("ARCHITECTURE.md"), heading)
    assert sorted(pages.first_column(table)) == names(requirements)


def test_the_picture_of_the_house_has_every_room() -> None:
    (layers,) = (
        contract["layers"]
        for contract in PROJECT["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    rooms = {room for layer in layers for room in re.findall(r"\w+", layer)} - {"__main__"}
    picture = pages.section(text("ARCHITECTURE.md"), "Rooms")
    assert sorted(room for room in rooms if not re.search(rf"\b{room}\b", picture)) == []


def test_a_dead_link_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# A `b` heading, here\n")
    page.write_text(
        "# Top\n[a](gone.md) [b](other.md) [c](other.md#a-b-heading-here) [d](other.md#gone)\n"
        "[e](#top) [f](https://example.invalid/) ![g](gone.png)\n```\n[h](gone.txt)\n```\n"
    )
    assert list(pages.dead_links(page)) == [
        "page.md: gone.md",
        "page.md: other.md#gone",
        "page.md: gone.png",
    ]


def test_a_dead_command_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    said = "`./run test`, `./run dance`, `./walk`, ./run, ./run --help, see ../run and a/./b"
    assert list(pages.dead_commands(said, tmp_path, {"test"})) == ["./run dance", "./walk"]


def test_words_in_fences_are_not_counted() -> None:
    assert pages.words("one two\n```sh\nthree four\n```\nfive\n") == 3
