"""A page of another origin in a real Chromium, which calls the gateway as OpenAI's SDK would."""

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.server.listener import Listener
from tests.console.chromium import Window
from tests.e2e.outcomes import CANARY
from tests.e2e.pictures import SMALL, decoded
from tests.e2e.stand import KEY, Stand, behaving

pytestmark = pytest.mark.asyncio(loop_scope="session")

WISH = {"model": "gpt-image-2", "prompt": f"{CANARY} a cat", "size": SMALL, "quality": "low"}
# What openai-node sends from a browser, with ``dangerouslyAllowBrowser``.
HEADERS = {
    "authorization": f"Bearer {KEY}",
    "content-type": "application/json",
    "accept": "application/json",
    "x-stainless-retry-count": "0",
    "x-stainless-lang": "js",
    "x-stainless-package-version": "7.57.0",
    "x-stainless-os": "Unknown",
    "x-stainless-arch": "unknown",
    "x-stainless-runtime": "browser:chrome",
    "x-stainless-runtime-version": "140.0.0",
    "openai-organization": "org-1",
}
_ASK = """async ([url, headers, body]) => {
    const answer = await fetch(url, {method: body ? "POST" : "GET", headers, body});
    return {
        status: answer.status,
        id: answer.headers.get("x-request-id"),
        task: answer.headers.get("x-gateway-task"),
        secret: answer.headers.get("openai-version"),
        text: await answer.text(),
    };
}"""
_READ = """async ([url, headers, body]) => {
    const answer = await fetch(url, {method: "POST", headers, body});
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const first = (await reader.read()).value;
    let all = first;
    for (;;) {
        const {value, done} = await reader.read();
        if (done) return {id: answer.headers.get("x-request-id"), first, all};
        all += value;
    }
}"""


@contextlib.asynccontextmanager
async def page_of_its_own(chrome: Window) -> AsyncIterator[tuple[Page, str]]:
    """A page that somebody else serves, and its origin."""

    async def empty(_request: Any) -> HTMLResponse:
        return HTMLResponse("<!doctype html><link rel='icon' href='data:,'><title>a page</title>")

    app: Any = Starlette(routes=[Route("/", empty)])
    listener = Listener(app, host="127.0.0.1", port=0, bounds=ServerBounds(), clock=SystemClock())
    await listener.start()
    try:
        page = await chrome.page()
        await page.goto(listener.url)
        yield page, listener.url
    finally:
        await listener.stop(0)


async def ask(page: Page, stand: Stand, path: str, body: object = None) -> Any:
    sent = None if body is None else json.dumps(body)
    return await page.evaluate(_ASK, [f"{stand.url}{path}", HEADERS, sent])


async def test_a_page_elsewhere_gets_its_picture_and_reads_the_headers(
    chrome: Window, tmp_path: Path
) -> None:
    async with behaving(tmp_path) as stand, page_of_its_own(chrome) as (page, _):
        answer = await ask(page, stand, "/v1/images/generations", WISH)
        assert answer["status"] == 200
        assert answer["id"].startswith("req_")
        assert answer["task"].startswith("tsk_")
        assert answer["secret"] is None  # it is not among those that scripts may read
        item = json.loads(answer["text"])["data"][0]
        assert decoded(base64.b64decode(item["b64_json"])).size == (1024, 768)
        listed = await ask(page, stand, "/v1/models")
        assert json.loads(listed["text"])["object"] == "list"
        await stand.until(lambda: len(stand.requests) == 4)
        asked = [request.method for request in stand.requests]
        assert sorted(asked) == ["GET", "OPTIONS", "OPTIONS", "POST"]


async def test_a_page_elsewhere_reads_a_stream_as_it_comes(chrome: Window, tmp_path: Path) -> None:
    async with behaving(tmp_path, pace=50) as stand, page_of_its_own(chrome) as (page, _):
        stand.vendor_fails({"where": "create", "kind": "slow", "times": None, "seconds": 0.6})
        sent = json.dumps({**WISH, "stream": True})
        told = await page.evaluate(_READ, [f"{stand.url}/v1/images/generations", HEADERS, sent])
    assert told["id"].startswith("req_")
    assert told["first"].startswith(": job job_")
    assert "event:" not in told["first"]
    assert ": ping" in told["all"]
    data = told["all"].partition("data: ")[2]
    assert decoded(base64.b64decode(json.loads(data)["b64_json"])).size == (1024, 768)


async def test_a_refusal_is_read_as_well(outspoken: Window, tmp_path: Path) -> None:
    async with behaving(tmp_path) as stand, page_of_its_own(outspoken) as (page, _):
        answer = await ask(page, stand, "/v1/images/generations", {**WISH, "n": 99})
        assert answer["status"] == 400
        assert json.loads(answer["text"])["error"]["param"] == "n"
        gone = await ask(page, stand, "/v1/nothing")
        assert (gone["status"], json.loads(gone["text"])["error"]["code"]) == (404, "unknown_url")


async def test_a_page_that_is_not_listed_gets_nothing(outspoken: Window, tmp_path: Path) -> None:
    async with page_of_its_own(outspoken) as (page, origin):
        for origins, good in (([origin], True), (["https://other.example"], False)):
            server = {"cors_origins": origins}
            async with behaving(tmp_path / str(good), server=server) as stand:
                tried = page.evaluate(_ASK, [f"{stand.url}/v1/models", HEADERS, None])
                if good:
                    assert (await tried)["status"] == 200
                    continue
                with pytest.raises(Exception, match="Failed to fetch"):
                    await tried
                assert [request.method for request in stand.requests] == ["OPTIONS"]
