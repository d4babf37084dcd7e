"""Pages of other origins: who may read an answer, and what a browser asks before it calls."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.openai.cors import EXPOSED
from tests.e2e.outcomes import CANARY
from tests.e2e.pictures import SMALL
from tests.e2e.stand import KEY, Stand, behaving, standing
from tests.e2e.test_metrics import told, total

PAGE = "https://page.example"
WISH: dict[str, Any] = {"prompt": f"{CANARY} a cat", "size": SMALL, "quality": "low"}
GENERATIONS = "/v1/images/generations"
ASKING = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-retry-count",
}


@pytest.fixture
async def listed(tmp_path: Path) -> AsyncIterator[Stand]:
    async with behaving(tmp_path, server={"cors_origins": [PAGE]}) as stand:
        yield stand


async def answers(stand: Stand, origin: str) -> AsyncIterator[httpx.Response]:
    """One of each kind that callers get."""
    headers = {"origin": origin, "authorization": f"Bearer {KEY}"}
    async with stand.plain(headers=headers) as client:
        made = await client.post(GENERATIONS, json={**WISH, "response_format": "url"})
        yield made
        yield await client.post(GENERATIONS, json={**WISH, "stream": True})
        yield await client.get(made.json()["data"][0]["url"])
        yield await client.get("/v1/models")
        yield await client.post(GENERATIONS, json={})  # 400
        yield await client.get("/v1/models", headers={"authorization": "Bearer sk-no"})  # 401
        yield await client.get("/v1/nothing")  # 404
        yield await client.get("/images/nothing.png")  # 404
        yield await client.get(GENERATIONS)  # 405
        yield await client.request("OPTIONS", GENERATIONS)  # 405: no question of a browser's


async def test_every_answer_may_be_read_by_any_page_and_says_so_once(stand: Stand) -> None:
    statuses = []
    async for answer in answers(stand, PAGE):
        statuses.append(answer.status_code)
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        assert answer.headers["access-control-expose-headers"] == ", ".join(EXPOSED)
        assert "vary" not in answer.headers
    assert statuses == [200, 200, 200, 200, 400, 401, 404, 404, 405, 405]


async def test_where_origins_are_listed_only_they_may_read(listed: Stand) -> None:
    async for answer in answers(listed, PAGE):
        assert answer.headers.get_list("access-control-allow-origin") == [PAGE]
        assert answer.headers["vary"] == "origin"
    async for answer in answers(listed, "https://other.example"):
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == "origin"


async def test_a_fault_of_ours_may_be_read_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing(tmp_path) as stand, stand.plain() as client:

        async def broken(*_: object, **__: object) -> None:
            raise RuntimeError("a fault of ours")

        monkeypatch.setattr(stand.gateway._reception, "look_ahead", broken)
        answer = await client.post(GENERATIONS, json=WISH, headers={"origin": PAGE})
        assert answer.status_code == 500
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    "path",
    [
        GENERATIONS,
        f"{GENERATIONS}/job_1",
        "/v1/images/edits",
        "/v1/images/variations",
        "/v1/models",
        "/images/generations",
        "/openai/deployments/gpt-image-2/images/generations?api-version=1",
        f"/images/{'0' * 32}.png",
        "/v1/nothing",
    ],
)
async def test_a_browsers_question_needs_no_key(stand: Stand, path: str) -> None:
    async with stand.plain(headers={}) as client:
        answer = await client.request("OPTIONS", path, headers=ASKING)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    assert "x-stainless-retry-count" in answer.headers["access-control-allow-headers"]
    assert answer.headers["x-request-id"].startswith("req_")


async def test_a_question_is_counted_by_itself_and_is_no_failure(stand: Stand) -> None:
    async with stand.plain(headers={}) as client:
        await client.request("OPTIONS", GENERATIONS, headers=ASKING)
    await stand.until(lambda: stand.requests)
    (ended,) = stand.requests
    assert (ended.method, ended.status, ended.route, ended.level) == ("OPTIONS", 204, None, "info")
    assert (ended.rejection, ended.key_name, ended.key_fault) == (None, None, None)
    counted = await told(stand)
    other = {"route": "other", "method": "other"}
    assert total(counted, "http_requests_total", status="204", **other) == 1
    assert total(counted, "http_requests_total") == 1
    assert total(counted, "rejections_total") == 0


async def test_a_question_takes_nothing_of_an_addresses_patience(tmp_path: Path) -> None:
    server = {"failed_auth_per_minute": 1}
    async with behaving(tmp_path, server=server) as stand, stand.plain(headers={}) as client:
        for _ in range(5):
            answer = await client.request("OPTIONS", GENERATIONS, headers=ASKING)
            assert answer.status_code == 204
        wrong = {"authorization": "Bearer sk-no"}
        assert (await client.get("/v1/models", headers=wrong)).status_code == 401


async def test_options_that_ask_for_nothing_are_refused_with_what_there_is(stand: Stand) -> None:
    async with stand.plain() as client:
        answer = await client.request("OPTIONS", GENERATIONS, headers={"origin": PAGE})
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "method_not_supported"
    assert answer.headers["allow"] == "POST"
