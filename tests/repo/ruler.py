"""The ruler: how large things may be, what they may be called, what they may not do.

Each rule is a function from modules to lines that say what breaks it; an empty answer is a pass.
The numbers are upper bounds; what is wanted is half of them and a matter for review.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.repo.source import Module

FILE_WANTED, FILE_REFUSED = 200, 400
FUNCTION_REFUSED = 60
PARAMETERS_REFUSED = 8
TESTS_PER_SOURCE = 0.8
CATCH_ALLS = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"}

Function = ast.FunctionDef | ast.AsyncFunctionDef

# Where everything may be caught, and why: "module:function" → the reason. Handlers that end in a
# bare ``raise`` need no line. A line that has come to match nothing is an error.
BROAD: Mapping[str, str] = {
    "gateway.server.framing:BoundedProtocol._serve": "a fault must not end the connection",
    "gateway.ops.middleware:RequestContext.__call__": "the last resort: any fault becomes a 500",
    "gateway.images.readers:border": "on hostile bytes Pillow raises nearly anything",
    "gateway.ops.watchers:Watchers.__call__": "a watcher's fault must never cost a request",
    "gateway.overview:Overview.refresh": "what cannot be counted must end nothing",
    "gateway.jobs.hooks:Hooks._attempt": "a fault in one telling must neither end nor repeat it",
    "gateway.jobs.hooks:Hooks._tell": "what cannot be written down must not be told without end",
    "gateway.jobs.housekeeping:Housekeeping._do": "one chore's fault must not end the others",
    "gateway.jobs.journal:Journal.announce": "a watcher's fault must never cost a paid task",
    "gateway.jobs.journal:Journal._report": "every watcher is broken: there is nobody to tell",
    "gateway.jobs.late_words:LateWords.run": "one task's fault must not cost the others their look",
    "gateway.jobs.poller:Poller._ask": "whoever waits for the answer is told, whatever went wrong",
    "gateway.jobs.recovery:SecondLook.look": "one job's fault must not cost the others their look",
    "gateway.jobs.runner:Runner._work": "a job always ends, and its caller hears how",
    "gateway.jobs.runner:Runner._serve": "one task's fault leaves its paid siblings running",
    "gateway.reload:Reloader._reload": "no fault in reading may end what is served, or the watch",
    "gateway.state.commit:Committer._apply": "one entry's fault leaves the rest of its batch",
    "gateway.state.writer:Writer._take": "whoever waits for the ledger is told, whatever happened",
    "gateway.web.clients:Outgoing.create": "whatever was raised, the vendor may have got it",
    "gateway.web.clients:interruptions": "both engines let errors through that nobody documents",
}


def lines(module: Module) -> int:
    return len(module.text.splitlines())


def long_files(modules: Iterable[Module], most: int = FILE_REFUSED) -> Iterator[str]:
    for module in modules:
        if lines(module) > most:
            yield f"{module.name} has {lines(module)} lines (at most {most})"


def functions(module: Module) -> Iterator[tuple[str, Function]]:
    """Every function of a module with its qualified name, those within others included."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{prefix}{child.name}", child
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    yield from walk(module.tree, "")


def long_functions(modules: Iterable[Module], most: int = FUNCTION_REFUSED) -> Iterator[str]:
    for module in modules:
        for name, node in functions(module):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > most:
                yield f"{module.name}:{name} has {length} lines (at most {most})"


def wide_functions(modules: Iterable[Module], most: int = PARAMETERS_REFUSED) -> Iterator[str]:
    """Functions with more parameters than ``most``, ``self`` and ``cls`` not counted.

    What a dataclass takes is its fields and no function's, so it does not come up here.
    """
    for module in modules:
        for name, node in functions(module):
            args = node.args
            given = [*args.posonlyargs, *args.args, *args.kwonlyargs]
            if given and given[0].arg in {"self", "cls"}:
                del given[0]
            count = len(given) + (args.vararg is not None) + (args.kwarg is not None)
            if count > most:
                yield f"{module.name}:{name} takes {count} parameters (at most {most})"


def deep_packages(modules: Iterable[Module]) -> Iterator[str]:
    for module in modules:
        if len(module.name.split(".")) - (not module.is_package) > 2:
            yield f"{module.name} lies more than one folder deep"


def catch_all_names(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        words = path.stem.lower().strip("_").split("_")
        if CATCH_ALLS.intersection(words):
            yield f"{path.name} says nothing of what it holds"


def global_statements(modules: Iterable[Module]) -> Iterator[str]:
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Global):
                yield f"{module.name}:{node.lineno}: global {', '.join(node.names)}"


def broad_excepts(modules: Iterable[Module]) -> Iterator[tuple[str, int]]:
    """Every place that catches everything and goes on, as "module:function" and line."""
    for module in modules:
        inner = [(module.name + ":", module.tree), *_named(module)]
        for node in ast.walk(module.tree):
            if _is_broad(node):
                line = getattr(node, "lineno", 0)
                yield _innermost(inner, line), line


def _named(module: Module) -> Iterator[tuple[str, Function]]:
    for name, node in functions(module):
        yield f"{module.name}:{name}", node


def _innermost(places: list[tuple[str, ast.Module | Function]], line: int) -> str:
    around = [
        (node.lineno, name)
        for name, node in places
        if not isinstance(node, ast.Module) and node.lineno <= line <= (node.end_lineno or line)
    ]
    return max(around)[1] if around else places[0][0]


def _is_broad(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler):
        last = node.body[-1]
        passes_on = isinstance(last, ast.Raise) and last.exc is None
        return (node.type is None or _names_all(node.type)) and not passes_on
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == "suppress"
        and any(_names_all(argument) for argument in node.args)
    )


def _names_all(node: ast.expr) -> bool:
    kinds = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(
        ast.unparse(kind).rpartition(".")[2] in {"Exception", "BaseException"} for kind in kinds
    )


def unexplained(modules: Iterable[Module], reasons: Mapping[str, str]) -> Iterator[str]:
    """Broad excepts without a reason in the list, and reasons without a broad except."""
    found = list(broad_excepts(modules))
    for place, line in found:
        if not reasons.get(place, "").strip():
            yield f"{place} (line {line}) catches everything; no reason is listed"
    for place in reasons.keys() - {place for place, _ in found}:
        yield f"{place} is listed and catches nothing"
