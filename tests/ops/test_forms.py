"""Forms: refused by their heads where that is possible, bounded, and read in steps."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from gateway.clock import SystemClock
from gateway.ops import replies
from gateway.ops.playground import read_form
from gateway.ops.replies import PROMPT_FORM, SMALL_FORM, read_fields
from tests.clocks import FakeClock
from tests.ops.consoles import HOST, ORIGIN, TOKEN, Stage, browsing

KIND = "application/x-www-form-urlencoded"
WISH = {"key": "studio", "model": "", "size": "", "quality": "", "n": "1"}
QUOTED = st.text(st.sampled_from("%%%%aF0+&=z"), max_size=60).map(str.encode)


def form_of(*pieces: bytes, **headers: str) -> Request:
    """A request whose body comes in ``pieces``."""
    coming = list(pieces)

    async def receive() -> Message:
        body = coming.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(coming)}

    told = {"content-type": KIND, **{name.replace("_", "-"): one for name, one in headers.items()}}
    head = [(name.encode(), value.encode()) for name, value in told.items()]
    return Request({"type": "http", "method": "POST", "headers": head}, receive)


async def fields_of(*pieces: bytes, most: int = PROMPT_FORM) -> dict[str, str]:
    found = await read_fields(form_of(*pieces), most, FakeClock())
    assert not isinstance(found, Response), found.body
    return dict(found)


async def refused(request: Request, most: int = SMALL_FORM) -> int:
    found = await read_fields(request, most, FakeClock())
    assert isinstance(found, Response)
    return found.status_code


# What is in a form


@given(QUOTED)
def test_in_steps_a_form_is_read_as_it_would_be_at_once(body: bytes) -> None:
    if body.count(b"&") >= 20:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replies, "_STEP", 4)
        found = asyncio.run(fields_of(body))
    assert found == dict(parse_qsl(body.decode(), keep_blank_values=True))


async def test_a_character_may_lie_across_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "_STEP", 5)
    told = {"prompt": "灯塔 in \N{FOG} 100 % + more\r\n", "n": "2", "": "x"}
    assert await fields_of(urlencode(told).encode()) == told


@pytest.mark.parametrize("body", [b"token=" + b"%" * 384_000, b"a=" + b"%F0%9F%8C%AB" * 32_000])
async def test_the_worst_form_is_read_a_few_kilobytes_at_a_time(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    read: list[int] = []

    def spied(piece: bytes) -> bytes:
        read.append(len(piece))
        return unquote_to_bytes(piece)

    monkeypatch.setattr(replies, "unquote_to_bytes", spied)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await SystemClock().sleep(0)

    task = asyncio.create_task(other())
    found = await read_fields(form_of(body), PROMPT_FORM, SystemClock())
    task.cancel()
    assert not isinstance(found, Response)
    assert max(read) <= 4_096
    assert turns >= len(body) // 4_096


# How large it may be


async def test_a_form_has_as_many_bytes_as_it_may_have() -> None:
    body = b"a=" + b"x" * (SMALL_FORM - 2)
    assert (await fields_of(body, most=SMALL_FORM))["a"] == "x" * (SMALL_FORM - 2)
    assert await refused(form_of(body + b"x")) == 413
    assert await refused(form_of(body, b"x", b"never asked for")) == 413


@pytest.mark.parametrize("length", [str(SMALL_FORM + 1), "9" * 5_000, "0" * 5_000 + "8193"])
async def test_a_form_that_says_it_is_too_large_is_not_read(length: str) -> None:
    assert await refused(form_of(content_length=length)) == 413


async def test_the_longest_prompt_that_is_offered_fits() -> None:
    stage = Stage()
    playground = stage.console._playground
    assert playground is not None
    longest = playground.choices()["longest"]
    assert isinstance(longest, int)
    prompt = "\N{FOGGY}" * longest
    async with browsing(stage) as browser:
        await browser.open()
        answer = await browser.send("/playground", {**WISH, "prompt": prompt})
        assert answer.status_code == 200
        form = {"csrf": browser.csrf, **WISH, "prompt": prompt}
        assert read_form(form).prompt == prompt
        assert len(urlencode(form)) <= PROMPT_FORM
    ((_, body),) = stage.played
    assert json.loads(body)["prompt"] == prompt


@pytest.mark.parametrize("path", ["/login", "/logout", "/drain"])
async def test_other_forms_are_small(path: str) -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        await browser.sign_in()
        answer = await browser.send(path, {"token": "x" * SMALL_FORM})
        assert answer.status_code == 413
        assert (await browser.client.get("/")).status_code == 200


# What is not read at all


async def status_by_head(stage: Stage, path: str, **headers: str | None) -> int:
    """What a form is answered of whose body nothing is asked for."""
    told = {"host": HOST, "origin": ORIGIN, "content-type": KIND, **headers}
    sent: list[Any] = []

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), one.encode()) for name, one in told.items() if one is not None],
        "client": ("192.0.2.7", 5),
        "server": ("127.0.0.1", 9464),
    }
    await stage.app(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("path", ["/login", "/logout", "/playground", "/drain"])
async def test_another_sites_form_is_refused_by_its_head(path: str) -> None:
    for origin in ("http://evil.example", "null", None):
        assert await status_by_head(Stage(TOKEN), path, origin=origin) == 403


@pytest.mark.parametrize("path", ["/login", "/logout", "/playground"])
async def test_a_form_under_another_name_is_refused_by_its_head(path: str) -> None:
    rebound = {"host": "evil.example", "origin": "http://evil.example"}
    assert await status_by_head(Stage(), path, **rebound) == 403


@pytest.mark.parametrize("path", ["/logout", "/playground", "/drain"])
async def test_a_form_of_who_may_not_act_is_refused_by_its_head(path: str) -> None:
    stage = Stage(TOKEN)
    assert await status_by_head(stage, path) == 401
    assert await status_by_head(stage, path, authorization="Bearer wrong") == 401
    assert await status_by_head(stage, path, authorization=f"Bearer {TOKEN}") == 403


async def test_where_there_is_nothing_to_sign_in_to_no_form_is_read() -> None:
    assert await status_by_head(Stage(), "/login") == 303


async def test_a_form_that_is_too_large_by_its_head_is_refused_by_it() -> None:
    length = str(SMALL_FORM + 1)
    assert await status_by_head(Stage(TOKEN), "/login", **{"content-length": length}) == 413
