"""The page's stream of news: its end, its return, and that it never holds up the gateway's end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.ops.sessions import MOST
from gateway.server.listener import Listener
from tests.console.chromium import Window
from tests.console.operated import TOKEN, Operated, operated
from tests.ops.consoles import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@contextlib.asynccontextmanager
async def looking(url: str) -> AsyncIterator[AsyncIterator[str]]:
    """Lines of the stream, as they come."""
    async with (
        httpx.AsyncClient(base_url=url, timeout=10) as client,
        client.stream("GET", "/events") as answer,
    ):
        assert answer.status_code == 200
        yield answer.aiter_lines()


async def until_news(lines: AsyncIterator[str], wanted: set[str]) -> None:
    async for line in lines:
        wanted.discard(line)
        if not wanted:
            return
    raise AssertionError(f"the stream ended without {wanted}")


async def test_whoever_looks_is_told_of_everything(gateway: Operated) -> None:
    async with looking(gateway.url) as lines:
        await until_news(lines, {"retry: 2000", "event: now", "event: keys"})


async def test_a_draining_gateway_sends_its_viewers_away(gateway: Operated) -> None:
    async with looking(gateway.url) as lines:
        await until_news(lines, {"event: now"})
        await gateway.stand.gateway.drain()
        async with asyncio.timeout(10):
            rest = [line async for line in lines]
        assert "event: now" not in rest[-1:]
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{gateway.url}/events")).status_code == 503
        assert (await client.get(f"{gateway.url}/")).status_code == 200


async def test_a_viewer_does_not_hold_up_the_listeners_end(tmp_path: Path) -> None:
    async with operated(tmp_path) as gateway, looking(gateway.url) as lines:
        await until_news(lines, {"event: now"})
        gateway.stand.gateway._console.close()
        async with asyncio.timeout(20):  # the grace would be a minute
            await gateway.operators.stop(60)


async def test_no_more_than_twenty_may_look(gateway: Operated) -> None:
    async with contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(looking(gateway.url)) for _ in range(20)]
        for lines in streams:
            await until_news(lines, {"event: now"})
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{gateway.url}/events")
            assert (answer.status_code, answer.text) == (
                503,
                "too many look, or the process stops",
            )


@contextlib.asynccontextmanager
async def process(token: str | None, port: int = 0) -> AsyncIterator[tuple[Stage, Listener]]:
    """A console like that of one process; the next may take its port."""
    clock: Any = SystemClock()
    stage = Stage(token, clock=clock)
    bounds = ServerBounds()
    listener = Listener(stage.app, host="127.0.0.1", port=port, bounds=bounds, clock=clock)
    await listener.start()
    try:
        yield stage, listener
    finally:
        stage.console.close()
        await listener.stop(0)


async def test_when_nobody_is_there_the_page_says_so_and_comes_back(outspoken: Window) -> None:
    page = await outspoken.page()
    await page.clock.install()
    async with process(None) as (_, listener):
        await page.goto(listener.url)
        await expect(page.locator("#live")).to_have_text("live")
        made = await page.locator("html").get_attribute("data-page")
    await page.clock.fast_forward(8_000)
    await expect(page.locator("#live")).to_contain_text("stale: no news since")
    async with process(None, listener.port):
        await page.clock.fast_forward(8_000)
        await expect(page.locator("html")).not_to_have_attribute("data-page", made or "")
        await expect(page.locator("#live")).to_have_text("live")


async def test_what_is_being_written_is_not_lost_when_another_process_answers(
    outspoken: Window,
) -> None:
    page = await outspoken.page()
    await page.clock.install()
    async with process(None) as (_, listener):
        await page.goto(listener.url)
        await expect(page.locator("#live")).to_have_text("live")
        await page.get_by_label("Prompt").fill("half a wish")
    async with process(None, listener.port):
        await page.clock.fast_forward(8_000)
        await expect(page.locator("#outdated")).to_be_visible()
        await expect(page.get_by_label("Prompt")).to_have_value("half a wish")
        await page.get_by_role("button", name="Make it").click()
        await expect(page.locator("#play-state")).to_have_text(
            "this page is out of date: load it again"
        )


async def test_a_session_that_is_over_leads_to_the_door(outspoken: Window) -> None:
    page = await outspoken.page()
    await page.clock.install()
    async with process(TOKEN) as (_, listener):
        await sign_in(page, listener)
    async with process(TOKEN, listener.port):
        await comes_to_the_door(page)


async def test_so_does_one_that_is_over_while_its_process_goes_on(outspoken: Window) -> None:
    page = await outspoken.page()
    await page.clock.install()
    async with process(TOKEN) as (stage, listener):
        await sign_in(page, listener)
        for _ in range(MOST):
            stage.guard.sessions.begin()
        await comes_to_the_door(page)


async def sign_in(page: Page, listener: Listener) -> None:
    await page.goto(listener.url)
    await page.get_by_label("The operators' token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#live")).to_have_text("live")


async def comes_to_the_door(page: Page) -> None:
    door = page.get_by_label("The operators' token")
    async with asyncio.timeout(30):
        while not await door.count():  # the browser takes its own time to come back
            await page.clock.fast_forward(6_000)
            await SystemClock().sleep(0.2)
    await expect(door).to_be_visible()
