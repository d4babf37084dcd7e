"""The project's pages, read: their links, their commands, their tables."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.repo.source import ROOT

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
COMMAND = re.compile(r"(?<![\w./])\./([\w./-]*\w)(?: +([a-z][\w-]*))?")


def pages() -> list[Path]:
    """Every page of the project; what was fetched or made lies in dot folders and is none."""
    return sorted(
        path
        for path in ROOT.rglob("*.md")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


def words(text: str) -> int:
    """How many words a reader reads; what stands in fences is not prose."""
    return len(FENCE.sub("", text).split())


def anchor(heading: str) -> str:
    bare = re.sub(r"[^\w\s-]", "", heading.replace("`", "").lower())
    return re.sub(r"\s", "-", bare.strip())


def dead_links(page: Path) -> Iterator[str]:
    """Links within the project whose target, or heading in the target, is not there."""
    for match in LINK.finditer(FENCE.sub("", page.read_text("utf-8"))):
        link = match[1] or match[2]
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            yield f"{page.name}: {link}"
        elif heading and target.suffix == ".md":
            anchors = {anchor(found) for found in HEADING.findall(target.read_text("utf-8"))}
            if heading not in anchors:
                yield f"{page.name}: {link}"


def dead_commands(text: str, root: Path, commands: set[str]) -> Iterator[str]:
    """Programs a page names by ``./path`` that are not there, and what ``./run`` does not know."""
    for match in COMMAND.finditer(text):
        path, argument = match[1], match[2]
        if not (root / path).exists():
            yield f"./{path}"
        elif path == "run" and argument is not None and argument not in commands:
            yield f"./run {argument}"


def section(text: str, heading: str) -> str:
    """What stands under a heading; :raises ValueError: where there is none."""
    parts = re.split(r"^#+ +(.+?) *$", text, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    if heading not in found:
        raise ValueError(f"no section {heading!r}")
    return found[heading]


def first_column(table: str) -> list[str]:
    """The names in backticks at the start of a table's rows."""
    return re.findall(r"^\| *`([^`]+)`", table, re.MULTILINE)
