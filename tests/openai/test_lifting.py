"""Long texts lifted out of JSON: what is left parses to the same, however the body was cut."""

import base64
import itertools
import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import BodyTooLarge, InvalidRequest
from gateway.openai.faults import Json
from gateway.openai.lifting import LiftBounds, Lifted, lift
from gateway.openai.spool import Spool
from tests.openai.fakes import content, split

EAGER = LiftBounds(rest=100_000, picture=100_000, data_url=24, bare=48, count=1000)
"""So small that hypothesis finds its way to every state."""

anything = settings(max_examples=300)

lettered = st.text("ABCdef012+/-_=\n", max_size=120)
strings = st.one_of(
    st.text(max_size=80),
    lettered,
    lettered.map(lambda tail: "data:image/png;base64," + tail),
    st.binary(min_size=30, max_size=90).map(lambda data: base64.b64encode(data).decode()),
)
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), strings),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=30), inner, max_size=5)
    ),
    max_leaves=12,
)


async def pieces(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def lifted_from(
    chunks: Iterable[bytes], folder: Path, bounds: LiftBounds = EAGER
) -> tuple[bytes, Mapping[str, Lifted]]:
    return await lift(pieces(chunks), Spool(str(folder)), bounds)


def same(expected: Json, got: Json, lifted: Mapping[str, Lifted]) -> bool:
    """Whether ``got`` is ``expected``, a lifted string standing for what it decodes to."""
    if isinstance(expected, str) and isinstance(got, str) and got in lifted:
        return stands_for(lifted[got], expected)
    if isinstance(expected, list) and isinstance(got, list):
        pairs = zip(expected, got, strict=True)
        return all(same(one, other, lifted) for one, other in pairs)
    if isinstance(expected, dict) and isinstance(got, dict):
        keys = list(expected) == list(got)
        return keys and all(same(expected[key], got[key], lifted) for key in expected)
    return expected == got


def stands_for(lifted: Lifted, text: str) -> bool:
    body = text.rpartition("base64,")[2]
    if lifted.length != len(body):
        return False
    clean = body.replace("\n", "").replace("-", "+").replace("_", "/")
    if lifted.fault is not None:
        letters = clean.rstrip("=")
        return "=" in letters or len(letters) % 4 == 1 or not letters
    decoded = base64.b64decode(clean.rstrip("=") + "=" * (-len(clean.rstrip("=")) % 4))
    return content(lifted.path) == decoded


@anything
@given(
    document=documents,
    ascii_only=st.booleans(),
    slashes=st.booleans(),
    cuts=st.lists(st.integers(0, 2000), max_size=12),
)
async def test_the_rest_parses_to_what_the_whole_would(
    tmp_path: Path, *, document: Json, ascii_only: bool, slashes: bool, cuts: list[int]
) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only)
    if slashes:  # as PHP writes them
        text = text.replace("/", "\\/")
    body = text.encode("utf-8", "surrogatepass")
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[a:b] for a, b in itertools.pairwise(places)]
    rest, lifted = await lifted_from(chunks, tmp_path)
    assert same(document, json.loads(rest.decode("utf-8", "surrogatepass")), lifted)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 4096, 65_536])
async def test_pictures_of_an_edit_go_to_files_whatever_the_pieces(
    tmp_path: Path, size: int
) -> None:
    pictures = [os.urandom(9_001), os.urandom(40_002)]
    urls = ["data:image/png;base64," + base64.b64encode(each).decode() for each in pictures]
    body = json.dumps({"prompt": "a cat", "images": [{"image_url": url} for url in urls]}).encode()
    rest, lifted = await lifted_from(split(body, size), tmp_path, LiftBounds(2000, 50_000))
    words = [item["image_url"] for item in json.loads(rest)["images"]]
    assert [content(lifted[word].path) for word in words] == pictures
    assert len(rest) < 300


async def test_a_bare_base64_longer_than_any_prompt_is_lifted(tmp_path: Path) -> None:
    picture = os.urandom(30_000)
    body = json.dumps({"image": base64.b64encode(picture).decode()}).encode()
    rest, lifted = await lifted_from(split(body, 1000), tmp_path, LiftBounds(2000, 50_000))
    assert content(lifted[json.loads(rest)["image"]].path) == picture


@pytest.mark.parametrize(
    "prompt",
    [
        "data: the sales of each month, as bars " * 200,
        "data:image/png;base64,but then a story, with commas. " * 200,
        "A" * 32_000,
        "ein Bär " * 4000,
        "\U0001f9f8" * 32_000,
        'he said "no" \\ ' * 2000,
    ],
)
async def test_a_prompt_stays_where_it_is(tmp_path: Path, prompt: str) -> None:
    body = json.dumps({"prompt": prompt}).encode()
    for size in (100, 32_768):
        bounds = LiftBounds(1_000_000, 50_000)
        rest, lifted = await lifted_from(split(body, size), tmp_path, bounds)
        assert json.loads(rest) == {"prompt": prompt}
        assert not lifted


async def test_a_prompt_in_escapes_that_looks_like_base64_stays(tmp_path: Path) -> None:
    body = b'{"prompt":"' + b"\\u0041" * 20_000 + b'"}'
    rest, lifted = await lifted_from(split(body, 32_768), tmp_path, LiftBounds(1_000_000, 9))
    assert rest == body
    assert not lifted


async def test_escapes_inside_a_picture_are_undone(tmp_path: Path) -> None:
    text = base64.b64encode(b"\xff\xfb" * 3000).decode()
    spelt = text.replace("/", "\\/").replace("+", "\\u002b").replace("v", "v\\n")
    body = f'"data:image\\/png;base64,{spelt}"'.encode()
    for size in (13, 4096, 100_000):
        _, lifted = await lifted_from(split(body, size), tmp_path, LiftBounds(1000, 10_000))
        (one,) = lifted.values()
        assert one.fault is None
        assert content(one.path) == b"\xff\xfb" * 3000


async def test_a_picture_that_stops_being_base64_has_a_fault(tmp_path: Path) -> None:
    body = ('"data:image/png;base64,' + "A" * 8000 + 'é"').encode()
    _, lifted = await lifted_from(split(body, 5000), tmp_path, LiftBounds(1000, 10_000))
    (one,) = lifted.values()
    assert one.fault == "it is not base64"


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt":"never ends',
        b'{"prompt":"ends in an escape\\',
        b'{"prompt":"ends in an escape\\u00',
        b'{"prompt":"no such escape \\u00zz and on"}',
        b'{"prompt":"' + b"no such escape \\u12" + b'","b":"xxxxxx"}',
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
async def test_a_string_that_is_none_is_refused(tmp_path: Path, body: bytes, size: int) -> None:
    with pytest.raises(InvalidRequest, match="could not parse the JSON body"):
        await lifted_from(split(body, size), tmp_path)


async def test_what_is_not_lifted_is_bounded(tmp_path: Path) -> None:
    body = json.dumps({"prompt": "b, c " * 1000}).encode()
    with pytest.raises(BodyTooLarge, match="4000 bytes besides"):
        await lifted_from(split(body, 1000), tmp_path, LiftBounds(4_000, 10))


async def test_a_picture_is_bounded(tmp_path: Path) -> None:
    body = json.dumps("data:;base64," + "A" * 8_000).encode()
    with pytest.raises(BodyTooLarge) as caught:
        await lifted_from(split(body, 1000), tmp_path, LiftBounds(4_000, 5_999))
    assert caught.value.param == "image"


async def test_the_pictures_are_counted(tmp_path: Path) -> None:
    body = json.dumps(["data:;base64," + "A" * 40] * 4).encode()
    bounds = LiftBounds(4_000, 6_000, data_url=24, count=3)
    with pytest.raises(InvalidRequest, match="more than 3 pictures") as caught:
        await lifted_from([body], tmp_path, bounds)
    assert (caught.value.param, caught.value.code) == ("image", "array_above_max_length")


async def test_placeholders_cannot_be_foreseen(tmp_path: Path) -> None:
    body = json.dumps(["data:;base64," + "A" * 8_000] * 2).encode()
    rest, lifted = await lifted_from([body], tmp_path, LiftBounds(4_000, 6_000))
    first, second = json.loads(rest)
    assert {first, second} == set(lifted)
    assert first != second
    assert len(first) == 32
