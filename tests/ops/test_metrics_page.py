"""``docs/metrics.md`` and the table of families say the same."""

import re
from collections.abc import Iterator

import pytest

from gateway.events import State
from gateway.ops.families import FAMILIES, VALUES, Family
from gateway.ops.metrics import MOST_KEYS
from gateway.overview import REFRESHED
from gateway.upstream.quota import FRESH
from tests.ops.scraped import TWENTY, counting, series
from tests.repo.source import ROOT

PAGE = (ROOT / "docs/metrics.md").read_text("utf-8")


def rows() -> Iterator[list[str]]:
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            yield cells


def words(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def test_the_page_lists_every_family_with_its_type_and_labels() -> None:
    listed = {words(name)[0]: (kind, words(labels)) for name, kind, labels, _ in rows()}
    assert listed == {family.name: (family.kind, family.labels) for family in FAMILIES}
    assert len(list(rows())) == len(FAMILIES)


def test_each_family_is_explained() -> None:
    assert [cells[0] for cells in rows() if len(cells[3]) < len("always 1")] == []


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_what_its_labels_may_say_is_named(family: Family) -> None:
    (text,) = [cells[3] for cells in rows() if words(cells[0]) == (family.name,)]
    general = {"route", "status_class", "tier", "quality", "status", "method"}
    elsewhere = {state.value for state in State} | {"closed", "open", "half_open"}
    elsewhere |= {"clients", "operators", "create", "upload", "download"}
    elsewhere |= set((family.own or {}).get("reason", ())) if "op" in family.labels else set()
    for label in set(family.labels) - general:
        values = (family.own or {}).get(label) or VALUES.get(label, ())
        missing = [one for one in values if f"`{one}`" not in text and one not in elsewhere]
        assert missing == [], (family.name, label)


def test_the_numbers_on_the_page_are_true() -> None:
    (told,) = re.findall(r"20 keys, one model \| about ([\d,]+)", PAGE)
    assert abs(series(counting(TWENTY)) - int(told.replace(",", ""))) < 60
    metrics = counting(TWENTY)
    before = series(metrics)
    metrics.extend((), ("newcomer",))
    with_key = series(metrics)
    metrics.extend(("gpt-image-3",), ())
    (each,) = re.findall(r"each further key \| (\d+) with one model", PAGE)
    assert with_key - before == int(each)
    (model,) = re.findall(r"each further model \| about (\d+), and 2 for each key", PAGE)
    assert abs(series(metrics) - with_key - 2 * 22 - int(model)) < 20
    assert f"more than {MOST_KEYS} keys" in PAGE
    assert f"; {len(FAMILIES)} families of" in " ".join((ROOT / "CHANGELOG.md").read_text().split())
    assert f"every {REFRESHED:.0f} seconds" in PAGE
    assert f"last {FRESH:.0f} seconds" in PAGE
