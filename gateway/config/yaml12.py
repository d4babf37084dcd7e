"""A strict reader of YAML that keeps line numbers.

Owns: YAML text → a tree of nodes, and the YAML 1.2 core schema (``no`` and ``on`` are words,
``0777`` is 777, ``1:30`` and dates are text). Refuses what configuration has no use for: tags,
merge keys, several documents; equal names twice; trees that aliases blow up. One addition: a
``${…}`` is part of a plain scalar between ``{`` and ``}`` too. Must not know: which settings
exist, what ``${…}`` means, files. No message quotes a value, for it may be a secret.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import yaml

MAX_NODES = 20_000
MAX_DEPTH = 24

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {
    word: flag
    for flag in (True, False)
    for word in (f"{flag}", f"{flag}".lower(), f"{flag}".upper())
}
_INT = re.compile(r"[-+]?[0-9]{1,40}", re.ASCII)
_PREFIXED = re.compile(r"0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,4})?", re.ASCII
)
_VARIABLE = re.compile(r"\$\{([^{}\n]*)\}")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)

Path = tuple[str | int, ...]
Value = None | bool | int | float | str


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as written; ``plain`` means without quotes and not a block."""

    text: str = field(repr=False)
    plain: bool
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """Names to nodes, in order; each entry's ``line`` is its name's."""

    entries: dict[str, "Node"]
    line: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    nodes: tuple["Node", ...]
    line: int


Node = Scalar | Table | Items


@dataclass(frozen=True, slots=True)
class Remark:
    """A fault that did not stop the reading."""

    line: int
    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document: its root, None if it is empty, and what is wrong with it."""

    root: Node | None
    remarks: tuple[Remark, ...]


class YamlFault(Exception):
    """The text cannot be read on from ``line`` (from 1)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def parse(text: str) -> Parsed:
    """Read one document; raises ``YamlFault`` at the first fault of syntax."""
    braces = _Braces.absent_from(text)
    try:
        events = yaml.parse(braces.hide(text), Loader=yaml.SafeLoader)
        return _Composer(events, braces).document()
    except yaml.reader.ReaderError as fault:
        line = text.count("\n", 0, fault.position) + 1
        raise YamlFault(line, "holds a character that YAML does not allow") from None
    except yaml.MarkedYAMLError as fault:
        raise _explained(fault) from None
    except (ValueError, OverflowError):
        raise YamlFault(1, "holds an escape that is no character") from None


def resolve(text: str) -> Value:
    """Type a plain scalar by the core schema of YAML 1.2 (§10.3.2)."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _INFINITE.fullmatch(text) else text


@dataclass(frozen=True, slots=True)
class _Braces:
    """Stand-ins for the braces of ``${…}``, which YAML would take for a mapping's."""

    opening: str
    closing: str

    @classmethod
    def absent_from(cls, text: str) -> "_Braces":
        spare = (sign for sign in map(chr, range(0xE000, 0xF8FF)) if sign not in text)
        return cls(next(spare), next(spare))

    def hide(self, text: str) -> str:
        return _VARIABLE.sub(rf"${self.opening}\1{self.closing}", text)

    def show(self, text: str) -> str:
        return text.replace(self.opening, "{").replace(self.closing, "}")


class _Composer:
    """Events → nodes; bounded in depth and, aliases counted as often as used, in number."""

    def __init__(self, events: Iterator[yaml.Event], braces: _Braces) -> None:
        self._events = events
        self._braces = braces
        self._count = 0
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._remarks: list[Remark] = []

    def document(self) -> Parsed:
        next(self._events)
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return Parsed(None, ())
        root = self._node(next(self._events), ())
        next(self._events)
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise YamlFault(_line(event), "a second document; a file holds one")
        return Parsed(root, tuple(self._remarks))

    def _node(self, event: yaml.Event, path: Path) -> Node:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), line)
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            raise YamlFault(line, "not valid YAML")
        if event.tag is not None:
            raise YamlFault(line, "a tag (!…); quote the value if it starts with !")
        before = self._count
        self._add(1, line)
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(self._braces.show(event.value), plain=event.style is None, line=line)
        elif len(path) >= MAX_DEPTH:
            raise YamlFault(line, f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.MappingStartEvent):
            node = self._table(line, path)
        else:
            node = self._items(line, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._count - before)
        return node

    def _alias(self, anchor: str, line: int) -> Node:
        if anchor not in self._anchors:
            raise YamlFault(
                line, "a reference (*…) to nothing above; quote a value starting with *"
            )
        node, weight = self._anchors[anchor]
        self._add(weight, line)
        return node

    def _add(self, weight: int, line: int) -> None:
        self._count += weight
        if self._count > MAX_NODES:
            raise YamlFault(line, f"more than {MAX_NODES} values, references counted at each use")

    def _items(self, line: int, path: Path) -> Items:
        nodes: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(event, (*path, len(nodes))))
        return Items(tuple(nodes), line)

    def _table(self, line: int, path: Path) -> Table:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            at = _line(event)
            name = self._node(event, path)
            if not isinstance(name, Scalar):
                raise YamlFault(at, "a list or mapping where a name belongs")
            value = self._node(next(self._events), (*path, name.text))
            if name.text in entries:
                first = entries[name.text].line
                self._remarks.append(
                    Remark(at, (*path, name.text), f"given twice, first in line {first}")
                )
            elif name.text == "<<" and name.plain:
                self._remarks.append(Remark(at, path, "merge keys (<<) are not part of YAML 1.2"))
            else:
                entries[name.text] = replace(value, line=at)
        return Table(entries, line)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


# What PyYAML finds wrong → what it means to the one who wrote it, first match wins.
_MEANINGS = (
    ("'\\t'", "a tab where indentation belongs; use spaces"),
    ("unexpected end of stream", "a quote that is never closed"),
    ("that cannot start any token", "a value that must be quoted: it starts with a special sign"),
    ("mapping values are not allowed", "a colon that does not fit; quote a value that holds ': '"),
    ("could not find expected ':'", "a line without a colon after its name"),
    ("sequence entries are not allowed", "a dash that does not fit here"),
    ("expected <block end>", "indentation that does not fit the lines above"),
    ("expected the node content", "a value is missing or misplaced"),
    ("expected ',' or", "a comma or a closing bracket is missing"),
    ("unknown escape", "an unknown escape in double quotes; use single quotes or \\\\"),
    ("escape sequence", "a malformed escape in double quotes; use single quotes or \\\\"),
    ("document start", "text after the end of the document"),
    ("duplicate anchor", "an anchor that is defined twice"),
    ("tag", "a tag (!…) or directive; quote a value that starts with !"),
    ("YAML", "a %YAML directive that cannot be honoured; leave it out"),
)


def _explained(fault: yaml.MarkedYAMLError) -> YamlFault:
    problem = fault.problem or ""
    meaning = next((words for sign, words in _MEANINGS if sign in problem), "not valid YAML")
    mark = fault.problem_mark or fault.context_mark
    if "unexpected end of stream" in problem and fault.context_mark is not None:
        mark = fault.context_mark
    return YamlFault(mark.line + 1 if mark is not None else 1, meaning)
