"""Whatever is sent, an envelope is the answer; whatever happens, purchases are counted."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.simulator.faults import Fault
from gateway.simulator.settings import Settings
from tests.simulator.house import ORDER, House, listening, mask, photo
from tests.simulator.house import house as opened

FIELDS = [
    "model",
    "prompt",
    "size",
    "resolution",
    "quality",
    "output_format",
    "output_compression",
    "n",
    "background",
    "image_urls",
    "mask_url",
    "client_business_id",
    "metadata",
    "callback_url",
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
WORDS = st.sampled_from(["auto", "4k", "1k", "16:9", "high", "png", "https://example.com/a.png"])


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING | WORDS, max_size=4))
async def test_any_create_is_accepted_or_refused_in_an_envelope(changes: dict[str, Any]) -> None:
    async with opened() as house:
        body = json.dumps({**ORDER, **changes})
        answer = await house.client.post("/v1/images/generations", content=body)
        bought = (await house.control("purchases"))["purchases"]
        assert bought == (answer.status_code == 200)
        if not bought:
            assert answer.status_code in {400, 503}
            assert answer.json()["error"]["message"]


@pytest.mark.parametrize("field", ["prompt", "client_business_id", "model", "size"])
async def test_half_a_character_is_refused_and_not_choked_on(house: House, field: str) -> None:
    body = json.dumps({**ORDER, field: "fog \ud800"})
    answer = await house.client.post("/v1/images/generations", content=body)
    assert answer.status_code in {400, 503}
    assert (await house.control("purchases"))["purchases"] == 0


@pytest.mark.parametrize("body", ['{"n":' + "9" * 5000 + "}", "[" * 100_000, '{"n": NaN}'])
async def test_hostile_json_is_refused(house: House, body: str) -> None:
    assert (await house.client.post("/v1/images/generations", content=body)).status_code == 400


async def test_absent_parameters_take_the_pages_defaults(house: House) -> None:
    body = {"model": "gpt-image-1.5-official", "prompt": "fog"}
    await house.client.post("/v1/images/generations", json=body)
    (task,) = (await house.control("purchases"))["tasks"]
    assert (task["size"], task["resolution"], task["quality"]) == ("1:1", "1k", "high")
    assert (task["n"], task["output_format"], task["references"]) == (1, "png", 0)
    assert task["mask"] is False


async def test_parameters_the_page_does_not_know_are_ignored(house: House) -> None:
    answer = await house.create(seed=7, response_format="b64_json", user="u", stream=True)
    assert answer.status_code == 200


async def test_fifty_at_once_are_fifty_purchases() -> None:
    async with opened(Settings(submit_burst=100)) as house:
        answers = await asyncio.gather(
            *(house.create(client_business_id=str(number)) for number in range(50))
        )
        assert len({answer.json()["id"] for answer in answers}) == 50
        told = await house.control("purchases")
        assert told["purchases"] == told["most_running"] == 50
        assert told["bought_twice"] == []


async def test_a_reference_dropped_before_it_was_drawn_fails_the_task(house: House) -> None:
    url = await house.uploaded(photo(64, 64))
    name = (await house.create(image_urls=[url])).json()["id"]
    house.simulator.vendor.files.clear()
    house.clock.now += 1000
    told = (await house.status(name)).json()
    assert told["status"] == "failed"
    assert told["billing"]["status"] == "refunded"


async def test_the_newest_purchase_answers_to_a_business_id_bought_twice(house: House) -> None:
    await house.create(client_business_id="gw-1")
    newest = (await house.create(client_business_id="gw-1")).json()["id"]
    assert (await house.status("gw-1")).json()["id"] == newest


async def test_a_lost_answer_is_found_again_and_its_picture_fetched() -> None:
    """The whole way round, over a socket: upload, edit, lost answer, look-up, links without key."""
    async with listening(SystemClock(), (Fault("create", "bad_gateway", bought=True),)) as house:
        order = {
            "image_urls": [await house.uploaded(photo(512, 512))],
            "mask_url": await house.uploaded(mask(512, 512)),
            "client_business_id": "gw-1",
        }
        assert (await house.create(**order)).status_code == 502
        while (told := (await house.status("gw-1")).json())["status"] != "completed":
            await SystemClock().sleep(0.01)
        (item,) = told["result"]["data"]
        house.client.headers.pop("authorization")
        assert (await house.picture(item["url"])).size == (1024, 1024)
        stats = await house.control("stats")
        assert stats["calls"]["create"] == 1
        assert stats["calls"]["upload"] == 2
