from typing import Any

import httpx
import pytest

from gateway.simulator.envelopes import REFUSALS
from gateway.simulator.fates import FATES
from gateway.simulator.faults import KINDS, Fault, Script, read_faults
from tests.simulator.house import House, photo
from tests.simulator.house import house as opened

# ── scripts ──


def test_a_fault_strikes_so_often_after_so_many() -> None:
    script = Script([Fault("status", "bad_gateway", times=2, after=1)])
    struck = [script.next("status") is not None for _ in range(5)]
    assert struck == [False, True, True, False, False]
    assert script.report() == [{"where": "status", "kind": "bad_gateway", "times": 2, "struck": 2}]


def test_a_fault_without_end_strikes_always() -> None:
    script = Script([Fault("file", "missing", times=None)])
    assert all(script.next("file") for _ in range(100))


def test_faults_are_for_their_place_and_their_prompts() -> None:
    script = Script([Fault("create", "bad_gateway", match="fog", times=None)])
    assert script.next("status", "fog") is None
    assert script.next("create", "rain") is None
    assert script.next("create", "a fog") is not None


def test_the_first_fault_that_is_due_strikes() -> None:
    script = Script([Fault("create", "garbage", after=1), Fault("create", "nothing", times=3)])
    kinds = [fault.kind if (fault := script.next("create")) else None for _ in range(5)]
    assert kinds == ["nothing", "garbage", "nothing", "nothing", None]


def test_a_share_of_the_calls_is_struck_and_equal_seeds_strike_the_same() -> None:
    runs = []
    for _ in range(2):
        script = Script([Fault("status", "bad_gateway", times=None, share=0.5)], seed=3)
        runs.append([script.next("status") is not None for _ in range(400)])
    assert runs[0] == runs[1]
    assert 150 < sum(runs[0]) < 250


def test_a_script_is_read_from_json() -> None:
    read = read_faults(
        [
            {"where": "create", "kind": "throttled", "times": None, "retry_after": "30"},
            {"where": "file", "kind": "drip", "seconds": 2, "match": "fog"},
        ]
    )
    assert read == (
        Fault("create", "throttled", times=None, retry_after="30"),
        Fault("file", "drip", seconds=2, match="fog"),
    )


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ({}, "a list"),
        ([1], "fault 1: expected an object"),
        ([{"where": "create"}], "fault 1: kind missing"),
        ([{"kind": "stall"}], "fault 1: where missing"),
        ([{"where": "moon", "kind": "stall"}], "where is one of"),
        ([{"where": "file", "kind": "stuck"}], "no fault 'stuck' at file"),
        ([{"where": "create", "kind": "stall", "time": 1}], "no such word 'time'"),
        ([{"where": "create", "kind": "stall", "times": "2"}], "times cannot be '2'"),
        ([{"where": "create", "kind": "stall", "after": True}], "after cannot be True"),
        ([{"where": "create", "kind": ["stall"]}], "kind cannot be"),
    ],
)
def test_a_wrong_script_says_what_is_wrong(script: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_faults(script)


async def test_faults_are_replaced_and_reported_at_the_control_endpoint(house: House) -> None:
    await house.control("faults", [{"where": "create", "kind": "bad_gateway"}])
    assert (await house.create()).status_code == 502
    assert (await house.create()).status_code == 200
    (line,) = await house.control("faults")
    assert line["struck"] == 1
    wrong = await house.client.post("/control/faults", json=[{"where": "create", "kind": "?"}])
    assert wrong.status_code == 400
    assert len(await house.control("faults")) == 1


# ── refusals ──


async def _called(house: House, where: str, name: str) -> httpx.Response:
    match where:
        case "create":
            return await house.create()
        case "status":
            return await house.status(name)
        case _:
            return await house.upload(b"")


@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize("where", ["create", "status", "upload"])
async def test_every_refusal_can_be_had_at_every_call(where: str, kind: str) -> None:
    async with opened() as house:
        name = (await house.create()).json()["id"]
        await house.control("faults", [{"where": where, "kind": kind}])
        answer = await _called(house, where, name)
        expected = REFUSALS[kind]
        assert answer.status_code == expected.status
        if expected.shape == "text":
            assert answer.text == expected.message
        elif expected.shape == "empty":
            assert answer.content == b""
        elif expected.shape == "html":
            assert f"<h1>{expected.status} {expected.message}</h1>" in answer.text
        else:
            body = answer.json()
            assert body.get("error", body)["message"].startswith(expected.message)
        assert (await house.control("purchases"))["purchases"] == 1


async def test_a_refusal_may_come_after_the_purchase(house: House) -> None:
    await house.control("faults", [{"where": "create", "kind": "bad_gateway", "bought": True}])
    assert (await house.create(client_business_id="gw-1")).status_code == 502
    assert (await house.control("purchases"))["by_client_business_id"] == {"gw-1": 1}
    assert (await house.status("gw-1")).status_code == 200


async def test_a_fault_may_change_a_refusals_details(house: House) -> None:
    line = {"where": "create", "kind": "throttled", "retry_after": "3600", "status": 430}
    await house.control("faults", [{**line, "code": "slow_down", "message": "Slow down."}])
    answer = await house.create()
    assert answer.status_code == 430
    assert answer.headers["retry-after"] == "3600"
    assert answer.json()["error"]["code"] == "slow_down"
    assert answer.json()["error"]["message"] == "Slow down."


# ── fates ──

ENDINGS = {name: fate for name, fate in FATES.items() if fate.message is not None}


@pytest.mark.parametrize("kind", ENDINGS)
async def test_every_bad_end_can_be_had_and_is_refunded(kind: str) -> None:
    async with opened() as house:
        await house.control("faults", [{"where": "create", "kind": kind, "match": "fog"}])
        told = await house.made()
        fate = FATES[kind]
        assert told["status"] == (fate.word or "failed")
        assert told["progress"] == fate.progress
        assert told["billing"] == {"status": "refunded", "credits": "0", "cost_usd": "0"}
        if fate.reason_only:
            assert told["fail_reason"] == fate.message
        else:
            assert told["error"] == {"code": fate.code, "message": fate.message}
        assert "result" not in told
        purchases = await house.control("purchases")
        assert purchases["purchases"] == 1
        assert purchases["tasks"][0]["state"] == "failed"
        assert (await house.client.get("/v1/balance")).json()["used_credits"] == 0


@pytest.mark.parametrize(
    ("failure", "keys"),
    [("fail_reason", {"fail_reason"}), ("text", {"error"}), ("bare", set()), ("error", {"error"})],
)
async def test_a_failure_is_told_in_several_shapes(failure: str, keys: set[str]) -> None:
    async with opened() as house:
        await house.control("settings", {"failure": failure})
        await house.control("faults", [{"where": "create", "kind": "failed"}])
        told = await house.made()
        assert {"error", "fail_reason"} & told.keys() == keys
        if failure == "text":
            assert told["error"] == "Generation failed."


@pytest.mark.parametrize(("kind", "count"), [("fewer", 2), ("more", 4)])
async def test_a_task_may_bring_fewer_or_more_pictures(kind: str, count: int) -> None:
    async with opened() as house:
        await house.control("faults", [{"where": "create", "kind": kind}])
        assert len((await house.made(n=3))["result"]["data"]) == count


async def test_a_task_may_be_done_without_links(house: House) -> None:
    await house.control("faults", [{"where": "create", "kind": "no_links"}])
    told = await house.made()
    assert told["status"] == "completed"
    assert "result" not in told


async def test_one_of_one_picture_missing_leaves_none(house: House) -> None:
    await house.control("faults", [{"where": "create", "kind": "fewer"}])
    assert (await house.made())["result"]["data"] == []


async def test_a_stuck_task_never_ends(house: House) -> None:
    await house.control("faults", [{"where": "create", "kind": "stuck"}])
    name = (await house.create()).json()["id"]
    for _ in range(3):
        house.clock.now += 100_000
        assert (await house.status(name)).json()["status"] == "queued"
    (task,) = (await house.control("purchases"))["tasks"]
    assert task["seconds"] is None
    assert (await house.control("purchases"))["running"] == 1


async def test_a_task_may_be_slow_or_over_at_once(house: House) -> None:
    script = [
        {"where": "create", "kind": "slow", "seconds": 777},
        {"where": "create", "kind": "at_once"},
    ]
    await house.control("faults", script)
    await house.create()
    assert (await house.create()).json()["status"] == "completed"
    slow, quick = (await house.control("purchases"))["tasks"]
    assert (slow["seconds"], quick["seconds"]) == (777, 0)


async def test_a_status_may_say_any_word(house: House) -> None:
    name = (await house.create()).json()["id"]
    await house.control("faults", [{"where": "status", "kind": "word", "word": "paused"}])
    assert (await house.status(name)).json()["status"] == "paused"
    assert (await house.status(name)).json()["status"] == "queued"


# ── files ──


async def _file(house: House, kind: str, **more: Any) -> Any:
    told = await house.made()
    (item,) = told["result"]["data"]
    whole = (await house.client.get(item["url"])).content
    await house.control("faults", [{"where": "file", "kind": kind, "match": "fog", **more}])
    return await house.client.get(item["url"]), whole


@pytest.mark.parametrize(
    ("kind", "status", "media_type"),
    [
        ("forbidden", 403, "application/xml"),
        ("expired", 403, "application/xml"),
        ("missing", 404, "text/plain"),
        ("html", 200, "text/html"),
        ("html_as_picture", 200, "image/png"),
        ("empty", 200, "image/png"),
        ("truncated", 200, "image/png"),
        ("wrong_type", 200, "application/octet-stream"),
        ("wrong_picture", 200, "image/png"),
        ("redirect", 302, ""),
        ("throttled", 429, "application/json"),
        ("internal_error", 500, "application/json"),
        ("bad_gateway", 502, "text/html"),
    ],
)
async def test_a_link_can_be_broken(house: House, kind: str, status: int, media_type: str) -> None:
    answer, whole = await _file(house, kind)
    assert answer.status_code == status
    assert answer.headers.get("content-type", "").split(";")[0] == media_type
    assert (answer.content == whole) == (kind == "wrong_type")


async def test_a_truncated_picture_is_two_thirds_of_it(house: House) -> None:
    answer, whole = await _file(house, "truncated")
    assert answer.content == whole[: len(whole) * 2 // 3]
    assert answer.headers["content-length"] == str(len(answer.content))


async def test_a_redirect_leads_where_the_script_says(house: House) -> None:
    answer, _ = await _file(house, "redirect", location="http://127.0.0.1:9/x")
    assert answer.headers["location"] == "http://127.0.0.1:9/x"
    other, _ = await _file(house, "redirect")
    assert other.headers["location"].startswith("http://169.254.169.254/")


async def test_a_dripping_file_arrives_whole_in_its_time(house: House) -> None:
    before = house.clock.now
    answer, whole = await _file(house, "drip", seconds=20)
    assert answer.content == whole
    assert house.clock.now - before >= 1020


async def test_faults_by_prompt_leave_uploads_alone(house: House) -> None:
    await house.control("faults", [{"where": "file", "kind": "missing", "match": "fog"}])
    url = await house.uploaded(photo(64, 64))
    assert (await house.client.get(url)).status_code == 200


def test_every_place_names_its_kinds() -> None:
    assert KINDS.keys() == {"create", "status", "upload", "file", "webhook"}
    called = KINDS.keys() - {"webhook"}
    assert all("stall" in KINDS[place] for place in called)
