"""Asking later: 202 at once, the job at the door, and equal requests beside it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.clock import SystemClock
from gateway.events import JobEnded, JobPromised
from tests.e2e.callers import calling
from tests.e2e.outcomes import CANARY
from tests.e2e.pictures import SMALL
from tests.e2e.stand import KEY, Stand, behaving

WISH = {"model": "gpt-image-2", "prompt": f"{CANARY} a mill", "size": SMALL, "quality": "low"}
FAILS = {"where": "create", "kind": "failed", "times": None}
LATER = {"prefer": "respond-async"}


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with behaving(tmp_path) as stand:
        yield stand


async def asked(stand: Stand, path: str = "generations", **headers: str) -> httpx.Response:
    async with stand.plain() as client:
        return await client.post(f"/v1/images/{path}", json=WISH, headers={**LATER, **headers})


async def shown(stand: Stand, where: str) -> httpx.Response:
    async with stand.plain() as client:
        return await client.get(where)


async def done(stand: Stand, where: str) -> dict[str, Any]:
    await stand.until(lambda: len(stand.gateway.board) == 0)
    told: dict[str, Any] = (await shown(stand, where)).json()
    return told


async def test_a_request_is_answered_before_its_picture_is_there(stand: Stand) -> None:
    stand.vendor_is(speed=1.0)  # seconds
    answer = await asked(stand)
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["preference-applied"] == "respond-async"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["x-request-id"].startswith("req_")
    assert "x-gateway-joined" not in answer.headers
    told = answer.json()
    assert answer.headers["location"] == f"{stand.url}/v1/images/generations/{told['id']}"
    assert (told["object"], told["status"], told["error"]) == ("generation.task", "queued", None)
    assert "data" not in told
    looked = (await shown(stand, answer.headers["location"])).json()
    assert set(looked) == set(told)
    stand.vendor_is(speed=1000.0)
    await stand.until(lambda: len(stand.requests) == 2)
    (request,) = (one for one in stand.requests if one.method == "POST")
    assert (request.status, request.manner, request.job_id) == (202, "later", told["id"])
    assert (request.cost, request.images) == (0, None)


async def test_the_pictures_are_at_the_door(stand: Stand) -> None:
    answer = await asked(stand)
    told = await done(stand, answer.headers["location"])
    assert (told["id"], told["status"]) == (answer.json()["id"], "completed")
    assert told["data"][0]["b64_json"]
    assert [type(fact) for fact in stand.facts].count(JobPromised) == 1
    assert stand.purchases == 1
    await stand.until(lambda: not stand.gateway.in_flight)  # what was had is noted after the answer
    row = await stand.gateway._store.job(told["id"])
    assert row is not None
    assert row.delivered_at is not None


async def test_a_failure_is_at_the_door_too(stand: Stand) -> None:
    stand.vendor_fails(FAILS)
    answer = await asked(stand)
    assert answer.status_code == 202
    told = await done(stand, answer.headers["location"])
    assert told["status"] == "failed"
    assert told["error"]["code"]


@pytest.mark.parametrize(
    "prefer",
    [
        "respond-async",
        "wait=10, Respond-Async",
        "respond-async; wait=5",
        "handling=strict,respond-async",
    ],
)
async def test_a_preference_is_read_as_the_standard_has_it(stand: Stand, prefer: str) -> None:
    answer = await asked(stand, prefer=prefer)
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    await done(stand, answer.headers["location"])


async def test_it_may_come_in_a_header_of_its_own(stand: Stand) -> None:
    headers = [("prefer", "wait=5"), ("prefer", "respond-async")]
    async with stand.plain() as client:
        answer = await client.post("/v1/images/generations", json=WISH, headers=headers)
    assert answer.status_code == 202


@pytest.mark.parametrize("wanted", [False, True])
async def test_what_was_made_of_several_is_to_be_had(tmp_path: Path, *, wanted: bool) -> None:
    async with behaving(tmp_path, requests={"partial_results": wanted}) as stand:
        stand.vendor_fails({"where": "create", "kind": "fewer", "times": None})
        async with stand.plain() as client:
            wish = {**WISH, "n": 2, "response_format": "url"}
            begun = await client.post("/v1/images/generations", json=wish, headers=LATER)
        where = begun.headers["location"]
        told = await done(stand, where)
        shelved = {f"{stand.url}/images/{path.name}" for path in stand.shelved()}
        assert len(shelved) == 1
        if wanted:
            assert (told["status"], told["error"]) == ("completed", None)
            assert {picture["url"] for picture in told["data"]} == shelved
            noted = (await shown(stand, where)).headers["x-gateway-notes"]
            assert "partial-result;made=1;asked=2" in noted
        else:
            assert "data" not in told
            assert all(url in told["error"]["message"] for url in shelved)


async def test_a_time_to_wait_is_not_applied(stand: Stand) -> None:
    answer = await asked(stand, prefer="wait=1")
    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


async def test_what_is_refused_before_is_an_ordinary_error(stand: Stand) -> None:
    async with stand.plain() as client:
        bad = await client.post(
            "/v1/images/generations", json={**WISH, "size": "9000x10"}, headers=LATER
        )
        unknown = await client.post(
            "/v1/images/generations", json=WISH, headers={**LATER, "authorization": "Bearer nobody"}
        )
    assert (bad.status_code, bad.json()["error"]["param"]) == (400, "size")
    assert unknown.status_code == 401
    assert stand.purchases == 0


async def test_equal_requests_are_two_wishes_and_a_retry_is_not(stand: Stand) -> None:
    first, second = await asked(stand), await asked(stand)
    retry = await asked(stand, **{"x-stainless-retry-count": "1"})
    ids = {answer.json()["id"] for answer in (first, second)}
    assert len(ids) == 2
    assert retry.headers["x-gateway-joined"] == "true"
    assert retry.json()["id"] in ids
    for answer in (first, second):
        assert (await done(stand, answer.headers["location"]))["status"] == "completed"
    third = await asked(stand)
    assert third.json()["id"] not in ids
    await done(stand, third.headers["location"])
    assert stand.purchases == 3


async def test_one_idempotency_key_is_one_job(stand: Stand) -> None:
    first = await asked(stand, **{"idempotency-key": "order-1"})
    again = await asked(stand, **{"idempotency-key": "order-1"})
    assert again.json()["id"] == first.json()["id"]
    await done(stand, first.headers["location"])
    after = await asked(stand, **{"idempotency-key": "order-1"})
    assert (after.status_code, after.json()["status"]) == (202, "completed")
    assert "retry-after" not in after.headers
    assert "data" not in after.json()
    assert after.headers["x-gateway-task"]
    assert stand.purchases == 1


async def test_who_hangs_up_before_the_answer_is_promised_nothing(stand: Stand) -> None:
    """The job is nobody's then, and an equal request gets it."""
    add, writing = stand.gateway._store.add_job, asyncio.Event()

    async def slowly(*what: Any, **how: Any) -> None:
        await writing.wait()
        await add(*what, **how)

    stand.gateway._store.add_job = slowly  # type: ignore[method-assign]
    async with calling(stand) as caller:
        body = json.dumps(WISH).encode()
        await caller.ask(
            "/v1/images/generations", body, prefer="respond-async", content_type="application/json"
        )
        await stand.until(lambda: len(stand.gateway.board) == 1)
        caller.leave("close")
    await SystemClock().sleep(0.05)  # until that has been noticed
    writing.set()
    await stand.until(lambda: stand.requests)
    await stand.until(lambda: any(isinstance(fact, JobEnded) for fact in stand.facts))
    assert not any(isinstance(fact, JobPromised) for fact in stand.facts)
    (request,) = stand.requests
    assert request.left_early


async def test_another_key_sees_nothing_of_it(tmp_path: Path) -> None:
    keys = [{"name": "studio", "key": KEY}, {"name": "other", "key": "sk-igw-other-key"}]
    async with behaving(tmp_path, keys=keys) as stand:
        answer = await asked(stand)
        async with stand.plain(headers={"authorization": "Bearer sk-igw-other-key"}) as client:
            looked = await client.get(answer.headers["location"])
        assert looked.status_code == 404
        await done(stand, answer.headers["location"])


async def test_the_next_process_buys_what_was_promised(tmp_path: Path) -> None:
    """Asked for, not sent yet, and the process stops: it is made all the same, once."""
    async with behaving(tmp_path, upstream={"max_tasks": 1}) as stand:
        stand.vendor_is(speed=0.01)
        answers = [await asked(stand) for _ in range(3)]
        await stand.until(lambda: stand.purchases == 1)
    ids = {answer.json()["id"] for answer in answers}
    assert len(ids) == 3
    async with behaving(tmp_path, upstream={"settle_time": 0.5}) as stand:
        places = [f"/v1/images/generations/{one}" for one in ids]
        told = [await done(stand, place) for place in places]
        made = [one for one in told if one["status"] == "completed"]
        assert len(made) == 2  # the third was at the vendor, which is another one now
        assert stand.purchases == 2
