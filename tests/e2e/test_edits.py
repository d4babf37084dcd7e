"""``images.edit``: pictures as clients send them, to the vendor and back, and nothing left over."""

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image, ImageChops

from gateway.translate.usage import output_tokens
from tests.e2e.pictures import (
    SMALL,
    Size,
    decoded,
    drawn,
    drawn_png,
    encoded,
    fetched,
    mask_png,
    pictures_of,
)
from tests.e2e.stand import KEY, VENDOR_KEY, Stand, behaving
from tests.openai.fakes import FORM, form, part

HOLE = (200, 150, 520, 430)
PNG = drawn_png((96, 64))
OTHER = drawn_png((64, 96), seed=2)
THIRD = drawn_png((80, 80), seed=3)


async def edit(stand: Stand, **options: Any) -> Any:
    options = {"prompt": "a cat", "size": SMALL, "quality": "low", **options}
    async with stand.client() as client:
        return await client.images.with_raw_response.edit(model="gpt-image-2", **options)


async def refused(stand: Stand, **options: Any) -> openai.BadRequestError:
    with pytest.raises(openai.BadRequestError) as caught:
        await edit(stand, **options)
    _held(stand)
    return caught.value


def _held(stand: Stand) -> None:
    """Nothing was sent to the vendor, nothing bought."""
    assert (stand.calls("upload"), stand.calls("create")) == (0, 0)


def bought(stand: Stand) -> dict[str, Any]:
    """The newest task in the vendor's book."""
    told: Any = stand.simulator.vendor.book.purchases_made(1)["tasks"]
    (task,) = told
    return dict(task)


def notes_of(raw: Any) -> str:
    return str(raw.headers.get("x-gateway-notes", ""))


def data_url(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


# ── the SDK's own forms ──


@pytest.mark.parametrize(
    ("image", "count"),
    [
        (PNG, 1),
        (io.BytesIO(PNG), 1),
        (("mine.png", PNG), 1),
        (("mine.png", PNG, "image/png"), 1),
        (("Bär 猫.png", PNG, "application/octet-stream"), 1),
        ([PNG], 1),
        ([PNG, OTHER, THIRD], 3),
        ([("a.png", PNG), ("b.png", OTHER, "image/png")], 2),
        ([drawn_png((40 + i, 40)) for i in range(16)], 16),
    ],
)
async def test_every_form_of_the_sdks_argument(stand: Stand, image: Any, count: int) -> None:
    raw = await edit(stand, image=image)
    result = raw.parse()
    (picture,) = pictures_of(result)
    assert picture.size == (1024, 768)
    assert bought(stand)["references"] == stand.calls("upload") == count
    assert stand.purchases == 1
    assert notes_of(raw) == ""
    assert result.usage.input_tokens_details.image_tokens > 0
    assert result.usage.output_tokens == output_tokens(1024, 768, "low")
    assert stand.spooled() == []


async def test_a_file_handle_and_a_path(stand: Stand, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    with path.open("rb") as handle:
        pictures_of((await edit(stand, image=handle)).parse())
    pictures_of((await edit(stand, image=path)).parse())
    assert (stand.purchases, stand.calls("upload")) == (2, 1)


async def test_the_sync_sdk_uploads_too(stand: Stand) -> None:
    def edited() -> Any:
        with stand.sync_client() as client:
            return client.images.edit(
                model="gpt-image-2", prompt="a cat", image=[PNG, OTHER], quality="low", size=SMALL
            )

    pictures_of(await asyncio.to_thread(edited))
    assert bought(stand)["references"] == 2


async def test_more_pictures_are_more_image_tokens(stand: Stand) -> None:
    tokens = []
    for image in ([PNG], [PNG, OTHER, THIRD]):
        usage = (await edit(stand, image=image)).parse().usage
        tokens.append(usage.input_tokens_details.image_tokens)
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert tokens[0] < tokens[1]


async def test_order_is_kept(stand: Stand) -> None:
    # Without a size the vendor takes the shape of the first picture.
    tall = drawn_png((300, 400))
    (picture,) = pictures_of((await edit(stand, image=[tall, PNG], size="auto")).parse())
    assert picture.size == (768, 1024)
    (picture,) = pictures_of((await edit(stand, image=[PNG, tall], size="auto")).parse())
    assert picture.size == (1536, 1024)


async def test_several_results_of_one_upload(stand: Stand) -> None:
    pictures = pictures_of((await edit(stand, image=PNG, n=5)).parse())
    assert len({picture.tobytes() for picture in pictures}) == 5
    assert (stand.purchases, stand.images_bought, stand.calls("upload")) == (2, 5, 1)


async def test_equal_pictures_are_uploaded_once_and_named_twice(stand: Stand) -> None:
    await edit(stand, image=[PNG, OTHER, ("again.png", PNG)])
    assert stand.calls("upload") == 2
    assert bought(stand)["references"] == 3
    await asyncio.gather(*(edit(stand, image=[OTHER, PNG, THIRD]) for _ in range(4)))
    assert stand.calls("upload") == 3
    assert stand.purchases == 5


async def test_an_old_model_gets_a_link(stand: Stand) -> None:
    async with stand.client() as client:
        result = await client.images.edit(model="dall-e-2", prompt="a cat", image=PNG, size=SMALL)
    assert result.data is not None
    assert result.data[0].url is not None
    assert (await fetched(result.data[0].url)).size == (1024, 768)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
async def test_every_kind_of_png_is_taken(stand: Stand, mode: str) -> None:
    if mode == "I;16":
        picture = Image.new("I;16", (64, 64), 40_000)
    else:
        picture = drawn((64, 64)).convert("L").convert(mode) if mode == "LA" else drawn((64, 64))
        picture = picture.convert(mode)
    pictures_of((await edit(stand, image=encoded(picture))).parse())
    assert stand.purchases == 1


@pytest.mark.parametrize(
    ("form_", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("WEBP", "RGBA")]
)
async def test_other_formats_are_taken(stand: Stand, form_: str, mode: str) -> None:
    picture = encoded(drawn((64, 64)).convert(mode), form_)
    pictures_of((await edit(stand, image=("x.bin", picture))).parse())
    pictures_of((await edit(stand, image=encoded(drawn((64, 64)), "GIF"))).parse())
    assert stand.purchases == 2


# ── masks ──


def changed(before: Image.Image, after: Image.Image) -> Image.Image:
    """White where at least one channel differs."""
    bands = ImageChops.difference(before.convert("RGB"), after.convert("RGB")).split()
    most = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    return most.point(lambda value: 255 if value else 0)


@pytest.mark.parametrize("asked", ["auto", "table"])
@pytest.mark.parametrize("size", [(1024, 768), (864, 1536), (1024, 1024)])
async def test_a_mask_opens_a_hole_and_nothing_else(stand: Stand, size: Size, asked: str) -> None:
    first = drawn(size)
    raw = await edit(
        stand,
        image=encoded(first),
        mask=mask_png(size, HOLE),
        size="auto" if asked == "auto" else f"{size[0]}x{size[1]}",
    )
    (picture,) = pictures_of(raw.parse())
    assert (picture.size, picture.format) == (size, "PNG")
    expected = Image.new("L", size, 0)
    expected.paste(255, HOLE)
    assert changed(first, picture).tobytes() == expected.tobytes()
    assert (stand.calls("upload"), stand.purchases) == (2, 1)
    assert bought(stand)["mask"] is True
    assert notes_of(raw) == ""


async def test_further_pictures_may_come_with_a_mask(stand: Stand) -> None:
    first = drawn((1024, 768))
    raw = await edit(
        stand, image=[encoded(first), OTHER, THIRD], mask=mask_png((1024, 768), HOLE), size="auto"
    )
    (picture,) = pictures_of(raw.parse())
    assert changed(first, picture).getbbox() == HOLE
    assert bought(stand)["references"] == 3


async def test_a_palette_may_hold_the_hole(stand: Stand) -> None:
    palette = Image.new("P", (96, 64), 1)
    palette.putpalette([0, 0, 0, 255, 255, 255])
    palette.paste(0, (10, 10, 40, 40))
    mask = encoded(palette, transparency=0)
    pictures_of((await edit(stand, image=PNG, mask=mask)).parse())
    assert bought(stand)["mask"] is True


@pytest.mark.parametrize(
    ("mask", "code"),
    [
        (mask_png((64, 96), (1, 1, 9, 9)), "invalid_value"),
        (mask_png((95, 64), (1, 1, 9, 9)), "invalid_value"),
        (encoded(Image.new("RGB", (96, 64))), "invalid_value"),
        (encoded(Image.new("L", (96, 64))), "invalid_value"),
        (encoded(Image.new("RGB", (96, 64)), "JPEG"), "invalid_value"),
        (encoded(Image.new("RGBA", (96, 64)), "WEBP"), "invalid_value"),
        (b"not a picture at all", "unsupported_file_mimetype"),
        (mask_png((96, 64), (1, 1, 9, 9))[:-20], "invalid_image_file"),
    ],
)
async def test_a_mask_that_is_none_is_refused_before_anything_is_sent(
    stand: Stand, mask: bytes, code: str
) -> None:
    error = await refused(stand, image=[PNG, OTHER], mask=("mask.png", mask))
    assert (error.param, error.code) == ("mask", code)


# ── pictures that will not do ──


def animated() -> bytes:
    frames = [drawn((32, 32), seed=seed) for seed in (1, 2)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (b"just some text", "unsupported_file_mimetype"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_file_mimetype"),
        (b"%PDF-1.7", "unsupported_file_mimetype"),
        (PNG[:-30], "invalid_image_file"),
        (PNG[:40], "invalid_image_file"),
        (encoded(drawn((64, 64)), "JPEG")[:-300], "invalid_image_file"),
        (animated(), "invalid_image_file"),
        (encoded(Image.new("1", (8193, 2))), "image_too_large"),
        (encoded(Image.new("1", (8000, 5001))), "image_too_large"),
        (b"", "invalid_image_file"),
    ],
)
async def test_a_picture_that_is_none_is_refused_by_name(
    stand: Stand, image: bytes, code: str
) -> None:
    error = await refused(stand, image=("cat.png", image))
    assert (error.param, error.code) == ("image", code)
    error = await refused(stand, image=[PNG, ("cat.png", image)])
    assert (error.param, error.code) == ("image[1]", code)


async def test_seventeen_pictures_are_too_many(stand: Stand) -> None:
    error = await refused(stand, image=[PNG] * 17)
    assert (error.param, error.code) == ("image", "array_above_max_length")
    error = await refused(stand, image=[PNG] * 18)
    assert (error.param, error.code) == ("image", "array_above_max_length")


async def test_a_picture_beyond_its_bound_is_refused(tmp_path: Path) -> None:
    async with behaving(tmp_path, images={"bounds": {"bytes": 5000}}) as stand:
        big = encoded(drawn((96, 64)), compress_level=0)
        async with stand.client() as client:
            with pytest.raises(openai.APIStatusError) as caught:
                await client.images.edit(prompt="a cat", image=big)
        assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
        _held(stand)


async def test_no_picture_at_all_is_a_missing_parameter(stand: Stand) -> None:
    async with stand.plain() as client:
        for body in (
            {"data": {"prompt": "a cat"}, "files": {"other": b"x"}},
            {"json": {"prompt": "a cat"}},
            {"json": {"prompt": "a cat", "images": []}},
            {"json": {"prompt": "a cat", "image": None}},
        ):
            answer = await client.post("/v1/images/edits", **body)
            assert answer.status_code == 400
            assert answer.json()["error"]["code"] == "missing_required_parameter"
    _held(stand)


# ── pictures made to fit ──


async def test_an_oversize_opaque_picture_is_reencoded_with_a_note(stand: Stand) -> None:
    large = encoded(drawn((2304, 1536)), compress_level=0)
    assert len(large) > 10_000_000
    raw = await edit(stand, image=large, size="auto")
    pictures_of(raw.parse())
    assert notes_of(raw) == 'image-reencoded;to="jpeg";quality=92'
    assert (stand.calls("upload"), stand.purchases) == (1, 1)


async def test_it_is_scaled_where_that_is_not_enough(tmp_path: Path) -> None:
    async with behaving(tmp_path, upstream={"upload_bytes": 20_000}) as stand:
        noise = Image.effect_noise((300, 200), 80).convert("RGB")
        raw = await edit(stand, image=encoded(noise))
    assert 'image-scaled;from="300x200"' in notes_of(raw)


async def test_an_oversize_first_picture_keeps_its_pixels_under_a_mask(tmp_path: Path) -> None:
    async with behaving(tmp_path, upstream={"upload_bytes": 200_000}) as stand:
        size = (1024, 768)
        first = encoded(drawn(size), compress_level=0)
        raw = await edit(stand, image=first, mask=mask_png(size, HOLE))
        assert notes_of(raw) == 'image-reencoded;to="jpeg";quality=92'
        noise = Image.effect_noise(size, 90).convert("RGB")
        with pytest.raises(openai.BadRequestError) as caught:
            await edit(stand, image=encoded(noise), mask=mask_png(size, HOLE))
        assert (caught.value.param, caught.value.code) == ("image", "image_too_large")
        assert "mask" in caught.value.message
        assert stand.purchases == 1


async def test_what_is_transparent_is_never_repainted(tmp_path: Path) -> None:
    async with behaving(tmp_path, upstream={"upload_bytes": 20_000}) as stand:
        clear = drawn((120, 80)).convert("RGBA")
        clear.putpixel((3, 3), (1, 2, 3, 0))
        data = encoded(clear, compress_level=0)
        error = await refused(stand, image=data)
        assert (error.param, error.code) == ("image", "image_too_large")
        assert error.type == "image_generation_user_error"
        error = await refused(stand, image=[PNG, data])
        assert error.param == "image[1]"


async def test_an_oversize_mask_is_refused(tmp_path: Path) -> None:
    async with behaving(tmp_path, upstream={"upload_bytes": 20_000}) as stand:
        mask = Image.new("RGBA", (96, 64), (0, 0, 0, 255))
        error = await refused(stand, image=PNG, mask=encoded(mask, compress_level=0))
        assert (error.param, error.code) == ("mask", "image_too_large")


def rotated(size: Size, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(drawn(size), "JPEG", exif=exif, quality=95)


@pytest.mark.parametrize("orientation", [3, 6, 8])
async def test_a_picture_is_set_upright_before_it_is_measured(
    stand: Stand, orientation: int
) -> None:
    sideways = orientation >= 5
    stored, upright = ((768, 1024), (1024, 768)) if sideways else ((1024, 768), (1024, 768))
    raw = await edit(
        stand,
        image=rotated(stored, orientation),
        mask=mask_png(upright, HOLE),
        size="auto",
    )
    (picture,) = pictures_of(raw.parse())
    assert picture.size == upright
    assert notes_of(raw) == f"image-rotated;orientation={orientation}"
    error_mask = mask_png((upright[1], upright[0]), (1, 1, 9, 9))
    with pytest.raises(openai.BadRequestError) as caught:
        await edit(stand, image=rotated(stored, orientation), mask=error_mask)
    assert caught.value.param == "mask"
    assert stand.purchases == 1


# ── JSON ──


async def post(stand: Stand, body: dict[str, Any]) -> httpx.Response:
    async with stand.plain() as client:
        asked = {"prompt": "a cat", "size": SMALL, "quality": "low", **body}
        return await client.post("/v1/images/edits", json=asked)


@pytest.mark.parametrize(
    "pictures",
    [
        {"images": [{"image_url": data_url(PNG)}]},
        {"images": [{"image_url": {"url": data_url(PNG)}}]},
        {"images": [data_url(PNG)]},
        {"image": data_url(PNG)},
        {"image": base64.b64encode(PNG).decode()},
        {"image": [base64.urlsafe_b64encode(PNG).decode().rstrip("=")]},
        {"images": [{"image_url": "https://example.com/cat.png?x=1"}]},
        {"image": "https://example.com/cat.png"},
        {"images": [{"image_url": data_url(drawn_png((900, 700)))}]},
    ],
)
async def test_json_edits_name_their_pictures_in_many_ways(
    stand: Stand, pictures: dict[str, Any]
) -> None:
    answer = await post(stand, pictures)
    assert answer.status_code == 200, answer.text
    assert bought(stand)["references"] == 1
    assert stand.calls("upload") == (0 if "example.com" in json.dumps(pictures) else 1)
    assert answer.json()["usage"]["input_tokens_details"]["image_tokens"] > 0


async def test_a_json_edit_may_bring_a_mask(stand: Stand) -> None:
    first = drawn((1024, 768))
    body = {
        "model": "gpt-image-2",
        "images": [{"image_url": data_url(encoded(first))}, {"image_url": data_url(OTHER)}],
        "mask": {"image_url": data_url(mask_png((1024, 768), HOLE))},
    }
    answer = await post(stand, body)
    assert answer.status_code == 200, answer.text
    picture = decoded(base64.b64decode(answer.json()["data"][0]["b64_json"]))
    assert changed(first, picture).getbbox() == HOLE


@pytest.mark.parametrize(
    ("pictures", "param"),
    [
        ({"images": [{"file_id": "file-abc123"}]}, "images[0].file_id"),
        ({"image": "file-abc123"}, "image"),
        ({"images": [{"image_url": data_url(PNG)}, {"file_id": "f"}]}, "images[1].file_id"),
        ({"images": [{}]}, "images[0].image_url"),
        ({"images": [7]}, "images[0]"),
        ({"images": [{"image_url": "http://example.com/cat.png"}]}, "images[0].image_url"),
        ({"image": "https://127.0.0.1/cat.png"}, "image"),
        ({"image": "https://localhost/cat.png"}, "image"),
        ({"image": "https://me@example.com/cat.png"}, "image"),
        ({"image": "https://example.com:8443/cat.png"}, "image"),
        ({"image": "ftp://example.com/cat.png"}, "image"),
        ({"image": "data:image/png;base64,####"}, "image"),
        ({"image": data_url(b"no picture", "png")}, "image"),
        ({"images": [data_url(PNG), data_url(PNG[:-30])]}, "image[1]"),
        ({"images": [data_url(PNG)] * 17}, "image"),
        ({"images": [data_url(PNG)], "mask": {"file_id": "file-abc123"}}, "mask.file_id"),
        ({"images": [data_url(PNG)], "mask": data_url(OTHER)}, "mask"),
    ],
)
async def test_json_pictures_that_will_not_do_are_refused_by_their_place(
    stand: Stand, pictures: dict[str, Any], param: str
) -> None:
    answer = await post(stand, pictures)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param
    _held(stand)


async def lent(stand: Stand, data: bytes) -> str:
    """A picture on a server that only this machine knows: the vendor's."""
    async with httpx.AsyncClient(base_url=stand.vendor_url) as client:
        files = {"file": ("a.png", data, "image/png")}
        headers = {"authorization": f"Bearer {VENDOR_KEY}"}
        answer = await client.post("/v1/uploads/images", files=files, headers=headers)
    return str(answer.json()["data"]["url"])


async def test_a_private_address_is_refused_even_if_it_is_the_vendors(stand: Stand) -> None:
    url = await lent(stand, PNG)
    answer = await post(stand, {"image": url})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "image"
    assert stand.calls("create") == 0


async def test_a_link_is_fetched_here_only_where_a_mask_must_be_compared(tmp_path: Path) -> None:
    async with behaving(tmp_path, images={"fetch_from": ["127.0.0.1"]}) as stand:
        first = drawn((1024, 768))
        url = await lent(stand, encoded(first))
        assert (await post(stand, {"image": url})).status_code == 200
        assert (stand.calls("upload"), stand.calls("file")) == (1, 1)
        mask = data_url(mask_png((1024, 768), HOLE))
        answer = await post(stand, {"image": url, "mask": mask, "response_format": "b64_json"})
        assert answer.status_code == 200, answer.text
        picture = decoded(base64.b64decode(answer.json()["data"][0]["b64_json"]))
        assert changed(first, picture).getbbox() == HOLE
        wrong = data_url(mask_png((64, 64), (1, 1, 9, 9)))
        answer = await post(stand, {"image": url, "mask": wrong})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "mask")
        answer = await post(stand, {"image": f"{url}x", "mask": mask})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "image")
        assert "404" in answer.json()["error"]["message"]
        assert stand.purchases == 2


# ── other clients' bodies, byte for byte ──


async def raw(stand: Stand, body: bytes, **headers: str) -> httpx.Response:
    async with stand.plain() as client:
        return await client.post("/v1/images/edits", content=body, headers=headers)


async def test_dotnet_quotes_no_names_but_its_boundary(stand: Stand) -> None:
    boundary = "0=a" * 23 + "1"
    body = form(
        part("", "a cat", disposition="form-data; name=prompt"),
        part("", SMALL, disposition="form-data; name=size"),
        part("", PNG, disposition="form-data; name=image; filename=a.png; filename*=utf-8''a.png"),
        boundary=boundary,
    )
    answer = await raw(
        stand,
        body,
        **{
            "content-type": f'multipart/form-data; boundary="{boundary}"',
            "accept": "application/json, text/event-stream",
        },
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert bought(stand)["references"] == 1


async def test_java_names_no_file_and_offers_another_protocol(stand: Stand) -> None:
    large = encoded(drawn((1024, 768)), compress_level=0)
    assert len(large) > 2_000_000
    body = form(
        part("prompt", "a cat", content_type="text/plain; charset=utf-8"),
        part("size", SMALL, content_type="text/plain; charset=utf-8"),
        part("image", large, content_type="application/octet-stream"),
    )
    offers = {
        "content-type": FORM,
        "connection": "Upgrade, HTTP2-Settings",
        "upgrade": "h2c",
        "http2-settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    }
    answer = await raw(stand, body, **offers)
    assert answer.status_code == 200, answer.text
    assert bought(stand)["references"] == 1


async def test_ruby_counts_its_pictures_and_leaves_their_types_empty(stand: Stand) -> None:
    tall = drawn_png((300, 400))
    body = form(
        part("image[1]", PNG, filename="b.png", content_type=""),
        part("image[0]", tall, filename="a.png", content_type=""),
        part("prompt", "a cat"),
        part("size", "auto"),
        part("response_format", "b64_json"),
    )
    answer = await raw(stand, body, **{"content-type": FORM})
    assert answer.status_code == 200, answer.text
    assert answer.json()["size"] == "768x1024"  # the shape of picture 0


async def test_go_sends_zeros_and_names_its_mask_with_a_dot(stand: Stand) -> None:
    body = form(
        part("image", PNG, filename="a.png", content_type="image/png"),
        part("mask", mask_png((96, 64), (9, 9, 40, 40)), filename="."),
        part("prompt", "a cat"),
        part("n", "0"),
        part("size", ""),
        part("response_format", ""),
    )
    answer = await raw(stand, body, **{"content-type": FORM, "user-agent": "Go-http-client/1.1"})
    assert answer.status_code == 200, answer.text
    assert "n-raised" in answer.headers["x-gateway-notes"]
    assert bought(stand)["mask"] is True


# ── nothing stays on disk ──


async def test_a_caller_who_leaves_amid_an_upload_leaves_nothing(stand: Stand) -> None:
    body = form(part("prompt", "a cat"), part("image", PNG * 2000, filename="a.png"))
    port = int(stand.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /v1/images/edits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body[:-1000])
    await writer.drain()
    await stand.until(stand.spooled)
    writer.close()
    await stand.until(lambda: stand.requests)
    assert stand.requests[0].left_early
    assert await reader.read() == b""
    await stand.until(lambda: not stand.spooled())
    assert stand.calls("upload") == 0


async def test_pictures_lie_on_disk_while_they_are_needed_and_no_longer(stand: Stand) -> None:
    stand.vendor_fails({"where": "create", "kind": "slow", "seconds": 0.3})
    editing = asyncio.ensure_future(edit(stand, image=[PNG, OTHER]))
    await stand.until(lambda: stand.purchases)
    assert stand.spooled()
    await editing
    await stand.until(lambda: not stand.spooled())
    folder = stand.folder / "images"
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".png"}
    assert len(stand.shelved()) == 1


# ── variations: retired at OpenAI, still called by old tools ──


async def test_a_variation_is_an_edit_with_a_standing_prompt(stand: Stand) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(
            f"{stand.url}/v1/images/variations",
            headers={"authorization": f"Bearer {KEY}"},
            files={"image": ("a.png", drawn_png((256, 256)), "image/png")},
            data={"n": "2", "size": "512x512", "quality": "low"},
        )
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert [list(item) for item in data] == [["url"], ["url"]]
    assert answer.json()["size"] == "512x512"
    assert stand.purchases == 1
    assert stand.images_bought == 2


async def test_a_variation_of_nothing_is_refused(stand: Stand) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(
            f"{stand.url}/v1/images/variations",
            headers={"authorization": f"Bearer {KEY}"},
            files={"n": (None, "1")},
        )
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "image"
    assert stand.purchases == 0
