"""Drivers for the whole session, a gateway for each module, a user and a book for each test."""

import functools
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.clients.books import Books
from tests.clients.driving import Driver
from tests.clients.known import CLIENTS
from tests.clients.users import User
from tests.e2e.stand import Stand, behaving

Drivers = Callable[[str], Driver]
EVERYTHING = pytest.StashKey[list[pytest.Item]]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What was collected, before any of it is left out."""
    config.stash[EVERYTHING] = list(items)


@pytest.fixture(scope="session")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drivers]:
    """The process of a client by its name, started when first asked for."""
    folder = tmp_path_factory.mktemp("drivers")
    started: dict[str, Driver] = {}

    def driver(name: str) -> Driver:
        if name not in started:
            started[name] = Driver(CLIENTS[name], folder)
        return started[name]

    yield driver
    for one in started.values():
        one.close()


@pytest.fixture(scope="module")
def sections(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The gateway's configuration, where it differs: a module's ``SECTIONS``."""
    found: dict[str, Any] = getattr(request.module, "SECTIONS", {})
    return found


@pytest.fixture(scope="module")
def pace(request: pytest.FixtureRequest) -> float:
    """How much faster the gateway's clock goes than the wall's: a module's ``PACE``."""
    found: float = getattr(request.module, "PACE", 1.0)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(
    tmp_path_factory: pytest.TempPathFactory, sections: dict[str, Any], pace: float
) -> AsyncIterator[Stand]:
    """Gateway and vendor, one of each for the module."""
    with pytest.MonkeyPatch.context() as patch:
        # Nobody here speaks TLS, but each client reads the world's certificates, for 20 ms.
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        async with behaving(tmp_path_factory.mktemp("stand"), pace=pace, **sections) as found:
            yield found


@pytest_asyncio.fixture(loop_scope="module")
async def books(stand: Stand) -> AsyncIterator[Books]:
    """What is bought from now on, and which requests come; the vendor then behaves again."""
    yield Books(stand)
    stand.vendor_fails()
    await stand.until(lambda: not stand.gateway.in_flight)


@pytest.fixture
def prompt(request: pytest.FixtureRequest) -> str:
    """A wish that no other test has."""
    return f"a lighthouse for {request.node.name}"


@pytest.fixture
def user(request: pytest.FixtureRequest, drivers: Drivers, stand: Stand, books: Books) -> User:
    """Somebody with the client that the test is done by."""
    name: str = request.param
    return User(CLIENTS[name], drivers(name), stand)


@pytest.fixture
def users(drivers: Drivers, stand: Stand, books: Books) -> Callable[[str], User]:
    """Anybody by the client's name."""
    return lambda name: User(CLIENTS[name], drivers(name), stand)


@pytest.fixture
def drawn_file(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """A file with these bytes."""

    def written(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return written
