"""What only one client does: names, numbers, sizes and ways of its own."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.clients.raw import dotnet, go, java, node_tools, others, php, python_tools, ruby
from tests.clients.raw.client import GENERATIONS, Client
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Reply, Request, ask
from tests.e2e.pictures import drawn, drawn_png, encoded, mask_png
from tests.e2e.stand import KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")

PNG = drawn_png((96, 64))
OTHER = drawn_png((64, 96), seed=2)
MEBIBYTE = 2**20


def large_png() -> bytes:
    """More than the megabyte that a form's reader may by default keep of a nameless part."""
    data = encoded(drawn((1000, 700)), compress_level=0)
    assert len(data) > 2 * 10**6
    return data


def notes(reply: Reply) -> str:
    return reply.header("x-gateway-notes") or ""


# ── .NET ──


async def test_nets_boundary_is_as_long_as_may_be_and_needs_its_quotes(shop: Shop) -> None:
    assert len(dotnet.boundary()) == 70
    assert "=" in dotnet.boundary()
    request = dotnet.edit(shop, [PNG])
    assert b'boundary="' in request.head()
    assert b"name=image; filename=0.png; filename*=utf-8''0.png\r\n\r\n\x89PNG" in request.body
    assert len(await dotnet.DOTNET.seen(shop, await ask(shop, request))) == 1


@pytest.mark.row(29, client=dotnet.DOTNET.name, how="raw bytes")
async def test_who_accepts_an_event_stream_and_asks_for_none_gets_json(shop: Shop) -> None:
    request = dotnet.generate(shop)
    assert ("Accept", "application/json, text/event-stream") in request.headers
    reply = await ask(shop, request)
    assert reply.header("content-type") == "application/json"
    assert int(reply.header("content-length") or 0) == len(reply.body)
    assert shop.purchases == 1


@pytest.mark.row(8, client=dotnet.DOTNET.name, how="raw bytes")
async def test_nets_old_options_are_served(shop: Shop) -> None:
    old: Any = {"quality": "hd", "style": "vivid", "response_format": "url", "user": "u"}
    reply = await ask(shop, dotnet.generate(shop, model="dall-e-3", **old))
    (made,) = await dotnet.DOTNET.seen(shop, reply)
    assert made.size == (1024, 1024)
    assert 'quality-mapped;requested="hd";actual="high"' in notes(reply)
    assert reply.json["data"][0]["revised_prompt"] == shop.prompt


# ── Java ──


@pytest.mark.row(15, client=java.JAVA.name, how="raw bytes")
@pytest.mark.row(14, client=java.JAVA.name, how="raw bytes")
async def test_two_megabytes_without_a_file_name_are_a_picture(shop: Shop) -> None:
    reply = await ask(shop, java.edit(shop, [large_png()]))
    assert len(await java.JAVA.seen(shop, reply)) == 1
    assert shop.bought()["references"] == 1


@pytest.mark.row(15, client=java.JAVA.name, how="raw bytes")
async def test_so_are_those_of_a_stream_whose_length_nobody_knows(shop: Shop) -> None:
    request = java.streamed_edit(shop, large_png())
    assert b"Transfer-Encoding: chunked" in request.head()
    assert b"ontent-Length" not in request.head()
    assert len(await java.JAVA.seen(shop, await ask(shop, request))) == 1
    assert shop.bought()["references"] == 1


# ── Go ──


@pytest.mark.row(7, client=go.GO.name, how="raw bytes")
async def test_what_go_never_set_is_as_if_it_were_not_there(shop: Shop) -> None:
    request = go.edit(shop, [PNG])
    assert b'name="n"\r\n\r\n0\r\n' in request.body
    for name in (b"size", b"response_format"):
        assert b'name="%b"\r\n\r\n\r\n' % name in request.body
    reply = await ask(shop, request)
    (made,) = await go.GO.seen(shop, reply)  # without a model it is given an address
    assert made.size == (1024, 1024)
    assert "n-raised;from=0;to=1" in notes(reply)
    assert shop.bought()["n"] == 1


@pytest.mark.row(16, client=go.GO.name, how="raw bytes")
async def test_a_mask_called_dot_is_one(shop: Shop) -> None:
    request = go.edit(shop, [PNG], mask_png((96, 64), (4, 4, 30, 30)))
    assert b'name="mask"; filename="."' in request.body
    assert (await ask(shop, request)).status == 200
    assert shop.bought()["mask"]


@pytest.mark.row(19, client=go.GO.name, how="raw bytes")
async def test_a_variation_is_made_though_the_endpoint_is_retired(shop: Shop) -> None:
    reply = await ask(shop, go.variation(shop, PNG))
    assert len(await go.GO.seen(shop, reply)) == 1
    assert shop.bought()["references"] == 1


# ── PHP ──


@pytest.mark.row(20, client=php.PHP.name, how="raw bytes")
@pytest.mark.row(22, client=php.PHP.name, how="raw bytes")
async def test_phps_integers_are_integers_and_add_up(shop: Shop) -> None:
    reply = await ask(shop, php.generate(shop, quality="low", n=2))
    assert len(await php.PHP.seen(shop, reply)) == 2
    usage = reply.json["usage"]
    details = usage["input_tokens_details"]
    assert usage["output_tokens"] == 2 * 196
    assert usage["input_tokens"] == details["text_tokens"] + details["image_tokens"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    kept = php.meta_information(reply)
    assert kept["request_id"].startswith("req_")
    assert kept["openai-processing-ms"] >= 0


@pytest.mark.row(12, client=php.PHP.name, how="raw bytes")
async def test_phps_casts_are_understood(shop: Shop) -> None:
    request = php.edit(shop, [PNG], n=2, output_compression=80, output_format="jpeg")
    assert b'name="n"\r\nContent-Length: 1\r\n\r\n2\r\n' in request.body
    assert b'name="partial_images"\r\n\r\n\r\n' in request.body  # false
    made = await php.PHP.seen(shop, await ask(shop, request))
    assert [picture.format for picture in made] == ["JPEG", "JPEG"]
    assert shop.bought()["n"] == 2


# ── Ruby ──


@pytest.mark.row(13, client=ruby.RUBY.name, how="raw bytes")
async def test_numbered_pictures_are_taken_by_their_numbers(shop: Shop) -> None:
    tall = drawn_png((300, 400))
    request = ruby.edit(shop, [PNG, tall], size="auto")
    assert b'name="image[1]"' in request.body
    swapped = request.body.replace(b'"image[0]"', b'"image[2]"')
    reply = await ask(shop, replace(request, body=swapped))
    (made,) = await ruby.RUBY.seen(shop, reply)
    assert made.size == (768, 1024)
    assert shop.bought()["references"] == 2


@pytest.mark.row(14, client=ruby.RUBY.name, how="raw bytes")
async def test_an_empty_media_type_says_nothing(shop: Shop) -> None:
    request = ruby.edit(shop, [encoded(drawn((80, 80)), "JPEG"), PNG])
    assert request.body.count(b"\r\nContent-Type: \r\n") == 2
    assert (await ask(shop, request)).status == 200
    assert shop.bought()["references"] == 2


@pytest.mark.parametrize("name", ["image", "image[]", "image%5B%5D"])
@pytest.mark.row(13, client=ruby.OFFICIAL.name, how="raw bytes")
async def test_openais_ruby_is_understood_in_all_its_ages(shop: Shop, name: str) -> None:
    request = ruby.official_edit(shop, [PNG, OTHER], several=name)
    assert b"B%C3%A4r%200.png" in request.body
    assert request.chunks
    assert (await ask(shop, request)).status == 200
    assert shop.bought()["references"] == 2


# ── tools ──


@pytest.mark.row(5, client=python_tools.OPEN_WEBUI.name, how="raw bytes")
async def test_open_webui_is_given_bytes_and_no_address(shop: Shop) -> None:
    for request in (
        python_tools.webui_generate(shop),
        python_tools.webui_edit(shop, [PNG]),
    ):
        (item,) = (await ask(shop, request)).json["data"]
        assert "url" not in item
        assert item["b64_json"]


@pytest.mark.row(6, client=python_tools.OPEN_WEBUI.name, how="raw bytes")
async def test_open_webui_may_show_its_key_where_it_fetches_a_picture(shop: Shop) -> None:
    client = python_tools.OPEN_WEBUI
    reply = await ask(shop, client.generate(shop, response_format="url"))
    assert client.keyed
    (made,) = await client.seen(shop, reply)
    assert made.size == (512, 512)
    assert shop.purchases == 1


@pytest.mark.parametrize("client", [python_tools.PRESENTON, others.NEXTCLOUD], ids=lambda c: c.id)
@pytest.mark.parametrize("key", [None, KEY, "sk-of-somebody-else"])
@pytest.mark.row(6, client="Presenton, Nextcloud", how="raw bytes")
async def test_an_address_serves_whoever_asks(shop: Shop, client: Client, key: str | None) -> None:
    (url,) = client.read(await ask(shop, client.generate(shop)))
    assert isinstance(url, str)
    headers = [("Host", shop.authority), ("Accept", "image/*")]
    if key:
        headers.append(("Authorization", f"Bearer {key}"))
    target = url.removeprefix(shop.url)
    for method in ("HEAD", "GET"):
        reply = await ask(shop, Request(target, headers, method=method))
        assert (reply.status, reply.header("content-type")) == (200, "image/png")
        assert int(reply.header("content-length") or 0) > 0
        assert reply.header("access-control-allow-origin") == "*"
    assert reply.body.startswith(b"\x89PNG")


@pytest.mark.row(6, client=node_tools.LIBRECHAT_DALLE.name, how="raw bytes")
async def test_librechat_finds_a_file_name_in_the_address(shop: Shop) -> None:
    """It looks for letters and digits before ``.png``."""
    (url,) = node_tools.LIBRECHAT_DALLE.read(
        await ask(shop, node_tools.LIBRECHAT_DALLE.generate(shop))
    )
    assert re.search(r"[\w\d]+\.png", str(url))


@pytest.mark.row(10, client=node_tools.LOBECHAT.name, how="raw bytes")
async def test_what_lobechats_page_has_set_is_passed_over_by_name(shop: Shop) -> None:
    reply = await ask(shop, node_tools.lobe_edit(shop, [PNG]))
    assert len(await node_tools.LOBECHAT.seen(shop, reply)) == 1
    passed = set(re.findall(r'parameter-ignored;name="(\w+)"', notes(reply)))
    assert passed == {"input_fidelity", "seed", "aspectRatio", "cfg"}


@pytest.mark.row(7, client=node_tools.CHERRY_STUDIO.name, how="raw bytes")
async def test_cherry_studios_empty_model_is_none(shop: Shop) -> None:
    reply = await ask(shop, node_tools.cherry_edit(shop, [PNG, OTHER]))
    assert len(await node_tools.CHERRY_STUDIO.seen(shop, reply)) == 1
    assert shop.bought()["references"] == 2


@pytest.mark.row(4, client=node_tools.LANGCHAIN_JS.name, how="raw bytes")
async def test_who_asks_for_an_address_gets_one_for_any_model(shop: Shop) -> None:
    (item,) = (await ask(shop, node_tools.LANGCHAIN_JS.generate(shop))).json["data"]
    assert set(item) == {"url"}


@pytest.mark.row(9, client=python_tools.AUTOGPT.name, how="raw bytes")
async def test_a_size_of_old_is_made_exact(shop: Shop) -> None:
    (made,) = await python_tools.AUTOGPT.seen(
        shop, await ask(shop, python_tools.AUTOGPT.generate(shop))
    )
    assert made.size == (256, 256)


@pytest.mark.row(8, client=node_tools.SILLYTAVERN.name, how="raw bytes")
async def test_sillytaverns_wide_picture_is_exact(shop: Shop) -> None:
    (made,) = await node_tools.SILLYTAVERN.seen(
        shop, await ask(shop, node_tools.silly_generate(shop))
    )
    assert made.size == (1792, 1024)


def listing(client: Client, shop: Shop, target: str) -> Request:
    headers = client.generate(shop).headers
    kept = [pair for pair in headers if pair[0].lower() != "content-type"]
    return Request(target, kept, method="GET")


@pytest.mark.parametrize(
    "client",
    [python_tools.DIFY, python_tools.HOME_ASSISTANT, node_tools.N8N, node_tools.NEXTCHAT],
    ids=lambda client: client.id,
)
@pytest.mark.row(39, client="Dify, Home Assistant, n8n, NextChat", how="raw bytes")
async def test_a_key_is_checked_and_a_picker_filled_from_the_models(
    shop: Shop, client: Client
) -> None:
    answer = (await ask(shop, listing(client, shop, "/v1/models"))).json
    assert answer["object"] == "list"
    for item in answer["data"]:
        assert set(item) == {"id", "object", "created", "owned_by"}
        assert (item["object"], type(item["created"])) == ("model", int)
    names = {item["id"] for item in answer["data"]}
    assert {"gpt-image-2", "gpt-image-1", "dall-e-3", "dall-e-2"} <= names
    one = await ask(shop, listing(client, shop, "/v1/models/gpt-image-2"))
    assert one.json["id"] == "gpt-image-2"
    gone = await ask(shop, listing(client, shop, "/v1/models/gpt-4o"))
    assert gone.told == (404, "model_not_found", None)
    assert shop.purchases == 0


# ── Codex: JSON edits ──


@pytest.mark.row(17, client=others.CODEX.name, how="raw bytes")
async def test_sixteen_data_urls_and_a_mask_are_an_edit(shop: Shop) -> None:
    images = [drawn_png((40 + place, 40)) for place in range(16)]
    reply = await ask(shop, others.codex_edit(shop, images, mask_png((40, 40), (2, 2, 20, 20))))
    assert len(await others.CODEX.seen(shop, reply)) == 1
    assert (shop.bought()["references"], shop.bought()["mask"]) == (16, True)


@pytest.mark.row(17, client=others.CODEX.name, how="raw bytes")
async def test_a_data_url_may_be_as_long_as_at_openai(shop: Shop) -> None:
    data = encoded(drawn((2400, 1600)), compress_level=0)
    assert 11 * 10**6 < len(data) * 4 // 3 < 20_971_520
    reply = await ask(shop, others.codex_edit(shop, [data]))
    assert reply.status == 200
    assert "image-reencoded" in notes(reply)
    assert shop.bought()["references"] == 1


@pytest.mark.parametrize(
    ("images", "told"),
    [
        ([], (400, "missing_required_parameter", "image")),
        ([{"file_id": "file-abc"}], (400, "invalid_value", "images[0].file_id")),
        (
            [{"image_url": "data:image/png;base64,%%"}],
            (400, "invalid_value", "images[0].image_url"),
        ),
        (
            [{"image_url": "http://127.0.0.1:9/x.png"}],
            (400, "invalid_value", "images[0].image_url"),
        ),
        ([{"image_url": None}], (400, "missing_required_parameter", "images[0].image_url")),
        ([{}] * 17, (400, "array_above_max_length", "image")),
    ],
)
@pytest.mark.row(17, client=others.CODEX.name, how="raw bytes")
async def test_a_json_edit_that_cannot_be_is_refused_by_its_place(
    shop: Shop, images: list[Any], told: tuple[int, str, str]
) -> None:
    request = others.codex_edit(shop, [])
    body = {**json.loads(request.body), "images": images}
    reply = await ask(shop, replace(request, body=json.dumps(body).encode()))
    assert reply.told == told
    assert (shop.calls("upload"), shop.calls("create")) == (0, 0)


@pytest.mark.row(40, client=node_tools.NEXTCHAT.name, how="raw bytes")
async def test_a_deployment_in_the_path_stands_for_the_model(shop: Shop) -> None:
    request = node_tools.next_generate(shop)
    assert "/openai/deployments/" in request.target
    assert ("api-key", KEY) in request.headers
    assert request.target != GENERATIONS
    reply = await ask(shop, request)
    assert reply.json["data"][0]["revised_prompt"] == shop.prompt
