"""The dashboards against Grafana's own types, by the TypeScript compiler, down to the last word."""

import copy
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.grafana import node
from tests.grafana.boards import boards, panels
from tests.repo.source import ROOT

Json = dict[str, Any]


def checked(folder: Path, told: Iterable[Json]) -> list[str]:
    """What is wrong with these dashboards; literals, for then unknown names are errors too."""
    lines = ['import type { Board, Kinds, Query } from "./told.ts";']
    for board in told:
        lines.append(_told("Board", board))
        for panel in panels(board):
            kind = f'Kinds["{panel["type"]}"]'
            lines.append(_told(f'{kind}["options"]', panel["options"]))
            if "custom" in panel["fieldConfig"]["defaults"]:
                lines.append(_told(f'{kind}["custom"]', panel["fieldConfig"]["defaults"]["custom"]))
            lines += [_told("Query", target) for target in panel["targets"]]
    shutil.copy(node.SOURCE / "told.ts", folder)
    (folder / "boards.ts").write_text("\n".join(lines), "utf-8")
    return node.compiled(folder, "--allowImportingTsExtensions", "boards.ts")


def _told(kind: str, value: object) -> str:
    return f"(0 as unknown as (told: {kind}) => void)({json.dumps(value, ensure_ascii=False)});"


def test_the_dashboards_are_what_grafanas_types_want(tmp_path: Path) -> None:
    assert checked(tmp_path, boards()) == []


def test_a_word_that_the_types_do_not_know_is_noticed(tmp_path: Path) -> None:
    spoilt = [copy.deepcopy(boards()[0]) for _ in range(4)]
    spoilt[0]["editible"] = False
    spoilt[1]["templating"]["list"][0]["type"] = "data source"
    spoilt[2]["panels"][1]["options"]["graphMode"] = "lines"
    spoilt[3]["panels"][1]["targets"][0]["expression"] = "up"
    said = checked(tmp_path, spoilt)
    assert len(said) == len(spoilt), said
    for line, word in zip(said, ("editible", "data source", "lines", "expression"), strict=True):
        assert word in line


def test_the_schemas_version_is_that_of_the_grafana_that_is_run() -> None:
    schema = json.loads((node.home() / "node_modules/@grafana/schema/package.json").read_text())
    image = next(
        line
        for line in (ROOT / "compose.yaml").read_text("utf-8").splitlines()
        if "grafana/grafana:" in line
    )
    run = image.rpartition(":")[2].split(".")
    assert schema["version"].split(".")[:2] == run[:2]


def test_the_lock_holds_no_link() -> None:
    for name in ("package.json", "package-lock.json", ".npmrc"):
        assert "://" not in (node.SOURCE / name).read_text("utf-8")
    packages = json.loads((node.SOURCE / "package-lock.json").read_text("utf-8"))["packages"]
    assert all("integrity" in told for path, told in packages.items() if path)
