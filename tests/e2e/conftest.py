import functools
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.stand import Stand, behaving


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with behaving(tmp_path) as stand:
        yield stand


@pytest.fixture(autouse=True)
def _no_line_of_trouble(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever happens on the wire, neither the loop nor a library logs a fault."""
    yield
    loud = [one for one in caplog.get_records("call") if one.levelno >= logging.ERROR]
    assert [one.getMessage() for one in loud] == []


@pytest.fixture(scope="module", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """Nobody here speaks TLS, but each client reads the world's certificates, for 20 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield
