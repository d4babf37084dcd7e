"""The lock files, read: what is pinned, and whether each pin is one that can be trusted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Pin:
    """One pinned release: its version, for which machines, and how many files are known."""

    version: str
    marker: str
    hashes: int


def logical_lines(text: str) -> Iterator[str]:
    """A lock's lines with continuations joined and comments gone."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        bare = line.strip()
        if bare and not bare.startswith("#"):
            yield bare


def pins(text: str) -> dict[str, Pin]:
    """Every pin by canonical name; :raises ValueError: at a line that is no exact pin."""
    found: dict[str, Pin] = {}
    for line in logical_lines(text):
        requirement = Requirement(HASH.sub("", line).strip())
        exact = [spec.version for spec in requirement.specifier if spec.operator == "=="]
        if len(exact) != 1 or requirement.url:
            raise ValueError(f"not pinned: {line[:60]}")
        name = canonicalize_name(requirement.name)
        if name in found:
            raise ValueError(f"pinned twice: {name}")
        found[name] = Pin(exact[0], str(requirement.marker or ""), len(HASH.findall(line)))
    return found


def faults(lock: Path, wanted: list[str]) -> Iterator[str]:
    """What is wrong with a lock that should satisfy these requirements."""
    text = lock.read_text("utf-8")
    if "://" in text:
        yield f"{lock.name} holds a link"
    found = pins(text)
    for name, pin in found.items():
        if pin.hashes == 0:
            yield f"{lock.name}: {name} has no hash"
    for requirement in map(Requirement, wanted):
        have = found.get(canonicalize_name(requirement.name))
        if have is None:
            yield f"{lock.name}: {requirement.name} is missing"
        elif have.marker:
            yield f"{lock.name}: {requirement.name} only where {have.marker}"
        elif not requirement.specifier.contains(have.version):
            yield f"{lock.name}: {requirement.name} {have.version} is not {requirement.specifier}"
