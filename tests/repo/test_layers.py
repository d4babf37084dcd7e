import shutil
from pathlib import Path

import pytest

from tests.repo.layers import check
from tests.repo.source import PACKAGE, ROOT, sources


@pytest.fixture(scope="module")
def empty_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house with the same rooms and nothing in them."""
    folder = tmp_path_factory.mktemp("house")
    for path in sources(PACKAGE):
        bare = folder / path.relative_to(ROOT)
        bare.parent.mkdir(parents=True, exist_ok=True)
        bare.write_text("")
    return folder


def test_the_gateway_keeps_every_contract() -> None:
    kept, said = check(ROOT)
    assert kept, said


def test_an_empty_house_keeps_every_contract(empty_house: Path) -> None:
    kept, said = check(empty_house)
    assert kept, said


@pytest.mark.parametrize(
    ("module", "source", "contract"),
    [
        ("errors", "from gateway import clock", "imports only point down"),
        ("state/shelves", "from gateway.web import shelf", "imports only point down"),
        ("openai/desk", "from gateway.ops import hall", "imports only point down"),
        ("translate/door", "import gateway.jobs", "imports only point down"),
        ("novelty", "", "imports only point down"),
        ("jobs/hand", "from gateway.upstream import toapis", "only app and cli name the vendor"),
        (
            "jobs/ear",
            "from gateway.upstream import webhooks",
            "only app and cli name the vendor",
        ),
        ("upstream/more", "from gateway.upstream import wire", "knows the vendor's JSON"),
        ("server", "from gateway.simulator import stage", "only app and cli start the simulator"),
        ("upstream/echo", "import gateway.simulator", "each for itself"),
        ("simulator/peek", "from gateway.upstream import wire", "each for itself"),
        ("simulator/lean", "from gateway.errors import Thing", "a clock and its own section"),
    ],
)
def test_an_import_that_breaks_a_contract_is_noticed(
    empty_house: Path, tmp_path: Path, module: str, source: str, contract: str
) -> None:
    house = shutil.copytree(empty_house, tmp_path / "house")
    (house / "gateway" / f"{module}.py").write_text(source)
    for other in ("web/shelf", "ops/hall", "simulator/stage"):
        (house / "gateway" / f"{other}.py").write_text("")
    kept, said = check(house)
    assert not kept
    assert any(contract in line and line.endswith("BROKEN") for line in said.splitlines()), said


def test_the_simulator_may_see_a_clock_and_its_section(empty_house: Path, tmp_path: Path) -> None:
    house = shutil.copytree(empty_house, tmp_path / "house")
    (house / "gateway" / "simulator" / "fair.py").write_text(
        "from gateway.clock import Clock\nfrom gateway.config.simulated import Simulator\n"
    )
    kept, said = check(house)
    assert kept, said
