import json
import re
from dataclasses import fields
from pathlib import Path

from gateway.config.simulated import Simulator as Section
from gateway.simulator.app import Simulator
from gateway.simulator.faults import KINDS, read_faults
from gateway.simulator.settings import Settings
from tests.simulator.house import FakeClock

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")


def _row(name: str) -> str:
    found = re.search(rf"^\| `{name}` \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    assert found is not None, name
    return found[0]


def test_the_page_describes_every_setting_with_its_default_and_no_other() -> None:
    for item in fields(Settings):
        row = _row(item.name)
        default = str(item.default).strip("'").removesuffix(".0")
        assert default.lower() in row.lower()
        for word in item.metadata.get("words", ()):
            assert f"`{word}`" in row
    table = PAGE[PAGE.index("## Settings") : PAGE.index("## Faults")]
    told = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    assert told == {item.name for item in fields(Settings)}


def test_the_page_names_every_fault() -> None:
    told = set(re.findall(r"`(\w+)`", PAGE[PAGE.index("## Faults") :]))
    assert {kind for kinds in KINDS.values() for kind in kinds} - told == set()


def test_the_page_names_every_path() -> None:
    simulator = Simulator(Section(), FakeClock())
    for route in simulator.app.routes:
        path = getattr(route, "path", "").replace("{name:path}", "…").replace("{name}", "{id}")
        assert path in PAGE
    simulator.close()


def test_the_pages_script_can_be_read() -> None:
    script = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert script is not None
    assert len(read_faults(json.loads(script[1]))) == 3
