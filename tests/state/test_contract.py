from collections.abc import AsyncIterator

import pytest

from gateway.state.base import Store
from gateway.state.memory import MemoryStore
from tests.clocks import FakeClock
from tests.state.accounting import AccountingContract
from tests.state.contract import StoreContract
from tests.state.rows import Ledger
from tests.state.telling import TellingContract


@pytest.fixture(params=["memory", "sqlite"])
async def memory(request: pytest.FixtureRequest, ledger: Ledger) -> AsyncIterator[Store]:
    store: Store = MemoryStore(FakeClock()) if request.param == "memory" else ledger.store()
    await store.open()
    yield store
    await store.close()


class TestEveryStore(StoreContract):
    pass


class TestEveryStoreCounts(AccountingContract):
    pass


class TestEveryStoreTells(TellingContract):
    pass
