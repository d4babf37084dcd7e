"""Asking again: with a key of one's own, through the door, after a failure."""

from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.outcomes import CANARY, hold_tongue
from tests.e2e.pictures import SMALL, drawn_png, pictures_of
from tests.e2e.stand import KEY, Stand, behaving

PROMPT = f"{CANARY} a lighthouse in fog"
WISH = {"model": "gpt-image-2", "prompt": PROMPT, "size": SMALL, "quality": "low"}
OTHER = "sk-igw-other-key"
SLOW = {"where": "create", "kind": "slow", "times": None, "seconds": 0.4}


async def asked(stand: Stand, key: str | None = None, **wish: Any) -> httpx.Response:
    """One plain request, with an ``Idempotency-Key`` if one is given."""
    headers = {"idempotency-key": key} if key else {}
    async with stand.plain() as client:
        return await client.post("/v1/images/generations", json={**WISH, **wish}, headers=headers)


async def looked(stand: Stand, name: str, key: str = KEY) -> httpx.Response:
    async with stand.plain(headers={"authorization": f"Bearer {key}"}) as client:
        return await client.get(f"/v1/images/generations/{name}")


def job_of(stand: Stand) -> str:
    """The job of the last request."""
    job_id = stand.requests[-1].job_id
    assert job_id is not None
    return job_id


# ── Idempotency-Key ──


async def test_one_key_is_one_purchase_and_one_answer(stand: Stand) -> None:
    async with stand.client() as client:
        first, again = [
            await client.images.with_raw_response.generate(
                model="gpt-image-2",
                prompt=PROMPT,
                size=SMALL,
                extra_headers={"idempotency-key": "order-4711"},
            )
            for _ in range(2)
        ]
    assert "x-gateway-joined" not in first.headers
    assert again.headers["x-gateway-joined"] == "true"
    assert again.headers["x-gateway-task"] == first.headers["x-gateway-task"]
    assert first.content == again.content
    assert stand.purchases == 1


async def test_a_key_for_another_request_is_refused(stand: Stand) -> None:
    await asked(stand, "order")
    refused = await asked(stand, "order", quality="high")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert stand.purchases == 1


@pytest.mark.parametrize("key", ["x" * 256, "schlüssel".encode(), "a\tb"])
async def test_a_key_that_cannot_be_is_refused_and_leaves_nothing_behind(
    stand: Stand, key: str | bytes
) -> None:
    async with stand.plain() as client:
        answer = await client.post(
            "/v1/images/edits",
            files={"image": ("a.png", drawn_png((64, 64)), "image/png")},
            data={"prompt": PROMPT},
            headers=[(b"idempotency-key", key.encode() if isinstance(key, str) else key)],
        )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_idempotency_key"
    assert stand.calls("upload") == 0


async def test_an_empty_key_is_none(stand: Stand) -> None:
    async with stand.plain() as client:
        for _ in range(2):
            headers = {"idempotency-key": ""}
            answer = await client.post("/v1/images/generations", json=WISH, headers=headers)
            assert "x-gateway-joined" not in answer.headers
    assert stand.purchases == 2


async def test_edits_count_by_their_pictures_and_not_by_their_boundaries(stand: Stand) -> None:
    async with stand.client() as client:
        for seed, purchases in ((1, 1), (1, 1), (2, 2)):
            result = await client.images.with_raw_response.edit(
                model="gpt-image-2",
                prompt=PROMPT,
                image=drawn_png((64, 64), seed),
                extra_headers={"x-stainless-retry-count": "1"},
            )
            assert pictures_of(result.parse())
            assert stand.purchases == purchases


# ── the door ──


async def test_a_job_can_be_looked_at_while_it_runs_and_fetched_when_it_is_done(
    stand: Stand,
) -> None:
    stand.vendor_fails(SLOW)
    async with stand.plain() as client:
        hasty = {"x-stainless-read-timeout": "0.2"}
        late = await client.post("/v1/images/generations", json=WISH, headers=hasty)
    assert late.status_code == 504
    job_id = job_of(stand)
    assert f"{stand.url}/v1/images/generations/{job_id}" in late.json()["error"]["message"]
    running = await looked(stand, job_id)
    assert running.status_code == 200
    assert running.headers["retry-after"] == "2"
    told = running.json()
    assert (told["id"], told["object"], told["status"]) == (
        job_id,
        "generation.task",
        "in_progress",
    )
    assert [task["status"] for task in told["tasks"]] == ["running"]
    assert (told["error"], "data" in told) == (None, False)
    await stand.until(lambda: len(stand.gateway.board) == 0)
    (upstream_id,) = late.headers["x-gateway-task"].split(", ")
    for name in (job_id, told["tasks"][0]["id"], upstream_id):
        done = await looked(stand, name)
        body = done.json()
        assert (body["id"], body["status"]) == (job_id, "completed")
        assert {"created", "data", "size", "usage", "output_format"} <= set(body)
        assert "retry-after" not in done.headers
        (picture,) = pictures_of(openai.types.ImagesResponse.model_validate(body))
        assert picture.size == (1024, 768)
    assert stand.purchases == 1
    again = await asked(stand)
    assert "x-gateway-joined" not in again.headers  # it was fetched through the door
    assert (again.json()["usage"], stand.purchases) == (body["usage"], 2)


async def test_a_failed_job_says_what_its_caller_was_told(stand: Stand) -> None:
    stand.vendor_fails({"where": "create", "kind": "failed", "times": None})
    failed = await asked(stand)
    await stand.until(lambda: stand.requests)
    glance = (await looked(stand, job_of(stand))).json()
    assert glance["status"] == "failed"
    assert glance["error"]["code"] == failed.json()["error"]["code"]
    hold_tongue(stand, str(glance))


async def test_links_of_a_dall_e_name_are_given_again_without_the_prompt(stand: Stand) -> None:
    made = (await asked(stand, model="dall-e-3")).json()["data"][0]
    await stand.until(lambda: stand.requests)
    assert made["revised_prompt"] == PROMPT
    (item,) = (await looked(stand, job_of(stand))).json()["data"]
    assert item == {"url": made["url"]}


@pytest.mark.parametrize("name", ["job_unknown", "task_x", "a%20b", "%00"])
async def test_what_nobody_has_is_not_found(stand: Stand, name: str) -> None:
    answer = await looked(stand, name)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "generation_not_found")


async def test_nobody_sees_what_another_key_has_bought(tmp_path: Path) -> None:
    keys = [{"name": "studio", "key": KEY}, {"name": "other", "key": OTHER}]
    async with behaving(tmp_path, keys=keys) as stand:
        await asked(stand)
        await stand.until(lambda: stand.requests)
        job_id = job_of(stand)
        for name in (job_id, *stand.requests[0].upstream_ids):
            assert (await looked(stand, name)).status_code == 200
            foreign = await looked(stand, name, OTHER)
            assert foreign.json()["error"]["code"] == "generation_not_found"
        assert (await looked(stand, job_id, "sk-igw-nobody")).status_code == 401


# ── the shelf's memory ──


async def test_what_was_fetched_by_its_link_is_nobodys_orphan(stand: Stand) -> None:
    stand.vendor_fails(SLOW)
    async with stand.plain() as client:
        hasty = {"x-stainless-read-timeout": "0.2"}
        wish = {**WISH, "response_format": "url"}
        await client.post("/v1/images/generations", json=wish, headers=hasty)
        await stand.until(lambda: len(stand.gateway.board) == 0)
        (path,) = stand.shelved()
        assert (await client.get(f"/images/{path.name}")).status_code == 200
    await stand.until(lambda: not stand.gateway.in_flight)  # it is noted after its last byte
    again = await asked(stand, response_format="url")
    assert "x-gateway-joined" not in again.headers
    assert stand.purchases == 2
