"""What the gateway can say, gathered from its source: notes, codes of errors, lines of the log.

Owns: finding them. A code counts where an error is made with it, where a table lists it, and where
the listener answers by itself.
"""

import ast
import dataclasses
import typing
from collections.abc import Iterable, Iterator
from types import ModuleType

from gateway import errors, facts, notices
from gateway import events as gateway_events
from gateway.cli import hindrances, serve
from gateway.images.measure import Code
from gateway.openai.responses import TABLE, row_for
from gateway.ops import acts
from gateway.ops.plain import shape
from gateway.server import framing
from gateway.server.transport import Refusal
from tests.repo.source import Module

ERRORS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
# What others are made from, and what is told as another.
_NO_LINES = {
    gateway_events.TaskEvent,
    gateway_events.JobEvent,
    gateway_events.About,
    gateway_events.Stepped,
}
Said = tuple[int, str]  # a status and a code


def notes(modules: Iterable[Module]) -> set[str]:
    """Names of the notes that are made anywhere."""
    return {
        argument.value
        for module in modules
        for call in calls(module.tree)
        if called(call) in {"note", "Note"}
        for argument in call.args[:1]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def codes(modules: Iterable[Module]) -> set[Said]:
    """Every status and code that can be in an answer."""
    listed = {(row.status, row.code) for row in TABLE.values() if row.code is not None}
    below = {
        (refusal.status, refusal.code)
        for refusal in vars(framing).values()
        if isinstance(refusal, Refusal)
    }
    unusable = {(TABLE[errors.InvalidRequest].status, code) for code in typing.get_args(Code)}
    made = {said for module in modules for said in made_in(module)}
    return listed | below | unusable | made


def made_in(module: Module) -> Iterator[Said]:
    """Codes of the errors that a module makes itself."""
    for function in ast.walk(module.tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in calls(function):
            kind = ERRORS.get(called(call))
            given = [word.value for word in call.keywords if word.arg == "code"]
            if kind is not None and issubclass(kind, errors.GatewayError) and given:
                status = row_for(kind.__new__(kind)).status
                yield from ((status, code) for code in texts(given[0], function))


def texts(value: ast.expr, function: ast.AST) -> Iterator[str]:
    """The texts that a value can be; those of a variable stand where it is set."""
    if isinstance(value, ast.Name):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and value.id in names(node.targets):
                yield from texts(node.value, function)
    elif isinstance(value, ast.Constant):
        if isinstance(value.value, str):
            yield value.value
    elif isinstance(value, ast.IfExp):
        yield from texts(value.body, function)
        yield from texts(value.orelse, function)
    elif isinstance(value, ast.BoolOp):
        for one in value.values:
            yield from texts(one, function)


def names(targets: Iterable[ast.expr]) -> set[str]:
    return {target.id for target in targets if isinstance(target, ast.Name)}


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _is_fact_of(kind: object, module: ModuleType) -> bool:
    public = isinstance(kind, type) and not kind.__name__.startswith("_")
    return public and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__


def events() -> dict[str, str]:
    """The names of the log's lines, and how loud each is: empty where that varies."""
    from_parts: list[type] = [facts.RequestEnded, facts.Crashed]
    from_serve: list[type] = [
        kind
        for module in (serve, hindrances, acts)
        for kind in vars(module).values()
        if _is_fact_of(kind, module)
    ]
    of_tasks = [
        kind
        for kind in (*vars(gateway_events).values(), *vars(notices).values())
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind not in _NO_LINES
    ]
    found = {}
    for kind in (*from_parts, *from_serve, *of_tasks):
        level = getattr(kind, "level", "info")
        found[shape(kind)[0]] = level if isinstance(level, str) else ""
    return found
