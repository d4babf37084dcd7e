"""Requests from within, made as a key without its secret; and that nothing from outside can be."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Scope

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.facts import RequestEnded
from gateway.openai import insiders
from gateway.openai.insiders import Insider, OnBehalf, on_behalf
from gateway.server.listener import Listener
from gateway.translate.model import ImageRequest
from tests.clocks import FakeClock
from tests.e2e.stand import KEY, Stand, behaving

WISH = {"model": "gpt-image-2", "prompt": "a lighthouse", "size": "1024x768"}
KEYS: list[dict[str, Any]] = [
    {"name": "studio", "key": KEY},
    {"name": "lab", "key": "sk-igw-lab-key", "limits": {"requests_per_minute": 1}},
    {"name": "small", "key": "sk-igw-small-key", "max_tier": "1k", "models": ["gpt-image-2"]},
    {"name": "closed", "key": "sk-igw-closed-key", "disabled": True},
]
PRICES = {
    "gpt-image-2": {
        "prices": {"tier_1k": {"low": "0.02", "medium": "0.08", "high": "0.17"}},
        "aliases": ["dall-e-3"],
    }
}


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with behaving(tmp_path, keys=KEYS, models=PRICES) as stand:
        yield stand


def insider(stand: Stand) -> Insider:
    return Insider(stand.gateway.clients, stand.gateway.terms, FakeClock(), "127.0.0.1:8080")


async def made(stand: Stand, key_name: str, **change: object) -> tuple[int, dict[str, Any]]:
    answer = await insider(stand).generate(key_name, json.dumps({**WISH, **change}).encode())
    assert answer.body is not None
    return answer.status, json.loads(answer.body)


async def test_a_picture_is_made_as_the_named_key(stand: Stand) -> None:
    body = json.dumps(WISH).encode()
    answer = await insider(stand).generate("studio", body)
    assert answer.status == 200
    assert json.loads(answer.body or b"")["data"][0]["b64_json"]
    headers = dict(answer.headers)
    assert headers["x-request-id"].startswith("req_")
    assert headers["x-gateway-task"]
    (ended,) = stand.requests
    assert (ended.key_name, ended.status, ended.route) == ("studio", 200, "generations")
    assert stand.purchases == 1


async def test_its_limits_hold(stand: Stand) -> None:
    assert (await made(stand, "lab"))[0] == 200
    status, told = await made(stand, "lab", prompt="another")
    assert (status, told["error"]["code"]) == (429, "rate_limit_exceeded")
    status, told = await made(stand, "small", size="2048x2048")
    assert (status, told["error"]["param"]) == (400, "size")
    assert stand.purchases == 1


@pytest.mark.parametrize(("name", "fault"), [("closed", "disabled"), ("nobody", "unknown")])
async def test_a_key_that_is_not_admitted_is_not_here_either(
    stand: Stand, name: str, fault: str
) -> None:
    status, told = await made(stand, name)
    assert (status, told["error"]["code"]) == (401, "invalid_api_key")
    (ended,) = stand.requests
    assert (ended.key_name, ended.key_fault) == (name, fault)


async def test_no_secret_counts_as_used(stand: Stand) -> None:
    used: list[str] = []
    store: Any = stand.gateway._store

    async def note(key_name: str, _credential: str) -> None:
        used.append(key_name)

    store.used = note
    await made(stand, "studio")
    assert used == []
    async with stand.plain() as client:
        await client.get("/v1/models")
    assert used == ["studio"]


@pytest.mark.parametrize(
    "headers",
    [
        {"on-behalf": "studio"},
        {"on_behalf": "studio"},
        {"x-on-behalf": "studio"},
        {"state": '{"on_behalf": "studio"}'},
        {"x-state-on-behalf": "OnBehalf(key_name='studio')"},
        {"authorization": "OnBehalf studio"},
        {"authorization": "Bearer OnBehalf(key_name='studio')"},
        {"cookie": "on_behalf=studio; state=studio"},
        {"x-forwarded-user": "studio", "x-remote-user": "studio"},
        {"scope": "on_behalf", "asgi.state.on_behalf": "studio"},
    ],
)
async def test_no_header_makes_a_request_anybodys(stand: Stand, headers: dict[str, str]) -> None:
    async with stand.plain(headers={}) as client:
        for path in ("/v1/images/generations", "/v1/images/generations?on_behalf=studio"):
            answer = await client.post(path, headers=headers, json={**WISH, "on_behalf": "studio"})
            assert answer.status_code == 401
            form = {**WISH, "on_behalf": "studio", "state": "studio"}
            answer = await client.post("/v1/images/edits", headers=headers, data=form)
            assert answer.status_code == 401
    assert stand.purchases == 0


@pytest.mark.parametrize(
    "state",
    [{}, {"on_behalf": "studio"}, {"on_behalf": b"studio"}, {"on_behalf": {"key_name": "studio"}}],
)
def test_only_an_object_of_our_own_says_on_whose_behalf(state: dict[str, object]) -> None:
    assert on_behalf({"state": state, "headers": [(b"on_behalf", b"studio")]}) is None
    assert on_behalf({}) is None
    assert on_behalf({"state": {"on_behalf": OnBehalf("studio")}}) == OnBehalf("studio")


async def test_what_comes_over_a_connection_brings_no_state(stand: Stand) -> None:
    seen: list[Scope] = []
    inner = stand.gateway.clients

    async def watching(scope: Scope, receive: Any, send: Any) -> None:
        seen.append({**scope, "state": dict(scope.get("state", {}))})
        await inner(scope, receive, send)

    bounds = ServerBounds()
    listener = Listener(watching, host="127.0.0.1", port=0, bounds=bounds, clock=SystemClock())
    await listener.start()
    try:
        async with stand.plain(base_url=listener.url) as client:
            await client.get("/v1/models", headers={"state": "on_behalf"})
    finally:
        await listener.stop(0)
    assert [scope["state"] for scope in seen] == [{}]


async def test_too_large_an_answer_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insiders, "MOST_KEPT", 10)

    async def app(_scope: Scope, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-A", b"b")]})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"12345", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    terms: Any = None
    answer = await Insider(app, terms, FakeClock(), "h").generate("studio", b"{}")
    assert (answer.status, answer.headers, answer.body) == (200, (("x-a", "b"),), None)


async def test_it_waits_for_the_answer_and_never_hangs_up() -> None:
    messages: list[Message] = []

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        messages.append(await receive())
        more = asyncio.ensure_future(receive())
        await FakeClock().sleep(0)
        assert not more.done()
        more.cancel()
        assert dict(scope["headers"])[b"content-length"] == b"2"
        await send({"type": "http.response.start", "status": 204})

    terms: Any = None
    answer = await Insider(app, terms, FakeClock(), "h").generate("studio", b"{}")
    assert messages == [{"type": "http.request", "body": b"{}", "more_body": False}]
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize(
    ("key_name", "asked", "micro"),
    [
        ("studio", {"quality": "low", "n": 3}, 60_000),
        ("studio", {"quality": None}, 170_000),
        ("studio", {"size": "2048x2048"}, None),  # no price
        ("small", {"size": "5x5"}, None),  # no plan
        ("closed", {}, None),
        ("nobody", {}, None),
    ],
)
async def test_a_price_is_that_of_the_plan(
    stand: Stand, key_name: str, asked: dict[str, Any], micro: int | None
) -> None:
    request = ImageRequest(kind="generation", prompt="-", **{"size": "1024x1024", **asked})
    assert insider(stand).quote(key_name, request) == micro
    assert repr(insider(stand)).startswith("Insider(CurrentTerms(")
    assert [fact for fact in stand.facts if isinstance(fact, RequestEnded)] == []
