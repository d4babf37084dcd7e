import re
from pathlib import Path

from tests.repo import pages
from tests.repo.dialect import codes, events, made_in, notes
from tests.repo.source import ROOT, gateway_modules, read

PAGE = (ROOT / "docs/api.md").read_text("utf-8")


def rows(table: str) -> list[list[str]]:
    """The cells of a table's rows, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_lists_the_notes_that_can_be_made() -> None:
    listed = PAGE.partition("\nThe notes:\n")[2].partition("\n## ")[0]
    named = [name for cells in rows(listed) for name in words(cells[0])]
    assert sorted(named) == sorted(notes(gateway_modules()))


def test_the_page_lists_the_codes_that_can_be_answered() -> None:
    table = rows(pages.section(PAGE, "Errors"))
    listed = [(int(cells[0]), code) for cells in table for code in words(cells[1])]
    assert sorted(listed) == sorted(codes(gateway_modules()))


def test_the_page_lists_the_lines_of_the_log() -> None:
    table = rows(pages.section((ROOT / "docs/running.md").read_text("utf-8"), "The log"))
    listed = {name: cells[1] for cells in table for name in words(cells[0])}
    made = {**events(), "library": "", "suppressed": "", "log_dropped": "warning"}
    assert sorted(listed) == sorted(made)
    assert {name: listed[name] for name, level in made.items() if level} == {
        name: level for name, level in made.items() if level
    }


def test_codes_are_found_however_they_are_given(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text(
        "def one(fault):\n"
        "    raise InvalidRequest('m', code='plain')\n"
        "def two(above):\n"
        "    code = 'above' if above else 'below'\n"
        "    return UpstreamRefused('m', code=code)\n"
        "async def three(fault):\n"
        "    return TaskFailed('m', code=fault.code or 'else')\n"
        "def four(code):\n"
        "    other('m', code='not an error')\n"
        "    return note('a-note', code=code), InvalidRequest('m', param='p')\n"
    )
    module = read(path, tmp_path)
    found = {(400, "plain"), (400, "above"), (400, "below"), (502, "else")}
    assert set(made_in(module)) == found
    assert notes([module]) == {"a-note"}
