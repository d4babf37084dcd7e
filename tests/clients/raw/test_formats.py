"""Formats: the bytes of a picture are what they are called, and as many as were asked for."""

import base64
import io

import pytest
from PIL import Image

from tests.clients.raw.least import generation, told
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Request, ask

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "PNG"),
        ({"output_format": "jpeg", "output_compression": 20}, "JPEG"),
        ({"output_format": "webp", "output_compression": 50, "size": "1000x1000"}, "WEBP"),
    ],
)
@pytest.mark.row(47, client="any", how="raw bytes")
@pytest.mark.row(23, client="any", how="raw bytes")
async def test_the_bytes_are_what_the_answer_calls_them(
    shop: Shop, options: dict[str, object], kind: str
) -> None:
    reply = await ask(shop, generation(shop, **options))
    body = reply.json
    (item,) = body["data"]
    text = item["b64_json"]
    assert not set(text) & set(" \r\n,:")
    data = base64.b64decode(text, validate=True)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert (image.format, body["output_format"]) == (kind, kind.lower())
        assert body["size"] == f"{image.width}x{image.height}"
    assert (body["background"], body["quality"]) == ("opaque", "high")
    linked = await ask(shop, generation(shop, response_format="url", **options))
    url = linked.json["data"][0]["url"]
    fetched = await ask(shop, Request(url.removeprefix(shop.url), told(shop), method="GET"))
    assert fetched.header("content-type") == f"image/{kind.lower()}"
    with Image.open(io.BytesIO(fetched.body)) as image:
        assert image.format == kind


@pytest.mark.parametrize("form", ["jpeg", "webp"])
@pytest.mark.row(47, client="any", how="raw bytes")
async def test_less_compression_is_more_bytes(shop: Shop, form: str) -> None:
    """Of one picture: the vendor draws two that differ by less than this."""
    small, large = [
        len((await ask(shop, generation(shop, output_format=form, output_compression=much))).body)
        for much in (5, 95)
    ]
    assert 2 * small < large
