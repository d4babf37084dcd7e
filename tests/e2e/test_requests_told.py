"""What is told at a request's end: whose its time was, what it got, why it was turned away."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.events import Succeeded
from gateway.facts import RequestEnded
from tests.e2e.callers import calling, head
from tests.e2e.pictures import SMALL, drawn_png
from tests.e2e.stand import KEY, Stand, behaving
from tests.openai.fakes import FORM, form, part

WISH: dict[str, Any] = {"prompt": "a lighthouse", "size": SMALL, "quality": "low"}
PATH = "/v1/images/generations"
PRICED: dict[str, Any] = {"models": {"gpt-image-2": {"prices": {"tier_1k": {"low": "0.02"}}}}}


async def asked(stand: Stand, body: object = None, **headers: str) -> RequestEnded:
    """One plain request, and what was told of it."""
    before = len(stand.requests)
    async with stand.plain() as client:
        await client.post(PATH, json=body or WISH, headers=headers)
    await stand.until(lambda: len(stand.requests) > before)
    return stand.requests[before]


def slow(seconds: float) -> dict[str, object]:
    return {"where": "create", "kind": "slow", "seconds": seconds}


# Whose the time was


async def test_the_vendors_time_is_told_apart_from_ours(stand: Stand) -> None:
    stand.vendor_fails(slow(0.5))
    ended = await asked(stand)
    assert set(ended.phases) == {"client", "queue", "upstream"}
    assert ended.phases["upstream"] > 0.5
    assert sum(ended.phases.values()) <= ended.duration
    assert min(ended.phases.values()) >= 0


async def test_a_body_that_comes_slowly_is_the_callers_time(stand: Stand) -> None:
    body = json.dumps(WISH).encode()
    async with calling(stand) as caller:
        await caller.send(head(PATH, content_length=str(len(body))) + body[:10])
        await asyncio.sleep(0.4)  # noqa: TID251 - the caller's own slowness
        await caller.send(body[10:])
        await caller.answer()
    await stand.until(lambda: stand.requests)
    (ended,) = stand.requests
    assert ended.phases["client"] >= 0.35
    assert (ended.received, ended.sent > 0) == (len(body), True)


async def test_one_who_joins_waits_for_the_vendor_too(stand: Stand) -> None:
    stand.vendor_fails(slow(0.6))
    both = await asyncio.gather(*(asked(stand, **{"idempotency-key": "k"}) for _ in range(2)))
    assert len(both) == 2
    await stand.until(lambda: len(stand.requests) == 2)
    first, second = sorted(stand.requests, key=lambda one: one.joined is not None)
    assert (first.joined, second.joined) == (None, "idempotency_key")
    assert second.phases["upstream"] > 0.4
    assert sum(second.phases.values()) <= second.duration


async def test_what_needs_no_picture_has_no_phase_but_the_callers(stand: Stand) -> None:
    async with stand.plain() as client:
        await client.get("/v1/models")
    await stand.until(lambda: stand.requests)
    (ended,) = stand.requests
    assert set(ended.phases) == {"client"}
    assert (ended.images, ended.cost, ended.joined) == (None, None, None)


# What they got


@pytest.mark.parametrize(("delivery", "told"), [("url", "url"), ("b64_json", "b64_json")])
async def test_an_answer_says_what_it_holds(stand: Stand, delivery: str, told: str) -> None:
    ended = await asked(stand, {**WISH, "n": 5, "response_format": delivery})
    assert (ended.images, ended.delivery) == (5, told)


async def test_what_is_delivered_in_both_ways_is_told_as_another(tmp_path: Path) -> None:
    async with behaving(tmp_path, requests={"response_format": "both"}) as stand:
        ended = await asked(stand)
        assert (ended.images, ended.delivery) == (1, "other")


async def test_a_job_that_is_looked_at_says_what_it_holds_once_it_is_done(stand: Stand) -> None:
    made = await asked(stand)
    async with stand.plain() as client:
        await client.get(f"{PATH}/{made.job_id}")
    await stand.until(lambda: len(stand.requests) == 2)
    ended = stand.requests[1]
    assert (ended.route, ended.model, ended.images) == ("generation", "gpt-image-2", 1)
    assert (ended.delivery, ended.cost) == ("url", None)


async def test_a_request_is_charged_what_its_tasks_cost_and_who_joins_it_nothing(
    tmp_path: Path,
) -> None:
    async with behaving(tmp_path, **PRICED) as stand:
        made = await asked(stand, {**WISH, "n": 6}, **{"idempotency-key": "k"})
        again = await asked(stand, {**WISH, "n": 6}, **{"idempotency-key": "k"})
        told = [float(task.cost_usd or "0") for task in stand.events(Succeeded)]
        assert (len(told), min(told) > 0) == (2, True)
        assert made.cost == sum(round(amount * 1_000_000) for amount in told)
        assert (again.joined, again.cost, again.images) == ("idempotency_key", 0, 6)


async def test_a_failure_that_is_remembered_is_told_as_a_replay(stand: Stand) -> None:
    stand.vendor_fails({"where": "create", "kind": "failed", "times": None})
    first = await asked(stand)
    again = await asked(stand)
    assert (first.status, first.joined, first.rejection) == (502, None, None)
    assert (again.status, again.joined, again.rejection) == (502, "replay", None)
    assert again.cost == 0


async def test_an_sdks_own_count_of_its_tries_is_told(stand: Stand) -> None:
    told = [
        (await asked(stand, **({"x-stainless-retry-count": count} if count else {}))).retry
        for count in ("", "0", "2", "1000", "x")
    ]
    assert told == [None, 0, 2, 99, None]


# Why they were turned away

NO_KEY = {"authorization": "Bearer sk-wrong-key"}


@pytest.mark.parametrize(
    ("body", "headers", "word"),
    [
        ({"prompt": "x", "n": 99}, {}, "invalid"),
        ({"prompt": "x", "model": "unheard-of"}, {}, "invalid"),
        ({"prompt": "x" * 2_000_000}, {}, "too_large"),
        (WISH, NO_KEY, "auth"),
    ],
)
async def test_what_is_wrong_with_a_request_is_told_in_a_word(
    stand: Stand, body: Mapping[str, Any], headers: Mapping[str, str], word: str
) -> None:
    ended = await asked(stand, body, **headers)
    assert (ended.rejection, ended.cost, ended.images) == (word, None, None)


async def test_a_path_that_is_none_is_no_valid_request(stand: Stand) -> None:
    async with stand.plain() as client:
        await client.get("/v1/nothing")
        await client.put(PATH)
    await stand.until(lambda: len(stand.requests) == 2)
    assert [one.rejection for one in stand.requests] == ["invalid", "invalid"]


async def test_what_was_served_or_failed_was_not_turned_away(stand: Stand) -> None:
    assert (await asked(stand)).rejection is None
    stand.vendor_fails({"where": "create", "kind": "unauthorized", "times": None})
    refused = await asked(stand)
    assert (refused.status, refused.rejection) == (503, None)


@pytest.mark.parametrize(
    ("limits", "body", "word"),
    [
        ({"requests_per_minute": 1, "requests_burst": 1}, WISH, "rate_limit"),
        ({"images_per_day": 1}, WISH, "quota"),
    ],
)
async def test_a_keys_limits_are_told_apart(
    tmp_path: Path, limits: Mapping[str, int], body: Mapping[str, Any], word: str
) -> None:
    keys = [{"name": "studio", "key": KEY, "limits": limits}]
    async with behaving(tmp_path, keys=keys) as stand:
        assert (await asked(stand, body)).rejection is None
        assert (await asked(stand, body)).rejection == word


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"kind": "insufficient_quota"}, "unfunded"),
        ({"kind": "throttled", "retry_after": "3600"}, "throttled"),
    ],
)
async def test_an_account_without_credit_and_one_that_is_put_off_are_told_apart(
    stand: Stand, fault: Mapping[str, object], word: str
) -> None:
    stand.vendor_fails({"where": "create", "times": None, **fault})
    assert (await asked(stand)).rejection == word


async def test_creates_that_are_held_back_are_told_as_such(tmp_path: Path) -> None:
    breaker = {"least": 1, "window": 30, "pause": 60}
    upstream = {"base_url": "http://127.0.0.1:9", "breaker": breaker, "connect_time": 1}
    async with behaving(tmp_path, upstream=upstream, pace=20) as stand:
        ended = await asked(stand)
        assert (ended.status, ended.error_code) == (503, "upstream_unavailable")
        assert ended.rejection == "breaker"


# Who left


@pytest.mark.parametrize(
    ("where", "waits"), [("create", "create"), ("status", "poll"), ("file", "download")]
)
async def test_who_leaves_is_told_with_what_they_waited_for(
    stand: Stand, where: str, waits: str
) -> None:
    stall = {"where": where, "kind": "stall", "seconds": 0.5, "times": 1}
    stand.vendor_fails(stall)
    async with calling(stand) as caller:
        await caller.ask(PATH, json.dumps(WISH).encode())
        await stand.until(lambda: stand.calls(where))
        caller.leave("reset")
        await stand.until(lambda: stand.requests)
    (ended,) = stand.requests
    assert (ended.left_early, ended.waiting, ended.status) == (True, waits, None)
    await stand.until(lambda: len(stand.gateway.board) == 0)


async def test_who_leaves_before_its_turn_waited_for_that(stand: Stand) -> None:
    stand.vendor_fails({"where": "upload", "kind": "stall", "seconds": 0.4})
    body = form(part("prompt", "a cat"), part("size", SMALL), part("image", drawn_png((64, 64))))
    async with calling(stand) as caller:
        await caller.ask("/v1/images/edits", body, content_type=FORM)
        await stand.until(lambda: stand.calls("upload"))
        assert dict(stand.gateway.in_flight.by_route()) == {"edits": 1}
        caller.leave("close")
        await stand.until(lambda: stand.requests)
    (ended,) = stand.requests
    assert (ended.waiting, ended.cost, ended.received) == ("queue", 0, len(body))
    assert len(stand.gateway.in_flight) == 0
    await stand.until(lambda: not stand.gateway.board.jobs())


async def test_who_leaves_amid_the_body_or_the_answer_is_told_so(stand: Stand) -> None:
    async with calling(stand) as caller:
        await caller.send(head(PATH, content_length="1000") + b"{")
        await stand.until(lambda: len(stand.gateway.in_flight))
        caller.leave("close")
        await stand.until(lambda: stand.requests)
    async with calling(stand) as caller:
        wish = {**WISH, "n": 9, "model": "gpt-image-2"}
        await caller.ask(PATH, json.dumps(wish).encode())
        await caller.line()
        caller.leave("reset")
        await stand.until(lambda: len(stand.requests) == 2)
    assert [one.waiting for one in stand.requests] == ["body", "write"]
    assert (stand.requests[1].images, stand.requests[1].delivery) == (9, "b64_json")
