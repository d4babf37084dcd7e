import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest

from gateway.config.sections import Upstream
from gateway.notices import CallRepeated, Flaw
from gateway.upstream.download import Bounds, Downloads, LinkDead
from gateway.web.clients import Files
from gateway.web.policy import Policy, origin
from tests.clocks import FakeClock
from tests.web import faulty
from tests.web.faulty import Behave, answering, serving


@asynccontextmanager
async def downloads(
    url: str, seconds: float = 2.0, told: list[object] | None = None
) -> AsyncIterator[Downloads]:
    tell = None if told is None else told.append
    policy = Policy(origins=frozenset({origin(url)}))
    files = Files(Upstream.model_validate({"api_key": "k"}), policy)
    try:
        yield Downloads(files, policy, FakeClock(), Bounds(1_000_000, seconds), tell)
    finally:
        await files.close()


async def dead(behave: Behave, tmp_path: Path, seconds: float = 2.0) -> LinkDead:
    async with serving(behave) as server, downloads(server.url, seconds) as download:
        with pytest.raises(LinkDead) as caught:
            await download.fetch_once(f"{server.url}/a.png", str(tmp_path / "a"))
        return caught.value


async def test_a_file_comes_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * 3000
    async with serving(answering(content)) as server, downloads(server.url) as download:
        assert await download.fetch(f"{server.url}/a.png", str(tmp_path / "a")) == len(content)
    assert (tmp_path / "a").read_bytes() == content


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("behave", "fleeting", "flaw"),
    [
        (answering(b"", "403 Forbidden"), False, "dead_link"),
        (answering(b"", "404 Not Found"), False, "dead_link"),
        (answering(b"", "429 Too Many"), True, "dead_link"),
        (answering(b"", "503 Busy"), True, "dead_link"),
        (answering(b""), True, "broken"),
        (answering(b"x" * 1_000_001), False, "too_large"),
        (
            faulty.raw(CHUNKED + b"f4241\r\n" + b"x" * 1_000_001 + b"\r\n0\r\n\r\n"),
            False,
            "too_large",
        ),
        (answering(b"x", headers="content-encoding: gzip\r\n"), False, "broken"),
        (faulty.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"), True, "broken"),
        (faulty.reset, True, "dead_link"),
        (answering(b"", "302 Found", "location: https://10.0.0.1/x\r\n"), False, "forbidden"),
        (answering(b"", "302 Found", "location: /a.png\r\n"), False, "dead_link"),
        (answering(b"", "302 Found"), False, "dead_link"),
    ],
    ids=[
        "forbidden",
        "gone",
        "throttled",
        "busy",
        "empty",
        "announced too large",
        "too large",
        "encoded",
        "cut short",
        "reset",
        "redirected to a private address",
        "redirected in a circle",
        "redirected nowhere",
    ],
)
async def test_a_link_that_gives_no_file_says_whether_a_later_try_might(
    behave: Behave, fleeting: bool, flaw: str, tmp_path: Path
) -> None:
    link = await dead(behave, tmp_path)
    assert (link.fleeting, link.flaw) == (fleeting, flaw)
    assert flaw in get_args(Flaw)


@pytest.mark.parametrize("behave", [faulty.silence, faulty.drip], ids=["silence", "drip"])
async def test_a_file_has_a_time_in_all(behave: Behave, tmp_path: Path) -> None:
    assert (await dead(behave, tmp_path, seconds=0.3)).reason == "timeout"


async def test_a_fleeting_fault_is_tried_again_and_a_lasting_one_is_not(tmp_path: Path) -> None:
    for status, tries, reason in (
        ("503 Busy", 3, "unavailable"),
        ("429 Too Many", 3, "throttled"),
        ("200 OK", 3, "broken"),
        ("404 Not Found", 1, None),
    ):
        told: list[object] = []
        async with (
            serving(answering(b"", status)) as server,
            downloads(server.url, told=told) as download,
        ):
            clock = download._clock
            assert isinstance(clock, FakeClock)
            with pytest.raises(LinkDead):
                await clock.drive(download.fetch(f"{server.url}/a", str(tmp_path / "a")))
            assert server.connections <= tries
            assert server.connections >= 1
        again = [CallRepeated(op="download", reason=reason)] if reason else []  # type: ignore[arg-type]
        assert told == again * (tries - 1)


async def test_a_second_try_may_succeed(tmp_path: Path) -> None:
    answers = [answering(b"", "503 Busy", "connection: close\r\n"), answering(b"picture")]

    async def behave(reader: object, writer: object) -> None:
        await answers.pop(0)(reader, writer)  # type: ignore[arg-type]

    told: list[object] = []
    async with serving(behave) as server, downloads(server.url, told=told) as download:
        clock = download._clock
        assert isinstance(clock, FakeClock)
        size = await clock.drive(download.fetch(f"{server.url}/a", str(tmp_path / "a")))
    assert size == 7
    assert told == [CallRepeated(op="download", reason="unavailable")]


async def test_redirects_are_followed_where_the_policy_allows(tmp_path: Path) -> None:
    hops = [
        answering(b"", "302 Found", "location: /b\r\nconnection: close\r\n"),
        answering(b"", "307 Temporary", "location: /c\r\nconnection: close\r\n"),
        answering(b"picture"),
    ]

    async def behave(reader: object, writer: object) -> None:
        await hops.pop(0)(reader, writer)  # type: ignore[arg-type]

    async with serving(behave) as server, downloads(server.url) as download:
        assert await download.fetch_once(f"{server.url}/a", str(tmp_path / "a")) == 7


@pytest.mark.parametrize(
    "url", ["http://example.org/a.png", "https://127.0.0.1/a.png", "file:///etc/passwd"]
)
async def test_a_link_that_may_not_be_followed_is_dead(url: str, tmp_path: Path) -> None:
    async with downloads("http://127.0.0.1:1") as download:
        with pytest.raises(LinkDead, match="address refused") as caught:
            await download.fetch(url, str(tmp_path / "a"))
        assert caught.value.flaw == "forbidden"


async def test_an_inline_picture_is_decoded_in_pieces(tmp_path: Path) -> None:
    content = bytes(range(256)) * 3500
    url = f"data:;base64,{base64.b64encode(content).decode()}"
    async with downloads("http://127.0.0.1:1") as download:
        assert await download.fetch(url, str(tmp_path / "a")) == len(content)
    assert (tmp_path / "a").read_bytes() == content


@pytest.mark.parametrize(
    ("url", "flaw"),
    [
        ("data:,text", "broken"),
        ("data:;base64,!!!!", "broken"),
        ("data:;base64,", "broken"),
        ("data:;base64," + "A" * 1_400_000, "too_large"),
    ],
    ids=["not base64", "not decodable", "empty", "too large"],
)
async def test_an_inline_picture_that_is_none_is_dead(url: str, flaw: str, tmp_path: Path) -> None:
    async with downloads("http://127.0.0.1:1") as download:
        with pytest.raises(LinkDead) as caught:
            await download.fetch(url, str(tmp_path / "a"))
        assert caught.value.flaw == flaw
