"""The console's page: what is in it, what a browser may do with it, and that it agrees with its
script's values.
"""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gateway.events import State
from gateway.facts import RequestEnded
from gateway.ops import key_panel, panels
from gateway.ops.assets import FOLDER, Assets
from gateway.ops.console import Console, Sources
from gateway.ops.playground import shown
from gateway.ops.templates import bind, element
from gateway.simulator import pictures
from tests.ops.consoles import ORIGIN, PICTURE, TOKEN, Answer, Browser, Stage, browsing
from tests.ops.views import IDLE, job, key, task, with_jobs, with_vendor

MARKUP = "<script>alert('x')</script>\" onload=\"y"
FORM = {"key": "studio", "model": "gpt-image-2", "size": "", "quality": "", "n": "1", "prompt": "a"}
VOID = {"meta", "link", "input", "img", "br"}


class Document(HTMLParser):
    """A page as a tree of tags; what stands in a ``<template>`` is told apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.bound: list[tuple[list[str], dict[str, str | None], bool]] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        assert len(told) == len(attrs), f"an attribute twice: {tag} {attrs}"
        self.tags.append((tag, told))
        if tag not in VOID:
            self._open.append((tag, told))
        if "data-bind" in told:
            above = [*self._open, *([] if tag not in VOID else [(tag, told)])]
            scopes = [one for _, one in above]
            self.bound.append(
                (_scope(scopes), told, any(name == "template" for name, _ in self._open))
            )

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"{opened} is closed by {tag}"

    def handle_data(self, data: str) -> None:
        if not any(tag == "template" for tag, _ in self._open):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [told for name, told in self.tags if name == tag]


def _scope(above: list[dict[str, str | None]]) -> list[str]:
    """The way from all values to those an element is bound to, as the script goes it."""
    way: list[str] = []
    for place, told in enumerate(above):
        panel = told.get("data-panel")
        if panel is not None:
            way = [panel] if panel else []
        if told.get("id") == "played":
            way = ["played"]
        each = told.get("data-each")
        if each is not None and place < len(above) - 1:
            way = [*way, *each.split("."), "*"]
    return way


def at(values: Any, way: list[str]) -> list[Any]:
    """All that is at a way; a star is every row."""
    if not way:
        return [values]
    if way[0] == "*":
        return [found for one in values for found in at(one, way[1:])]
    return at(values[way[0]], way[1:])


async def page_of(stage: Stage) -> str:
    async with browsing(stage) as browser:
        answer = await browser.open()
        assert answer.status_code == 200
        return answer.text


def busy() -> Stage:
    stage = Stage(
        snapshot=with_jobs(
            with_vendor(breaker="open"),
            job(1),
            job(2, task(State.INTENT, None), position=1, waiting=1),
        )
    )
    stage.recent(RequestEnded("req_1", "POST", 503, 1.0, 0, error_code="upstream_unavailable"))
    return stage


async def test_the_page_has_everything_in_it_without_its_script() -> None:
    text = "".join(Document(await page_of(busy())).text)
    for told in (
        "1 thing needs a look",
        "The vendor keeps failing",
        "job_0001",
        "1st of 1",
        "40 %",
        "The vendor cannot be reached",
        "$1.24 of $5.00",
        "open: creates are held back",
        "Make it:",
        "load it again for news",
    ):
        assert told in text


async def test_an_idle_gateways_page_says_so_in_words() -> None:
    page = await page_of(Stage())
    assert '<p class="empty" data-bind="hidden:some">Nothing is being made.</p>' in page
    assert (
        '<p class="empty" data-bind="hidden:some">Nothing has failed since the start.</p>' in page
    )
    jobs, keys = Document(page).all("table")
    assert "hidden" in jobs
    assert "hidden" not in keys


@pytest.mark.parametrize("make", [busy, Stage])
async def test_every_element_is_bound_to_a_value_that_is_told(make: Any) -> None:
    stage = make()
    bound = Document(await page_of(stage)).bound
    full = busy()
    values: dict[str, Any] = dict(
        panels.overview(full.snapshot, full.recent.failures(), full.recent.saved())
    )
    values["keys"] = key_panel.keys(stage.keys, 0)
    values["played"] = shown(Answer(), 1.0)
    pairs = [
        (scope, pair.partition(":")[2])
        for way, told, _ in bound
        for scope in at(values, way)
        for pair in (told["data-bind"] or "").split()
    ]
    assert len(pairs) > 100
    for scope, path in pairs:
        for step in path.split("."):
            assert step in scope, path
            scope = scope[step]  # noqa: PLW2901 - one step further


async def test_rows_to_come_look_like_rows_that_are() -> None:
    bound = Document(await page_of(busy())).bound
    rows = {
        (tuple(way), told["data-bind"])
        for way, told, pattern in bound
        if not pattern and "*" in way
    }
    patterns = {(tuple(way), told["data-bind"]) for way, told, pattern in bound if pattern}
    assert rows <= patterns
    assert all(not told.get("title") for _, told, pattern in bound if pattern)


async def test_whatever_is_told_is_text() -> None:
    stage = Stage(
        keys=(key(MARKUP),),
        snapshot=replace(
            with_vendor(name=MARKUP, base_url=MARKUP),
            jobs=(job(1, task(upstream_id=MARKUP), key_name=MARKUP, model=MARKUP, size=MARKUP),),
            findings={MARKUP: MARKUP},
            version=MARKUP,
        ),
        answer=Answer(400, (("x-gateway-notes", MARKUP),), json.dumps({"error": MARKUP}).encode()),
    )
    stage.recent(
        RequestEnded(MARKUP, "POST", 502, 1, 0, key_name=MARKUP, error_code=MARKUP, job_id=MARKUP)
    )
    async with browsing(stage) as browser:
        await browser.open()
        pages = [browser.page, (await browser.send("/playground", {**FORM, "key": MARKUP})).text]
    for page in pages:
        document = Document(page)
        assert [told["src"] for told in document.all("script")] == [Assets().url("console.js")]
        assert not any("onload" in told for _, told in document.tags)
        assert MARKUP in "".join(document.text)


async def test_a_browser_may_do_nothing_with_the_page_but_show_it() -> None:
    async with browsing(Stage(TOKEN)) as browser:
        await browser.sign_in()
        for path in ("/", "/login"):
            headers = (await browser.client.get(path)).headers
            assert headers["cache-control"] == "no-store"
            assert headers["x-content-type-options"] == "nosniff"
        headers = (await browser.client.get("/")).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        for word in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert word in policy
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"


async def test_the_page_brings_nothing_along_that_its_policy_forbids() -> None:
    async with browsing(Stage(TOKEN)) as browser:
        await browser.open()
        login = Document(browser.page)
        await browser.sign_in()
        for document in (Document(browser.page), login):
            assert document.all("style") == []
            for tag, told in document.tags:
                assert "style" not in told
                assert not any(name.startswith("on") for name in told)
                for name in ("src", "href", "action"):
                    assert "//" not in (told.get(name) or ""), (tag, told)
            for script in document.all("script"):
                assert script["src"]


async def test_the_page_can_be_read_by_machine_and_by_ear() -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        await browser.sign_in()
        document = Document(browser.page)
    labels = {told.get("for") for told in document.all("label")}
    shown = [
        told
        for tag in ("input", "select", "textarea")
        for told in document.all(tag)
        if told.get("type") != "hidden"
    ]
    assert len(shown) == 7
    assert {told.get("id") for told in shown} <= labels
    ids = [told["id"] for _, told in document.tags if "id" in told]
    assert len(ids) == len(set(ids))
    named = {told["aria-labelledby"] for _, told in document.tags if "aria-labelledby" in told}
    assert named <= set(ids)
    assert document.all("html")[0]["lang"] == "en"
    assert [len(document.all(tag)) for tag in ("h1", "main", "header", "footer")] == [1, 1, 1, 1]
    for table in document.all("table"):
        assert table["role"] == "table"
    assert all(told["scope"] in {"col", "row"} for told in document.all("th"))


async def test_console_leads_to_the_page() -> None:
    async with browsing(Stage()) as browser:
        answer = await browser.client.get("/console")
        assert (answer.status_code, answer.headers["location"]) == (303, "./")


async def test_one_snapshot_serves_all_who_look_within_a_second() -> None:
    stage = Stage()
    async with browsing(stage) as browser:
        for _ in range(5):
            await browser.open()
        assert stage.snapshots == 1
        stage.clock.now += 1
        await browser.open()
        assert stage.snapshots == 2


async def test_the_stream_says_what_the_page_says() -> None:
    stage = Stage()
    async with browsing(stage) as browser:
        page = Document((await browser.open()).text)
    told = await stage.console._now.get()
    assert page.all("html")[0]["data-page"] == told["page"]
    assert json.loads(json.dumps(told)) == told


async def test_another_processs_page_is_another() -> None:
    pages = [Document(await page_of(Stage())).all("html")[0]["data-page"] for _ in range(2)]
    assert pages[0] != pages[1]


async def test_a_look_at_the_streams_head_ends() -> None:
    async with browsing(Stage()) as browser:
        answer = await browser.client.head("/events")
        assert (answer.status_code, answer.headers["content-type"]) == (
            200,
            "text/event-stream; charset=utf-8",
        )


async def test_when_the_console_is_closed_nobody_is_let_in() -> None:
    stage = Stage()
    stage.console.close()
    async with browsing(stage) as browser:
        assert (await browser.client.get("/events")).status_code == 503
        assert (await browser.open()).status_code == 200
    assert repr(stage.console).startswith("<Console <Feed closed viewers=0> <Guard token=False")


# The playground


async def played(browser: Browser, **fields: str) -> Any:
    await browser.open()
    return await browser.send("/playground", {**FORM, **fields}, accept="application/json")


async def test_a_picture_is_made_as_the_chosen_key() -> None:
    stage = Stage()
    async with browsing(stage) as browser:
        answer = await played(browser, prompt="灯塔", n="2", quality="low")
    assert answer.status_code == 200
    told = answer.json()
    assert told["status"] == "200 OK"
    assert told["pictures"][0]["src"] == f"playground/pictures/{PICTURE}"
    assert [row["name"] for row in told["headers"]] == ["x-request-id"]
    ((key_name, body),) = stage.played
    assert key_name == "studio"
    assert json.loads(body)["prompt"] == "灯塔"


async def test_without_a_script_the_answer_is_a_page() -> None:
    stage = Stage()
    async with browsing(stage) as browser:
        await browser.open()
        answer = await browser.send("/playground", FORM)
    document = Document(answer.text)
    images = [told["src"] for told in document.all("img") if "src" in told]
    assert images == [f"playground/pictures/{PICTURE}"]
    (section,) = (told for _, told in document.tags if told.get("id") == "played")
    assert "hidden" not in section


async def test_a_page_carries_the_token_of_a_failed_answer_and_a_new_one_after_a_good_one() -> None:
    stage = Stage(answer=Answer(504, (), b"{}", ()))
    async with browsing(stage) as browser:
        await browser.open()
        for status in (504, 200, 200):
            stage.answer.status = status
            browser.page = (await browser.send("/playground", FORM)).text
    first, second, third = stage.wishes
    assert first is not None
    assert first == second
    assert third not in {first, None}


async def test_a_script_is_told_the_next_token() -> None:
    stage = Stage()
    async with browsing(stage) as browser:
        told = (await played(browser)).json()
        assert told["once"] not in {"", browser.tokens["once"]}
        await browser.open()
        pages = {browser.tokens["once"]}
        await browser.open()
        assert len({*pages, browser.tokens["once"], told["once"]}) == 3


async def test_a_picture_is_a_file_for_our_own_page_alone() -> None:
    async with browsing(Stage(TOKEN)) as browser:
        assert (await browser.client.get(f"/playground/pictures/{PICTURE}")).status_code == 401
        await browser.sign_in()
        answer = await browser.client.get(f"/playground/pictures/{PICTURE}")
        assert (answer.status_code, answer.content) == (200, b"hello")
        assert dict(answer.headers) == {
            "content-type": "image/jpeg",
            "content-length": "5",
            "content-disposition": f'inline; filename="{PICTURE}"',
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
            "cross-origin-resource-policy": "same-origin",
        }
        assert (await browser.client.get("/playground/pictures/other")).status_code == 404
        policy = (await browser.client.get("/")).headers["content-security-policy"]
        assert "img-src 'self';" in policy
        assert "data:" not in policy


async def test_a_picture_is_not_for_a_name_that_was_pointed_at_this_machine() -> None:
    async with browsing(Stage(), host="evil.example:9464") as browser:
        assert (await browser.client.get(f"/playground/pictures/{PICTURE}")).status_code == 403


async def test_an_error_is_shown_with_its_json_open() -> None:
    stage = Stage(answer=Answer(429, (), b'{"error": {"code": "rate_limit_exceeded"}}', ()))
    async with browsing(stage) as browser:
        await browser.open()
        page = (await browser.send("/playground", FORM)).text
    assert "429 Too Many Requests" in page
    assert "<details open>" in page


async def test_no_more_than_two_pictures_are_made_at_once() -> None:
    stage = Stage()
    async with browsing(stage) as browser:
        playground = stage.console._playground
        assert playground is not None
        playground._running = 2
        answer = await played(browser)
        assert answer.status_code == 503
        assert "two pictures" in answer.text
    assert stage.played == []


async def test_a_form_that_is_not_ours_makes_nothing() -> None:
    stage = Stage()
    async with browsing(stage) as browser:
        answer = await played(browser, n="99")
        assert (answer.status_code, answer.text) == (400, "n is a number from 1 to 4")
        answer = await browser.client.get("/playground/price", params={"n": "1"})
        assert answer.status_code == 400
    assert stage.played == []


@pytest.mark.parametrize(("price", "text"), [(170_000, "costs $0.17"), (None, "costs money")])
async def test_the_price_can_be_asked_for(price: int | None, text: str) -> None:
    async with browsing(Stage(price=price)) as browser:
        answer = await browser.client.get("/playground/price", params=FORM)
        assert answer.json() == {"price": text}


async def test_only_good_keys_are_offered() -> None:
    stage = Stage(keys=(key("studio"), key("old", state="expired")))
    page = await page_of(stage)
    assert ">studio</option>" in page
    assert ">old</option>" not in page


async def test_without_a_playground_there_is_none() -> None:
    stage = Stage()
    sources = Sources(stage._take, stage._keys, stage.recent)
    console = Console(sources, stage.guard, stage.clock, stage.facts.append)
    paths = {getattr(route, "path", "") for route in console.routes()}
    assert not paths & {"/playground", "/playground/price", "/drain"}


# Files


async def test_files_are_kept_for_ever_under_the_names_that_pages_use() -> None:
    async with browsing(Stage(TOKEN)) as browser:  # nobody has signed in
        assets = Assets()
        for name in ("console.css", "console.js", "icon.svg"):
            answer = await browser.client.get(f"/{assets.url(name)}")
            assert (answer.status_code, answer.content) == (200, (FOLDER / name).read_bytes())
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            plain = await browser.client.get(f"/static/{name}?v=old")
            assert plain.headers["cache-control"] == "no-cache"
            again = {"if-none-match": plain.headers["etag"]}
            assert (await browser.client.get(f"/static/{name}", headers=again)).status_code == 304


@pytest.mark.parametrize(
    "name", ["console.html", "../console.py", "..%2fconsole.py", "gone.css", "%00"]
)
async def test_nothing_else_is_served(name: str) -> None:
    async with browsing(Stage()) as browser:
        assert (await browser.client.get(f"/static/{name}")).status_code == 404


async def test_the_font_comes_with_its_licence() -> None:
    font = Path(pictures.__file__).parent / "fonts" / "NotoSansCJKsc-subset.woff2"
    assets = Assets({"font.woff2": font, "OFL.txt": font.with_name("OFL.txt")})
    assert "font.woff2" in repr(assets)
    stage = Stage()
    sources = Sources(stage._take, stage._keys, stage.recent)
    console = Console(sources, stage.guard, stage.clock, stage.facts.append, font)
    stage.app.router.routes[:] = console.routes()
    async with browsing(stage) as browser:
        answer = await browser.client.get("/static/NotoSansCJKsc-subset.woff2")
        assert answer.headers["content-type"] == "font/woff2"
        licence = await browser.client.get("/static/OFL.txt")
        assert "SIL OPEN FONT LICENSE" in licence.text
    assert "NotoSansCJKsc-subset.woff2" in (FOLDER / "console.css").read_text("utf-8")


def test_the_script_puts_in_nothing_but_text() -> None:
    script = (FOLDER / "console.js").read_text("utf-8")
    forbidden = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    )
    assert not any(
        word in script for word in (*forbidden, "DOMParser", "srcdoc", "http://", "https://")
    )


# Binding


def test_bound_attributes_are_escaped_and_named() -> None:
    values: dict[str, Any] = {"a": MARKUP, "b": True, "c": None, "d": {"e": 3}}
    told = str(bind(values, title="a", hidden="b", tone="c", value="d.e", text="a", alt="c"))
    assert told.startswith(
        'data-bind="title:a hidden:b tone:c value:d.e text:a alt:c" title="&lt;script'
    )
    assert told.endswith('hidden data-tone="" value="3"')
    assert "<script" not in told


def test_an_element_has_its_text_and_nothing_where_there_is_none() -> None:
    assert (
        str(element("td", {"a": "<b>"}, "x", text="a"))
        == '<td class="x" data-bind="text:a">&lt;b&gt;</td>'
    )
    assert str(element("p", {}, text="a.b", hidden="c")) == '<p data-bind="text:a.b hidden:c"></p>'


def test_the_origin_of_the_tests_is_that_of_their_host() -> None:
    assert ORIGIN.endswith(":9464")
    assert IDLE.jobs == ()
