"""``images.generate`` with the real SDK, over real sockets, against the simulated vendor."""

import asyncio
import base64
import io
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from gateway.translate.sizes import offered
from gateway.translate.usage import output_tokens
from tests.e2e.stand import KEY, Stand, standing


def picture_of(item: Any) -> Image.Image:
    assert item.b64_json is not None
    return Image.open(io.BytesIO(base64.b64decode(item.b64_json, validate=True)))


def notes_of(headers: Any) -> str:
    return str(headers.get("x-gateway-notes", ""))


async def test_the_least_request_gives_a_link_that_leads_to_the_picture(stand: Stand) -> None:
    async with stand.client() as client:
        result = await client.images.generate(prompt="a lighthouse in fog")
    assert result.data is not None
    (item,) = result.data
    assert item.b64_json is None
    assert item.url is not None
    assert item.url.startswith(f"{stand.url}/images/")
    async with httpx.AsyncClient() as plain:
        answer = await plain.get(item.url)
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (1024, 1024)
    assert stand.purchases == 1


async def test_the_sync_sdk_works_the_same(stand: Stand) -> None:
    def generate() -> Any:
        with stand.sync_client() as client:
            return client.images.generate(model="gpt-image-2", prompt="a cat", quality="low")

    result = await asyncio.to_thread(generate)
    assert picture_of(result.data[0]).format == "PNG"
    assert stand.purchases == 1


async def test_the_answer_is_openais_shape_and_tells_the_truth(stand: Stand) -> None:
    async with stand.client() as client:
        raw = await client.images.with_raw_response.generate(
            model="gpt-image-2",
            prompt="a cat",
            size="1536x1024",
            quality="low",
            extra_body={"safety_identifier": "abc"},
        )
    assert raw.http_response.status_code == 200
    assert raw.headers["content-type"] == "application/json"
    body = raw.http_response.json()
    assert list(body) == [
        "created",
        "background",
        "data",
        "output_format",
        "quality",
        "size",
        "usage",
        "safety_identifier",
    ]
    assert list(body["data"][0]) == ["b64_json"]
    assert (body["size"], body["quality"], body["output_format"]) == ("1536x1024", "low", "png")
    assert body["background"] == "opaque"
    usage = body["usage"]
    assert usage["output_tokens"] == output_tokens(1536, 1024, "low") == 158
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens_details"]["image_tokens"] == 0
    assert raw.headers["x-request-id"].startswith("req_")
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.headers["x-gateway-task"].startswith("tsk_img_")
    assert notes_of(raw.headers) == ""
    assert int(raw.headers["content-length"]) == len(raw.http_response.content)


@pytest.mark.parametrize(
    ("ratio", "tier", "pixels"),
    list(offered(extended=False)),
)
async def test_every_size_of_the_table_comes_back_exactly(
    stand: Stand, ratio: str, tier: str, pixels: tuple[int, int]
) -> None:
    size: Any = f"{pixels[0]}x{pixels[1]}"
    async with stand.client() as client:
        raw = await client.images.with_raw_response.generate(
            model="gpt-image-2", prompt=f"{ratio} {tier}", size=size, quality="low"
        )
    result = raw.parse()
    assert result.data is not None
    assert picture_of(result.data[0]).size == pixels
    assert notes_of(raw.headers) == ""


@pytest.mark.parametrize(
    ("size", "note"),
    [
        ("1792x1024", 'size-cropped;from="16:9";share='),
        ("512x512", 'size-scaled;from="1024x1024"'),
        ("1920x1080", 'size-scaled;from="2048x1152"'),
        ("1234x777", 'size-cropped;from="3:2";share='),
        ("1000x1000", 'size-scaled;from="1024x1024"'),
    ],
)
async def test_any_other_size_is_made_exact_with_a_note(stand: Stand, size: Any, note: str) -> None:
    async with stand.client() as client:
        raw = await client.images.with_raw_response.generate(
            model="gpt-image-2", prompt="a cat", size=size, quality="low"
        )
    result = raw.parse()
    assert result.data is not None
    assert "x".join(map(str, picture_of(result.data[0]).size)) == size == result.size
    assert notes_of(raw.headers).startswith(note)


@pytest.mark.parametrize("size", ["4096x4096", "100x5000"])
async def test_sizes_that_cannot_be_made_are_refused_by_name(stand: Stand, size: Any) -> None:
    async with stand.client() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.images.generate(model="gpt-image-2", prompt="a cat", size=size)
    assert (caught.value.param, caught.value.code) == ("size", "invalid_value")
    assert caught.value.type == "image_generation_user_error"
    assert stand.purchases == 0


async def test_ten_images_are_three_tasks(stand: Stand) -> None:
    async with stand.client() as client:
        raw = await client.images.with_raw_response.generate(
            model="gpt-image-2", prompt="ten cats", n=10, size="1024x768", quality="low"
        )
    result = raw.parse()
    assert result.data is not None
    pictures = [picture_of(item) for item in result.data]
    assert len({picture.tobytes() for picture in pictures}) == 10
    assert stand.purchases == 3
    assert stand.images_bought == 10
    assert len(raw.headers["x-gateway-task"].split(", ")) == 3
    assert result.usage is not None
    assert result.usage.output_tokens == 10 * output_tokens(1024, 768, "low")


@pytest.mark.parametrize(
    ("output_format", "compression", "kind"),
    [("jpeg", 40, "JPEG"), ("webp", 40, "WEBP"), ("jpeg", None, "JPEG"), ("png", None, "PNG")],
)
async def test_formats_are_what_they_claim(
    stand: Stand, output_format: Any, compression: Any, kind: str
) -> None:
    extra = {} if compression is None else {"output_compression": compression}
    async with stand.client() as client:
        result = await client.images.generate(
            model="gpt-image-2",
            prompt="a cat",
            size="1024x1024",
            quality="low",
            output_format=output_format,
            **extra,
        )
    assert result.data is not None
    assert picture_of(result.data[0]).format == kind
    assert result.output_format == output_format


async def test_a_stronger_compression_makes_a_smaller_picture(stand: Stand) -> None:
    sizes = []
    async with stand.client() as client:
        for compression in (10, 95):
            result = await client.images.generate(
                model="gpt-image-2",
                prompt="a cat",
                size="1000x1000",
                quality="low",
                output_format="webp",
                output_compression=compression,
            )
            assert result.data is not None
            assert result.data[0].b64_json is not None
            sizes.append(len(result.data[0].b64_json))
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize(
    ("model", "response_format", "keys"),
    [
        ("gpt-image-2", None, ["b64_json"]),
        ("gpt-image-2", "url", ["url"]),
        ("gpt-image-2", "b64_json", ["b64_json"]),
        ("dall-e-3", None, ["url", "revised_prompt"]),
        ("dall-e-3", "b64_json", ["revised_prompt", "b64_json"]),
        (None, None, ["url"]),
        (None, "b64_json", ["b64_json"]),
    ],
)
async def test_the_form_of_the_answer_follows_the_wish_then_the_name(
    stand: Stand, model: str | None, response_format: str | None, keys: list[str]
) -> None:
    body = {"model": model, "prompt": "a cat", "response_format": response_format, "quality": "low"}
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{stand.url}/v1/images/generations",
            json=body,
            headers={"api-key": KEY},
            timeout=30,
        )
    assert answer.status_code == 200
    assert list(answer.json()["data"][0]) == keys


async def test_both_forms_can_be_a_setting(tmp_path: Path) -> None:
    async with (
        standing(tmp_path, requests={"response_format": "both"}) as stand,
        stand.client() as client,
    ):
        result = await client.images.generate(prompt="a cat", quality="low")
    assert result.data is not None
    assert result.data[0].url
    assert result.data[0].b64_json


async def test_auto_takes_what_the_vendor_makes_and_says_its_size(stand: Stand) -> None:
    async with stand.client() as client:
        result = await client.images.generate(
            model="gpt-image-2", prompt="a cat", size="auto", quality="auto"
        )
    assert result.data is not None
    assert "x".join(map(str, picture_of(result.data[0]).size)) == result.size
    assert result.quality == "high"


async def test_the_extended_table_is_a_cards_setting(tmp_path: Path) -> None:
    models = {"gpt-image-2": {"extended_sizes": True, "upstream_model": "gpt-image-2-official"}}
    async with standing(tmp_path, models=models) as stand:
        stand.vendor_is(extended_sizes=True)
        async with stand.client() as client:
            result = await client.images.generate(
                model="gpt-image-2",
                prompt="a cat",
                size="2880x2880",
                quality="low",
            )
    assert result.data is not None
    assert picture_of(result.data[0]).size == (2880, 2880)
