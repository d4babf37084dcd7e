"""The simulator against the recorded bodies: driven into each, it must answer with that shape."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.simulator.settings import Settings
from tests.simulator.house import House, photo, png
from tests.simulator.house import house as opened

WIRE = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parents[1] / "wire").glob("*.json"))
}

# What a task's JSON may hold beyond what a recording shows of it.
DOCUMENTED = {"model", "metadata", "client_business_id", "completed_at", "expires_at", "billing"}

OUTCOMES = {
    "accepted",
    "queued",
    "running",
    "done",
    "failed",
    "refused",
    "throttled",
    "unauthorized",
    "unfunded",
    "unavailable",
    "unknown",
    "missing",
}


@dataclass(frozen=True)
class Drive:
    """How to bring the simulator to one answer."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    fault: Mapping[str, Any] | None = None
    order: Mapping[str, Any] = field(default_factory=dict)
    wait: float = 0.0
    ask: Callable[[House], Awaitable[httpx.Response]] | None = None


def setting(**settings: Any) -> Drive:
    return Drive(settings)


def fault(kind: str, **more: Any) -> Drive:
    return Drive(fault={"kind": kind, **more})


def done(**settings: Any) -> Drive:
    return Drive({"billing": False, **settings}, order={"n": 2}, wait=1000)


def failed(kind: str = "failed", **settings: Any) -> Drive:
    return Drive(settings, {"where": "create", "kind": kind}, wait=1000)


def working(vocabulary: str, **settings: Any) -> Drive:
    slow = {"where": "create", "kind": "slow", "seconds": 100}
    return Drive({"vocabulary": vocabulary, **settings}, slow, wait=30)


def asking(ask: Callable[[House], Awaitable[httpx.Response]], **settings: Any) -> Drive:
    return Drive(settings, ask=ask)


WRONG_KEY = {"authorization": "Bearer wrong"}

DRIVES: Mapping[str, Drive] = {
    "create_documented": Drive(),
    "create_with_business_id": Drive(order={"client_business_id": "gw-7f3a"}),
    "create_live_pending": setting(vocabulary="live"),
    "create_status_201": setting(creation_status=201),
    "create_status_202": setting(creation_status=202, vocabulary="submitted"),
    "create_task_id_only": setting(creation="task_id"),
    "create_both_ids": setting(creation="both"),
    "create_object_video_blank_status": setting(creation="video"),
    "create_terminal": setting(creation="terminal", billing=False),
    "create_terminal_openai": Drive({"creation": "terminal_openai"}, order={"n": 2}),
    "create_prompt_required": Drive(order={"prompt": ""}),
    "create_base64_refused": Drive(order={"image_urls": ["data:image/png;base64,AA"]}),
    "create_invalid_image_url": Drive(order={"image_urls": ["http://127.0.0.1/a.png"]}),
    "create_invalid_references": fault("invalid_references"),
    "create_webhook_not_configured": Drive(order={"callback_url": "https://example.com"}),
    "create_flat_task_error": fault("fail_to_fetch_task"),
    "create_unauthorized": fault("unauthorized"),
    "create_unauthorized_chinese": fault("invalid_token_zh"),
    "create_insufficient_quota": setting(balance_usd=0),
    "create_payment_required": fault("payment_required"),
    "create_quota_not_enough": fault("quota_not_enough"),
    "create_insufficient_user_quota": fault("insufficient_user_quota"),
    "create_model_not_allowed": fault("model_not_allowed"),
    "create_invalid_url": asking(
        lambda house: house.client.post("/v1/v1/images/generations", json={})
    ),
    "create_too_large": fault("too_large"),
    "create_content_policy": fault("content_policy"),
    "create_throttled": fault("throttled", retry_after="7"),
    "create_throttled_empty": fault("throttled_silently"),
    "create_throttled_numeric": fault("throttled_numeric"),
    "create_group_overloaded": fault("overloaded"),
    "create_internal_error": fault("internal_error"),
    "create_do_request_failed": fault("do_request_failed"),
    "create_insert_task_failed": fault("insert_task_failed"),
    "create_bad_gateway": fault("bad_gateway"),
    "create_limiter_down": fault("limiter_down"),
    "create_model_not_found": Drive(order={"model": "gpt-image-9"}),
    "create_no_channel": fault("no_channel"),
    "create_service_unavailable": fault("unavailable"),
    "create_gateway_timeout": fault("gateway_timeout"),
    "create_proxy_timeout": fault("proxy_timeout"),
    "create_success_false": fault("refused_with_200"),
    "create_half_json": fault("garbage"),
    "create_empty_200": fault("nothing"),
    "create_list": fault("a_list"),
    "create_wrong_types": fault("wrong_types"),
    "status_queued": setting(),
    "status_pending": setting(vocabulary="live"),
    "status_submitted": setting(vocabulary="submitted"),
    "status_blank": setting(vocabulary="blank"),
    "status_not_start": setting(vocabulary="upper"),
    "status_upper_queued": setting(vocabulary="upper_queue"),
    "status_upper_submitted": setting(vocabulary="upper_submitted"),
    "status_in_progress": working("documented"),
    "status_processing": working("live"),
    "status_running": working("submitted"),
    "status_upper_in_progress": working("upper"),
    "status_unknown_word": working("strange"),
    "status_progress_text": working("documented", progress="percent"),
    "status_completed_two_images": Drive(
        order={"n": 2, "client_business_id": "gw-7f3a"}, wait=1000
    ),
    "status_succeeded": done(vocabulary="live"),
    "status_success": done(vocabulary="submitted"),
    "status_upper_success": done(vocabulary="upper"),
    "result_strings": done(result="data_strings"),
    "result_base64": done(result="data_base64"),
    "result_top_url": done(result="url"),
    "result_url": done(result="result_url"),
    "result_object": done(result="result_object"),
    "result_top_data": done(result="top_data_urls"),
    "result_top_data_base64": done(result="top_data_base64"),
    "result_output": done(result="output"),
    "result_outputs": done(result="outputs"),
    "result_images": done(result="images"),
    "result_images_nested_list": done(result="result_images"),
    "result_output_results": done(result="output_results"),
    "result_missing": Drive({"billing": False}, {"where": "create", "kind": "no_links"}, wait=1000),
    "failed_422": failed("moderated_422"),
    "failed_unsafe": failed("moderated"),
    "failed_policy_nested": failed("moderated_policy"),
    "failed_moderated_chinese": failed("moderated_zh"),
    "failed_invalid_parameter": failed("bad_parameter"),
    "failed_image_url": failed("bad_reference"),
    "failed_upstream_500": failed("upstream_500"),
    "failed_garbled": failed("upstream_garbled"),
    "failed_timeout": failed("upstream_timeout"),
    "failed_otherwise": failed(),
    "failed_chinese": failed("failed_zh"),
    "failed_word_cancelled": failed(vocabulary="blank"),
    "failed_word_canceled": failed(vocabulary="strange"),
    "failed_word_expired": failed(vocabulary="expiring"),
    "failed_word_error": failed(vocabulary="submitted"),
    "failed_word_failure": failed(vocabulary="upper"),
    "failed_by_reason": failed("failed_by_reason"),
    "failed_error_text": failed(failure="text"),
    "failed_bare": failed(failure="bare", billing=False),
    "status_unauthorized": asking(
        lambda house: house.client.get("/v1/images/generations/x", headers=WRONG_KEY)
    ),
    "status_not_found": asking(lambda house: house.status("tsk_img_nothing")),
    "status_task_not_found": fault("task_not_found"),
    "status_task_not_exist": fault("task_not_exist"),
    "status_throttled": fault("throttled", retry_after="2"),
    "status_throttled_empty": fault("throttled_silently"),
    "status_internal_error": fault("internal_error"),
    "status_bad_gateway": fault("bad_gateway"),
    "status_half_json": fault("garbage"),
    "upload_accepted": asking(lambda house: house.upload(_picture())),
    "upload_wrong_type": asking(lambda house: house.upload(b"BM")),
    "upload_too_large_flag": asking(
        lambda house: house.upload(_picture() + bytes(10_000_000)), upload_refusal_status=200
    ),
    "upload_unauthorized": asking(
        lambda house: house.client.post("/v1/uploads/images", headers=WRONG_KEY)
    ),
    "upload_too_large_proxy": fault("too_large"),
    "upload_bad_gateway": fault("bad_gateway"),
    "models_image": asking(lambda house: house.client.get("/v1/models?type=image")),
    "models_text": asking(lambda house: house.client.get("/v1/models")),
    "balance": asking(lambda house: house.client.get("/v1/balance")),
}

# Recorded, but nothing the simulator claims to do.
NOT_CLAIMED = {"balance_refused"}


def _picture() -> bytes:
    return png(photo(8, 8))


async def _driven(house: House, drive: Drive, call: str) -> httpx.Response:
    where = {"where": call, **(drive.fault or {})}
    if drive.fault is not None:
        await house.control("faults", [where])
    if drive.ask is not None:
        return await drive.ask(house)
    if call == "upload":
        return await house.upload(_picture())
    created = await house.create(**drive.order)
    if call == "create":
        return created
    house.clock.now += drive.wait
    return await house.status(created.json()["id"])


def _shape_faults(recorded: Any, answered: Any, at: str, extra: set[str]) -> list[str]:
    """Where the answer's structure departs from the recording's."""
    numbers = {int, float}
    kinds = {type(recorded), type(answered)}
    if len(kinds) > 1 and not kinds <= numbers:
        return [f"{at}: {type(answered).__name__}, recorded {type(recorded).__name__}"]
    if isinstance(recorded, dict):
        found = [f"{at}: {key} missing" for key in recorded.keys() - answered.keys()]
        found += [f"{at}: {key} too much" for key in answered.keys() - recorded.keys() - extra]
        for key in recorded.keys() & answered.keys():
            found += _shape_faults(recorded[key], answered[key], f"{at}.{key}", set())
        return found
    if isinstance(recorded, list) and recorded:
        if not answered:
            return [f"{at}: empty"]
        return [
            line
            for index, item in enumerate(answered)
            for line in _shape_faults(recorded[0], item, f"{at}[{index}]", set())
        ]
    return []


@pytest.mark.parametrize("name", DRIVES)
async def test_the_simulator_answers_in_the_recorded_shape(name: str) -> None:
    recorded, drive = WIRE[name], DRIVES[name]
    async with opened(Settings().changed(dict(drive.settings))) as house:
        answer = await _driven(house, drive, recorded["call"])
        assert answer.status_code == recorded["http_status"], answer.text
        if (retry := recorded["headers"].get("retry-after")) is not None:
            assert answer.headers["retry-after"] == retry
        kind = recorded["headers"].get("content-type", "")
        assert answer.headers.get("content-type", "").split(";")[0] == kind
        if "text" in recorded:
            if kind != "text/html":
                assert answer.text == recorded["text"]
            return
        body, expect = answer.json(), recorded["expect"]
        assert _shape_faults(recorded["body"], body, "body", DOCUMENTED) == []
        _same_words(recorded["body"], body)
        if expect["upstream_id"] is not None:
            assert body.get("id", body.get("task_id")).startswith("tsk_img_")


def _same_words(recorded: Any, body: Any) -> None:
    """Statuses, codes and types are the vendor's words, so they must be equal."""
    for key in ("status", "object", "success"):
        if key in recorded:
            assert body[key] == recorded[key]
    error = recorded.get("error")
    if isinstance(error, dict):
        for key in ("code", "type", "param"):
            assert body["error"].get(key) == error.get(key)
        assert _stem(body["error"]["message"]) == _stem(error["message"])
    elif "message" in recorded:
        assert body["message"] == recorded["message"]
        assert body.get("code") == recorded.get("code")


def _stem(message: str) -> str:
    return message.split(" (request id:", 1)[0]


def test_every_recording_is_driven_or_openly_not_claimed() -> None:
    assert WIRE.keys() == DRIVES.keys() | NOT_CLAIMED
    assert not DRIVES.keys() & NOT_CLAIMED


@pytest.mark.parametrize("name", WIRE)
def test_every_recording_says_what_it_is_and_what_to_make_of_it(name: str) -> None:
    recorded = WIRE[name]
    assert recorded["name"] == name
    assert recorded["call"] in {"create", "status", "upload", "models", "balance"}
    assert recorded["source"]
    assert ("body" in recorded) != ("text" in recorded)
    assert all(header == header.lower() for header in recorded["headers"])
    expect = recorded["expect"]
    assert expect["outcome"] in OUTCOMES
    assert isinstance(expect["links"], list)
    assert {"upstream_id", "error_code", "error_message", "retry_after"} <= expect.keys()


def test_the_recordings_are_many_and_meet_every_outcome() -> None:
    assert len(WIRE) >= 40
    assert {recorded["expect"]["outcome"] for recorded in WIRE.values()} == OUTCOMES


def test_a_departure_from_a_recording_is_noticed() -> None:
    recorded = {"id": "x", "result": {"data": [{"url": "u"}]}, "progress": 1}
    assert _shape_faults(recorded, recorded, "body", set()) == []
    for wrong in (
        {**recorded, "id": 7},
        {**recorded, "more": 1},
        {"id": "x", "progress": 1},
        {**recorded, "result": {"data": []}},
        {**recorded, "result": {"data": ["u"]}},
        {**recorded, "result": None},
    ):
        assert _shape_faults(recorded, wrong, "body", set())
