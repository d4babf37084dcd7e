"""The page on clients, read: its blocks, its table, its sections.

Owns: finding them. Must not know: what they are to be held to.
"""

import re
from dataclasses import dataclass

from tests.repo.source import ROOT

TEXT = (ROOT / "docs/clients.md").read_text("utf-8")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(#([^)]+)\)")


@dataclass(frozen=True)
class Block:
    """A block in its language."""

    language: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.language}, line {self.line}"


@dataclass(frozen=True)
class Tool:
    """A row of the table."""

    name: str
    section: str
    cells: tuple[str, ...]

    @property
    def replica(self) -> str:
        """The name under which what it sends is replayed."""
        return self.cells[-1].strip("`")


def blocks(*languages: str) -> list[Block]:
    """The blocks in these languages, from top to bottom."""
    return [
        Block(match[1], match[2], TEXT[: match.start()].count("\n") + 1)
        for match in _BLOCK.finditer(TEXT)
        if match[1] in languages
    ]


def languages() -> set[str]:
    return {match[1] for match in _BLOCK.finditer(TEXT)}


def tools() -> list[Tool]:
    """The rows of the overview."""
    found = []
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        link = _LINK.fullmatch(cells[0])
        if link is not None:
            found.append(Tool(link[1], link[2], tuple(cells)))
    return found
