"""All replicas, by what pages call them, and how a test is run with each of them."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.clients.raw import dotnet, go, java, node_tools, others, php, python_tools, ruby
from tests.clients.raw.client import Client

CLIENTS = (
    dotnet.DOTNET,
    dotnet.KERNEL,
    java.JAVA,
    java.SPRING,
    go.GO,
    go.OFFICIAL,
    php.PHP,
    ruby.RUBY,
    ruby.OFFICIAL,
    python_tools.DIFY,
    python_tools.HOME_ASSISTANT,
    python_tools.LANGCHAIN,
    python_tools.CREWAI,
    python_tools.AUTOGPT,
    python_tools.KERNEL,
    python_tools.LITELLM,
    python_tools.OPEN_WEBUI,
    python_tools.COMFYUI,
    python_tools.PRESENTON,
    node_tools.LOBECHAT,
    node_tools.LANGCHAIN_JS,
    node_tools.LIBRECHAT,
    node_tools.LIBRECHAT_DALLE,
    node_tools.N8N,
    node_tools.SILLYTAVERN,
    node_tools.NEXTCHAT,
    node_tools.CHERRY_STUDIO,
    node_tools.AI_SDK,
    others.CODEX,
    others.NEXTCLOUD,
    others.CURL,
)


def each(*rows: int, where: Callable[[Client], object] = lambda _: True) -> pytest.MarkDecorator:
    """A test with each client for which ``where`` holds; it answers these rows of the list."""
    return marked(filter(where, CLIENTS), *rows)


def marked(clients: Iterable[Client], *rows: int) -> pytest.MarkDecorator:
    """A test with each of these clients, which answers these rows."""
    return pytest.mark.parametrize("client", list(_params(rows, clients)))


def _params(rows: tuple[int, ...], clients: Iterable[Client]) -> Iterable[Any]:
    for client in clients:
        marks = [pytest.mark.row(row, client=client.name, how="raw bytes") for row in rows]
        yield pytest.param(client, id=client.id, marks=marks)
