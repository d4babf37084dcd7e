"""The clients that are driven: their names, versions, environments and programs.

Owns: the table, versions read from the committed lists, and marking a test with the rows it
answers. Must not know: how a client is called.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tests.clients.environments import LISTS, NPM, NPM_LISTS

Rows = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """One client: where it lives, the program of ours that drives it, its packages' names there.

    ``title`` is what the package is called where people look for it.
    """

    name: str
    environment: str
    program: str
    packages: tuple[str, ...]
    title: str = ""

    @property
    def python(self) -> bool:
        return self.environment != NPM

    @property
    def called(self) -> str:
        """Its name and version, for people."""
        told = [f"{self.title or one} {self.pinned[one]}" for one in self.packages]
        return f"{', '.join(told)} ({'Python' if self.python else 'npm'})"

    @property
    def pinned(self) -> dict[str, str]:
        """What the committed list of its environment says: each package's version."""
        return _pinned(self.environment) if self.python else _npm_versions()


@cache
def _pinned(environment: str) -> dict[str, str]:
    text = (LISTS / f"{environment}.lock").read_text("utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


@cache
def _npm_versions() -> dict[str, str]:
    told: dict[str, Any] = json.loads((NPM_LISTS / "package-lock.json").read_text("utf-8"))
    prefix = "node_modules/"
    return {
        name.removeprefix(prefix): package["version"]
        for name, package in told["packages"].items()
        if name.startswith(prefix)
    }


PY0, PY1, PY2, PY3 = "python-0.28", "python-1.55", "python-2.54", "python-3.54"
LANGCHAIN, LITELLM = "langchain", "litellm"
NODE3, NODE4, NODE6, NODE7 = "node-3", "node-4", "node-6", "node-7"
AI, AI_COMPATIBLE, LANGCHAIN_JS = "ai-sdk", "ai-sdk-compatible", "langchain-js"

_PY, _NODE = ("openai",), "openai_node.mjs"

CLIENTS = {
    one.name: one
    for one in (
        Known(PY0, "openai-0.28", "openai_old", _PY),
        Known(PY1, "openai-1.55", "openai_modern", _PY),
        Known(PY2, "openai-2.54", "openai_modern", _PY),
        Known(PY3, "openai-3.54", "openai_modern", _PY),
        Known(LANGCHAIN, "langchain", "langchain_tool", ("langchain-community",)),
        Known(LITELLM, "litellm", "litellm_calls", ("litellm",)),
        Known(NODE3, NPM, "openai_node3.mjs", ("openai3",), "openai"),
        Known(NODE4, NPM, _NODE, ("openai4",), "openai"),
        Known(NODE6, NPM, _NODE, ("openai",)),
        Known(NODE7, NPM, _NODE, ("openai7",), "openai"),
        Known(AI, NPM, "ai_sdk.mjs", ("ai", "@ai-sdk/openai")),
        Known(AI_COMPATIBLE, NPM, "ai_sdk.mjs", ("ai", "@ai-sdk/openai-compatible")),
        Known(LANGCHAIN_JS, NPM, "langchain_node.mjs", ("@langchain/openai",)),
    )
}

Test = Callable[..., Any]


def row(rows: Rows, *clients: str, how: str = "real client") -> Callable[[Test], Test]:
    """The test answers these rows for these clients; a name that is not known stands for itself."""

    def marked(test: Test) -> Test:
        for mark in _marks(rows, clients, how):
            test = mark(test)
        return test

    return marked


def by(rows: Rows, *clients: str) -> pytest.MarkDecorator:
    """The test is done once by each client, which it gets as ``user``, and answers these rows."""
    cases = [
        pytest.param(name, id=name, marks=list(_marks(rows, (name,), "real client")))
        for name in clients
    ]
    return pytest.mark.parametrize("user", cases, indirect=True)


def _marks(rows: Rows, clients: Iterable[str], how: str) -> Iterable[pytest.MarkDecorator]:
    for name in clients:
        called = CLIENTS[name].called if name in CLIENTS else name
        for number in rows if isinstance(rows, tuple) else (rows,):
            yield pytest.mark.row(number, client=called, how=how)
