from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway import failpoints
from gateway.state.sqlite import SqliteStore
from tests.state.rows import Ledger

pytest.register_assert_rewrite("tests.state.contract")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "data" / "state.db")


@pytest.fixture
async def store(ledger: Ledger) -> AsyncIterator[SqliteStore]:
    """A new ledger in a file, open."""
    store = ledger.store()
    await store.open()
    ledger.told.clear()
    yield store
    await store.close()


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")
