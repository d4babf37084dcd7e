"""Requests from within, made as a key without its secret; and that nothing from outside can be."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message, Scope

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.facts import RequestEnded
from gateway.openai import insiders
from gateway.openai.insiders import Answer, Insider, OnBehalf, on_behalf
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


async def stays() -> Message:
    """The connection of somebody who does not hang up."""
    await asyncio.Event().wait()
    raise AssertionError("nobody has left")


class Asking:
    """The connection of somebody who may."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}


async def asked(
    stand: Stand, key_name: str, body: bytes, wish: str | None = None, asking: Asking | None = None
) -> Answer:
    receive = stays if asking is None else asking.receive
    return await insider(stand).generate(key_name, body, wish, receive)


@asynccontextmanager
async def from_within(stand: Stand, name: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client to whom nothing but one picture answers."""
    app: Any = insider(stand).picture(name)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
        yield client


async def fetched(stand: Stand, name: str) -> bytes:
    async with from_within(stand, name) as client:
        answer = await client.get("/")
    assert answer.status_code == 200
    return answer.content


def claimed(stand: Stand, name: str) -> bool:
    return stand.gateway._shelf.is_claimed(name.partition(".")[0])


async def made(stand: Stand, key_name: str, **change: object) -> tuple[int, dict[str, Any]]:
    answer = await asked(stand, key_name, json.dumps({**WISH, **change}).encode())
    assert answer.body is not None
    return answer.status, json.loads(answer.body)


async def test_a_picture_is_made_as_the_named_key(stand: Stand) -> None:
    body = json.dumps(WISH).encode()
    answer = await asked(stand, "studio", body)
    assert answer.status == 200
    assert json.loads(answer.body or b"")["data"][0]["b64_json"]
    headers = dict(answer.headers)
    assert headers["x-request-id"].startswith("req_")
    assert headers["x-gateway-task"]
    (ended,) = stand.requests
    assert (ended.key_name, ended.status, ended.route) == ("studio", 200, "generations")
    assert stand.purchases == 1


@pytest.mark.parametrize("compatibility", ["lenient", "strict"])
async def test_pictures_are_told_by_name_and_never_stand_in_the_answer(
    tmp_path: Path, compatibility: str
) -> None:
    server = {"compatibility": compatibility}
    async with behaving(tmp_path, keys=KEYS, models=PRICES, server=server) as stand:
        answer = await asked(stand, "studio", json.dumps({**WISH, "n": 2}).encode())
        assert answer.body is not None
        assert len(answer.body) < 2_000
        told = json.loads(answer.body)
        job_id = stand.requests[0].job_id
        assert len(answer.pictures) == 2
        assert not any(claimed(stand, name) for name in answer.pictures)
        files = [await fetched(stand, name) for name in answer.pictures]
        assert all(claimed(stand, name) for name in answer.pictures)
        async with stand.plain() as client:
            clients = (await client.get(f"/v1/images/generations/{job_id}")).json()
        for item, file, whole in zip(told["data"], files, clients["data"], strict=True):
            text = whole["b64_json"]
            assert item == {"b64_json": f"{text[:32]}… ({len(text):,} characters)"}
            assert file == base64.b64decode(text)
        assert {**told, "data": clients["data"]}.items() <= clients.items()


async def test_links_are_told_to_who_asks_for_links(stand: Stand) -> None:
    body = json.dumps({**WISH, "response_format": "url"}).encode()
    answer = await asked(stand, "studio", body)
    (item,) = json.loads(answer.body or b"")["data"]
    assert item == {"url": f"http://127.0.0.1:8080/images/{answer.pictures[0]}"}


@pytest.mark.parametrize("keepalive", ["none", "whitespace"])
@pytest.mark.parametrize("more", [{}, {"stream": True, "partial_images": 2}])
async def test_who_is_in_the_house_is_answered_whole(
    tmp_path: Path, keepalive: str, more: dict[str, Any]
) -> None:
    keys = [{"name": "studio", "key": KEY, "keepalive": keepalive}]
    server = {"heartbeats": {"interval": 1, "whitespace_after": 0}}
    async with behaving(tmp_path, keys=keys, server=server) as stand:
        answer = await asked(stand, "studio", json.dumps({**WISH, **more}).encode())
        assert dict(answer.headers)["content-type"] == "application/json"
        assert json.loads(answer.body or b"")["data"][0]["b64_json"].endswith("characters)")
        assert len(answer.pictures) == 1
        assert stand.requests[0].manner is None


async def test_an_answer_without_pictures_names_none(stand: Stand) -> None:
    answer = await asked(stand, "small", json.dumps({**WISH, "n": 99}).encode())
    assert (answer.status, answer.pictures) == (400, ())


@pytest.mark.parametrize("name", ["..", "", "a.png", f"../{'0' * 32}.png", f"{'0' * 32}.png\n"])
def test_nothing_is_at_a_name_that_no_picture_has(name: str) -> None:
    terms: Any = None

    async def app(*_: Any) -> None:
        raise AssertionError("nobody was to be asked")

    assert Insider(app, terms, FakeClock(), "h").picture(name) is None


async def test_a_picture_that_is_gone_is_not_found(stand: Stand) -> None:
    async with from_within(stand, f"{'0' * 32}.png") as client:
        assert (await client.get("/")).status_code == 404


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
    answer = await Insider(app, terms, FakeClock(), "h").generate("studio", b"{}", None, stays)
    assert (answer.status, answer.headers, answer.body) == (200, (("x-a", "b"),), None)


async def test_it_waits_for_as_long_as_who_is_behind_it() -> None:
    asking, messages = Asking(), list[Message]()

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        messages.append(await receive())
        more = asyncio.ensure_future(receive())
        await FakeClock().sleep(0)
        assert not more.done()
        asking.left.set()
        messages.append(await more)
        assert dict(scope["headers"])[b"content-length"] == b"2"
        await send({"type": "http.response.start", "status": 204})

    terms: Any = None
    inside = Insider(app, terms, FakeClock(), "h")
    async with asyncio.timeout(10):
        answer = await inside.generate("studio", b"{}", None, asking.receive)
    assert messages == [
        {"type": "http.request", "body": b"{}", "more_body": False},
        {"type": "http.disconnect"},
    ]
    assert (answer.status, answer.body) == (204, b"")


# Coming again


async def leaves(stand: Stand, wish: str | None) -> Answer:
    """Somebody hangs up once the picture was bought."""
    before, asking = stand.purchases, Asking()
    stand.vendor_is(speed=8.0)
    asks = asyncio.create_task(asked(stand, "studio", json.dumps(WISH).encode(), wish, asking))
    await stand.until(lambda: stand.purchases > before)
    asking.left.set()
    answer = await asks
    stand.vendor_is(speed=1000.0)
    return answer


@pytest.mark.parametrize(
    ("first", "second", "how"),
    [("one", "one", "idempotency_key"), ("one", "two", "orphan"), (None, None, "orphan")],
)
async def test_who_hangs_up_and_comes_again_gets_what_was_bought(
    stand: Stand, first: str | None, second: str | None, how: str
) -> None:
    left = await leaves(stand, first)
    assert (left.status, left.headers, left.pictures) == (499, (), ())
    assert stand.gateway.board._visits == {}
    answer = await asked(stand, "studio", json.dumps(WISH).encode(), second)
    assert answer.status == 200
    assert stand.purchases == 1
    gone, came = stand.requests
    assert (gone.left_early, gone.status, came.joined) == (True, None, how)


async def test_who_comes_again_is_let_in_however_many_wait(tmp_path: Path) -> None:
    one: dict[str, Any] = {"upstream": {"max_tasks": 1}, "queue": {"requests": 1}}
    async with behaving(tmp_path, keys=KEYS, **one) as stand:
        left = await leaves(stand, "one")
        other = json.dumps({**WISH, "prompt": "a harbour"}).encode()
        waiting = asyncio.create_task(asked(stand, "studio", other, "two"))
        await stand.until(lambda: len(stand.gateway.board) == 2)
        wishes = [(json.dumps(WISH).encode(), "one"), (other, "three")]
        answers = await asyncio.gather(*(asked(stand, "studio", *wish) for wish in wishes))
        assert [left.status, *(answer.status for answer in answers)] == [499, 200, 503]
        assert (await waiting).status == 200
        assert stand.purchases == 2


async def test_whose_hang_up_is_not_noticed_joins_by_the_wish_itself(stand: Stand) -> None:
    body = json.dumps(WISH).encode()
    both = await asyncio.gather(*(asked(stand, "studio", body, "one") for _ in range(2)))
    assert [one.status for one in both] == [200, 200]
    assert both[0].pictures == both[1].pictures
    assert stand.purchases == 1


async def test_a_wish_that_had_its_picture_is_given_it_again_and_another_buys(stand: Stand) -> None:
    body = json.dumps(WISH).encode()
    first = await asked(stand, "studio", body, "one")
    await fetched(stand, first.pictures[0])
    again, another = await asked(stand, "studio", body, "one"), await asked(stand, "studio", body)
    assert again.pictures == first.pictures
    assert another.pictures != first.pictures
    assert stand.purchases == 2


async def test_no_caller_has_a_key_of_the_houses_own_making(stand: Stand) -> None:
    await leaves(stand, "one")
    async with stand.plain(headers={"authorization": f"Bearer {KEY}"}) as client:
        for named in ("§one".encode(), "§one".encode("latin-1")):
            answer = await client.post(
                "/v1/images/generations",
                headers=[(b"idempotency-key", named)],
                json=WISH,
            )
            assert answer.json()["error"]["code"] == "invalid_idempotency_key"
        told = {"idempotency-key": "one"}
        await client.post("/v1/images/generations", headers=told, json=WISH)
    assert stand.purchases == 2


async def test_only_a_picture_that_was_fetched_is_delivered(stand: Stand) -> None:
    body = json.dumps({**WISH, "n": 2}).encode()
    answer = await asked(stand, "studio", body, "one")
    job_id, store = stand.requests[0].job_id, stand.gateway._store

    async def standing_so() -> tuple[int, object]:
        row = await store.job(job_id or "")
        assert row is not None
        return (await store.figures()).unclaimed, row.delivered_at

    assert await standing_so() == (1, None)
    await fetched(stand, answer.pictures[0])
    assert await standing_so() == (1, None)
    await fetched(stand, answer.pictures[1])
    assert await standing_so() == (0, None)
    assert all(claimed(stand, name) for name in answer.pictures)
    again = await asked(stand, "studio", body, "one")
    assert (again.status, again.pictures) == (200, answer.pictures)
    assert stand.purchases == 1


async def test_the_longest_prompts_are_told_whole(stand: Stand) -> None:
    wish = {"model": "dall-e-3", "prompt": "\N{IZAKAYA LANTERN}" * 32_000, "n": 10}
    answer = await asked(stand, "studio", json.dumps(wish).encode())
    assert answer.status == 200
    assert answer.body is not None
    told = json.loads(answer.body)
    assert [one["revised_prompt"] for one in told["data"]] == [wish["prompt"]] * 10


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
