"""Base64 in pieces: every shape that clients send, and what is wrong with the others."""

import base64
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BodyTooLarge
from gateway.openai.decoding import Decoder, data_head, decode_file, decode_text, looks_encoded
from gateway.openai.spool import Spool
from tests.openai.fakes import content


@given(data=st.binary(min_size=1, max_size=300), cuts=st.lists(st.integers(0, 500), max_size=8))
async def test_any_bytes_come_back_however_the_text_was_cut(
    tmp_path: Path, data: bytes, cuts: list[int]
) -> None:
    text = base64.b64encode(data)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    decoder = Decoder(Spool(str(tmp_path)), 1000)
    for start, end in itertools.pairwise(places):
        await decoder.write(text[start:end])
    await decoder.close()
    assert decoder.fault is None
    assert content(decoder.file.path) == data


@pytest.mark.parametrize(
    "text",
    [
        b"-_8B",  # the other alphabet
        b"+/8B",
        b" +/8B\r\n",
        b"+/\n8\tB",
        b"data:image/png;base64,+/8B",
        b"DATA:;BASE64,+/8B",
        b"data:image/png;name=a.png;base64,+/8B",
        b"\n data:image/png;base64,+/8B",
    ],
)
async def test_a_text_is_read_however_it_is_dressed(tmp_path: Path, text: bytes) -> None:
    decoder = await decode_text(text, Spool(str(tmp_path)), 100)
    assert decoder.fault is None
    assert content(decoder.file.path) == b"\xfb\xff\x01"


@pytest.mark.parametrize("text", [b"eA==", b"eA=", b"eA", b"eA==\n", b"eA= ="])
async def test_padding_may_be_whole_or_missing(tmp_path: Path, text: bytes) -> None:
    decoder = await decode_text(text, Spool(str(tmp_path)), 100)
    assert decoder.fault is None
    assert content(decoder.file.path) == b"x"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"", "it is empty"),
        (b"data:image/png;base64,", "it is empty"),
        (b" \n", "it is empty"),
        (b"eA==eA==", "it goes on after its padding"),
        (b"eHh4e", "it is not base64"),
        (b"https://example.com/a.png", "it is not base64"),
        (b"data:image/png,raw", "it is not base64"),
        (b"eHh4?eHh4", "it is not base64"),
        (b"h\xc3\xa9h\xc3", "it is not base64"),
    ],
)
async def test_what_is_no_base64_has_a_fault(tmp_path: Path, text: bytes, fault: str) -> None:
    assert (await decode_text(text, Spool(str(tmp_path)), 100)).fault == fault


async def test_padding_in_one_piece_and_more_in_the_next_is_a_fault(tmp_path: Path) -> None:
    decoder = Decoder(Spool(str(tmp_path)), 100)
    for piece in (b"eA=", b"=", b"eA", b"ignored"):
        await decoder.write(piece)
    await decoder.close()
    assert decoder.fault == "it goes on after its padding"
    assert decoder.length == 13


async def test_the_decoded_bytes_are_bounded(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path))
    assert (await decode_text(base64.b64encode(b"x" * 99), spool, 99)).fault is None
    with pytest.raises(BodyTooLarge):
        await decode_text(base64.b64encode(b"x" * 100), spool, 99)


async def test_a_text_in_a_file_is_decoded_to_another(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    source = tmp_path / "text"
    source.write_bytes(b"data:image/png;base64," + base64.b64encode(data))
    decoder = await decode_file(str(source), Spool(str(tmp_path)), 2_000_000)
    assert content(decoder.file.path) == data


def test_the_head_of_a_data_url_is_told_from_a_prompt_about_data() -> None:
    assert data_head(b"data:image/png;base64,AAAA") == 22
    assert data_head(b"data: a chart of sales, in blue;base64,") == 0
    assert not looks_encoded(b"data: a chart of sales, in blue")
    assert looks_encoded(b"data:image/png;base64,AAAA")
