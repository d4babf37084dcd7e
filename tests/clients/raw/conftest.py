import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clients.raw.shop import Shop
from tests.e2e.stand import KEY, Stand, behaving


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """The real gateway before the simulated vendor; in the end there was no fault of ours."""
    server = {"failed_auth_per_minute": None}  # all tests come from one address
    async with behaving(tmp_path_factory.mktemp("stand"), server=server) as stand:
        yield stand


@pytest_asyncio.fixture(loop_scope="module")
async def shop(_stand: Stand) -> AsyncIterator[Shop]:
    """A gateway to buy at: with what this test buys counted from nought."""
    shop = Shop(_stand)
    yield shop
    await shop.close()


@pytest_asyncio.fixture(loop_scope="module")
async def narrow(tmp_path: Path) -> AsyncIterator[Shop]:
    """One that makes one picture at a time: whoever asks for a second is refused for the moment."""
    keys = [{"name": "studio", "key": KEY, "limits": {"concurrent": 1}}]
    async with behaving(tmp_path, keys=keys) as stand:
        yield Shop(stand)


@pytest.fixture(autouse=True)
def _no_line_of_trouble(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    loud = [one for one in caplog.get_records("call") if one.levelno >= logging.ERROR]
    assert [one.getMessage() for one in loud] == []
