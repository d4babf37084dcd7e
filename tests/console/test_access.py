"""Coming and going in a real browser: the token, the session, forms that are not ours, drain."""

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.config.simulated import Simulator as Section
from gateway.ops.acts import DrainAsked, SignedIn, SignedOut, SignInRefused
from gateway.server.listener import Listener
from gateway.simulator.app import Simulator
from tests.cli.served import serving
from tests.console.chromium import Window
from tests.console.operated import TOKEN, Operated, operated

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def signed_in(chrome: Window, url: str) -> Page:
    page = await chrome.page()
    await page.goto(url)
    await page.get_by_label("The operators' token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#live")).to_have_text("live")
    return page


def told(gateway: Operated, kind: type) -> list[object]:
    return [fact for fact in gateway.stand.facts if isinstance(fact, kind)]


async def test_who_has_the_token_comes_in_and_goes(chrome: Window, tmp_path: Path) -> None:
    async with operated(tmp_path, token=TOKEN) as gateway:
        page = await signed_in(chrome, gateway.url)
        cookies = await page.context.cookies()
        assert [(one["httpOnly"], one["sameSite"]) for one in cookies] == [(True, "Strict")]
        assert await page.evaluate("document.cookie") == ""
        await page.reload()
        await expect(page.locator("#live")).to_have_text("live")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("The operators' token")).to_be_visible()
        await page.goto(gateway.url)
        await expect(page.get_by_label("The operators' token")).to_be_visible()
        assert len(told(gateway, SignedIn)) == len(told(gateway, SignedOut)) == 1


async def test_a_wrong_token_is_refused_in_words(outspoken: Window, tmp_path: Path) -> None:
    async with operated(tmp_path, token=TOKEN) as gateway:
        page = await outspoken.page()
        await page.goto(gateway.url)
        await page.get_by_label("The operators' token").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("This is not the operators' token.")
        await expect(page.get_by_label("The operators' token")).to_be_focused()
        assert len(told(gateway, SignInRefused)) == 1
        (said,) = outspoken.record.complaints
        assert "401" in said


async def test_without_scripts_one_can_sign_in_and_out(chrome: Window, tmp_path: Path) -> None:
    async with operated(tmp_path, token=TOKEN) as gateway:
        page = await chrome.page(java_script_enabled=False)
        await page.goto(gateway.url)
        await page.get_by_label("The operators' token").fill(TOKEN)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_text("Nothing is being made.")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("The operators' token")).to_be_visible()


async def test_a_form_that_is_not_the_pages_own_is_refused(
    outspoken: Window, tmp_path: Path
) -> None:
    async with operated(tmp_path, token=TOKEN) as gateway:
        page = await signed_in(outspoken, gateway.url)
        for path, fields in (("drain", "confirm=drain"), ("playground", "key=studio&n=1&prompt=a")):
            status = await page.evaluate(
                "([path, body]) => fetch(path, {method: 'POST', body: new URLSearchParams(body)})"
                ".then((answer) => answer.status)",
                [path, fields],
            )
            assert status == 403
        assert not gateway.stand.gateway.drain_asked.is_set()
        assert gateway.stand.purchases == 0
        assert len(outspoken.record.complaints) == 2


async def test_a_page_of_another_site_can_neither_read_nor_act(
    outspoken: Window, tmp_path: Path
) -> None:
    async with operated(tmp_path) as gateway:
        other = Listener(
            _another_site(gateway.url),
            host="127.0.0.1",
            port=0,
            bounds=ServerBounds(),
            clock=SystemClock(),
        )
        await other.start()
        try:
            page = await outspoken.page()
            await page.goto(other.url)
            await expect(page.locator("#read")).to_have_text("refused")
            await page.get_by_role("button", name="act").click()
            await expect(page.locator("body")).to_have_text("not from another site's page")
            await page.goto(f"{other.url}/framed")
            await expect(page.locator("iframe")).to_be_visible()
            assert await page.frames[1].get_by_text("In flight").count() == 0
        finally:
            await other.stop(0)
        assert gateway.stand.purchases == 0


def _another_site(url: str) -> Any:
    reads = (
        f"<p id=read></p><form method=post action={url}/playground>"
        "<input name=key value=studio><input name=n value=1><input name=prompt value=a>"
        f"<button>act</button></form><script>fetch('{url}/', {{credentials: 'include'}})"
        ".then(() => read.textContent = 'got it', () => read.textContent = 'refused')</script>"
    )
    pages = {"/": reads, "/framed": f"<iframe src={url}></iframe>"}

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        page = f"<!doctype html><link rel=icon href=data:,>{pages.get(scope['path'], '')}"
        headers = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(page))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": page.encode()})

    return app


async def test_draining_wants_the_word_and_says_who_did_it(chrome: Window, tmp_path: Path) -> None:
    async with operated(tmp_path, token=TOKEN) as gateway:
        page = await signed_in(chrome, gateway.url)
        await page.get_by_text("Drain and stop").click()
        await page.get_by_label("Type drain to confirm").fill("yes")
        await page.get_by_role("button", name="Drain now").click()
        await expect(page.get_by_label("Type drain to confirm")).to_be_focused()
        assert not gateway.stand.gateway.drain_asked.is_set()
        await page.get_by_label("Type drain to confirm").fill("drain")
        await page.get_by_role("button", name="Drain now").click()
        await expect(page.get_by_role("heading", name="Draining")).to_be_visible()
        assert gateway.stand.gateway.drain_asked.is_set()
        (drain,), (came,) = told(gateway, DrainAsked), told(gateway, SignedIn)
        assert getattr(drain, "by", "") == getattr(came, "by", None)
        gateway.stand.gateway.announce_drain()
        await page.get_by_role("link", name="The console").click()
        await expect(page.locator("header")).to_contain_text("draining")
        await expect(page.locator(".verdict")).to_contain_text("The process is about to stop")


async def test_pressed_in_a_browser_it_ends_a_real_process_as_a_signal_would(
    chrome: Window, tmp_path: Path
) -> None:
    clock = SystemClock()
    simulator = Simulator(Section(speed=1000.0), clock)
    vendor = Listener(simulator.app, host="127.0.0.1", port=0, bounds=ServerBounds(), clock=clock)
    await vendor.start()
    config = tmp_path / "config.yaml"
    config.write_text(
        json.dumps(
            {
                "server": {"port": 0},
                "ops": {"port": 0, "token": TOKEN},
                "upstream": {"base_url": vendor.url, "api_key": "simulated"},
                "keys": [{"name": "studio", "key": "sk-igw-studio-key"}],
                "images": {"folder": "pictures"},
            }
        )
    )
    try:
        with serving(config) as served:
            page = await signed_in(chrome, served.operators)
            await page.get_by_text("Drain and stop").click()
            await page.get_by_label("Type drain to confirm").fill("drain")
            await page.get_by_role("button", name="Drain now").click()
            await expect(page.get_by_role("heading", name="Draining")).to_be_visible()
            assert await asyncio.to_thread(served.process.end) == 0
            names = [line["event"] for line in served.lines()]
            assert names[-3:] == ["drain_asked", "stopping", "stopped"]
            stopped = served.told("stopped")[0]["uptime"]
            assert re.fullmatch("[0-9a-f]{16}", served.told("drain_asked")[0]["by"])
            assert stopped > 0
            assert TOKEN not in "".join(served.process.out)
    finally:
        await vendor.stop(0)
        simulator.close()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
