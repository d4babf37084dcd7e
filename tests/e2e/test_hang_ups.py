"""Callers who leave, who have no time, who dawdle, who send too much, who ask for what is not."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway.events import Collected, CreateSent, Dropped
from tests.e2e.callers import Leaving, calling, chunked, head
from tests.e2e.outcomes import CANARY, Told, hold
from tests.e2e.pictures import SMALL, drawn_png, pictures_of
from tests.e2e.stand import Stand, behaving
from tests.openai.fakes import FORM, form, part

PROMPT = f"{CANARY} a lighthouse in fog"
WISH = json.dumps({"prompt": PROMPT, "size": SMALL, "quality": "low"}).encode()
GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
TOO_LATE = Told(
    openai.InternalServerError,
    504,
    "server_error",
    "upstream_timeout",
    final=True,
    bought=True,
)


COME_BACK = replace(TOO_LATE, final=False, back=True)


def slow(seconds: float = 0.3) -> dict[str, object]:
    return {"where": "create", "kind": "slow", "times": None, "seconds": seconds}


async def generated(client: openai.AsyncOpenAI, **options: Any) -> Any:
    options = {"size": SMALL, "quality": "low", **options}
    return await client.images.generate(model="gpt-image-2", prompt=PROMPT, **options)


async def finished_alone(stand: Stand, purchases: int = 1) -> None:
    """Nobody waits, yet the job runs to its end, and what was paid for is on the shelf."""
    board = stand.gateway.board
    assert [board.visits(job.job_id) for job in board.jobs()] == [0] * len(board)
    await stand.until(lambda: len(stand.gateway.board) == 0)
    assert len(stand.events(Collected)) == stand.purchases == purchases
    assert len(stand.shelved()) == purchases


def unclaimed(stand: Stand) -> bool:
    """The shelf keeps what nobody has had."""
    return len(stand.gateway._shelf) > 0 and " 0 evictable" in repr(stand.gateway._shelf)


# ── callers who leave ──


@pytest.mark.parametrize("how", ["close", "reset", "half"])
async def test_who_leaves_after_the_purchase_leaves_a_picture_on_the_shelf(
    stand: Stand, how: Leaving
) -> None:
    stand.vendor_fails(slow())
    async with calling(stand) as caller:
        await caller.ask(GENERATIONS, WISH)
        await stand.until(lambda: stand.purchases)
        (job,) = stand.gateway.board.jobs()
        assert stand.gateway.board.visits(job.job_id) == 1
        caller.leave(how)
        await stand.until(lambda: stand.requests)
    (ended,) = stand.requests
    assert ended.left_early
    assert (ended.status, ended.job_id) == (None, job.job_id)
    await finished_alone(stand)
    assert unclaimed(stand)


async def test_many_leave_at_many_moments_and_each_wish_is_bought_once(stand: Stand) -> None:
    stand.vendor_fails(slow(0.15))

    async def leaves(after: float) -> None:
        async with calling(stand) as caller:
            await caller.ask(GENERATIONS, WISH)
            await stand.until(lambda: len(stand.events(CreateSent)) == 10)
            await asyncio.wait([asyncio.ensure_future(caller.rest())], timeout=after)
            caller.leave("reset")

    await asyncio.gather(*(leaves(0.03 * place) for place in range(10)))
    await stand.until(lambda: len(stand.requests) == 10)
    await finished_alone(stand, 10)
    assert stand.simulator.vendor.book.purchases_made(0)["bought_twice"] == []


async def test_who_leaves_amid_the_answer_finds_everything_on_the_shelf(stand: Stand) -> None:
    wish = {"prompt": PROMPT, "n": 9, "size": SMALL, "quality": "low", "model": "gpt-image-2"}
    async with calling(stand) as caller:
        await caller.ask(GENERATIONS, json.dumps(wish).encode())
        assert (await caller.line()).startswith(b"HTTP/1.1 200")
        caller.leave("reset")
        await stand.until(lambda: stand.requests)
    assert len(stand.shelved()) == 9
    assert stand.purchases == 3


@pytest.mark.parametrize("path", [GENERATIONS, EDITS])
async def test_who_leaves_amid_the_body_has_asked_for_nothing(stand: Stand, path: str) -> None:
    async with calling(stand) as caller:
        await caller.send(head(path, content_length="1000") + WISH[:20])
        await asyncio.sleep(0)  # noqa: TID251 - a turn, not a time
        caller.leave("close")
        await stand.until(lambda: stand.requests)
    assert stand.requests[0].left_early
    assert (len(stand.gateway.board), stand.calls("create")) == (0, 0)


async def test_for_who_leaves_during_the_upload_nothing_is_bought(stand: Stand) -> None:
    stand.vendor_fails({"where": "upload", "kind": "stall", "seconds": 0.3})
    body = form(part("prompt", "a cat"), part("size", SMALL), part("image", drawn_png((64, 64))))
    async with calling(stand) as caller:
        await caller.ask(EDITS, body, content_type=FORM)
        await stand.until(lambda: stand.calls("upload"))
        caller.leave("close")
        await stand.until(lambda: stand.requests)
    await stand.until(lambda: not stand.gateway.board.jobs())
    assert stand.calls("create") == 0
    assert stand.purchases == 0


# ── callers who have no time ──


async def test_a_callers_own_time_out_is_told_before_it_strikes(stand: Stand) -> None:
    stand.vendor_fails(slow(1.2))
    async with stand.client(timeout=1.0) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await generated(client)
    hold(stand, caught.value, COME_BACK)
    assert "paid for" in caught.value.message
    assert caught.value.response.headers["retry-after"] == "1"
    assert len(stand.requests) == stand.calls("create") == 1
    await finished_alone(stand)


async def test_who_comes_back_after_a_time_out_gets_what_was_paid_for(stand: Stand) -> None:
    stand.vendor_fails(slow(1.2))
    async with stand.client(timeout=1.0, max_retries=2) as client:
        (picture,) = pictures_of(await generated(client))
    assert picture.size == (1024, 768)
    assert stand.purchases == 1
    await stand.until(lambda: len(stand.requests) == 2)
    told = [request.joined for request in stand.requests]
    assert told == [None, "sdk_retry"]


@pytest.mark.parametrize("header", ["x-stainless-read-timeout", "x-stainless-timeout"])
async def test_either_header_is_heeded(stand: Stand, header: str) -> None:
    stand.vendor_fails(slow(0.6))
    async with stand.plain() as client:
        answer = await client.post(
            GENERATIONS, content=WISH, headers={header: "0.4", "content-type": "application/json"}
        )
    assert answer.status_code == 504
    assert answer.headers["x-should-retry"] == "true"
    await finished_alone(stand)


@pytest.mark.parametrize("value", ["0", "-1", "soon", "inf", "nan", "600", ""])
async def test_a_time_out_that_is_none_changes_nothing(stand: Stand, value: str) -> None:
    async with stand.plain() as client:
        told = {"x-stainless-read-timeout": value, "content-type": "application/json"}
        answer = await client.post(GENERATIONS, content=WISH, headers=told)
    assert answer.status_code == 200


async def test_a_time_out_before_the_vendor_answers_names_the_job(stand: Stand) -> None:
    stand.vendor_fails({"where": "create", "kind": "stall", "seconds": 1.0})
    async with stand.client(timeout=0.5) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await generated(client)
    hold(stand, caught.value, replace(COME_BACK, bought=False, perhaps=True))
    assert len(stand.requests) == 1
    await finished_alone(stand)


async def test_a_time_out_before_anything_is_sent_buys_nothing_later(stand: Stand) -> None:
    stand.vendor_fails({"where": "upload", "kind": "stall", "seconds": 0.6})
    async with stand.client(timeout=0.5) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.images.edit(prompt="a cat", image=drawn_png((64, 64)))
    assert caught.value.status_code == 504
    assert "x-gateway-task" not in caught.value.response.headers
    await stand.until(lambda: len(stand.gateway.board) == 0)
    assert len(stand.events(Dropped)) == 1
    assert stand.calls("create") == 0


STUCK = {"where": "create", "kind": "stuck", "times": None}
SILENT = {"where": "status", "kind": "bad_gateway", "times": None}


@pytest.mark.parametrize("fault", [STUCK, SILENT])
async def test_the_deadline_ends_the_waiting_and_not_the_task(
    tmp_path: Path, fault: dict[str, object]
) -> None:
    async with behaving(tmp_path, upstream={"deadlines": {"tier_1k": 1}}) as stand:
        stand.vendor_fails(fault)
        async with stand.client(max_retries=2) as client:
            with pytest.raises(openai.InternalServerError) as caught:
                await generated(client)
        hold(stand, caught.value, TOO_LATE)
        assert (len(stand.requests), stand.purchases) == (1, 1)
        (job,) = stand.gateway.board.jobs()
        assert stand.gateway.board.visits(job.job_id) == 0
        if fault is SILENT:
            stand.vendor_fails()
            await finished_alone(stand)
        stand.simulator.vendor.begin()  # forgotten by the vendor, a task is over
        await stand.until(lambda: len(stand.gateway.board) == 0)


async def test_a_task_is_not_followed_for_ever(tmp_path: Path) -> None:
    upstream = {"deadlines": {"tier_1k": 0.4}, "polling": {"scale": 0.01, "follow": 0.3}}
    async with behaving(tmp_path, upstream=upstream) as stand:
        stand.vendor_fails(STUCK)
        async with stand.client() as client:
            with pytest.raises(openai.InternalServerError):
                await generated(client)
        assert len(stand.gateway.board) == 1
        await stand.until(lambda: len(stand.gateway.board) == 0)


# ── callers who dawdle ──


@pytest.mark.parametrize("path", [GENERATIONS, EDITS])
async def test_a_body_that_does_not_come_is_a_408(tmp_path: Path, path: str) -> None:
    async with behaving(tmp_path, server={"bounds": {"body_time": 0.3}}) as stand:
        async with calling(stand) as caller:
            await caller.send(head(path, content_length=str(len(WISH))) + WISH[:30])
            answer = await caller.answer()
            assert (answer.status, answer.error["code"]) == (408, "request_timeout")
            assert await caller.rest() == b""
        assert stand.calls("create") == 0


async def test_a_body_below_the_least_rate_is_a_408(tmp_path: Path) -> None:
    bounds = {"body_rate": 10_000, "body_grace": 0.2}
    boundary = FORM.partition("boundary=")[2].encode()
    start = b"--%b\r\n%b" % (boundary, part("image", b"\x89PNG", filename="a.png"))
    async with behaving(tmp_path, server={"bounds": bounds}) as stand, calling(stand) as caller:
        await caller.send(head(EDITS, content_length="10000000", content_type=FORM) + start)
        drip = asyncio.ensure_future(_drip(stand, caller))
        answer = await caller.answer()
        drip.cancel()
        assert (answer.status, answer.error["code"]) == (408, "request_timeout")


async def _drip(stand: Stand, caller: Any) -> None:
    while True:
        await caller.send(b"xxxx")
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.02)


# ── callers who send too much ──


async def test_a_body_declared_too_large_is_refused_before_it_is_sent(stand: Stand) -> None:
    for more in ({}, {"expect": "100-continue"}):
        async with calling(stand) as caller:
            await caller.send(head(GENERATIONS, content_length="1000001", **more))
            answer = await caller.answer()
            assert (answer.status, answer.error["code"]) == (413, "request_too_large")


async def test_a_caller_who_waits_to_be_told_is_told_to_go_on(stand: Stand) -> None:
    async with calling(stand) as caller:
        told = head(GENERATIONS, content_length=str(len(WISH)), expect="100-continue")
        await caller.send(told)
        assert await caller.line() == b"HTTP/1.1 100 Continue\r\n"
        await caller.line()
        await caller.send(WISH)
        assert (await caller.answer(10)).status == 200


async def test_a_chunked_body_is_refused_once_it_is_too_large(stand: Stand) -> None:
    pieces = [b"x" * 65_536] * 40
    async with calling(stand) as caller:
        await caller.send(head(GENERATIONS, transfer_encoding="chunked"))
        await caller.send(chunked([b'{"prompt":"', *pieces]))
        answer = await caller.answer()
        assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert stand.calls("create") == 0


async def test_the_sdk_hears_of_it_though_it_is_still_sending(tmp_path: Path) -> None:
    async with behaving(tmp_path, server={"bounds": {"body": 1_000_000}}) as stand:
        async with stand.client(max_retries=2) as client:
            with pytest.raises(openai.APIStatusError) as caught:
                await client.images.generate(prompt="x" * 1_200_000)
            assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
            with pytest.raises(openai.APIStatusError) as caught:
                await client.images.edit(prompt="a cat", image=b"\x89PNG" * 400_000)
            assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
        assert len(stand.requests) == 2


async def test_a_chunked_edit_beyond_the_bound_leaves_nothing_on_disk(tmp_path: Path) -> None:
    body = form(part("prompt", "a cat"), part("image", b"\x89PNG" * 500_000, filename="a.png"))
    pieces = [body[start : start + 50_000] for start in range(0, len(body), 50_000)]
    async with behaving(tmp_path, server={"bounds": {"body": 1_000_000}}) as stand:
        async with calling(stand) as caller:
            await caller.send(head(EDITS, transfer_encoding="chunked", content_type=FORM))
            await caller.send(chunked(pieces))
            assert (await caller.answer()).status == 413
        await stand.until(lambda: not stand.spooled())


async def test_the_key_is_looked_at_before_the_body_is(stand: Stand) -> None:
    async with calling(stand) as caller:
        told = head(EDITS, content_length="200000000", authorization="Bearer sk-nobody")
        await caller.send(told)
        answer = await caller.answer()
        assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert not stand.spooled()


# ── streams that are none ──


@pytest.mark.parametrize("value", [False, None, "false", 0, ""])
async def test_no_stream_is_no_stream(stand: Stand, value: Any) -> None:
    async with stand.plain() as client:
        wish = {**json.loads(WISH), "stream": value, "partial_images": 0}
        answer = await client.post(GENERATIONS, json=wish)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


# ── as strict as the original ──


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Stand]:
    async with behaving(tmp_path, server={"compatibility": "strict"}) as stand:
        yield stand


@pytest.mark.parametrize(
    ("options", "param", "code"),
    [
        ({"extra_body": {"negative_prompt": "dogs"}}, "negative_prompt", "unknown_parameter"),
        ({"quality": "standard"}, "quality", "invalid_value"),
        ({"quality": "HIGH"}, "quality", "invalid_value"),
        ({"response_format": "url"}, "response_format", "unknown_parameter"),
        ({"style": "vivid"}, "style", "unknown_parameter"),
        ({"size": "1000x1000"}, "size", "invalid_value"),
        ({"size": "512x512"}, "size", "invalid_value"),
        ({"size": "4096x4096"}, "size", "invalid_value"),
        ({"size": "3840x1024"}, "size", "invalid_value"),
        ({"size": "16:9"}, "size", "invalid_value"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 11}, "n", "integer_above_max_value"),
        ({"extra_body": {"n": "2"}}, "n", "invalid_type"),
        ({"output_compression": 50}, "output_compression", "invalid_value"),
        ({"output_format": "gif"}, "output_format", "invalid_value"),
        ({"moderation": "none"}, "moderation", "invalid_value"),
        ({"background": "transparent"}, "background", "invalid_value"),
        ({"extra_body": {"resolution": "2k"}}, "resolution", "unknown_parameter"),
    ],
)
async def test_strict_refuses_what_the_original_refuses(
    strict: Stand, options: dict[str, Any], param: str, code: str
) -> None:
    async with strict.client() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await generated(client, **options)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert strict.calls("create") == 0


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (1024, 768)),
        ({"size": "1008x672"}, (1008, 672)),
        ({"moderation": "low", "background": "opaque", "user": "me"}, (1024, 768)),
        ({"output_format": "webp", "output_compression": 50}, (1024, 768)),
        ({"quality": "auto"}, (1024, 768)),
    ],
)
async def test_strict_serves_what_the_original_serves(
    strict: Stand, options: dict[str, Any], size: tuple[int, int]
) -> None:
    async with strict.client() as client:
        (picture,) = pictures_of(await generated(client, **options))
    assert picture.size == size


async def test_strict_knows_the_old_models_words(strict: Stand) -> None:
    async with strict.client() as client:
        result = await client.images.generate(
            model="dall-e-3",
            prompt="a cat",
            size="1024x1024",
            quality="hd",
            style="natural",
            response_format="b64_json",
        )
        (picture,) = pictures_of(result)
        with pytest.raises(openai.BadRequestError) as caught:
            await client.images.edit(
                model="gpt-image-2", prompt="a", image=drawn_png((64, 64)), input_fidelity="high"
            )
    assert picture.size == (1024, 1024)
    assert caught.value.code == "invalid_input_fidelity_model"


async def test_strict_takes_pictures_only_in_the_originals_shapes(strict: Stand) -> None:
    async with strict.plain() as client:
        for body, param in (
            ({"image": "https://example.com/a.png"}, "image"),
            ({"images": ["https://example.com/a.png"]}, "images[0]"),
            ({"images": [{"image_url": "https://example.com/a.png", "x": 1}]}, "images[0].x"),
        ):
            answer = await client.post(EDITS, json={"prompt": "a cat", **body})
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
        right = {"images": [{"image_url": "https://example.com/a.png"}], "size": SMALL}
        answer = await client.post(EDITS, json={"prompt": "a cat", "quality": "low", **right})
        assert answer.status_code == 200
        answer = await client.post(
            GENERATIONS, content=WISH, headers={"content-type": "text/plain"}
        )
        assert answer.json()["error"]["code"] == "unsupported_content_type"
