from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.console.chromium import Window, browser_started
from tests.console.operated import Operated, operated


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests; each has pages and cookies of its own."""
    expect.set_options(timeout=15_000)
    async with browser_started() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def outspoken(browser: Browser) -> AsyncIterator[Window]:
    """Pages that ask nobody else; what they complain of is the test's affair."""
    found = Window(browser)
    yield found
    await found.close()
    assert found.record.strangers == []


@pytest_asyncio.fixture(loop_scope="session")
async def chrome(outspoken: Window) -> AsyncIterator[Window]:
    """Pages that complain of nothing either."""
    yield outspoken
    assert outspoken.record.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(tmp_path: Path) -> AsyncIterator[Operated]:
    """A gateway without an operators' token."""
    async with operated(tmp_path) as found:
        yield found
