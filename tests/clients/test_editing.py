"""Pictures are sent in every form that clients have for them; each edit is bought once."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from tests.clients.books import Books
from tests.clients.driving import (
    Refused,
    as_blob,
    as_buffer,
    as_bytes,
    as_file,
    as_named,
    as_path,
    as_tuple,
)
from tests.clients.known import (
    AI,
    AI_COMPATIBLE,
    NODE3,
    NODE4,
    NODE6,
    NODE7,
    PY0,
    PY1,
    PY2,
    PY3,
    by,
)
from tests.clients.users import Seen, User
from tests.e2e.pictures import Size, drawn, drawn_png, encoded, mask_png

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

# Without a size the vendor takes the shape of the first picture: so it is seen which was first.
TALL, WIDE = drawn_png((300, 400)), drawn_png((400, 300), seed=2)
LARGE = drawn_png((1250, 1000), seed=3)
Written = Callable[[str, bytes], Path]
HOLE = (200, 150, 520, 430)
NODES = (NODE4, NODE6, NODE7)


async def edited(seen: Seen, books: Books, references: int, size: Size = (768, 1024)) -> None:
    (picture,) = await seen.pictures()
    assert picture.size == size
    assert (books.purchases, books.images) == (1, 1)
    assert books.newest["references"] == references
    await books.asked(1)


def wish(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-image-2", "prompt": prompt, "size": "auto", **more}


@by((13, 14), PY0, PY1, PY2, PY3)
async def test_an_open_file_is_sent_from_python(
    user: User, books: Books, prompt: str, drawn_file: Written
) -> None:
    path = drawn_file("cat.png", TALL)
    if user.name == PY0:
        seen = await user.edit(image=as_file(path), prompt=prompt, n=1, size="1024x1024")
        await edited(seen, books, 1, (1024, 1024))
        return
    more = {"extra_body": {"size": "auto"}} if user.name == PY1 else {"size": "auto"}
    seen = await user.edit(model="gpt-image-2", prompt=prompt, image=as_file(path), **more)
    await edited(seen, books, 1)


@by((13, 14), PY1, PY2, PY3)
@pytest.mark.parametrize("form", ["bytes", "buffer", "pair", "triple", "path"])
async def test_every_single_form_of_python_is_taken(
    user: User, books: Books, prompt: str, drawn_file: Written, form: str
) -> None:
    image = {
        "bytes": as_bytes(TALL),
        "buffer": as_buffer(TALL),
        "pair": as_tuple("Bär 猫.png", as_bytes(TALL)),
        "triple": as_tuple("cat.bin", as_bytes(TALL), "application/octet-stream"),
        "path": as_path(drawn_file("cat", TALL)),
    }[form]
    await edited(await user.edit(**wish(prompt, image=image)), books, 1)


@by((13, 14), PY2, PY3)
@pytest.mark.parametrize("count", [1, 2, 16])
async def test_every_length_of_a_list_of_python_is_taken(
    user: User, books: Books, prompt: str, count: int
) -> None:
    images = [TALL, *(drawn_png((64 + i, 64)) for i in range(count - 1))]
    await edited(await user.edit(**wish(prompt, image=[*map(as_bytes, images)])), books, count)


@by((13, 14), NODE3, NODE4, NODE6, NODE7)
async def test_a_stream_of_a_file_is_sent_from_node(
    user: User, books: Books, prompt: str, drawn_file: Written
) -> None:
    image = as_file(drawn_file("cat.png", LARGE))
    if user.name == NODE3:
        seen = await user.edit(image=image, prompt=prompt, n=1, size="1024x1024")
        await edited(seen, books, 1, (1024, 1024))
        return
    await edited(await user.edit(**wish(prompt, image=image)), books, 1, (1280, 1024))


@by((13, 14), *NODES)
@pytest.mark.parametrize("form", ["named", "typed", "list of one", "list of two"])
async def test_every_form_of_node_is_taken(
    user: User, books: Books, prompt: str, drawn_file: Written, form: str
) -> None:
    image = {
        "named": as_named(TALL, "cat.png"),
        "typed": as_named(TALL, "cat.png", "image/png"),
        "list of one": [as_file(drawn_file("cat.png", TALL))],
        # Not one of them a stream: version 4 reads those first, and sends them last.
        "list of two": [as_named(TALL, "a"), as_named(WIDE, "b", "image/png")],
    }[form]
    count = 2 if form == "list of two" else 1
    await edited(await user.edit(**wish(prompt, image=image)), books, count)


@by((13, 14), NODE7)
async def test_a_blob_without_a_name_is_taken(user: User, books: Books, prompt: str) -> None:
    await edited(await user.edit(**wish(prompt, image=as_blob(TALL))), books, 1)


@by(13, AI, AI_COMPATIBLE)
@pytest.mark.parametrize("count", [1, 2])
async def test_pictures_are_part_of_the_prompt(
    user: User, books: Books, prompt: str, count: int
) -> None:
    images = [as_bytes(TALL), as_bytes(WIDE)][:count]
    seen = await user.edit(model="gpt-image-2", prompt=prompt, image=images, size="1024x768")
    assert "b64_json" in seen.data[0]
    await edited(seen, books, count, (1024, 768))


@by(7, PY1, PY2, PY3)
async def test_what_is_null_is_left_out_of_a_form(user: User, books: Books, prompt: str) -> None:
    seen = await user.edit(
        model=None, prompt=prompt, image=as_bytes(TALL), n=None, size=None, response_format=None
    )
    assert set(seen.data[0]) == {"url"}
    assert len(await seen.pictures()) == books.purchases == 1


# By the patches of 32 pixels: magnified up to twice, but to no more than 1024, and shrunk to 1536.
PATCHES = {(300, 400): 19 * 25, (1024, 1024): 32 * 32, (900, 500): 32 * 18, (2048, 2048): 39 * 39}


@by(22, PY2, PY3, NODE4, NODE6, NODE7)
@pytest.mark.parametrize("sizes", [*((one,) for one in PATCHES), ((300, 400), (1024, 1024))])
async def test_pictures_that_go_in_are_counted_as_pictures(
    user: User, books: Books, prompt: str, sizes: tuple[Size, ...]
) -> None:
    images = [image_of(user, drawn_png(size)) for size in sizes]
    seen = await user.edit(model="gpt-image-2", prompt=prompt, image=images, size="1024x768")
    usage = seen.value["usage"]
    assert usage["input_tokens_details"] == {
        "image_tokens": sum(PATCHES[size] for size in sizes),
        "text_tokens": -(-len(prompt.encode()) // 4),
    }
    assert usage["input_tokens"] == sum(usage["input_tokens_details"].values())
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert (books.purchases, books.newest["references"]) == (1, len(sizes))


@by(12, PY1, PY3, NODE4, NODE7)
async def test_a_number_in_a_form_is_a_word(user: User, books: Books, prompt: str) -> None:
    seen = await user.edit(model="gpt-image-2", prompt=prompt, image=image_of(user), n=2)
    assert len(await seen.pictures()) == 2
    assert (books.purchases, books.images) == (1, 2)


def image_of(user: User, data: bytes = TALL, name: str = "cat.png") -> dict[str, Any]:
    if user.known.python:
        return as_tuple(name, as_bytes(data))
    return as_named(data, name) if user.known.program == "openai_node.mjs" else as_bytes(data)


@by(16, PY2, PY3, NODE4, NODE6, NODE7, AI)
async def test_a_mask_opens_a_hole_and_nothing_else(user: User, books: Books, prompt: str) -> None:
    first, mask = drawn((1024, 768)), mask_png((1024, 768), HOLE)
    seen = await user.edit(
        model="gpt-image-2",
        prompt=prompt,
        image=image_of(user, encoded(first)),
        mask=image_of(user, mask, "mask.png"),
        size="1024x768",
    )
    (picture,) = await seen.pictures()
    assert books.newest["mask"] is True
    outside = Image.new("L", (1024, 768), 255)
    outside.paste(0, HOLE)
    black = Image.new("RGB", (1024, 768))
    difference = ImageChops.difference(first, picture.convert("RGB"))
    assert Image.composite(difference, black, outside).getbbox() is None
    assert difference.getbbox() == HOLE
    assert books.purchases == 1


@by(16, PY0, NODE3)
async def test_old_clients_send_a_mask_too(
    user: User, books: Books, prompt: str, drawn_file: Written
) -> None:
    image = as_file(drawn_file("cat.png", drawn_png((512, 512))))
    mask = as_file(drawn_file("hole.png", mask_png((512, 512), (100, 100, 200, 200))))
    seen = await user.edit(image=image, mask=mask, prompt=prompt, n=1, size="512x512")
    (picture,) = await seen.pictures()
    assert (picture.size, books.newest["mask"]) == ((512, 512), True)
    assert books.purchases == 1


@by((16, 30), PY1, PY2, PY3, NODE4, NODE7)
async def test_a_mask_of_another_size_is_refused(user: User, books: Books, prompt: str) -> None:
    with pytest.raises(Refused) as caught:
        await user.edit(
            model="gpt-image-2",
            prompt=prompt,
            image=image_of(user),
            mask=image_of(user, mask_png((64, 64), (1, 1, 9, 9)), "mask.png"),
        )
    assert caught.value.told["class"] == "BadRequestError"
    assert (caught.value.status, caught.value.param) == (400, "mask")
    assert "the mask's size does not match the first image's" in caught.value.message
    assert books.purchases == 0
    await books.asked(1)


UNFIT = {
    "without alpha": drawn_png((300, 400)),
    "a JPEG": encoded(drawn((300, 400)), "JPEG"),
    "a WebP with alpha": encoded(
        Image.open(io.BytesIO(mask_png((300, 400), (9, 9, 99, 99)))), "WEBP", lossless=True
    ),
}


@by((16, 30), PY2, PY3, NODE4, NODE7)
@pytest.mark.parametrize("kind", UNFIT)
async def test_a_mask_that_can_have_no_hole_is_refused(
    user: User, books: Books, prompt: str, kind: str
) -> None:
    """It is as large as the picture."""
    mask = image_of(user, UNFIT[kind], "mask.png")
    with pytest.raises(Refused) as caught:
        await user.edit(**wish(prompt, image=image_of(user), mask=mask))
    assert caught.value.told["class"] == "BadRequestError"
    assert (caught.value.status, caught.value.param) == (400, "mask")
    assert caught.value.code == "invalid_value"
    assert "a mask must be a PNG with an alpha channel" in caught.value.message
    assert books.purchases == 0
    await books.asked(1)


NO_PICTURES = {
    "unsupported_file_mimetype": (
        b"hi",
        "invalid_request_error",
        "Invalid file 'image': unsupported mimetype ('application/octet-stream')",
    ),
    "invalid_image_file": (
        b"\x89PNG\r\n\x1a\nbroken",
        "image_generation_user_error",
        "Invalid image file or mode for 'image'",
    ),
}


@by((18, 30), PY0, PY1, PY2, PY3, NODE4, NODE6, NODE7)
@pytest.mark.parametrize("code", NO_PICTURES)
async def test_what_is_no_picture_is_refused(
    user: User, books: Books, prompt: str, drawn_file: Written, code: str
) -> None:
    data, kind, message = NO_PICTURES[code]
    image = as_file(drawn_file("x.txt", data)) if user.name == PY0 else image_of(user, data)
    with pytest.raises(Refused) as caught:
        await user.edit(prompt=prompt, image=image, size="1024x1024")
    assert caught.value.told["class"] == (
        "InvalidRequestError" if user.name == PY0 else "BadRequestError"
    )
    assert caught.value.status == 400
    assert message in caught.value.message
    if user.name != PY0:  # which keeps the message alone
        told = caught.value.code, caught.value.type, caught.value.param
        assert told == (code, kind, "image")
    assert books.purchases == 0
    await books.asked(1)


@by((18, 30), AI)
async def test_the_ai_sdk_tells_why_a_picture_is_refused(
    user: User, books: Books, prompt: str
) -> None:
    broken = as_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(Refused) as caught:
        await user.edit(model="gpt-image-2", prompt=prompt, image=broken)
    assert caught.value.status == 400
    assert "image" in caught.value.message
    assert books.purchases == 0
    await books.asked(1)


@by(19, PY0, PY1, PY2, NODE3, NODE4)
async def test_variations_are_made_where_old_tools_ask_for_them(
    user: User, books: Books, drawn_file: Written
) -> None:
    image = as_file(drawn_file("cat.png", drawn_png((256, 256))))
    seen = await user.variation(image=image, n=2, size="512x512")
    pictures = await seen.pictures()
    assert [picture.size for picture in pictures] == [(512, 512)] * 2
    assert {"url"} == set().union(*(item.keys() for item in seen.data))
    assert (books.purchases, books.images) == (1, 2)
    assert books.newest["references"] == 1
    await books.asked(1)
