import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.stand import Stand, standing, without_crashes


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with standing(tmp_path) as stand:
        with without_crashes(stand):
            yield stand


@pytest.fixture(autouse=True)
def _no_line_of_trouble(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever happens on the wire, neither the loop nor a library logs a fault."""
    yield
    loud = [one for one in caplog.get_records("call") if one.levelno >= logging.ERROR]
    assert [one.getMessage() for one in loud] == []
