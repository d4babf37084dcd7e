import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway import failpoints
from gateway.state.sqlite import SqliteStore
from tests.state.rows import QUICK, Ledger

pytest.register_assert_rewrite(
    "tests.state.contract", "tests.state.accounting", "tests.state.telling"
)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with tempfile.TemporaryDirectory(prefix="ledger-", dir=QUICK) as folder:
        yield Ledger(Path(folder) / "data" / "state.db")


@pytest.fixture
async def store(ledger: Ledger) -> AsyncIterator[SqliteStore]:
    """A new ledger in a file, open."""
    store = ledger.store()
    await store.open()
    ledger.told.clear()
    ledger.measured.clear()
    yield store
    await store.close()


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")
