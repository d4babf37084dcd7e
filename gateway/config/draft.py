"""A configuration in the making: values, where each came from, and the faults so far.

Owns: putting YAML nodes, from a file or from an environment variable, into one tree of plain
values; typing of scalars; the naming of places in faults. Must not know: what a valid
configuration is. Holds secrets in the clear, so it has no telling ``repr``.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.config.faults import Fault, Origin, spoken
from gateway.config.interpolation import InterpolationFault, expand
from gateway.config.shape import at
from gateway.config.yaml12 import Items, Node, Path, Scalar, Table, Value, resolve

Tree = dict[str, object]


@dataclass(slots=True, repr=False)
class Draft:
    """``values`` is what will be checked.

    ``broken`` are paths whose value could not even be had, and why; nothing else is told of them,
    and they are forgotten where something else takes their place. ``files`` are those that were
    read, or should have been.
    """

    origin: Origin
    environ: Mapping[str, str]
    values: Tree = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    broken: dict[Path, Fault] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def read_file(self, root: Table) -> None:
        """Take over a file's tree, its variables put in."""
        for name, node in root.entries.items():
            self.values[name] = self._plain((name,), node, None)

    def override(self, path: Path, node: Node, origin: Origin) -> None:
        """Put an environment variable's value at a path, in place of what a file says there."""
        self.forget(path)
        put(self.values, path, self._plain(path, node, origin))

    def forget(self, path: Path) -> None:
        """Drop what is known of a path and of what lies below it."""
        for known in [key for key in self.origins if key[: len(path)] == path]:
            del self.origins[known]
        for known in [key for key in self.broken if key[: len(path)] == path]:
            del self.broken[known]

    def fault(self, path: Path, message: str) -> None:
        """Note a fault at a path, or at the nearest place above it that stands somewhere."""
        self.faults.append(self.fault_at(path, message))

    def fault_at(self, path: Path, message: str) -> Fault:
        """Make a fault of what is wrong at a path."""
        origin = self.origin_of(path)
        return Fault(origin.file, origin.line, spoken(path), message)

    def origin_of(self, path: Path) -> Origin:
        """Where the value at a path, or what surrounds it, came from."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        return self.origin

    def _plain(self, path: Path, node: Node, origin: Origin | None) -> object:
        self.origins[path] = origin or Origin(self.origin.file, node.line)
        if isinstance(node, Table):
            return {
                name: self._plain((*path, name), entry, origin)
                for name, entry in node.entries.items()
            }
        if isinstance(node, Items):
            return [
                self._plain((*path, index), entry, origin) for index, entry in enumerate(node.nodes)
            ]
        return _typed(path, node, outside=True) if origin else self._expanded(path, node)

    def _expanded(self, path: Path, node: Scalar) -> Value:
        try:
            text = expand(node.text, self.environ)
        except InterpolationFault as fault:
            self.broken[path] = self.fault_at(path, str(fault))
            return None
        outside = "${" in node.text
        return _typed(path, Scalar(text, plain=node.plain, line=node.line), outside=outside)


def _typed(path: Path, node: Scalar, *, outside: bool) -> Value:
    """Type a scalar. A key of digits that comes from outside (an environment variable) is text."""
    if not node.plain:
        return node.text
    value = resolve(node.text)
    here = at(path)
    if outside and here is not None and here.text:
        return None if value is None and here.optional else node.text
    return value


def put(values: Tree, path: Path, value: object) -> None:
    """Set a value deep in a tree of dicts and lists; an index may be one past a list's end."""
    here: object = values
    for part, following in itertools.pairwise(path):
        here = _child(here, part, [] if isinstance(following, int) else {})
    _child(here, path[-1], value, replace=True)


def _child(here: object, part: str | int, value: object, *, replace: bool = False) -> object:
    if isinstance(here, dict):
        if replace or here.get(part) is None:
            here[part] = value
        return here[part]
    if isinstance(here, list) and isinstance(part, int):
        if part == len(here):
            here.append(value)
        elif replace:
            here[part] = value
        return here[part]
    return {}


def find(values: object, path: Path) -> object:
    """Return the value at a path of a tree, or None."""
    for part in path:
        if isinstance(values, dict):
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return None
    return values
