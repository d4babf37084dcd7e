"""Blanks before an answer, and being told to go on: what keeps callers with short patience."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway.events import Collected
from gateway.translate.model import note
from tests.e2e.callers import calling, head
from tests.e2e.outcomes import CANARY
from tests.e2e.pictures import SMALL, drawn_png, pictures_of
from tests.e2e.stand import KEY, Stand, behaving

PROMPT = f"{CANARY} a lighthouse in fog"
WISH: dict[str, Any] = {
    "prompt": PROMPT,
    "size": SMALL,
    "quality": "low",
    "model": "gpt-image-2",
}
BODY = json.dumps(WISH).encode()
GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
PATIENT = {"x-gateway-keepalive": "whitespace"}
LATE = {"where": "create", "kind": "slow", "times": None, "seconds": 1.0}
BEATS = {"heartbeats": {"interval": 1, "whitespace_after": 5}}
PACE = 20.0  # a blank every 50 ms, the first after a quarter of a second


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with behaving(tmp_path, pace=PACE, server=BEATS) as stand:
        yield stand


def blanks(content: bytes) -> int:
    return len(content) - len(content.lstrip(b" "))


# ── blanks ──


async def test_blanks_come_before_the_answer_and_are_part_of_its_json(stand: Stand) -> None:
    stand.vendor_fails(LATE)
    async with stand.plain(headers={**PATIENT, "authorization": f"Bearer {KEY}"}) as client:
        answer = await client.post(GENERATIONS, json=WISH)
    assert "content-length" not in answer.headers
    assert answer.headers["content-type"] == "application/json"
    assert blanks(answer.content) > 3
    assert answer.json()["data"][0].keys() == {"b64_json"}
    await stand.until(lambda: stand.requests)
    (ended,) = stand.requests
    assert (ended.manner, ended.status, ended.late_status) == ("whitespace", 200, None)
    assert ended.images == 1


async def test_the_sdk_does_not_notice(stand: Stand) -> None:
    stand.vendor_fails(LATE)
    async with stand.client(default_headers=PATIENT) as client:
        made = await client.images.generate(**WISH)
    assert [picture.size for picture in pictures_of(made)] == [(1024, 768)]


async def test_what_comes_soon_has_a_length_and_no_blank(stand: Stand) -> None:
    async with stand.plain(headers={**PATIENT, "authorization": f"Bearer {KEY}"}) as client:
        answer = await client.post(GENERATIONS, json=WISH)
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert blanks(answer.content) == 0


async def test_a_key_may_be_set_to_it_and_a_header_wins(tmp_path: Path) -> None:
    keys = [{"name": "studio", "key": KEY, "keepalive": "whitespace"}]
    async with behaving(tmp_path, pace=PACE, server=BEATS, keys=keys) as stand:
        stand.vendor_fails(LATE)
        async with stand.plain() as client:
            said = await client.post(GENERATIONS, json=WISH)
            silent = await client.post(
                GENERATIONS, json=WISH, headers={"x-gateway-keepalive": "none"}
            )
    assert blanks(said.content) > 0
    assert blanks(silent.content) == 0
    assert "content-length" in silent.headers


async def test_an_unknown_word_is_passed_over_with_a_note(stand: Stand) -> None:
    async with stand.plain() as client:
        answer = await client.post(GENERATIONS, json=WISH, headers={"x-gateway-keepalive": "sse"})
    assert answer.status_code == 200
    assert answer.headers["x-gateway-notes"] == "keepalive-ignored"


async def test_old_http_gets_no_blanks_for_it_could_not_tell_the_end(stand: Stand) -> None:
    stand.vendor_fails(LATE)
    asked = head(GENERATIONS, content_length=str(len(BODY)), **PATIENT)
    async with calling(stand) as caller:
        await caller.send(asked.replace(b"HTTP/1.1", b"HTTP/1.0") + BODY)
        answer = await caller.answer(10)
    assert blanks(answer.body) == 0
    assert answer.headers["x-gateway-notes"] == "keepalive-ignored"


async def test_an_early_failure_is_an_ordinary_error(stand: Stand) -> None:
    stand.vendor_fails({"where": "create", "kind": "moderated", "times": None})
    async with stand.client(default_headers=PATIENT) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.images.generate(**WISH)
    assert caught.value.code == "moderation_blocked"


async def test_a_late_failure_cuts_the_body_and_is_told_in_one_line(tmp_path: Path) -> None:
    upstream = {"deadlines": {"tier_1k": 30}}  # of which low quality has half
    async with behaving(tmp_path, pace=PACE, server=BEATS, upstream=upstream) as stand:
        stand.vendor_fails({"where": "create", "kind": "stuck", "times": None})
        async with calling(stand) as caller:
            await caller.ask(GENERATIONS, BODY, **PATIENT)
            said = await caller.rest(10)
        top, _, body = said.partition(b"\r\n\r\n")
        assert top.startswith(b"HTTP/1.1 200 ")
        assert b"transfer-encoding: chunked" in top
        assert re.fullmatch(rb"(1\r\n \r\n)+", body)  # no last chunk, and no word of an error
        await stand.until(lambda: stand.requests)
        (ended,) = stand.requests
        assert (ended.status, ended.late_status) == (200, 504)
        assert (ended.error_code, ended.left_early) == ("upstream_timeout", False)
        assert ended.level == "warning"
        assert stand.crashes == []
        stand.simulator.vendor.begin()
        await stand.until(lambda: len(stand.gateway.board) == 0)


async def test_the_sdk_takes_a_late_failure_for_one_and_comes_back_for_what_is_paid(
    tmp_path: Path,
) -> None:
    upstream = {"deadlines": {"tier_1k": 30}}
    async with behaving(tmp_path, pace=PACE, server=BEATS, upstream=upstream) as stand:
        stand.vendor_fails({**LATE, "seconds": 1.1})  # longer than is waited for it, once
        async with stand.client(default_headers=PATIENT, max_retries=0) as client:
            with pytest.raises(openai.APIConnectionError):
                await client.images.generate(**WISH)
        again = {**PATIENT, "x-stainless-retry-count": "1"}
        async with stand.client(default_headers=again) as client:
            (picture,) = pictures_of(await client.images.generate(**WISH))
        assert picture.size == (1024, 768)
        assert stand.purchases == 1


async def test_who_hangs_up_amid_the_blanks_leaves_the_job_running(stand: Stand) -> None:
    stand.vendor_fails(LATE)
    async with calling(stand) as caller:
        await caller.ask(GENERATIONS, BODY, **PATIENT)
        await caller.line()
        caller.leave("close")
        await stand.until(lambda: stand.requests)
    (ended,) = stand.requests
    assert (ended.status, ended.late_status, ended.left_early) == (200, 499, True)
    await stand.until(lambda: len(stand.gateway.board) == 0)
    assert len(stand.events(Collected)) == stand.purchases == 1
    async with stand.plain() as client:
        retry = {"x-stainless-retry-count": "1"}
        answer = await client.post(GENERATIONS, json=WISH, headers=retry)
    assert answer.headers["x-gateway-joined"] == "true"
    assert stand.purchases == 1


async def test_notes_that_come_too_late_for_the_head_are_at_the_door(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(actual: tuple[int, int], _asked: object) -> Any:
        return actual, (note("size-differs", asked="1x1"),)

    monkeypatch.setattr("gateway.images.finish._size", other)
    stand.vendor_fails(LATE)
    async with stand.plain() as client:
        answer = await client.post(GENERATIONS, json=WISH, headers=PATIENT)
        assert blanks(answer.content) > 0
        assert "x-gateway-notes" not in answer.headers
        await stand.until(lambda: stand.requests)
        door = await client.get(f"{GENERATIONS}/{stand.requests[0].job_id}")
    assert door.headers["x-gateway-notes"] == 'size-differs;asked="1x1"'
    assert [told.name for told in stand.requests[0].notes] == ["size-differs"]


# ── Expect: 100-continue ──


async def first_line(stand: Stand, told: bytes) -> bytes:
    async with calling(stand) as caller:
        await caller.send(told)
        return await caller.line()


async def test_a_wrong_key_is_refused_without_asking_for_the_body(stand: Stand) -> None:
    expecting = {"expect": "100-continue", "content_length": "30000000"}
    for path in (GENERATIONS, EDITS):
        line = await first_line(stand, head(path, authorization="Bearer sk-no", **expecting))
        assert line.startswith(b"HTTP/1.1 401 ")


async def test_so_is_who_has_used_up_a_limit(tmp_path: Path) -> None:
    keys = [{"name": "studio", "key": KEY, "limits": {"requests_per_minute": 1}}]
    async with behaving(tmp_path, keys=keys) as stand:
        async with stand.plain() as client:
            assert (await client.post(GENERATIONS, json=WISH)).status_code == 200
        told = head(GENERATIONS, expect="100-continue", content_length=str(len(BODY)))
        line = await first_line(stand, told)
        assert line.startswith(b"HTTP/1.1 429 ")
        assert stand.purchases == 1


async def test_a_stream_is_begun_after_the_body_was_asked_for(stand: Stand) -> None:
    body = json.dumps({**WISH, "stream": True}).encode()
    async with calling(stand) as caller:
        told = head(GENERATIONS, expect="100-continue", content_length=str(len(body)))
        await caller.send(told)
        assert await caller.line() == b"HTTP/1.1 100 Continue\r\n"
        assert await caller.line() == b"\r\n"
        await caller.send(body)
        assert await caller.line() == b"HTTP/1.1 200 OK\r\n"
        caller.leave("close")
    await stand.until(lambda: stand.requests)


async def test_curl_sends_a_large_edit_once_it_is_told_to(stand: Stand, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    assert curl is not None, "curl is missing; on Debian and Ubuntu: apt-get install curl"
    picture = tmp_path / "large.png"
    picture.write_bytes(drawn_png((1024, 1024)) + bytes(2_000_000))
    arguments = ["-sS", "-v", "-m", "20", "-H", f"authorization: Bearer {KEY}"]
    arguments += ["-H", "expect: 100-continue"]
    fields = {"prompt": PROMPT, "model": "gpt-image-2", "size": SMALL, "quality": "low"}
    for name, value in fields.items():
        arguments += ["-F", f"{name}={value}"]
    arguments += ["-F", f"image=@{picture}", f"{stand.url}{EDITS}"]
    process = await asyncio.create_subprocess_exec(
        curl, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, trace = await process.communicate()
    assert process.returncode == 0, trace.decode()
    assert b"< HTTP/1.1 100 Continue" in trace
    assert b"< HTTP/1.1 200 OK" in trace
    assert json.loads(said)["data"]
