"""Rows of the list that are about bytes and no one client: paths, methods, bounds, refusals."""

import asyncio
import base64
import contextlib
import json
from dataclasses import replace

import pytest

from tests.canaries import IDEMPOTENCY_KEY
from tests.clients.raw import dotnet, go, java, others, php, python_tools
from tests.clients.raw.client import EDITS, GENERATIONS, VARIATIONS, Client, envelope
from tests.clients.raw.least import generation, told
from tests.clients.raw.reading import pictures_of
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Reply, Request, Wire, ask, chunk, wired
from tests.e2e.pictures import drawn, drawn_png, encoded
from tests.e2e.stand import KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")

PNG = drawn_png((96, 64))
CURL = others.CURL.name


def sealed(reply: Reply) -> None:
    """Whatever it is, it has a name of its own and a length that is true."""
    assert (reply.header("x-request-id") or "").startswith("req_")
    assert int(reply.header("content-length") or -1) == len(reply.body)


# ── paths and methods ──

BASES = [
    "/v1",
    "",
    "//v1",
    "/v1/",
    "/v1/v1",
    "/openai/v1",
    "/openai",
    "/openai/deployments/gpt-image-2",
]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.row(40, client="any", how="raw bytes")
async def test_every_base_url_leads_to_generations_edits_and_models(shop: Shop, base: str) -> None:
    for tail in ("", "/", "?api-version=2025-04-01-preview"):
        request = generation(shop)
        refused = replace(request, target=f"{base}/images/generations{tail}", body=b'{"n": 1}')
        assert (await ask(shop, refused)).told == (400, "missing_required_parameter", "prompt")
        refused = replace(refused, target=f"{base}/images/edits{tail}")
        assert (await ask(shop, refused)).status == 400
        if "deployments" not in base:
            models = Request(f"{base}/models{tail}", told(shop), method="GET")
            assert (await ask(shop, models)).json["object"] == "list"
    if base in {"", "/v1/v1", "/openai/deployments/gpt-image-2"}:
        made = await ask(shop, replace(generation(shop), target=f"{base}/images/generations"))
        assert len(pictures_of(made)) == 1
        assert shop.purchases == 1


@pytest.mark.parametrize("name", ["Authorization", "api-key", "x-api-key"])
@pytest.mark.row(40, client="any", how="raw bytes")
async def test_a_key_may_stand_in_three_headers_in_any_case(shop: Shop, name: str) -> None:
    value = f"bEARER {KEY}" if name == "Authorization" else KEY
    for spelt in (name, name.upper(), name.lower()):
        headers = [("Host", shop.authority), (spelt, value)]
        assert (await ask(shop, Request("/v1/models", headers, method="GET"))).status == 200


UNKNOWN = [
    ("GET", "/v1/images/generations", 405),
    ("DELETE", "/v1/images/edits", 405),
    ("PUT", "/v1/models", 405),
    ("GET", "/", 404),
    ("GET", "/v1", 404),
    ("HEAD", "/v1/nothing", 404),
    ("POST", "/v1/chat/completions", 404),
    ("GET", "/favicon.ico", 404),
]


@pytest.mark.parametrize(("method", "target", "status"), UNKNOWN)
@pytest.mark.row(41, client=CURL, how="raw bytes")
async def test_what_is_not_there_is_told_in_the_envelope(
    shop: Shop, method: str, target: str, status: int
) -> None:
    reply = await ask(shop, Request(target, told(shop), method=method))
    assert reply.status == status
    assert (reply.header("x-request-id") or "").startswith("req_")
    assert reply.header("content-type") == "application/json"
    if method != "HEAD":
        sealed(reply)
        assert reply.error["type"] == "invalid_request_error"
        assert envelope(reply)
    if status == 405:
        assert reply.header("allow")


# ── keys ──


@pytest.mark.parametrize(
    ("key", "code"), [(None, None), ("undefined", "invalid_api_key"), ("x", "invalid_api_key")]
)
@pytest.mark.row(31, client="any", how="raw bytes")
async def test_without_a_key_there_is_nothing_at_any_door(
    shop: Shop, key: str | None, code: str | None
) -> None:
    for method, target in (
        ("POST", GENERATIONS),
        ("POST", EDITS),
        ("POST", VARIATIONS),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/gpt-image-2"),
        ("GET", "/v1/images/generations/job_01"),
    ):
        body = b'{"prompt": "x"}' if method == "POST" else b""
        headers = told(shop, ("Content-Type", "application/json"), key=key)
        reply = await ask(shop, Request(target, headers, body, method=method))
        assert reply.told == (401, code, None)
        assert reply.header("www-authenticate") == "Bearer"
        sealed(reply)
    assert shop.calls("create") == 0


# ── names of requests ──


@pytest.mark.row(43, client="any", how="raw bytes")
async def test_every_answer_has_a_name_of_its_own(shop: Shop) -> None:
    made = await ask(shop, generation(shop, response_format="url"))
    target = made.json["data"][0]["url"].removeprefix(shop.url)
    broken = replace(generation(shop), body=b"{")
    requests = [
        Request(target, told(shop, key=None), method="GET"),
        Request("/v1/models", told(shop), method="GET"),
        Request("/v1/models", told(shop, key="x"), method="GET"),
        Request("/nowhere", told(shop), method="GET"),
        Request("/v1/models", told(shop), b"{}", method="PUT"),
        generation(shop, size="9000x100"),
        broken,
    ]
    names = [made.header("x-request-id")]
    for request in requests:
        mine = ("X-Request-Id", "mine-7")
        reply = await ask(shop, replace(request, headers=[*request.headers, mine]))
        names.append(reply.header("x-request-id"))
        assert reply.header("x-client-request-id") == "mine-7"
        sealed(reply)
    assert all(name and name.startswith("req_") for name in names)
    assert len(set(names)) == len(names) == 8


# ── Idempotency-Key ──


@pytest.mark.row(36, client=CURL, how="raw bytes")
async def test_one_key_is_one_purchase_and_another_wish_is_422(shop: Shop) -> None:
    named = ("Idempotency-Key", f"{IDEMPOTENCY_KEY}-raw")
    first, again = [await ask(shop, generation(shop, named)) for _ in range(2)]
    assert first.body == again.body
    assert first.json["created"] == again.json["created"]
    assert (first.header("x-gateway-joined"), again.header("x-gateway-joined")) == (None, "true")
    other = await ask(shop, generation(shop, named, size="1024x768"))
    assert other.told == (422, "idempotency_key_reused", None)
    assert shop.purchases == 1


# ── bodies: how they are called, framed and bounded ──


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "Application/JSON",
        "application/x-www-form-urlencoded",
        "text/plain;charset=UTF-8",
        None,
    ],
)
@pytest.mark.row(46, client=CURL, how="raw bytes")
async def test_json_is_read_however_it_is_called(shop: Shop, content_type: str | None) -> None:
    request = generation(shop)
    more = [("Content-Type", content_type)] if content_type else []
    reply = await ask(shop, replace(request, headers=told(shop, *more)))
    assert len(pictures_of(reply)) == 1
    marked = replace(request, body=b"\xef\xbb\xbf" + request.body, headers=told(shop, *more))
    refused = replace(marked, body=marked.body.replace(b"1024x1024", b"9000x100"))
    assert (await ask(shop, refused)).told == (400, "invalid_value", "size")
    assert shop.purchases == 1


@pytest.mark.row(46, client=CURL, how="raw bytes")
async def test_a_true_form_of_pairs_is_refused_by_its_media_type(shop: Shop) -> None:
    headers = told(shop, ("Content-Type", "application/x-www-form-urlencoded"))
    reply = await ask(shop, Request(GENERATIONS, headers, b"prompt=a+cat&n=1"))
    assert reply.told == (400, "unsupported_content_type", None)


@pytest.mark.row(45, client=CURL, how="raw bytes")
async def test_who_asks_before_a_large_form_is_told_to_go_on(shop: Shop) -> None:
    large = encoded(drawn((900, 600)), compress_level=0)
    assert len(large) > 2**20  # from where curl asks
    request = others.curl_edit(shop, [large])
    asking = replace(request, headers=[*request.headers, ("Expect", "100-continue")])
    async with wired(shop) as wire:
        await wire.send(asking.head())
        assert (await wire.begin())[:2] == (100, "Continue")
        await wire.send(asking.tail())
        assert len(pictures_of(await wire.reply())) == 1
    assert shop.bought()["references"] == 1


@pytest.mark.row(45, client=CURL, how="raw bytes")
async def test_who_asks_with_a_wrong_key_or_too_much_sends_nothing(shop: Shop) -> None:
    request = others.curl_edit(shop, [PNG])
    asking = [*request.headers, ("Expect", "100-continue")]
    wrong = [(name, value.replace(KEY, "sk-wrong")) for name, value in asking]
    for headers, length, status in ((wrong, 2000, 401), (asking, 900_000_000, 413)):
        async with wired(shop) as wire:
            head = Request(EDITS, [*headers, ("Content-Length", str(length))]).head()
            await wire.send(head)
            assert (await wire.reply()).status == status
    assert shop.calls("upload") == 0


async def poured(wire: Wire, head: bytes, most: int) -> int:
    """Send a body without an end, in chunks, until the other side speaks; how much was sent."""
    await wire.send(head)
    piece, sent = chunk(bytes(2**18)), 0
    while sent < most and not wire.reader._buffer:  # type: ignore[attr-defined]  # only a look
        await wire.send(piece)
        await asyncio.sleep(0)  # noqa: TID251 - a turn, not a time
        sent += 2**18
    return sent


@pytest.mark.row(44, client="any", how="raw bytes")
async def test_a_chunked_body_of_900_mb_is_cut_early_with_413(shop: Shop) -> None:
    line = "endless"
    opening = (
        f'--{line}\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    ).encode()
    form = ("Content-Type", f"multipart/form-data; boundary={line}")
    for target, kind, first, bound in (
        (GENERATIONS, ("Content-Type", "application/json"), b'{"prompt": "', 2**20),
        (EDITS, form, opening, 50 * 10**6),
    ):
        chunked = ("Transfer-Encoding", "chunked")
        head = Request(target, told(shop, kind, chunked)).head() + chunk(first)
        async with wired(shop) as wire:
            with contextlib.suppress(ConnectionError):
                assert await poured(wire, head, 900 * 10**6) < bound + 40 * 10**6
            reply = await wire.reply()
        assert (reply.status, reply.error["code"]) == (413, "request_too_large")
        assert reply.header("connection") == "close"
        sealed(reply)
    assert shop.calls("create") == 0


@pytest.mark.row(44, client="any", how="raw bytes")
async def test_a_body_that_says_it_is_too_large_is_not_waited_for(shop: Shop) -> None:
    headers = told(shop, ("Content-Type", "application/json"), ("Content-Length", "900000000"))
    async with wired(shop) as wire:
        await wire.send(Request(GENERATIONS, headers).head())
        reply = await wire.reply()
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("chunks", [1, 7, 1000])
@pytest.mark.row(44, client="any", how="raw bytes")
async def test_the_smallest_chunks_are_a_body_too(shop: Shop, chunks: int) -> None:
    request = replace(generation(shop), chunks=chunks)
    assert len(pictures_of(await ask(shop, request))) == 1


# ── what SDKs are told ──

ANY = {"client": "any", "how": "raw bytes"}
REFUSED = [
    ({"prompt": ""}, (400, "empty_string", "prompt")),
    ({"prompt": None}, (400, "missing_required_parameter", "prompt")),
    pytest.param(
        {"n": 11}, (400, "integer_above_max_value", "n"), marks=pytest.mark.row(12, **ANY)
    ),
    ({"n": "two"}, (400, "invalid_type", "n")),
    ({"size": "4096x4096"}, (400, "invalid_value", "size")),
    ({"background": "transparent", "output_format": "jpeg"}, (400, "invalid_value", "background")),
    ({"output_format": "svg"}, (400, "invalid_value", "output_format")),
    ({"model": "gpt-4o"}, (404, "model_not_found", None)),
]


@pytest.mark.parametrize(("options", "expected"), REFUSED)
@pytest.mark.row(30, client="any", how="raw bytes")
async def test_a_refusal_names_what_is_wrong(
    shop: Shop, options: dict[str, object], expected: tuple[int, str, str | None]
) -> None:
    reply = await ask(shop, generation(shop, **options))
    assert reply.told == expected
    assert envelope(reply)
    sealed(reply)
    assert shop.calls("create") == 0


@pytest.mark.row(43, client=python_tools.DIFY.name, how="raw bytes")
async def test_a_connection_is_kept_for_the_next_request(shop: Shop) -> None:
    async with wired(shop) as wire:
        first = await wire.ask(python_tools.DIFY.generate(shop))
        second = await wire.ask(generation(shop, size="9000x100"))
        third = await wire.ask(Request("/v1/models", told(shop), method="GET"))
    assert [first.status, second.status, third.status] == [200, 400, 200]
    assert len({reply.header("x-request-id") for reply in (first, second, third)}) == 3


GOOD = {"created": 1, "data": [{"b64_json": base64.b64encode(PNG).decode()}]}
UNREADABLE = [
    ({**GOOD, "created": "1"}, 200),
    ({**GOOD, "created": 1.5}, 200),
    ({**GOOD, "created": True}, 200),
    ({"data": GOOD["data"]}, 200),
    ({"created": 1, "data": [{"b64_json": None}]}, 200),
    ({"created": 1, "data": [{"b64_json": "data:image/png;base64,AAAA"}]}, 200),
    ({**GOOD, "usage": {"total_tokens": 1}}, 200),
    (GOOD, 201),
]


@pytest.mark.parametrize("client", [dotnet.DOTNET, java.JAVA, go.GO, php.PHP], ids=lambda c: c.id)
@pytest.mark.parametrize(("body", "status"), UNREADABLE)
async def test_the_strict_readers_can_fail(
    client: Client, body: dict[str, object], status: int
) -> None:
    headers = [("content-type", "application/json"), ("x-request-id", "req_1")]
    client.read(Reply(200, "OK", headers, json.dumps(GOOD).encode()))
    with pytest.raises((AssertionError, ValueError, KeyError)):
        client.read(Reply(status, "OK", headers, json.dumps(body).encode()))
