import json
from typing import Any

import pytest

from gateway.simulator.orders import LATER, MODELS, OFFERED
from gateway.simulator.settings import Settings
from tests.simulator.house import ORDER, House, photo, png
from tests.simulator.house import house as opened


async def test_an_accepted_task_is_announced_as_the_page_says(house: House) -> None:
    answer = await house.create(client_business_id="gw-1")
    assert answer.status_code == 200
    told = answer.json()
    assert told.pop("id").startswith("tsk_img_")
    assert told == {
        "object": "generation.task",
        "model": "gpt-image-2-official",
        "status": "queued",
        "progress": 0,
        "created_at": 1_790_000_000,
        "metadata": {},
        "client_business_id": "gw-1",
    }


@pytest.mark.parametrize("model", MODELS)
async def test_the_official_channel_answers_to_both_its_names(house: House, model: str) -> None:
    assert (await house.create(model=model)).json()["model"] == model


async def test_the_business_id_may_stand_in_the_metadata(house: House) -> None:
    answer = await house.create(metadata={"client_business_id": "gw-2"})
    assert answer.json()["client_business_id"] == "gw-2"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"prompt": None}, "prompt"),
    ({"prompt": "  "}, "prompt"),
    ({"prompt": ["a"]}, "prompt"),
    ({"prompt": "x" * 32_001}, "prompt"),
    ({"n": "1"}, "n"),
    ({"n": True}, "n"),
    ({"n": 1.0}, "n"),
    ({"n": 0}, "n"),
    ({"n": 11}, "n"),
    ({"size": "1024x1024"}, "size"),
    ({"size": "7:4"}, "size"),
    ({"size": 1}, "size"),
    ({"size": "1:1", "resolution": "4k"}, "size"),
    ({"resolution": "1K"}, "resolution"),
    ({"resolution": "8k"}, "resolution"),
    ({"quality": "auto"}, "quality"),
    ({"quality": "hd"}, "quality"),
    ({"output_format": "webp"}, "output_format"),
    ({"output_format": "gif"}, "output_format"),
    ({"output_compression": "90"}, "output_compression"),
    ({"output_compression": 101, "output_format": "jpeg"}, "output_compression"),
    ({"background": "none"}, "background"),
    ({"image_urls": "https://example.com/a.png"}, "image_urls"),
    ({"image_urls": [{"url": "https://example.com/a.png"}]}, "image_urls"),
    ({"image_urls": ["https://example.com/a.png"] * 17}, "image_urls"),
    ({"image_urls": ["data:image/png;base64,AAAA"]}, "image_urls"),
    ({"image_urls": ["A" * 9000]}, "image_urls"),
    ({"image_urls": ["ftp://example.com/a.png"]}, "image_urls"),
    ({"image_urls": ["https://example.com/" + "a" * 9000]}, "image_urls"),
    ({"image_urls": ["https://example.com/\udfff.png"]}, "image_urls"),
    ({"image_urls": ["http://127.0.0.1:1/a.png"]}, "image_urls"),
    ({"image_urls": ["http://10.0.0.8/a.png"]}, "image_urls"),
    ({"image_urls": ["http://files.internal/a.png"]}, "image_urls"),
    ({"image_urls": ["http://[broken/a.png"]}, "image_urls"),
    ({"image_urls": ["http://vendor.test/files/uploads/nothing.png"]}, "image_urls"),
    ({"mask_url": "https://example.com/m.png"}, "mask_url"),
    ({"client_business_id": 7}, "client_business_id"),
    ({"client_business_id": ""}, "client_business_id"),
    ({"callback_url": "https://example.com/hook"}, "callback_url"),
]


@pytest.mark.parametrize(("changes", "param"), REFUSED)
async def test_a_wrong_parameter_is_refused_by_name_and_buys_nothing(
    house: House, changes: dict[str, Any], param: str
) -> None:
    body = json.dumps({**ORDER, **changes})
    answer = await house.client.post("/v1/images/generations", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert (await house.control("purchases"))["purchases"] == 0


async def test_pictures_within_the_body_are_refused_in_the_vendors_words(house: House) -> None:
    answer = await house.create(image_urls=["data:image/png;base64,AAAA"])
    assert answer.json()["error"]["message"] == "base64 image is not allowed"


async def test_an_unknown_model_is_answered_as_a_missing_channel(house: House) -> None:
    answer = await house.create(model="gpt-image-2")
    assert answer.status_code == 503
    error = answer.json()["error"]
    assert error["code"] == "model_not_found"
    assert error["type"] == "new_api_error"
    assert "request id" in error["message"]


@pytest.mark.parametrize("body", ["", "{", "[]", '"text"', "7"])
async def test_a_body_that_is_no_object_is_refused(house: House, body: str) -> None:
    answer = await house.client.post("/v1/images/generations", content=body)
    assert answer.status_code == 400


async def test_a_long_body_is_decoded_off_the_loop_and_an_endless_one_refused(house: House) -> None:
    assert (await house.create(ignored="x" * 300_000)).status_code == 200
    huge = await house.client.post("/v1/images/generations", content=b"x" * 16_000_001)
    assert huge.status_code == 413

    async def unannounced() -> Any:
        for _ in range(17):
            yield b"x" * 1_000_000

    endless = await house.client.post("/v1/images/generations", content=unannounced())
    assert endless.status_code == 413
    assert "text/html" in endless.headers["content-type"]


@pytest.mark.parametrize("key", ["", "Bearer wrong", "Basic simulated", "simulated", "Bearer ключ"])
async def test_every_call_but_files_wants_the_key(house: House, key: str) -> None:
    headers = {b"authorization": key.encode()}
    for method, path in (
        ("POST", "/v1/images/generations"),
        ("GET", "/v1/images/generations/x"),
        ("POST", "/v1/uploads/images"),
        ("GET", "/v1/models"),
        ("GET", "/v1/balance"),
        ("GET", "/v1/user/balance"),
    ):
        answer = await house.client.request(method, path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("ratio", OFFERED)
@pytest.mark.parametrize("tier", ["1k", "2k", "4k"])
async def test_the_table_is_offered_as_printed(ratio: str, tier: str) -> None:
    async with opened() as house:
        answer = await house.create(size=ratio, resolution=tier)
        offered = OFFERED[ratio][("1k", "2k", "4k").index(tier)]
        assert (answer.status_code == 200) == (offered is not None)


def test_the_table_holds_32_sizes_and_39_later_all_different_and_in_steps_of_16() -> None:
    first = [size for row in OFFERED.values() for size in row if size is not None]
    assert len(set(first)) == len(first) == 32
    every = {*first, *LATER.values()}
    assert len(every) == 39
    assert all(wide % 16 == 0 and high % 16 == 0 for wide, high in every)
    assert all(655_360 <= wide * high <= 8_294_400 for wide, high in every)


async def test_the_later_sizes_come_with_a_setting() -> None:
    async with opened(Settings(extended_sizes=True)) as house:
        assert (await house.create(size="1:1", resolution="4k")).status_code == 200
        (task,) = (await house.control("purchases"))["tasks"]
        assert task["pixels"] == "2880x2880"


async def test_fewer_images_may_be_allowed() -> None:
    async with opened(Settings(max_n=4)) as house:
        assert (await house.create(n=5)).status_code == 400
        assert (await house.create(n=4)).status_code == 200


async def test_auto_takes_the_shape_nearest_to_the_first_reference(house: House) -> None:
    url = await house.uploaded(photo(900, 400))
    await house.create(size="auto", image_urls=[url])
    await house.create(size="auto", image_urls=[url], resolution="4k")
    await house.create(size="auto", resolution="4k")
    tall, wide, free = (await house.control("purchases"))["tasks"]
    assert tall["pixels"] == "2016x864"
    assert wide["pixels"] == "3840x1648"
    assert tuple(map(int, free["pixels"].split("x"))) in {row[2] for row in OFFERED.values()}


async def test_an_upload_that_is_no_picture_inside_is_an_invalid_reference(house: House) -> None:
    url = (await house.upload(b"\x89PNG\r\n\x1a\n" + b"nothing more")).json()["data"]["url"]
    answer = await house.create(image_urls=[url])
    assert answer.json()["error"]["message"] == "invalid image_url"


async def test_a_reference_broken_further_in_fails_the_task_late_and_is_refunded(
    house: House,
) -> None:
    data = png(photo())
    url = (await house.upload(data[: len(data) // 2])).json()["data"]["url"]
    told = await house.made(image_urls=[url])
    assert told["status"] == "failed"
    assert "invalid image_url" in told["error"]["message"]
    assert (await house.client.get("/v1/balance")).json()["used_credits"] == 0


async def test_foreign_references_stand_for_themselves_or_are_refused() -> None:
    order = {"image_urls": ["https://example.com/a.png"]}
    async with opened() as house:
        assert (await house.made(**order))["status"] == "completed"
    async with opened(Settings(foreign_references="refuse")) as house:
        answer = await house.create(**order)
        assert answer.json()["error"]["message"] == "invalid image_url"


@pytest.mark.parametrize("address", ["https://8.8.8.8/a.png", "https://[2001:4860::1]/a.png"])
async def test_public_numbers_can_be_reached(house: House, address: str) -> None:
    assert (await house.create(image_urls=[address])).status_code == 200


@pytest.mark.parametrize(
    ("policy", "status", "purchases"), [("accept", 200, 2), ("same", 200, 1), ("refuse", 400, 1)]
)
async def test_a_business_id_used_again(policy: str, status: int, purchases: int) -> None:
    async with opened(Settings(repeated_business_id=policy)) as house:
        first = await house.create(client_business_id="gw-1")
        second = await house.create(client_business_id="gw-1")
        assert second.status_code == status
        told = await house.control("purchases")
        assert told["purchases"] == purchases
        assert told["bought_twice"] == (["gw-1"] if purchases == 2 else [])
        if policy == "same":
            assert second.json()["id"] == first.json()["id"]
        await house.create()
        assert (await house.control("purchases"))["purchases"] == purchases + 1


async def test_an_empty_account_buys_nothing() -> None:
    async with opened(Settings(balance_usd=0.01)) as house:
        assert (await house.create()).status_code == 200
        answer = await house.create()
        assert answer.status_code == 402
        assert answer.json()["error"]["code"] == "insufficient_quota"


async def test_unknown_paths_and_methods_get_an_envelope(house: House) -> None:
    doubled = await house.client.post("/v1/v1/images/generations", json={})
    assert doubled.status_code == 404
    assert "Invalid URL (POST /v1/v1/images/generations)" in doubled.json()["error"]["message"]
    wrong = await house.client.get("/v1/images/generations")
    assert wrong.status_code == 405
    assert "error" in wrong.json()
