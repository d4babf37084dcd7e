"""Screenshots of the console for a person to look at: ``./run screenshots [FOLDER]``.

Owns: the scenes (idle, under load, during an outage of the vendor, on a phone, in the dark, the
playground) and where their pictures go. Must not know: how the console works.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from gateway.clock import SystemClock
from tests.console.chromium import Window, browser_started
from tests.console.operated import LAB_KEY, TOKEN, Operated, operated
from tests.e2e.stand import KEY

_FOLDER = Path("data/screenshots")
_UPSTREAM: dict[str, Any] = {
    "max_tasks": 8,
    "breaker": {"least": 3, "window": 4},
    "connect_time": 1.0,
}
_PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "has_touch": True,
}
_SIZES = ("1024x1024", "1536x1024", "2048x2048", "864x1536")

Scene = Callable[[Operated, Page], Awaitable[None]]


async def _idle(_gateway: Operated, _page: Page) -> None:
    """Nothing happens."""


async def _load(gateway: Operated, _page: Page) -> None:
    """Two keys ask for more than may be at the vendor at once; somebody has left."""
    gateway.stand.vendor_is(speed=1000.0)
    gateway.call("a lighthouse", quality="low")
    await gateway.all_answered()
    gateway.stand.vendor_is(speed=1.0)
    for number in range(10):
        key, size = (LAB_KEY if number % 3 == 2 else KEY), _SIZES[number % len(_SIZES)]
        gateway.call(f"a lighthouse, {number}", key, size=size, n=5 if number == 1 else 1)
    await SystemClock().sleep(3)
    gateway.callers[4].cancel()
    await SystemClock().sleep(4)


async def _outage(gateway: Operated, page: Page) -> None:
    """While pictures are made, an answer is lost, and then nobody is there any more."""
    await _load(gateway, page)
    gateway.stand.vendor_fails({"where": "create", "kind": "cut"})
    gateway.call("a lighthouse whose answer is lost", LAB_KEY, size="1024x1024")
    await gateway.stand.until(lambda: "create_lost" in _codes(gateway), 30)
    await gateway.vendor_goes()
    for number in range(6):
        gateway.call(f"a lighthouse in the dark, {number}")
    await expect(page.locator(".verdict")).to_contain_text("creates are held back", timeout=60_000)


async def _playground(gateway: Operated, page: Page) -> None:
    gateway.stand.vendor_is(speed=1000.0)
    await page.get_by_label("Prompt").fill("a lighthouse at dusk, 黄昏的灯塔")
    await page.get_by_role("button", name="Make it").click()
    await expect(page.locator("#played img")).to_have_count(1, timeout=30_000)
    await page.locator("#played summary").click()


def _codes(gateway: Operated) -> set[str]:
    return {failure.code for failure in gateway.stand.gateway.recent.failures()}


SCENES: tuple[tuple[str, Scene, dict[str, Any]], ...] = (
    ("idle", _idle, {}),
    ("load", _load, {}),
    ("outage", _outage, {}),
    ("phone", _outage, _PHONE),
    ("dark", _outage, {"color_scheme": "dark"}),
    ("playground", _playground, {}),
)


async def main(folder: Path) -> None:
    """Play every scene, and take its picture."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with browser_started() as browser:
        for name, scene, options in SCENES:
            with tempfile.TemporaryDirectory() as work:
                async with operated(Path(work), token=TOKEN, upstream=_UPSTREAM) as gateway:
                    page = await Window(browser).page(**options)
                    await page.goto(gateway.url)
                    if name == "idle":
                        await page.screenshot(path=folder / "login.png")
                    await page.get_by_label("The operators' token").fill(TOKEN)
                    await page.get_by_role("button", name="Sign in").click()
                    await expect(page.locator("#live")).to_have_text("live")
                    await scene(gateway, page)
                    await SystemClock().sleep(1.5)
                    await page.screenshot(path=folder / f"{name}.png", full_page=True)
                    await page.context.close()
            sys.stdout.write(f"{folder / name}.png\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else _FOLDER))
