"""The client, held to the vendor's recorded bodies."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest

from gateway import errors, notices
from gateway.config.sections import Upstream
from gateway.translate.model import Picture, Reference, RemotePicture, TaskSpec
from gateway.upstream import base
from gateway.upstream.toapis import Toapis
from gateway.upstream.wire import clean, wire_body
from gateway.web.clients import Answer, CallFailed, Interrupted, Method, NotConnected, Part
from tests.clocks import FakeClock

RECORDED = [
    json.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parents[1] / "wire").glob("*.json"))
]
SECRET = "vendor-key-31415926"
SPEC = TaskSpec("official", "a lighthouse", "16:9", "2k", "high", "png", 2)


@dataclass
class FakeCalls:
    """Answers every call with one answer, or raises."""

    answer: Answer | CallFailed
    sent: list[tuple[str, str]] = field(default_factory=list)
    parts: list[Part | None] = field(default_factory=list)

    async def create(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        return self._give("POST", url)

    async def call(
        self,
        method: Method,
        url: str,
        headers: Mapping[str, str],
        seconds: float,
        part: Part | None = None,
    ) -> Answer:
        self.parts.append(part)
        return self._give(method, url)

    def _give(self, method: str, url: str) -> Answer:
        self.sent.append((method, url))
        if isinstance(self.answer, CallFailed):
            raise self.answer
        return self.answer


def vendor(answer: Answer | CallFailed) -> tuple[Toapis, FakeCalls]:
    calls = FakeCalls(answer)
    section = Upstream.model_validate({"api_key": SECRET, "base_url": "https://vendor.example"})
    return Toapis(section, calls, FakeClock()), calls


def recorded(*calls: str) -> list[Any]:
    return [pytest.param(one, id=one["name"]) for one in RECORDED if one["call"] in calls]


def answer_of(one: dict[str, Any]) -> Answer:
    content = one["text"] if "text" in one else json.dumps(one["body"])
    return Answer(one["http_status"], one["headers"], content.encode())


REFUSALS: dict[str, tuple[type[errors.GatewayError], ...]] = {
    "refused": (errors.UpstreamRefused, errors.ContentRefused),
    "unauthorized": (errors.UpstreamUnauthorized,),
    "unfunded": (errors.UpstreamUnfunded,),
    "unavailable": (errors.UpstreamModelUnavailable, errors.UpstreamUnavailable),
}


async def created(one: dict[str, Any]) -> tuple[str, Any]:
    toapis, _ = vendor(answer_of(one))
    try:
        return "accepted", await toapis.create(SPEC, {}, "task_1")
    except base.CreateLost as lost:
        return "unknown", lost
    except base.CreateThrottled as throttled:
        return "throttled", throttled
    except base.CreateRefused as refused:
        kinds = [name for name, kinds in REFUSALS.items() if isinstance(refused.error, kinds)]
        return kinds[0], refused.error


@pytest.mark.parametrize("one", recorded("create"))
async def test_every_recorded_answer_to_a_create_means_what_it_says(one: dict[str, Any]) -> None:
    expect = one["expect"]
    outcome, told = await created(one)
    if expect["outcome"] == "done":
        assert (outcome, told.phase) == ("accepted", "done")
        assert len(told.links) == len(expect["links"]) + expect.get("inline", 0)
    elif expect["outcome"] == "unavailable" and expect.get("retryable"):
        assert outcome in {"throttled", "unknown"}
    elif one["http_status"] == 404:
        assert outcome == "unavailable"  # a base URL that leads nowhere: not the caller's fault
    else:
        assert outcome == expect["outcome"]
    if outcome == "accepted":
        assert told.upstream_id == (expect["upstream_id"] or "task_1")
    if outcome == "throttled":
        assert told.retry_after == expect["retry_after"]
    if expect.get("failure") == "content":
        assert isinstance(told, errors.ContentRefused)


async def asked(one: dict[str, Any]) -> tuple[str, Any]:
    toapis, _ = vendor(answer_of(one))
    try:
        status = await toapis.status("tsk_1")
    except base.TaskUnknown as unknown:
        return "missing", unknown
    except base.StatusUnavailable as unavailable:
        return "ask again", unavailable
    return status.phase, status


FAILURES: dict[str, tuple[type[errors.GatewayError], ...]] = {
    "content": (errors.ContentRefused,),
    "parameter": (errors.UpstreamRefused,),
    "transient": (errors.TaskFailed,),
    "provider": (errors.TaskFailed,),
}


@pytest.mark.parametrize("one", recorded("status"))
async def test_every_recorded_status_means_what_it_says(one: dict[str, Any]) -> None:
    expect = one["expect"]
    outcome, told = await asked(one)
    if expect["outcome"] in {"unknown", "throttled", "unauthorized", "unavailable"}:
        assert outcome == "ask again"
        assert told.retry_after == expect["retry_after"]
        return
    if expect["outcome"] == "done" and not (expect["links"] or expect.get("inline")):
        assert outcome == "failed"
        assert isinstance(told.failure, errors.ResultUnusable)
        return
    assert outcome == expect["outcome"]
    if outcome == "missing":
        return
    assert told.upstream_id == expect["upstream_id"]
    links = [link for link in told.links if not link.startswith("data:")]
    assert links == expect["links"]
    assert len(told.links) - len(links) == expect.get("inline", 0)
    if outcome == "failed":
        assert isinstance(told.failure, FAILURES[expect["failure"]])
        assert expect["failure"] == "content" or told.failure.message


@pytest.mark.parametrize("one", recorded("upload"))
async def test_every_recorded_answer_to_an_upload_means_what_it_says(
    one: dict[str, Any], tmp_path: Path
) -> None:
    toapis, calls = vendor(answer_of(one))
    file = tmp_path / "a.png"
    file.write_bytes(b"bytes")
    picture = Picture(str(file), "ab" * 32, "image/png", 8, 8, 5, alpha=False)
    if one["expect"]["outcome"] == "accepted":
        assert await toapis.upload(picture) == one["body"]["data"]["url"]
        part = calls.parts[0]
        assert part is not None
        assert (part.field, part.media_type) == ("file", "image/png")
        assert part.filename.endswith(".png")
    else:
        with pytest.raises(REFUSALS[one["expect"]["outcome"]]):
            await toapis.upload(picture)


def test_the_request_is_the_vendors_own_shape_and_leaves_out_what_is_absent() -> None:
    assert wire_body(SPEC, {}, "task_1") == {
        "model": "official",
        "prompt": "a lighthouse",
        "size": "16:9",
        "resolution": "2k",
        "quality": "high",
        "output_format": "png",
        "n": 2,
        "client_business_id": "task_1",
    }


def test_an_edit_names_its_pictures_by_their_addresses_in_order() -> None:
    first = Picture("p", "d", "image/png", 8, 8, 5, alpha=True)
    second = RemotePicture("https://example.org/b.png")
    links: dict[Reference, str] = {first: "https://files/1", second: second.url}
    spec = TaskSpec(
        "official",
        "p",
        "auto",
        "1k",
        "low",
        "jpeg",
        1,
        output_compression=0,
        background="opaque",
        references=(first, second),
        mask=first,
    )
    body = wire_body(spec, links, "task_1")
    assert body["image_urls"] == ["https://files/1", "https://example.org/b.png"]
    assert body["mask_url"] == "https://files/1"
    assert body["output_compression"] == 0
    assert body["background"] == "opaque"


async def test_ids_are_escaped_in_paths() -> None:
    toapis, calls = vendor(Answer(200, {}, b'{"id":"x","status":"queued"}'))
    await toapis.status("task/with query?")
    url = "https://vendor.example/v1/images/generations/task%2Fwith%20query%3F"
    assert calls.sent == [("GET", url)]


async def test_only_a_create_without_a_connection_is_unsent() -> None:
    with pytest.raises(base.CreateNotSent):
        await vendor(NotConnected("ConnectError"))[0].create(SPEC, {}, "t")
    with pytest.raises(base.CreateLost):
        await vendor(Interrupted("ReadError"))[0].create(SPEC, {}, "t")
    with pytest.raises(base.StatusUnavailable):
        await vendor(Interrupted("ReadError"))[0].status("t")


async def test_an_upload_that_fails_on_the_way_is_told_as_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"bytes")
    picture = Picture(str(file), "ab" * 32, "image/png", 8, 8, 5, alpha=False)
    with pytest.raises(errors.UpstreamUnavailable):
        await vendor(Interrupted("ReadError"))[0].upload(picture)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"id":"x"', b'{"success":true,"data":{}}', b'{"error":[]}']
)
async def test_an_answer_to_an_upload_that_makes_no_sense_is_not_the_callers_fault(
    tmp_path: Path, body: bytes
) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"bytes")
    picture = Picture(str(file), "ab" * 32, "image/png", 8, 8, 5, alpha=False)
    with pytest.raises(errors.UpstreamUnavailable):
        await vendor(Answer(200, {}, body))[0].upload(picture)


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 226, 299])
async def test_every_good_status_is_an_acceptance_or_a_doubt(status: int) -> None:
    accepted = Answer(status, {}, b'{"id":"tsk_1","status":"queued"}')
    assert (await vendor(accepted)[0].create(SPEC, {}, "t")).upstream_id == "tsk_1"
    with pytest.raises(base.CreateLost):
        await vendor(Answer(status, {}, b""))[0].create(SPEC, {}, "t")


@pytest.mark.parametrize("name", ["", "a\r\nx-evil: 1", "任务", "a b", "x" * 201])
async def test_an_id_that_no_header_could_hold_is_none(name: str) -> None:
    body = json.dumps({"id": name, "task_id": name, "status": "queued"}).encode()
    with pytest.raises(base.CreateLost):
        await vendor(Answer(200, {}, body))[0].create(SPEC, {}, "t")
    with pytest.raises(base.StatusUnavailable):
        await vendor(Answer(200, {}, body))[0].status("t")


async def test_the_second_name_of_an_id_serves_where_the_first_is_none() -> None:
    body = b'{"id":"","task_id":"tsk_1","status":"queued"}'
    assert (await vendor(Answer(200, {}, body))[0].create(SPEC, {}, "t")).upstream_id == "tsk_1"


async def test_a_code_or_place_that_is_a_text_is_not_passed_on() -> None:
    told = {"code": "no such thing as that", "message": "No.", "param": "the third\nof all"}
    answer = Answer(400, {}, json.dumps({"error": told}).encode())
    with pytest.raises(base.CreateRefused) as caught:
        await vendor(answer)[0].create(SPEC, {}, "t")
    assert (caught.value.error.code, caught.value.error.param) == ("upstream_refused", None)


async def test_the_vendors_own_key_is_withheld_wherever_it_is_repeated(tmp_path: Path) -> None:
    told = json.dumps({"error": {"code": "x", "message": f"Wrong token {SECRET}."}}).encode()
    with pytest.raises(base.CreateRefused) as refused:
        await vendor(Answer(400, {}, told))[0].create(SPEC, {}, "t")
    assert SECRET not in refused.value.error.message
    ended = {"id": "t", "status": "failed", "error": f"token {SECRET} expired"}
    status = await vendor(Answer(200, {}, json.dumps(ended).encode()))[0].status("t")
    assert status.failure is not None
    assert status.failure.message.endswith("token [removed] expired")


async def test_a_large_answer_is_read_all_the_same() -> None:
    inline = base64.b64encode(b"x" * 400_000).decode()
    body = json.dumps({"id": "t", "status": "completed", "data": [{"b64_json": inline}]})
    status = await vendor(Answer(200, {}, body.encode()))[0].status("t")
    assert status.links == (f"data:;base64,{inline}",)


async def test_an_answer_nested_beyond_reason_is_no_answer() -> None:
    deep = b'{"id":"t","status":"completed","data":' + b"[" * 200 + b"]" * 200 + b"}"
    assert (await vendor(Answer(200, {}, deep))[0].status("t")).phase == "failed"
    with pytest.raises(base.StatusUnavailable):
        await vendor(Answer(200, {}, b"[" * 100_000))[0].status("t")


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 413, 415, 418, 422, 451])
async def test_an_unknown_code_goes_by_the_status_and_never_buys_again(status: int) -> None:
    body = json.dumps({"error": {"code": "brand_new", "message": "something new"}})
    with pytest.raises(base.CreateRefused) as caught:
        await vendor(Answer(status, {}, body.encode()))[0].create(SPEC, {}, "t")
    assert isinstance(caught.value.error, errors.GatewayError)


@pytest.mark.parametrize("status", [408, 409, 500, 502, 504, 524, 599])
async def test_a_server_that_fumbled_may_have_bought_it(status: int) -> None:
    with pytest.raises(base.CreateLost):
        await vendor(Answer(status, {}, b"<html>"))[0].create(SPEC, {}, "t")


def test_texts_for_callers_hold_no_keys_links_or_pictures() -> None:
    text = f"bad key sk-abcdef123456 at https://internal/x?y=1\nBearer abc.def {'A' * 300}"
    assert clean(text) == "bad key [removed] at [removed] [removed] [removed]"
    assert len(clean("word " * 500)) == 500


def test_the_vendor_shows_no_key() -> None:
    assert SECRET not in repr(vendor(Answer(200, {}, b""))[0])


async def test_any_other_good_status_with_an_id_is_an_acceptance() -> None:
    status = await vendor(Answer(203, {}, b'{"id":"tsk_1"}'))[0].create(SPEC, {}, "t")
    assert status.upstream_id == "tsk_1"


@pytest.mark.parametrize("status", [203, 204, 206, 300, 303, 304])
async def test_a_status_that_says_neither_yes_nor_no_may_have_bought_it(status: int) -> None:
    with pytest.raises(base.CreateLost):
        await vendor(Answer(status, {}, b"{}"))[0].create(SPEC, {}, "t")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_being_sent_elsewhere_buys_nothing(status: int) -> None:
    with pytest.raises(base.CreateRefused):
        await vendor(Answer(status, {}, b""))[0].create(SPEC, {}, "t")


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":"success","message":"","data":{"task_id":"x"}}',
        b'{"code":"success","message":"","data":"task_123"}',
        b'{"id":"a\\r\\nset-cookie: x"}',
        b'{"id":"\\u706f\\u5854"}',
        b'{"id":"' + b"x" * 300 + b'"}',
    ],
)
async def test_an_answer_without_a_usable_id_is_looked_up_rather_than_believed(
    body: bytes,
) -> None:
    with pytest.raises(base.CreateLost):
        await vendor(Answer(200, {}, body))[0].create(SPEC, {}, "t")


@pytest.mark.parametrize(
    "odd",
    [
        '"progress":"²"',
        '"progress":NaN',
        '"progress":1e999',
        '"completed_at":' + "9" * 400,
        '"completed_at":NaN',
        '"completed_at":true',
        '"billing":{"cost_usd":[1]}',
        '"status":7',
        '"error":{"message":{"a":1},"code":[]}',
    ],
)
async def test_no_odd_field_can_end_a_paid_task(odd: str) -> None:
    body = ('{"id":"t","status":"in_progress",' + odd + "}").encode()
    status = await vendor(Answer(200, {}, body))[0].status("t")
    assert status.phase in {"running", "queued"}
    assert status.completed_at is None
    assert status.progress is None or 0 <= status.progress <= 100


async def test_a_number_beyond_what_can_be_read_is_no_answer() -> None:
    body = b'{"id":"t","status":"completed","progress":' + b"9" * 10_000 + b"}"
    with pytest.raises(base.StatusUnavailable):
        await vendor(Answer(200, {}, body))[0].status("t")


async def test_a_bare_404_is_a_proxys_and_proves_nothing() -> None:
    for body in (b"", b"<html>Not Found</html>", b"{}"):
        with pytest.raises(base.StatusUnavailable):
            await vendor(Answer(404, {}, body))[0].status("t")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(429, {}, b""), "http_429"),
        (Answer(500, {}, b"{}"), "http_5xx"),
        (Answer(599, {}, b"<html>"), "http_5xx"),
        (Answer(408, {}, b""), "timeout"),
        (Answer(401, {}, b"{}"), "garbage"),
        (Answer(404, {}, b""), "garbage"),
        (Answer(302, {}, b""), "garbage"),
        (Answer(200, {}, b""), "garbage"),
        (Answer(200, {}, b"[" * 100_000), "garbage"),
        (Interrupted("timeout"), "timeout"),
        (Interrupted("ReadTimeout"), "timeout"),
        (Interrupted("ConnectTimeout"), "timeout"),
        (Interrupted("PoolTimeout"), "timeout"),
        (Interrupted("ReadError"), "network"),
        (Interrupted("ConnectError"), "network"),
        (Interrupted("something new"), "network"),
        (Interrupted("answer too large"), "garbage"),
    ],
)
async def test_a_question_without_an_answer_says_in_which_of_five_ways(
    answer: Answer | Interrupted, kind: str
) -> None:
    with pytest.raises(base.StatusUnavailable) as caught:
        await vendor(answer)[0].status("t")
    assert caught.value.kind == kind
    assert kind in get_args(base.Silence)
    assert kind in get_args(notices.Answer)


async def test_only_a_throttled_account_is_told_as_such() -> None:
    for status, throttled in ((429, True), (503, False)):
        with pytest.raises(base.StatusUnavailable) as caught:
            await vendor(Answer(status, {"retry-after": "9"}, b""))[0].status("t")
        assert caught.value.throttled is throttled
        assert caught.value.retry_after == 9.0


async def test_texts_and_lists_beyond_reason_are_cut() -> None:
    body = json.dumps({"id": "t", "status": "failed", "error": {"message": "x " * 1_000_000}})
    status = await vendor(Answer(200, {}, body.encode()))[0].status("t")
    assert status.failure is not None
    assert len(status.failure.message) < 1000
    links = ["https://files/a.png"] * 100_000
    body = json.dumps({"id": "t", "status": "completed", "images": links})
    status = await vendor(Answer(200, {}, body.encode()))[0].status("t")
    assert len(status.links) == 100
