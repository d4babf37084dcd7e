"""Two borders inside the house: who sees the whole configuration, and who reads the environment."""

import ast
from collections.abc import Iterable, Iterator

from tests.repo.source import Module, imports

BUILDERS = (
    *("gateway.app", "gateway.catalog", "gateway.cli"),
    *("gateway.config", "gateway.reload"),
)
READERS = ("gateway.config",)
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def sees_everything(modules: Iterable[Module]) -> Iterator[str]:
    """Modules that name the whole ``Config`` though they build nothing."""
    for module in modules:
        if any(module.is_in(place) for place in BUILDERS):
            continue
        for found in imports(module):
            if found.module.startswith("gateway.config") and {"Config", "*"} & set(found.names):
                yield f"{module.name}:{found.line}: imports the whole Config"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and node.attr == "Config":
                yield f"{module.name}:{node.lineno}: names the whole Config"


def reads_environment(modules: Iterable[Module]) -> Iterator[str]:
    """Uses of the process environment outside the configuration."""
    for module in modules:
        if any(module.is_in(place) for place in READERS):
            continue
        for found in imports(module):
            if found.module == "os" and ENVIRONMENT & set(found.names):
                yield f"{module.name}:{found.line}: imports the environment"
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ENVIRONMENT
                and isinstance(node.value, ast.Name)
                and node.value.id == "os"
            ):
                yield f"{module.name}:{node.lineno}: os.{node.attr}"
