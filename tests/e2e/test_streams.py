"""Streams, as OpenAI's own SDK takes them, and as they are on the wire."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from gateway.events import Collected, JobDelivered
from tests.e2e.callers import Leaving, calling, head
from tests.e2e.outcomes import CANARY
from tests.e2e.pictures import SMALL, decoded, drawn_png
from tests.e2e.stand import KEY, Stand, behaving
from tests.openai.fakes import FORM, form, part
from tests.openai.test_frames import KEYS, events
from tests.openai.test_streaming import comments, without_comments

PROMPT = f"{CANARY} a lighthouse in fog"
PLAIN: dict[str, Any] = {"prompt": PROMPT, "size": SMALL, "quality": "low"}
STREAMED = json.dumps({**PLAIN, "stream": True}).encode()
GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
SLOW = {"where": "create", "kind": "slow", "times": None, "seconds": 0.5}
RETRY = {"x-stainless-retry-count": "1"}


async def told(stream: Any) -> list[Any]:
    return [event async for event in stream]


def picture_of(event: Any) -> tuple[int, int]:
    return decoded(base64.b64decode(event.b64_json, validate=True)).size


# ── by the SDK ──


@pytest.mark.parametrize("more", [{}, {"partial_images": 2}, {"partial_images": 0}])
async def test_the_sdk_streams_a_generation(stand: Stand, more: dict[str, Any]) -> None:
    async with stand.client() as client:
        stream = await client.images.generate(
            model="gpt-image-2", prompt=PROMPT, size=SMALL, quality="low", stream=True, **more
        )
        (event,) = await told(stream)
    assert event.type == "image_generation.completed"
    assert picture_of(event) == (1024, 768)
    assert (event.size, event.quality, event.output_format) == (SMALL, "low", "png")
    assert event.usage.total_tokens == event.usage.input_tokens + event.usage.output_tokens
    assert "x-gateway-notes" not in stream.response.headers
    assert stand.purchases == 1


async def test_the_sdk_streams_an_edit_of_several_pictures(stand: Stand) -> None:
    async with stand.client() as client:
        stream = await client.images.edit(
            model="gpt-image-2",
            prompt=PROMPT,
            image=[drawn_png((64, 64)), drawn_png((64, 64), seed=2)],
            size=SMALL,
            quality="low",
            n=3,
            stream=True,
        )
        found = await told(stream)
    assert [event.type for event in found] == ["image_edit.completed"] * 3
    assert [picture_of(event) for event in found] == [(1024, 768)] * 3
    spent = [event.usage.input_tokens for event in found]
    assert spent[0] > 0
    assert spent[1:] == [0, 0]


async def test_the_events_tokens_add_up_to_those_of_the_plain_answer(stand: Stand) -> None:
    async with stand.plain() as client:
        plain = (await client.post(GENERATIONS, json={**PLAIN, "n": 5})).json()["usage"]
        answer = await client.post(GENERATIONS, json={**PLAIN, "n": 5, "stream": True})
    usages = [data["usage"] for _, data in events(without_comments(answer.content))]
    assert len(usages) == 5
    for name in ("input_tokens", "output_tokens", "total_tokens"):
        assert sum(usage[name] for usage in usages) == plain[name]


async def test_a_refusal_before_anything_is_begun_is_an_ordinary_error(stand: Stand) -> None:
    async with stand.client() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.images.generate(prompt=PROMPT, size="5000x100", stream=True)
        assert (caught.value.param, caught.value.code) == ("size", "invalid_value")
    async with stand.client(api_key="sk-nobody") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.images.generate(prompt=PROMPT, stream=True)
    assert stand.calls("create") == 0


async def test_a_failure_after_the_first_byte_is_raised_by_the_sdk(stand: Stand) -> None:
    stand.vendor_fails({"where": "create", "kind": "moderated", "times": None})
    async with stand.client(max_retries=2) as client:
        stream = await client.images.generate(prompt=PROMPT, stream=True)
        with pytest.raises(openai.APIError) as caught:
            await told(stream)
    assert (caught.value.code, caught.value.type) == (
        "moderation_blocked",
        "image_generation_user_error",
    )
    await stand.until(lambda: stand.requests)
    (ended,) = stand.requests
    assert (ended.status, ended.late_status, ended.manner) == (200, 400, "stream")
    assert (ended.error_code, ended.images, ended.left_early) == ("moderation_blocked", None, False)


async def test_a_failure_that_was_paid_for_names_what_was_bought_and_where(stand: Stand) -> None:
    stand.vendor_fails({"where": "create", "kind": "fewer", "times": None})
    async with stand.plain() as client:
        answer = await client.post(GENERATIONS, json={**PLAIN, "stream": True})
    await stand.until(lambda: stand.requests)
    ((name, data),) = events(without_comments(answer.content))
    assert (answer.status_code, name) == (200, "error")
    job = stand.requests[0].job_id
    assert job is not None
    assert f"{stand.url}/v1/images/generations/{job}" in data["error"]["message"]
    assert stand.requests[0].late_status == 502


# ── on the wire ──


async def test_the_head_and_a_comment_come_before_anything_is_made(stand: Stand) -> None:
    stand.vendor_fails(SLOW)
    async with calling(stand) as caller:
        await caller.ask(GENERATIONS, STREAMED)
        lines = await head_of(caller)
        assert lines[0] == "HTTP/1.1 200 OK"
        assert "content-type: text/event-stream; charset=utf-8" in lines
        assert "x-accel-buffering: no" in lines
        assert "cache-control: no-cache" in lines
        assert not [line for line in lines if line.startswith("content-length")]
        await caller.line()  # the chunk's length
        (job,) = stand.gateway.board.jobs()
        assert await caller.line() == f": job {job.job_id}\n".encode()
        assert stand.events(Collected) == []
        assert stand.requests == []
        caller.leave("close")
    await stand.until(lambda: len(stand.gateway.board) == 0)


async def head_of(caller: Any) -> list[str]:
    lines = []
    while line := (await caller.line()).decode().strip():
        lines.append(line)
    return lines


async def test_comments_come_while_the_picture_is_made_and_events_only_then(
    tmp_path: Path,
) -> None:
    async with behaving(tmp_path, pace=50) as stand:  # ten seconds are a fifth of one
        stand.vendor_fails({**SLOW, "seconds": 1.0})
        async with stand.plain() as client:
            answer = await client.post(GENERATIONS, json={**PLAIN, "n": 2, "stream": True})
        said = comments(answer.content)
        assert re.fullmatch(r"job job_\w{26}", said[0])
        assert said.count("ping") >= 3
        assert said[-1].startswith("x-gateway-task: tsk_")
        found = events(without_comments(answer.content))
        assert [list(data) for _, data in found] == [KEYS, KEYS]
        assert answer.content.endswith(b"}\n\n")
        assert b"[DONE]" not in answer.content


async def test_a_link_is_told_to_who_asks_for_links_whatever_the_model(stand: Stand) -> None:
    async with stand.plain() as client:
        wish = {**PLAIN, "model": "gpt-image-2", "response_format": "url", "stream": True}
        answer = await client.post(GENERATIONS, json=wish)
        ((_, data),) = events(without_comments(answer.content))
        assert data.keys() == {*KEYS, "url"} - {"b64_json"}
        assert (await client.get(data["url"])).status_code == 200
        answer = await client.post(GENERATIONS, json={**PLAIN, "model": "dall-e-3", "stream": True})
        ((_, data),) = events(without_comments(answer.content))
        assert list(data) == KEYS  # an event has no other place for a picture


@pytest.mark.parametrize("word", ["true", "True", "1"])
async def test_a_form_asks_for_a_stream_in_words(stand: Stand, word: str) -> None:
    body = form(
        part("prompt", PROMPT),
        part("size", SMALL),
        part("stream", word),
        part("partial_images", "1"),
        part("image", drawn_png((64, 64)), filename="a.png"),
    )
    async with stand.plain() as client:
        answer = await client.post(EDITS, content=body, headers={"content-type": FORM})
    ((name, _),) = events(without_comments(answer.content))
    assert name == "image_edit.completed"
    assert "x-gateway-notes" not in answer.headers


async def test_what_a_client_would_accept_does_not_make_a_stream(stand: Stand) -> None:
    async with stand.plain() as client:
        both = {"accept": "application/json, text/event-stream"}
        answer = await client.post(GENERATIONS, json=PLAIN, headers=both)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["data"]


async def test_notes_of_the_plan_are_in_the_head_with_what_the_key_has_left(
    tmp_path: Path,
) -> None:
    limits = {"images_per_minute": 50, "requests_per_minute": 50}
    keys = [{"name": "studio", "key": KEY, "limits": limits}]
    async with behaving(tmp_path, keys=keys) as stand, stand.plain() as client:
        wish = {**PLAIN, "size": "1000x700", "stream": True}
        answer = await client.post(GENERATIONS, json=wish)
    assert "size-" in answer.headers["x-gateway-notes"]
    assert answer.headers["x-ratelimit-limit-images"] == "50"
    assert answer.headers["x-request-id"].startswith("req_")


async def test_what_is_told_of_a_request_says_how_it_was_answered(stand: Stand) -> None:
    async with stand.plain() as client:
        answer = await client.post(GENERATIONS, json={**PLAIN, "n": 2, "stream": True})
    await stand.until(lambda: stand.requests)
    (ended,) = stand.requests
    assert (ended.manner, ended.status, ended.late_status) == ("stream", 200, None)
    assert (ended.images, ended.delivery, ended.route) == (2, "b64_json", "generations")
    assert ended.sent == len(answer.content)
    assert ended.phases["upstream"] > 0
    assert sum(ended.phases.values()) <= ended.duration + 0.05


async def test_old_http_gets_a_stream_that_ends_with_its_connection(stand: Stand) -> None:
    async with calling(stand) as caller:
        asked = head(GENERATIONS, content_length=str(len(STREAMED))).replace(
            b"HTTP/1.1", b"HTTP/1.0"
        )
        await caller.send(asked + STREAMED)
        said = await caller.rest(10)
    top, _, body = said.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in top.lower()
    ((_, data),) = events(without_comments(body))
    assert decoded(base64.b64decode(data["b64_json"])).size == (1024, 768)


async def test_two_streams_one_after_the_other_are_two_wishes(stand: Stand) -> None:
    async with stand.plain() as client:
        for _ in range(2):
            assert (await client.post(GENERATIONS, content=STREAMED)).status_code == 200
    await stand.until(lambda: not stand.gateway.in_flight)
    assert [request.joined for request in stand.requests] == [None, None]
    assert stand.purchases == 2


# ── who leaves, and comes back ──


async def left(stand: Stand, body: bytes, how: Leaving = "close") -> str:
    """A caller asks, hears that the job is begun, and leaves; the job's id."""
    stand.vendor_fails(SLOW)
    async with calling(stand) as caller:
        await caller.ask(GENERATIONS, body)
        await stand.until(lambda: stand.purchases)
        (job,) = stand.gateway.board.jobs()
        caller.leave(how)
        await stand.until(lambda: stand.requests)
    (ended,) = stand.requests
    assert ended.left_early
    assert stand.gateway.board.visits(job.job_id) == 0
    return job.job_id


@pytest.mark.parametrize("how", ["close", "reset", "half"])
async def test_for_who_leaves_a_stream_the_job_goes_on(stand: Stand, how: Leaving) -> None:
    job = await left(stand, STREAMED, how)
    (ended,) = stand.requests
    assert (ended.status, ended.late_status) == (200, 499)
    assert ended.waiting in {"create", "poll"}
    await stand.until(lambda: len(stand.gateway.board) == 0)
    assert len(stand.events(Collected)) == stand.purchases == 1
    assert len(stand.shelved()) == 1
    async with stand.plain() as client:
        door = await client.get(f"{GENERATIONS}/{job}")
        assert door.json()["status"] == "completed"


@pytest.mark.parametrize("first", ["stream", "plain"])
@pytest.mark.parametrize("again", ["stream", "plain"])
@pytest.mark.parametrize("wait", [False, True])
async def test_who_comes_back_gets_what_was_bought_in_either_manner(
    stand: Stand, first: str, again: str, *, wait: bool
) -> None:
    manners = {"stream": STREAMED, "plain": json.dumps(PLAIN).encode()}
    await left(stand, manners[first])
    if wait:
        await stand.until(lambda: len(stand.gateway.board) == 0)
    async with stand.plain() as client:
        answer = await client.post(GENERATIONS, content=manners[again], headers=RETRY)
    assert answer.headers["x-gateway-joined"] == "true"
    if again == "stream":
        ((_, item),) = events(without_comments(answer.content))
        data = item["b64_json"]
    else:
        assert answer.json()["data"][0].keys() == {"url"}  # no model was named
        data = None
    assert data is None or decoded(base64.b64decode(data)).size == (1024, 768)
    assert stand.purchases == 1
    assert stand.simulator.vendor.book.purchases_made(0)["bought_twice"] == []


async def test_a_picture_that_was_streamed_to_its_end_was_delivered(stand: Stand) -> None:
    async with stand.plain() as client:
        await client.post(GENERATIONS, content=STREAMED)
    await stand.until(lambda: stand.requests)
    (told,) = [fact for fact in stand.facts if isinstance(fact, JobDelivered)]
    assert told.job_id == stand.requests[0].job_id
    assert " 0 evictable" not in repr(stand.gateway._shelf)


# ── the end of the process ──


async def test_a_draining_gateway_tells_who_streams_and_lets_the_stream_end(stand: Stand) -> None:
    stand.vendor_fails({**SLOW, "seconds": 30})
    async with stand.plain() as client:
        asked = asyncio.ensure_future(client.post(GENERATIONS, content=STREAMED))
        await stand.until(lambda: stand.purchases)
        await stand.gateway.drain()
        answer = await asked
    ((name, data),) = events(without_comments(answer.content))
    assert (name, data["error"]["code"]) == ("error", "server_is_draining")
    await stand.until(lambda: stand.requests)
    assert stand.requests[0].late_status == 503


# ── what is between ──


@pytest.fixture
async def reading(stand: Stand) -> AsyncIterator[httpx.Response]:
    """A stream, of which nothing was read."""
    wish = {**PLAIN, "n": 10, "size": "2048x2048", "stream": True}
    async with stand.plain() as client, client.stream("POST", GENERATIONS, json=wish) as answer:
        yield answer


async def test_who_reads_slowly_gets_everything(reading: httpx.Response) -> None:
    assert reading.status_code == 200
    body = b"".join([piece async for piece in reading.aiter_bytes(65_536)])
    assert len(events(without_comments(body))) == 10
