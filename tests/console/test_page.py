"""The console in a real browser: idle, under load, while the vendor fails, and on a phone."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.console.chromium import Window
from tests.console.operated import Operated, operated
from tests.e2e.stand import KEY

MARKUP = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>"
OUTAGE = {
    "breaker": {"least": 3, "pause": 60},
    "deadlines": {"tier_1k": 4},
    "connect_time": 1.0,
}

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def opened(chrome: Window, gateway: Operated, **options: object) -> Page:
    page = await chrome.page(**options)
    await page.goto(gateway.url)
    return page


async def test_an_idle_gateway_says_that_all_is_well(chrome: Window, gateway: Operated) -> None:
    page = await opened(chrome, gateway)
    await expect(page.locator("#live")).to_have_text("live")
    await expect(page.locator(".verdict")).to_have_text(re.compile("All is well"))
    await expect(page.get_by_text("Nothing is being made.")).to_be_visible()
    await expect(page.get_by_text("Nothing has failed since the start.")).to_be_visible()
    await expect(page.locator("header")).to_contain_text("ready")
    rows = page.locator("#keys tbody tr")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(2)).to_contain_text("expired")
    await expect(page).to_have_title("0 in flight · image-gateway")


async def test_what_is_made_is_shown_as_it_goes(chrome: Window, gateway: Operated) -> None:
    page = await opened(chrome, gateway)
    await expect(page.locator("#live")).to_have_text("live")
    gateway.stand.vendor_is(speed=0.5)
    for number in range(3):
        gateway.call(f"a lighthouse, {number}")
    rows = page.locator("#jobs tbody tr")
    await expect(rows).to_have_count(3)
    first = rows.first
    await expect(first).to_contain_text("running")
    await expect(first).to_contain_text("1024x1024 · high · 1 picture")
    await expect(first).to_contain_text("studio")
    await expect(first).to_contain_text("1 caller")
    await expect(first).to_contain_text(re.compile("job_[0-9A-Z]{26}"))
    ids = gateway.stand.gateway.board.jobs()[0].upstream_ids
    await expect(first).to_contain_text(ids[0])
    age = await first.locator(".at-age").inner_text()
    await expect(first.locator(".at-age")).not_to_have_text(age)
    await expect(page).to_have_title("3 in flight · image-gateway")
    await expect(page.locator(".tiles")).to_contain_text("In flight3")
    gateway.stand.vendor_is(speed=1000.0)
    assert chrome.record.paths.count("/") == 1  # all that without loading it again


async def test_progress_moves_without_loading_the_page_again(
    chrome: Window, gateway: Operated
) -> None:
    gateway.stand.vendor_is(speed=4)
    gateway.call("a lighthouse")
    page = await opened(chrome, gateway)
    told = page.locator("#jobs .progress span")
    await expect(told).to_have_text(re.compile(r"\d+ %"))
    before = await told.inner_text()
    await expect(told).not_to_have_text(before)
    bar = page.locator("#jobs progress")
    assert float(await bar.get_attribute("value") or 0) > 0
    await expect(page.get_by_text("Nothing is being made.")).to_be_visible(timeout=30_000)
    assert await gateway.all_answered() == [200]
    assert chrome.record.paths.count("/") == 1


async def test_while_the_vendor_fails_trouble_and_advice_are_at_the_top(
    chrome: Window, tmp_path: Path
) -> None:
    async with operated(tmp_path, upstream=OUTAGE) as gateway:
        page = await opened(chrome, gateway)
        await expect(page.locator(".verdict")).to_contain_text("All is well")
        await gateway.vendor_goes()
        for number in range(4):
            gateway.call(f"a lighthouse, {number}")
        assert set(await gateway.all_answered()) == {503}
        verdict = page.locator(".verdict")
        await expect(verdict).to_have_attribute("data-tone", "bad")
        await expect(verdict).to_contain_text("The vendor keeps failing: creates are held back")
        await expect(page.get_by_role("region", name="The vendor")).to_contain_text(
            "open: creates are held back"
        )
        failures = page.locator("#failures li")
        await expect(failures.filter(has_text="upstream_unavailable")).to_contain_text("× ")
        await expect(failures.filter(has_text="upstream_unavailable")).to_contain_text(
            "if it lasts, run 'doctor' and ask the vendor."
        )
        await expect(failures.filter(has_text="breaker_opened")).to_be_visible()
        await expect(page).to_have_title(re.compile(r"^\(!\) "))


async def test_a_create_whose_answer_was_lost_is_loud(chrome: Window, gateway: Operated) -> None:
    page = await opened(chrome, gateway)
    gateway.stand.vendor_fails(
        {"where": "create", "kind": "cut"},
        {"where": "status", "kind": "bad_gateway", "times": None},
    )
    gateway.call("a lighthouse")
    row = page.locator("#jobs tbody tr")
    await expect(row.locator(".chip")).to_have_text("uncertain")
    await expect(row.locator(".chip")).to_have_attribute("data-tone", "bad")
    await expect(page.locator(".verdict")).to_contain_text("1 task perhaps bought")
    lost = page.locator("#failures li").filter(has_text="create_lost")
    await expect(lost).to_contain_text("The answer to a create was lost: perhaps bought")
    gateway.stand.vendor_fails()
    gateway.stand.vendor_is(speed=1000.0)
    await expect(lost).to_contain_text("Over: nothing need be done.", timeout=20_000)


async def test_on_a_phone_nothing_is_wider_than_the_screen(
    chrome: Window, gateway: Operated
) -> None:
    gateway.stand.vendor_is(speed=0.5)
    gateway.call("a lighthouse", n=2)
    await gateway.until_jobs(1)
    page = await opened(chrome, gateway, viewport={"width": 360, "height": 740}, has_touch=True)
    await expect(page.locator("#jobs tbody tr")).to_be_visible()
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width == 360
    over = await page.evaluate(
        """[...document.querySelectorAll('main *')]
           .filter((one) => one.getBoundingClientRect().right > 361)
           .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert over == []
    gateway.stand.vendor_is(speed=1000.0)


async def test_in_the_dark_it_is_dark_and_can_be_read(chrome: Window, gateway: Operated) -> None:
    for scheme in ("dark", "light"):
        page = await opened(chrome, gateway, color_scheme=scheme)
        worst = await page.evaluate(CONTRAST)
        assert worst["ratio"] >= 4.5, (scheme, worst)
        ground = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        light = sum(map(int, re.findall(r"\d+", ground)[:3])) / 3
        assert (light < 60) is (scheme == "dark")


async def test_who_wants_no_motion_gets_none(chrome: Window, gateway: Operated) -> None:
    still = await opened(chrome, gateway, reduced_motion="reduce")
    await expect(still.locator("#live")).to_have_text("live")
    moving = await opened(chrome, gateway, reduced_motion="no-preference")
    await expect(moving.locator("#live")).to_have_text("live")
    name = "getComputedStyle(document.querySelector('#live .dot')).animationName"
    assert await still.evaluate(name) == "none"
    assert await moving.evaluate(name) == "breathe"


async def test_without_scripts_it_is_a_page_of_the_moment(
    chrome: Window, gateway: Operated
) -> None:
    gateway.stand.vendor_is(speed=0.5)
    gateway.call("a lighthouse")
    await gateway.until_jobs(1)
    page = await opened(chrome, gateway, java_script_enabled=False)
    await expect(page.locator("#jobs tbody tr")).to_have_count(1)
    await expect(page.locator("#live")).to_contain_text("as of 20")
    await expect(page.get_by_text("load it again for news")).to_be_visible()
    await expect(page.locator("#keys tbody tr")).to_have_count(3)
    gateway.stand.vendor_is(speed=1000.0)
    assert "/events" not in chrome.record.paths


async def test_whatever_is_told_stays_text(chrome: Window, tmp_path: Path) -> None:
    key = {"name": MARKUP[:100], "key": KEY}
    models: dict[str, Any] = {MARKUP[:90]: {}}
    requests = {"default_model": MARKUP[:90]}
    async with operated(tmp_path, keys=[key], models=models, requests=requests) as gateway:
        page = await opened(chrome, gateway)
        await expect(page.locator("#live")).to_have_text("live")
        gateway.stand.vendor_is(speed=0.5)
        gateway.call(MARKUP, model=MARKUP[:90])
        row = page.locator("#jobs tbody tr")
        await expect(row).to_contain_text(MARKUP[:90])
        await expect(row).to_contain_text(MARKUP[:100])
        gateway.stand.vendor_fails(
            {"where": "create", "kind": "bad_request", "message": MARKUP, "code": MARKUP}
        )
        gateway.call(f"{MARKUP}, again", model=MARKUP[:90])
        await expect(page.locator("#failures li")).to_have_count(1)
        again = await opened(chrome, gateway)  # and as the page was made
        await expect(again.locator("#jobs tbody tr")).to_contain_text(MARKUP[:90])
        for one in (page, again):
            assert await one.locator("main img:not(template *), main b").count() == 0
            assert "taken" not in await one.title()
        gateway.stand.vendor_is(speed=1000.0)


async def test_by_keyboard_alone_everything_can_be_reached(
    chrome: Window, gateway: Operated
) -> None:
    page = await opened(chrome, gateway)
    reached = []
    for _ in range(12):
        await page.keyboard.press("Tab")
        reached.append(
            await page.evaluate("document.activeElement.id || document.activeElement.className")
        )
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", reached
        if reached[-1] == "play-button":
            break
    assert reached[0] == "skip"
    assert [one for one in reached if one.startswith("play")] == [
        "play-prompt",
        "play-key",
        "play-model",
        "play-size",
        "play-quality",
        "play-n",
        "play-button",
    ]


async def test_chinese_is_drawn_with_the_font_that_comes_along(
    chrome: Window, gateway: Operated
) -> None:
    page = await opened(chrome, gateway)
    await expect(page.locator("#live")).to_have_text("live")
    assert not any("woff2" in url for url in chrome.record.urls)  # 1.5 MB that most never need
    async with page.expect_response(re.compile("woff2")) as loaded:
        await page.evaluate("document.fonts.load('16px \"Noto Sans CJK subset\"', '灯塔')")
    assert (await loaded.value).status == 200
    assert await page.evaluate("document.fonts.check('16px \"Noto Sans CJK subset\"', '灯塔')")


CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  let worst = { ratio: 99 };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility()) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, text: node.textContent.trim().slice(0, 40) };
  }
  return worst;
}"""
