"""Forms as clients send them and as nobody should: parts, names, bounds, ends."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.sections import ServerBounds
from gateway.errors import BodyTooLarge, InvalidRequest
from gateway.openai.forms import MOST_PICTURES, Form, read_form
from gateway.openai.multipart import boundary_of
from gateway.openai.spool import Spool
from tests.openai.fakes import BOUNDARY, FORM, content, form, part, split

BOUNDS = ServerBounds(part=1000, parts=5)


async def read(
    body: bytes, folder: Path, *, content_type: str = FORM, size: int = 1000, picture: int = 10_000
) -> Form:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in split(body, size):
            yield chunk

    boundary = boundary_of(content_type)
    return await read_form(chunks(), boundary, Spool(str(folder)), BOUNDS, picture)


def contents(form_: Form) -> list[bytes]:
    return [content(upload.path) for upload in form_.uploads]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 100_000])
async def test_values_and_pictures_are_told_apart_however_the_body_is_cut(
    tmp_path: Path, size: int
) -> None:
    picture = b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n" * 30 + bytes(range(256))
    body = form(
        part("prompt", "ein B\u00e4r\r\nmit Hut"),
        part("image", picture, filename="a.png", content_type="image/png"),
        part("n", "2"),
    )
    read_ = await read(body, tmp_path, size=size)
    assert read_.values == {"prompt": "ein B\u00e4r\r\nmit Hut", "n": "2"}
    assert contents(read_) == [picture]
    assert read_.uploads[0].named
    assert read_.uploads[0].size == len(picture)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("image", None),
        ("image[]", None),
        ("image[3]", 3),
        ("images", None),
        ("images[]", None),
        ("images[12]", 12),
        ("mask", None),
    ],
)
async def test_every_name_of_a_picture_goes_to_a_file(
    tmp_path: Path, name: str, index: int | None
) -> None:
    (upload,) = (await read(form(part(name, b"\x89PNG")), tmp_path)).uploads
    assert (upload.field, upload.index, upload.named) == (name, index, False)


@pytest.mark.parametrize(
    ("name", "index"), [("image%5B%5D", None), ("image%5b2%5d", 2), ("images%5B0%5D", 0)]
)
async def test_brackets_may_be_written_as_in_an_address(
    tmp_path: Path, name: str, index: int | None
) -> None:
    (upload,) = (await read(form(part(name, b"\x89PNG")), tmp_path)).uploads
    assert upload.index == index
    assert (await read(form(part("a%5Bb%5D", "1")), tmp_path)).values == {"a[b]": "1"}


@pytest.mark.parametrize("name", ["images_count", "imagery", "image[x]", "image[0][a]", "masks"])
async def test_other_names_are_values(tmp_path: Path, name: str) -> None:
    read_ = await read(form(part(name, "1", filename="a.bin")), tmp_path)
    assert read_.values == {name: "1"}
    assert not read_.uploads


@pytest.mark.parametrize(
    "disposition",
    [
        "form-data; name=prompt",
        'form-data; name="prompt"',
        'form-data;name="prompt"',
        'FORM-DATA; NAME="prompt"',
        "form-data; filename*=utf-8''x.txt; name=\"prompt\"",
        'form-data; name="prompt"; filename="a;b\\".png"',
    ],
)
async def test_names_may_be_quoted_or_not(tmp_path: Path, disposition: str) -> None:
    body = form(part("", "a cat", disposition=disposition))
    assert (await read(body, tmp_path)).values == {"prompt": "a cat"}


@pytest.mark.parametrize(
    "boundary", ["x", "----WebKitFormBoundaryA1", "a=b:c/d" * 10, "'()+_,-./:=?"]
)
async def test_boundaries_may_be_quoted_and_seventy_long(tmp_path: Path, boundary: str) -> None:
    body = form(part("prompt", "a cat"), boundary=boundary)
    content_type = f'multipart/form-data; charset=utf-8; boundary="{boundary}"'
    assert (await read(body, tmp_path, content_type=content_type)).values == {"prompt": "a cat"}


async def test_the_last_of_equal_values_counts(tmp_path: Path) -> None:
    body = form(part("n", "1"), part("n", "2"))
    assert (await read(body, tmp_path)).values == {"n": "2"}


async def test_a_picture_field_left_empty_is_none(tmp_path: Path) -> None:
    body = form(part("mask", ""), part("image", "", filename=""), part("prompt", ""))
    read_ = await read(body, tmp_path)
    assert not read_.uploads
    assert read_.values == {"prompt": ""}


async def test_an_empty_file_with_a_name_is_a_file(tmp_path: Path) -> None:
    (upload,) = (await read(form(part("image", b"", filename="a.png")), tmp_path)).uploads
    assert upload.size == 0
    assert content(upload.path) == b""


async def test_bytes_that_are_no_utf8_are_kept_for_readers_to_refuse(tmp_path: Path) -> None:
    assert (await read(form(part("n", b"\xff")), tmp_path)).values == {"n": "\udcff"}


async def test_a_preamble_and_an_epilogue_are_skipped(tmp_path: Path) -> None:
    body = b"\r\nnothing to see\r\n" + form(part("n", "1")) + b"\r\nor here" * 100
    assert (await read(body, tmp_path)).values == {"n": "1"}


@pytest.mark.parametrize("position", ["before", "after"])
async def test_noise_around_the_parts_is_bounded(tmp_path: Path, position: str) -> None:
    noise, body = b"\r\n" * 100_000, form(part("n", "1"))
    body = noise + body if position == "before" else body + noise
    with pytest.raises(InvalidRequest, match="too much around"):
        await read(body, tmp_path)


@pytest.mark.parametrize("step", [64])
async def test_a_form_cut_anywhere_is_refused_and_never_shorter(tmp_path: Path, step: int) -> None:
    body = form(
        part("prompt", "a cat with a hat"),
        part("image[]", b"\x89PNG" * 200, filename="a.png", content_type="image/png"),
        part("image[]", b"\xff\xd8\xff" * 200, filename="b.jpg", content_type="image/jpeg"),
        part("mask", b"\x89PNG" * 50, filename="m.png"),
        part("n", "2"),
    )
    ends = [*range(0, len(body) - 2, step), len(body) - 4, len(body) - 3]
    for end in ends:
        with pytest.raises(InvalidRequest):
            await read(body[:end], tmp_path)
    assert len((await read(body, tmp_path)).uploads) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"--other\r\n\r\nx\r\n--other--\r\n",
        form(part("n", "1")).replace(b"\r\n", b"\n"),
        form(b"\r\nno header"),
        form(b"Content-Type: text/plain\r\n\r\nno name"),
        form(b'Content-Disposition: form-data; name=""\r\n\r\nempty name'),
        form(b'Content-Disposition: form-data; name="x"\r\n'),
        form(b'Content-Disposition: form-data; name="' + b"x" * 5000 + b'"\r\n\r\n1'),
        form(b"X-Many: 1\r\n" * 20 + b'Content-Disposition: form-data; name="x"\r\n\r\n1'),
        form(b'Content Disposition: form-data; name="x"\r\n\r\n1'),
        form(part("n", "1")).replace(b"--" + BOUNDARY.encode() + b"--", b""),
    ],
)
async def test_a_malformed_form_is_refused(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="could not parse the multipart body") as caught:
        await read(body, tmp_path)
    assert caught.value.param is None


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "x" * 300,
    ],
)
async def test_a_form_without_a_usable_boundary_is_refused(
    tmp_path: Path, content_type: str
) -> None:
    with pytest.raises(InvalidRequest, match="boundary"):
        await read(form(part("n", "1")), tmp_path, content_type=content_type)


async def test_a_value_is_bounded(tmp_path: Path) -> None:
    assert (await read(form(part("user", "x" * 1000)), tmp_path)).values["user"] == "x" * 1000
    with pytest.raises(BodyTooLarge) as caught:
        await read(form(part("user", "x" * 1001)), tmp_path)
    assert caught.value.param == "user"


async def test_a_picture_is_bounded(tmp_path: Path) -> None:
    assert (await read(form(part("image", b"x" * 10_000)), tmp_path)).uploads[0].size == 10_000
    with pytest.raises(BodyTooLarge) as caught:
        await read(form(part("image[7]", b"x" * 10_001)), tmp_path)
    assert caught.value.param == "image[7]"


async def test_values_are_counted(tmp_path: Path) -> None:
    five = [part(f"x{i}", "1") for i in range(5)]
    pictures = [part("image", b"x")] * 3
    assert len((await read(form(*five, *pictures), tmp_path)).values) == 5
    with pytest.raises(InvalidRequest, match="too many parts"):
        await read(form(*five, part("x5", "1")), tmp_path)


async def test_pictures_are_counted(tmp_path: Path) -> None:
    body = form(*[part("image[]", b"x")] * MOST_PICTURES)
    assert len((await read(body, tmp_path)).uploads) == MOST_PICTURES
    with pytest.raises(InvalidRequest) as caught:
        await read(form(*[part("image[]", b"x")] * (MOST_PICTURES + 1)), tmp_path)
    assert (caught.value.param, caught.value.code) == ("image", "array_above_max_length")


async def test_a_slice_full_of_empty_parts_is_refused_early(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="too many parts"):
        await read(form(*[part("image", b"")] * 1000), tmp_path, size=1_000_000)


async def test_a_markup_is_refused_before_it_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await read(form(part("markup", b"x" * 5000, filename="m.png")), tmp_path)
    assert (caught.value.param, caught.value.code) == ("markup", "invalid_value")
    assert (await read(form(part("markup", b"")), tmp_path)).values == {"markup": ""}


async def test_a_hostile_form_writes_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidRequest):
        await read(form(b"Bad Header: 1\r\n\r\n"), tmp_path)
    assert not caplog.records
    assert capfd.readouterr().err == ""


@given(seed=st.integers(0, 2**32), size=st.integers(1, 400))
async def test_a_form_with_bytes_changed_is_read_or_refused(
    tmp_path: Path, seed: int, size: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    body = bytearray(form(part("prompt", "x" * 50), part("image", b"y" * 90, filename="a.png")))
    for _ in range(chance.randrange(1, 5)):
        body[chance.randrange(len(body))] = chance.choice(b'\r\n-:;"= ax\x00\xff')
    try:
        await read(bytes(body), tmp_path, size=size)
    except (InvalidRequest, BodyTooLarge):
        return
