"""The playground in a real browser: pictures that are seen, errors as clients get them."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from gateway.config.sections import Key
from gateway.ops.acts import PictureTried
from tests.console.chromium import Window
from tests.console.operated import KEYS, Operated, operated

SEEN = "async (one) => { await one.decode(); return [one.naturalWidth, one.naturalHeight]; }"
MAKE = re.compile("^Make it")

pytestmark = pytest.mark.asyncio(loop_scope="session")


def shelf(gateway: Operated) -> list[str]:
    """The tokens of the pictures that lie there."""
    return list(gateway.stand.gateway._shelf._entries)


async def had(page: Page, gateway: Operated) -> str:
    """Where the one picture came from that the page shows; the gateway knows that it does."""
    image = page.locator("#played img")
    await expect(image).to_have_count(1)
    source = await image.get_attribute("src") or ""
    token = Path(source).stem
    await gateway.stand.until(lambda: gateway.stand.gateway._shelf.is_claimed(token))
    return source


async def asked(page: Page, gateway: Operated, **fields: str) -> None:
    """Fill in the form by its labels, and send it."""
    await page.goto(gateway.url)
    await page.get_by_label("Prompt").fill(fields.pop("prompt", "a lighthouse"))
    for label, value in fields.items():
        await page.get_by_label(label.replace("_", " ").capitalize()).select_option(value)
    await page.get_by_role("button", name=MAKE).click(no_wait_after=True)


async def test_a_picture_is_made_and_seen(chrome: Window, gateway: Operated) -> None:
    gateway.stand.vendor_is(speed=1000.0)
    page = await chrome.page()
    await asked(page, gateway, prompt="灯塔", size="1536x864", quality="low", pictures="2")
    played = page.locator("#played")
    await expect(played.locator(".chip")).to_have_text("200 OK")
    await expect(played.locator("img")).to_have_count(2)
    for image in await played.locator("img").all():
        await image.scroll_into_view_if_needed()
        assert await image.evaluate(SEEN) == [1536, 864]
        box = await image.bounding_box()
        assert box is not None
        assert abs(box["width"] / box["height"] - 16 / 9) < 0.02
    headers = played.locator(".headers")
    await expect(headers).to_contain_text("x-request-id")
    await expect(headers).to_contain_text("x-gateway-task")
    await expect(headers).to_contain_text("x-ratelimit-remaining-images")
    text = await played.locator("pre").text_content()
    told = json.loads(text or "")
    assert re.search(r"… \([\d,]+ characters\)$", told["data"][0]["b64_json"])
    assert (told["size"], len(told["data"])) == ("1536x864", 2)
    await expect(played).to_contain_text(re.compile(r"\d\.\d s"))
    (ended,) = (one for one in gateway.stand.requests if one.route == "generations")
    assert (ended.key_name, ended.status) == ("studio", 200)
    assert gateway.stand.images_bought == 2


async def test_the_button_says_what_it_costs(chrome: Window, gateway: Operated) -> None:
    page = await chrome.page()
    await page.goto(gateway.url)
    button = page.get_by_role("button", name=MAKE)
    await expect(button).to_have_text("Make it: costs $0.17")
    await page.get_by_label("Quality").select_option("low")
    await page.get_by_label("Pictures").select_option("3")
    await expect(button).to_have_text("Make it: costs $0.06")
    assert gateway.stand.purchases == 0


async def test_a_key_that_comes_later_is_offered_too(chrome: Window, gateway: Operated) -> None:
    page = await chrome.page()
    await page.goto(gateway.url)
    keys = page.get_by_label("As the key")
    await keys.select_option("lab")
    await expect(keys.locator("option")).to_have_text(["studio", "lab"])
    told = [Key.model_validate(one) for one in (*KEYS, {"name": "new", "key": "sk-igw-new-key"})]
    gateway.stand.gateway.overview.reload(told)
    await expect(keys.locator("option")).to_have_text(["studio", "lab", "new"])
    await expect(keys).to_have_value("lab")


async def test_an_error_is_shown_as_clients_get_it(chrome: Window, tmp_path: Path) -> None:
    key = {"name": "small", "key": "sk-igw-small-key", "max_quality": "low"}
    async with operated(tmp_path, keys=[key]) as gateway:
        page = await chrome.page()
        await asked(page, gateway, quality="high")
        played = page.locator("#played")
        await expect(played.locator(".chip")).to_have_text("400 Bad Request")
        await expect(played.locator("pre")).to_be_visible()
        text = await played.locator("pre").text_content()
        assert json.loads(text or "")["error"]["param"] == "quality"
        await expect(played.locator("img")).to_have_count(0)
        assert gateway.stand.purchases == 0


async def test_a_second_answer_takes_the_place_of_the_first(
    chrome: Window, gateway: Operated
) -> None:
    gateway.stand.vendor_is(speed=1000.0)
    page = await chrome.page()
    await asked(page, gateway)
    await expect(page.locator("#played img")).to_have_count(1)
    first = await page.locator("#played img").get_attribute("src")
    await page.get_by_label("Prompt").fill("<b>another</b>")
    await page.get_by_role("button", name=MAKE).click()
    await expect(page.locator("#played img")).not_to_have_attribute("src", first or "")
    assert await page.locator("#played img").evaluate(SEEN) == [1024, 1024]
    assert await page.locator("#played b").count() == 0
    tried = [fact for fact in gateway.stand.facts if isinstance(fact, PictureTried)]
    assert [one.status for one in tried] == [200, 200]


async def test_while_it_is_made_the_page_says_so_and_shows_the_job(
    chrome: Window, gateway: Operated
) -> None:
    gateway.stand.vendor_is(speed=8)
    page = await chrome.page()
    await asked(page, gateway)
    await expect(page.locator("#play-state")).to_contain_text("being made")
    await expect(page.get_by_role("button", name=MAKE)).to_be_disabled()
    await expect(page.locator("#jobs tbody tr")).to_contain_text("studio")
    await expect(page.locator("#played img")).to_have_count(1, timeout=20_000)
    await expect(page.get_by_role("button", name=MAKE)).to_be_enabled()


async def test_who_has_a_picture_and_makes_it_again_gets_a_new_one(
    chrome: Window, gateway: Operated
) -> None:
    gateway.stand.vendor_is(speed=1000.0)
    page = await chrome.page()
    await asked(page, gateway)
    first = await had(page, gateway)
    await page.get_by_role("button", name=MAKE).click()
    await expect(page.locator("#played img")).not_to_have_attribute("src", first)
    await had(page, gateway)
    assert gateway.stand.purchases == 2


@pytest.mark.parametrize("scripts", [True, False])
async def test_who_leaves_the_page_and_comes_back_does_not_buy_again(
    chrome: Window, gateway: Operated, scripts: bool
) -> None:
    stand = gateway.stand
    stand.vendor_is(speed=2.0)
    page = await chrome.page(java_script_enabled=scripts)
    await asked(page, gateway)
    await stand.until(lambda: stand.purchases == 1)
    await page.goto("about:blank")
    await stand.until(lambda: stand.requests)
    assert not stand.gateway.board._visits
    stand.vendor_is(speed=1000.0)
    await asked(page, gateway)
    await had(page, gateway)
    gone, came = (one for one in stand.requests if one.route == "generations")
    assert (gone.left_early, gone.joined) == (True, None)
    assert (came.job_id, came.joined) == (gone.job_id, "orphan")
    tried = [fact for fact in stand.facts if isinstance(fact, PictureTried)]
    assert [one.status for one in tried] == [499, 200]
    assert stand.purchases == 1


@pytest.mark.parametrize("kind", ["text/html", "application/json", None])
async def test_a_page_whose_answer_was_lost_gets_the_same_picture(
    outspoken: Window, gateway: Operated, kind: str | None
) -> None:
    """A proxy loses it: it says so in its own words, or cuts the connection."""
    stand = gateway.stand
    stand.vendor_is(speed=1000.0)
    page = await outspoken.page()

    async def lose(route: Route) -> None:
        answer = await route.fetch()
        assert answer.status == 200
        if kind is None:
            await route.abort()
        else:
            await route.fulfill(status=504, content_type=kind, body='{"status": "504 Late"}')

    await page.route("**/playground", lose)
    await asked(page, gateway)
    await expect(page.locator("#play-state")).to_contain_text("is not bought twice")
    await page.unroute("**/playground")
    (first,) = shelf(gateway)
    stand.gateway._shelf.fetched(first)  # as if somebody had had it: that is not this page
    await page.get_by_role("button", name=MAKE).click()
    assert first in await had(page, gateway)
    assert [one.joined for one in stand.requests if one.status == 200 and one.n] == [
        None,
        "idempotency_key",
    ]
    assert stand.purchases == 1


async def test_the_same_form_sent_while_it_is_waited_for_buys_once(gateway: Operated) -> None:
    """Hang-ups that are noticed, and one that a proxy in between never tells of."""
    stand = gateway.stand
    stand.vendor_is(speed=4.0)
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client:
        page = (await client.get("/")).text
        hidden = dict(re.findall(r'name="(csrf|once)" value="([^"]+)"', page))
        form = {**hidden, "key": "studio", "model": "gpt-image-2", "n": "1", "prompt": "a"}
        told = {"origin": gateway.url, "accept": "application/json"}
        staying = asyncio.create_task(client.post("/playground", data=form, headers=told))
        await stand.until(lambda: stand.purchases == 1)
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/playground", data=form, headers=told, timeout=0.6)
        await stand.until(lambda: [one for one in stand.requests if one.left_early])
        stand.vendor_is(speed=1000.0)
        answers = [await client.post("/playground", data=form, headers=told), await staying]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["pictures"] == answers[1].json()["pictures"]
    assert stand.purchases == 1


async def test_a_form_that_took_what_another_had_left_is_given_it_again(
    gateway: Operated,
) -> None:
    """Its first connection is not known to be gone; then its picture was had by somebody."""
    stand = gateway.stand
    stand.vendor_is(speed=4.0)
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client:
        told = {"origin": gateway.url, "accept": "application/json"}
        forms = []
        for _ in range(2):
            page = (await client.get("/")).text
            hidden = dict(re.findall(r'name="(csrf|once)" value="([^"]+)"', page))
            forms.append({**hidden, "key": "studio", "model": "gpt-image-2", "n": "1"})
        left, anew = ({**form, "prompt": "a"} for form in forms)
        assert left["once"] != anew["once"]
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/playground", data=left, headers=told, timeout=0.6)
        await stand.until(lambda: [one for one in stand.requests if one.left_early])
        ((job,),) = [stand.gateway.board.jobs()]
        staying = asyncio.create_task(client.post("/playground", data=anew, headers=told))
        await stand.until(lambda: stand.gateway.board.visits(job.job_id) == 1)
        again = asyncio.create_task(client.post("/playground", data=anew, headers=told))
        await stand.until(lambda: stand.gateway.board.visits(job.job_id) == 2)
        stand.vendor_is(speed=1000.0)
        answers = [await staying, await again]
        (token,) = shelf(gateway)
        stand.gateway._shelf.fetched(token)
        answers.append(await client.post("/playground", data=anew, headers=told))
    assert [answer.status_code for answer in answers] == [200] * 3
    for answer in answers:
        assert answer.json()["pictures"] == answers[0].json()["pictures"]
    joined = [one.joined for one in stand.requests if one.status == 200 and one.n]
    assert sorted(map(str, joined)) == ["idempotency_key", "idempotency_key", "orphan"]
    assert stand.purchases == 1


async def test_without_scripts_a_form_sent_once_more_shows_the_same_picture(
    chrome: Window, gateway: Operated
) -> None:
    gateway.stand.vendor_is(speed=1000.0)
    page = await chrome.page(java_script_enabled=False)
    await asked(page, gateway)
    first = await had(page, gateway)
    await page.reload()
    assert await had(page, gateway) == first
    assert gateway.stand.purchases == 1
    await page.get_by_label("Prompt").fill("a lighthouse")
    await page.get_by_role("button", name=MAKE).click()
    await expect(page.locator("#played img")).not_to_have_attribute("src", first)
    assert gateway.stand.purchases == 2


async def test_without_scripts_a_picture_is_made_and_seen(
    chrome: Window, gateway: Operated
) -> None:
    gateway.stand.vendor_is(speed=1000.0)
    page = await chrome.page(java_script_enabled=False)
    await asked(page, gateway)
    image = page.locator("#played img")
    await expect(image).to_be_visible()
    box = await image.bounding_box()
    assert box is not None
    assert box["width"] > 200
    assert abs(box["width"] - box["height"]) < 2
