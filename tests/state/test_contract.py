from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.state.base import Store
from gateway.state.memory import MemoryStore
from tests.state.contract import StoreContract
from tests.state.rows import Ledger


@pytest.fixture(params=["memory", "sqlite"])
async def memory(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store: Store
    store = MemoryStore() if request.param == "memory" else Ledger(tmp_path / "state.db").store()
    await store.open()
    yield store
    await store.close()


class TestEveryStore(StoreContract):
    pass
