"""Whole requests: every client's shape as raw bytes, the media types, and what stays on disk."""

import asyncio
import base64
import json
import os
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from gateway.errors import (
    BodyTooLarge,
    InvalidRequest,
    RequestError,
    UnmakeableImage,
    UnsupportedContentType,
)
from gateway.openai.bodies import ClientGone
from gateway.openai.requests import read_request
from gateway.translate.model import ImageRequest, Kind, Picture, RemotePicture, note
from tests.openai.fakes import (
    FORM,
    JPEG,
    FakeClock,
    FakeDesk,
    FakeRemote,
    ask,
    content,
    content_size,
    form,
    part,
    png,
    reading,
    received,
)

PROMPT = part("prompt", "a cat")


def left(folder: Path) -> list[Path]:
    """What lies in the spool folder."""
    return list(folder.iterdir())


async def edit(folder: Path, *parts: bytes, content_type: str = FORM) -> ImageRequest:
    boundary = content_type.partition("boundary=")[2].strip('"')
    body = form(*parts, boundary=boundary)
    return (await ask("edit", body, reading(folder), content_type=content_type)).request


def contents(request: ImageRequest) -> list[bytes]:
    return [content(each.path) for each in request.references if isinstance(each, Picture)]


async def test_a_generation_in_json_is_read(tmp_path: Path) -> None:
    body = json.dumps({
        "model": "dall-e-3", "prompt": "a cat", "n": 2, "size": "1792x1024", "quality": "hd",
        "style": "vivid", "response_format": "b64_json", "user": "u", "output_format": "jpg",
        "output_compression": 80, "background": "opaque", "resolution": "2K",
    }).encode()  # fmt: skip
    got = await ask("generation", body, reading(tmp_path))
    assert got.request == ImageRequest(
        kind="generation",
        prompt="a cat",
        requested_model="dall-e-3",
        n=2,
        size="1792x1024",
        resolution="2k",
        quality="hd",
        background="opaque",
        output_format="jpeg",
        output_compression=80,
        response_format="b64_json",
        safety_identifier="u",
        notes=(note("parameter-ignored", name_="style"),),
    )
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON;charset=latin-1",
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
    ],
)
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b" \n"])
@pytest.mark.parametrize("size", [1, 3, 40])
async def test_json_is_read_under_every_name_it_travels_by(
    tmp_path: Path, content_type: str | None, start: bytes, size: int
) -> None:
    body = start + b'{"prompt":"a cat"}'
    got = await ask("generation", body, reading(tmp_path), content_type=content_type, size=size)
    assert got.request.prompt == "a cat"


@pytest.mark.parametrize(
    ("content_type", "body", "strict"),
    [
        (None, b"prompt=a+cat", False),
        ("application/x-www-form-urlencoded", b"prompt=a+cat", False),
        ("application/x-www-form-urlencoded", b'{"prompt":"a cat"}', True),
        (None, b'{"prompt":"a cat"}', True),
        ("application/xml", b'{"prompt":"a cat"}', False),
        ("image/png", b"\x89PNG", False),
    ],
)
async def test_other_types_are_refused(
    tmp_path: Path, *, content_type: str | None, body: bytes, strict: bool
) -> None:
    with pytest.raises(UnsupportedContentType) as caught:
        await ask("edit", body, reading(tmp_path, strict=strict), content_type=content_type)
    assert caught.value.code == "unsupported_content_type"


# The shapes of openai-images-api section 9, one after the other.


async def test_python_with_a_file_handle(tmp_path: Path) -> None:
    request = await edit(
        tmp_path,
        PROMPT,
        part("model", "gpt-image-2"),
        part("image", png(), filename="a.png", content_type="image/png"),
    )
    assert request.requested_model == "gpt-image-2"
    assert contents(request) == [png()]


async def test_python_with_bytes(tmp_path: Path) -> None:
    octets = "application/octet-stream"
    image = part("image", png(), filename="upload", content_type=octets)
    assert contents(await edit(tmp_path, PROMPT, image)) == [png()]


@pytest.mark.parametrize("count", [1, 3, 16])
async def test_python_with_a_list(tmp_path: Path, count: int) -> None:
    pictures = [png(100 + i) for i in range(count)]
    parts = [part("image[]", each, filename="a.png", content_type="image/png") for each in pictures]
    assert contents(await edit(tmp_path, PROMPT, *parts)) == pictures


class SlowRemote(FakeRemote):
    """Takes three seconds for each picture, those that are not there included."""

    def __init__(self, clock: FakeClock, **pages: bytes) -> None:
        super().__init__({f"https://example.com/{name}": page for name, page in pages.items()})
        self._clock = clock

    async def fetch(self, url: str, path: str) -> None:
        await self._clock.sleep(3.0)
        await super().fetch(url, path)


async def test_how_long_pictures_elsewhere_took_is_told_whatever_came_of_them(
    tmp_path: Path,
) -> None:
    clock, took = FakeClock(), list[float]()
    using = replace(reading(tmp_path), clock=clock, remote=SlowRemote(clock, a=png(), m=png()))

    async def asked(mask: str) -> None:
        page = {"prompt": "x", "image": "https://example.com/a", "mask": {"image_url": mask}}
        headers = {"content-type": "application/json"}
        body = received([json.dumps(page).encode()])
        await read_request("edit", headers, body, using, fetching=took.append)

    await asked("https://example.com/m")
    assert took == [3.0, 3.0]
    with pytest.raises(InvalidRequest):
        await asked("https://example.com/none")
    assert took == [3.0] * 4


async def test_node_chunked_with_the_picture_first(tmp_path: Path) -> None:
    boundary = "openai-k3jh4k5jh34k5"
    body = form(
        part("image", JPEG, filename="blob", content_type="application/octet-stream"),
        PROMPT,
        boundary=boundary,
    )
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    chunks = [body[i : i + 11] for i in range(0, len(body), 11)]
    got = await read_request("edit", headers, received(chunks), reading(tmp_path))
    assert contents(got.request) == [JPEG]


async def test_dotnet_unquoted_with_a_quoted_boundary_of_seventy(tmp_path: Path) -> None:
    boundary = "0=a" * 23 + "1"
    assert len(boundary) == 70
    request = await edit(
        tmp_path,
        part("", "a cat", disposition="form-data; name=prompt"),
        part(
            "",
            png(),
            disposition="form-data; name=image; filename=a.png; filename*=utf-8''a.png",
        ),
        content_type=f'multipart/form-data; boundary="{boundary}"',
    )
    assert contents(request) == [png()]


async def test_java_without_a_file_name_and_two_megabytes(tmp_path: Path) -> None:
    picture = png(padding=2_000_000)
    octets = "application/octet-stream"
    request = await edit(
        tmp_path,
        part("prompt", "a cat", content_type="text/plain; charset=utf-8"),
        part("image", picture, content_type=octets),
    )
    assert contents(request) == [picture]


async def test_ruby_with_indices_and_empty_content_types(tmp_path: Path) -> None:
    request = await edit(
        tmp_path,
        part("image[1]", png(11), filename="b.png", content_type=""),
        part("image[0]", png(10), filename="a.png", content_type=""),
        PROMPT,
    )
    assert contents(request) == [png(10), png(11)]


async def test_php_casts_everything(tmp_path: Path) -> None:
    request = await edit(
        tmp_path,
        PROMPT,
        part("image[]", png(), filename="a.png", content_type="image/png"),
        part("n", "2"),
        part("stream", ""),
        part("output_compression", "90"),
        part("output_format", "webp"),
    )
    assert (request.n, request.output_compression, request.output_format) == (2, 90, "webp")


async def test_a_stream_is_asked_for_apart_from_what_is_wished(tmp_path: Path) -> None:
    image = part("image", png(), filename="a.png")
    bodies = [form(PROMPT, image, part("stream", word)) for word in ("1", "True", "")]
    told = [await ask("edit", body, reading(tmp_path), content_type=FORM) for body in bodies]
    assert [one.stream for one in told] == [True, True, False]
    assert len({one.request.prompt for one in told}) == 1
    for one in told:
        await one.spool.discard()


async def test_cherry_studio_repeats_image_and_sends_an_empty_model(tmp_path: Path) -> None:
    request = await edit(
        tmp_path,
        part("model", ""),
        PROMPT,
        part("moderation", "low"),
        part("image", png(10), filename="a.png", content_type="image/png"),
        part("image", png(11), filename="b.png", content_type="image/png"),
    )
    assert request.requested_model is None
    assert contents(request) == [png(10), png(11)]
    assert request.notes == (note("parameter-ignored", name_="moderation"),)


async def test_go_sends_zeros_for_what_was_not_set(tmp_path: Path) -> None:
    request = await edit(
        tmp_path,
        part("image", png(), filename="a.png", content_type="image/png"),
        part("mask", png(), filename=".", content_type="application/octet-stream"),
        PROMPT,
        part("n", "0"),
        part("size", ""),
        part("response_format", ""),
    )
    assert (request.n, request.size, request.response_format) == (1, None, None)
    assert isinstance(request.mask, Picture)
    assert request.notes == (note("n-raised", from_=0, to=1),)


async def test_litellm_sends_a_whole_path_as_the_name(tmp_path: Path) -> None:
    image = part("image[]", png(), filename="/home/me/\u00e4 b.png", content_type="image/png")
    assert contents(await edit(tmp_path, PROMPT, image)) == [png()]


async def test_python_sends_extras_nested(tmp_path: Path) -> None:
    extras = [part("foo[a]", "1"), part("foo[b][]", "2"), part("input_fidelity", "high")]
    request = await edit(tmp_path, PROMPT, part("image", png(), filename="a.png"), *extras)
    names = [dict(each.params)["name"] for each in request.notes]
    assert names == ["foo", "input_fidelity"]


async def test_codex_sends_json_with_data_urls(tmp_path: Path) -> None:
    picture = png(padding=300_000)
    body = json.dumps({
        "images": [{"image_url": "data:image/png;base64," + base64.b64encode(picture).decode()}],
        "prompt": "a cat", "background": "opaque", "model": "gpt-image-2", "quality": "auto",
        "size": "auto",
    }).encode()  # fmt: skip
    got = await ask("edit", body, reading(tmp_path), size=5000)
    assert contents(got.request) == [picture]
    assert (got.request.quality, got.request.size) == ("auto", "auto")


async def test_a_json_edit_may_mix_pictures_of_all_kinds(tmp_path: Path) -> None:
    small, large = png(10), png(11, padding=60_000)
    body = json.dumps({
        "prompt": "a cat",
        "image": ["https://example.com/a.png", base64.b64encode(small).decode(),
                  {"image_url": {"url": base64.b64encode(large).decode()}}],
        "mask": None,
    }).encode()  # fmt: skip
    got = await ask("edit", body, reading(tmp_path), size=1000)
    assert got.request.references[0] == RemotePicture("https://example.com/a.png")
    assert contents(got.request) == [small, large]


async def test_a_variation_has_the_standing_prompt(tmp_path: Path) -> None:
    body = form(part("image", png(), filename="image"), part("n", "1"))
    got = await ask("edit", body, reading(tmp_path), content_type=FORM, prompt="vary it")
    assert got.request.prompt == "vary it"


async def test_a_generation_as_a_form_is_read_but_takes_no_picture(tmp_path: Path) -> None:
    got = await ask("generation", form(PROMPT), reading(tmp_path), content_type=FORM)
    assert got.request.prompt == "a cat"
    body = form(PROMPT, part("image", png(), filename="a.png"))
    with pytest.raises(InvalidRequest) as caught:
        await ask("generation", body, reading(tmp_path), content_type=FORM)
    assert caught.value.param == "image"
    assert left(tmp_path) == []


async def test_a_form_without_a_picture_says_that_one_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="Missing required parameter: 'image'"):
        await edit(tmp_path, PROMPT)


async def test_a_text_file_as_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await edit(tmp_path, PROMPT, part("image", "hi", filename="x.txt"))
    assert caught.value.code == "unsupported_file_mimetype"


async def test_parameters_are_judged_before_pictures(tmp_path: Path) -> None:
    desk = FakeDesk()
    body = form(part("image", b"broken", filename="a.png"), part("n", "11"), PROMPT)
    with pytest.raises(InvalidRequest) as caught:
        await ask("edit", body, reading(tmp_path, desk=desk), content_type=FORM)
    assert caught.value.param == "n"
    assert not desk.calls


# What stays on disk.


async def test_a_read_request_keeps_its_files_until_they_are_discarded(tmp_path: Path) -> None:
    body = form(PROMPT, part("image", png(), filename="a.png"))
    got = await ask("edit", body, reading(tmp_path), content_type=FORM)
    assert contents(got.request) == [png()]
    await got.spool.discard()
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "tail",
    [part("n", "11"), part("mask", png(9, 9), filename="m.png"), part("user", b"x" * 300_000)],
)
async def test_a_refused_request_leaves_nothing(tmp_path: Path, tail: bytes) -> None:
    with pytest.raises(RequestError):
        await edit(tmp_path, part("image", png(padding=900_000), filename="a.png"), PROMPT, tail)
    assert left(tmp_path) == []


async def test_a_caller_who_hangs_up_leaves_nothing(tmp_path: Path) -> None:
    body = form(PROMPT, part("image", png(padding=900_000), filename="a.png"))
    gone: Message = {"type": "http.disconnect"}
    headers = {"content-type": FORM, "content-length": str(len(body))}
    receive = received([body[:-100]], then=gone)
    with pytest.raises(ClientGone):
        await read_request("edit", headers, receive, reading(tmp_path))
    assert left(tmp_path) == []


async def test_a_request_given_up_while_it_is_read_leaves_nothing(tmp_path: Path) -> None:
    body = form(PROMPT, part("image", png(padding=900_000), filename="a.png"))
    arrived, never = asyncio.Event(), asyncio.Event()

    async def receive() -> Message:
        if arrived.is_set():
            await never.wait()
        arrived.set()
        return {"type": "http.request", "body": body[:-100], "more_body": True}

    reading_ = read_request("edit", {"content-type": FORM}, receive, reading(tmp_path))
    task = asyncio.create_task(reading_)
    await arrived.wait()
    while not left(tmp_path):
        await FakeClock().sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left(tmp_path) == []


# Bounds.


@pytest.mark.parametrize("kind", ["generation", "edit"])
@pytest.mark.parametrize("content_type", ["application/json", FORM])
@pytest.mark.parametrize("declared", [True, False])
async def test_each_kind_of_body_has_its_cap(
    tmp_path: Path, *, kind: Kind, content_type: str, declared: bool
) -> None:
    caps = {("edit", FORM): 30_000, ("edit", "application/json"): 20_000}
    cap = caps.get((kind, content_type), 10_000)
    using = reading(tmp_path, body=30_000, json_edit=20_000, json_generation=10_000)
    for size in (cap, cap + 1):
        body = b'"data:;base64,' + b"A" * (size - 14)  # no form, and JSON that does not end
        headers = {"content-type": content_type}
        if declared:
            headers["content-length"] = str(size)
        with pytest.raises(RequestError) as caught:
            await read_request(kind, headers, received([body]), using)
        assert isinstance(caught.value, BodyTooLarge) == (size > cap)


async def test_a_picture_may_not_exceed_its_bound(tmp_path: Path) -> None:
    using = reading(tmp_path, picture_bytes=1000)
    body = form(PROMPT, part("image", b"x" * 1001, filename="a.png"))
    with pytest.raises(BodyTooLarge) as caught:
        await ask("edit", body, using, content_type=FORM)
    assert caught.value.param == "image"
    text = base64.b64encode(b"x" * 1001).decode()
    body = json.dumps({"prompt": "a cat", "image": text}).encode()
    with pytest.raises(BodyTooLarge):
        await ask("edit", body, using)


async def test_strictness_reaches_the_parameters_and_the_pictures(tmp_path: Path) -> None:
    using = reading(tmp_path, strict=True)
    with pytest.raises(InvalidRequest, match="Unknown parameter: 'seed'"):
        await ask("generation", b'{"prompt":"a cat","seed":1}', using)
    body = b'{"model":"gpt-image-2","prompt":"a cat","images":[],"input_fidelity":"high"}'
    with pytest.raises(UnmakeableImage):
        await ask("edit", body, using)


async def test_an_edit_of_sixty_megabytes_does_not_stay_in_memory(tmp_path: Path) -> None:
    # 45 MB of pictures; made piece by piece, so that only the reading is measured.
    block = base64.b64encode(os.urandom(48_000))
    count, blocks = 15, 62

    def pieces() -> Iterator[bytes]:
        yield b'{"prompt":"a cat","images":['
        for i in range(count):
            yield b'{"image_url":"data:image/png;base64,' + base64.b64encode(png() + b"\x00" * 3)
            for _ in range(blocks):
                yield block
            yield b'"},' if i + 1 < count else b'"}'
        yield b"]}"

    class Desk(FakeDesk):
        async def measure(self, path: str) -> Picture:
            return Picture(path, "", "image/png", 1, 1, content_size(path), alpha=False)

        async def verify(self, picture: Picture) -> Picture:
            return picture

    tracemalloc.start()
    try:
        got = await read_request(
            "edit",
            {"content-type": "application/json"},
            received(pieces()),
            reading(tmp_path, desk=Desk()),
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    sizes = [each.size for each in got.request.references if isinstance(each, Picture)]
    assert sizes == [len(png()) + 3 + 48_000 * blocks] * count
    assert peak < 8_000_000
    await got.spool.discard()


# Anything at all.

names = st.sampled_from(["prompt", "image", "image[]", "mask", "n", "size", "stream", "x", "user"])
values = st.sampled_from([b"", b"1", b"a cat", b"https://a.b/c", png(), JPEG, b"\xff", b"QUJD" * 9])


@given(
    parts=st.lists(st.tuples(names, values | st.binary(max_size=40), st.booleans()), max_size=6),
    cut=st.integers(1, 3000),
    strict=st.booleans(),
)
async def test_every_form_is_a_request_or_refused(
    tmp_path: Path, *, parts: list[tuple[str, bytes, bool]], cut: int, strict: bool
) -> None:
    encoded = [part(name, value, filename="f" if file else None) for name, value, file in parts]
    body = form(*encoded)
    using = reading(tmp_path, strict=strict)
    try:
        got = await ask("edit", body[:cut], using, content_type=FORM)
    except RequestError:
        return
    assert got.request.references
    await got.spool.discard()


@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=40),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["prompt", "images", "image", "mask", "image_url", "url", "n", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=10,
    ),
    strict=st.booleans(),
)
async def test_every_json_edit_is_a_request_or_refused(
    tmp_path: Path, *, body: object, strict: bool
) -> None:
    using = reading(tmp_path, strict=strict)
    try:
        got = await ask("edit", json.dumps(body).encode(), using)
    except RequestError:
        return
    await got.spool.discard()
