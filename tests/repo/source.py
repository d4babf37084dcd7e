"""The project's own source, read as text and syntax trees, for the tests of the house rules.

Owns: where things lie, and what each module imports. Must not know: any rule.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "gateway"


@dataclass(frozen=True, slots=True)
class Module:
    """One source file; ``name`` is dotted, a package's ``__init__`` has the package's name."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    def is_in(self, place: str) -> bool:
        """Whether this is the module ``place``, or lies within the package of that name."""
        return within(self.name, place)


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module; for ``from a import b`` both ``a`` and ``a.b`` are tried."""

    module: str
    names: tuple[str, ...]
    line: int

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    def targets(self) -> Iterator[str]:
        yield from (
            (f"{self.module}.{name}" for name in self.names) if self.names else (self.module,)
        )


def within(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


def read(path: Path, root: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    text = path.read_text("utf-8")
    return Module(".".join(parts), path, text, ast.parse(text, str(path)))


def sources(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*.py") if "__pycache__" not in path.parts)


def modules_of(package: Path) -> list[Module]:
    return [read(path, package.parent) for path in sources(package)]


@cache
def gateway_modules() -> tuple[Module, ...]:
    return tuple(modules_of(PACKAGE))


def imports(module: Module) -> Iterator[Import]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(_absolute(node, module), names, node.lineno)


def _absolute(node: ast.ImportFrom, module: Module) -> str:
    if node.level == 0:
        return node.module or ""
    drop = node.level - 1 if module.is_package else node.level
    base = module.name.split(".")
    return ".".join([*base[: len(base) - drop], *([node.module] if node.module else [])])
