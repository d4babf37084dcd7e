"""Which library may be used where, and what the quiet core may see.

Adding a library means adding a line here, in a reviewer's sight.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping

from tests.repo.source import Module, imports, within

HOMES: Mapping[str, tuple[str, ...]] = {
    "PIL": ("gateway.images", "gateway.simulator.pictures", "gateway.simulator.lettering"),
    "aiohttp": ("gateway.web",),
    "cachetools": ("gateway.upstream", "gateway.access.failures"),
    "click": ("gateway.cli",),
    "httptools": ("gateway.server",),
    "httpx": ("gateway.web",),
    "httpx_aiohttp": ("gateway.web",),
    "jinja2": ("gateway.ops.templates",),
    "markupsafe": ("gateway.ops.templates",),
    "prometheus_client": ("gateway.ops.series", "gateway.ops.metrics", "gateway.ops.exposition"),
    "pybase64": ("gateway.openai",),
    "pydantic": ("gateway.config",),
    "pydantic_core": ("gateway.config",),
    "python_multipart": ("gateway.openai.multipart", "gateway.simulator"),
    "sqlite3": ("gateway.state",),
    "starlette": ("gateway.openai", "gateway.ops", "gateway.app", "gateway.simulator"),
    "structlog": ("gateway.ops.logs",),
    "uvicorn": ("gateway.server",),
    "yaml": ("gateway.config",),
}

# The quiet core: besides the standard library each sees only these modules of ours.
CORE: Mapping[str, tuple[str, ...]] = {
    "gateway.translate": ("gateway.translate", "gateway.errors"),
    "gateway.events": ("gateway.errors",),
    "gateway.facts": ("gateway.errors",),
    "gateway.notices": ("gateway.errors",),
    "gateway.jobs.machine": ("gateway.events", "gateway.errors"),
    "gateway.jobs.schedule": ("gateway.translate", "gateway.errors"),
}


def strangers(modules: Iterable[Module], homes: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Every import of a library outside its home, or of one that has none."""
    for module in modules:
        for found in imports(module):
            if found.top == "gateway" or (
                found.top in sys.stdlib_module_names and found.top not in homes
            ):
                continue
            where = f"{module.name}:{found.line}: {found.top}"
            places = homes.get(found.top)
            if places is None:
                yield f"{where} has no home"
            elif not any(module.is_in(place) for place in places):
                yield f"{where} belongs in {', '.join(places)}"


def noises(modules: Iterable[Module], core: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Every import of the quiet core that is neither the standard library nor allowed."""
    for module in modules:
        for place, allowed in core.items():
            if not module.is_in(place):
                continue
            for found in imports(module):
                if found.top in sys.stdlib_module_names:
                    continue
                for target in found.targets():
                    if not any(within(target, name) for name in allowed):
                        yield f"{module.name}:{found.line}: {target} in the quiet core"
