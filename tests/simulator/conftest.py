from collections.abc import AsyncIterator

import pytest

from tests.simulator import house as houses


@pytest.fixture
async def house() -> AsyncIterator[houses.House]:
    """A vendor as its page describes it."""
    async with houses.house() as made:
        yield made
