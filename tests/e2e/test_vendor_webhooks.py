"""The vendor's webhooks, from the simulated vendor's last stroke to the picture that is handed out.

Where a task would be asked about only after minutes, whatever comes within a test's patience came
because of a hint; so nothing here is measured by the clock.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.events import Collected, CreateLost, Found
from gateway.notices import Asked, HintCame
from tests import canaries
from tests.e2e.pictures import SMALL
from tests.e2e.stand import Stand, behaving, config
from tests.steady import SteadyClock

SECRET = canaries.VENDOR_WEBHOOK_SECRET
PATH = "/webhooks/toapis"
WISH = {"model": "gpt-image-2", "prompt": canaries.PROMPT, "size": SMALL, "quality": "low"}
SLOW = {"where": "create", "kind": "slow", "times": None, "seconds": 0.5}
TAKING = {"webhook_secret": SECRET}
# The first question would be put after half a minute, and the next ones twenty seconds apart.
SELDOM: dict[str, Any] = {**TAKING, "polling": {"scale": 10}}


@contextlib.asynccontextmanager
async def telling(folder: Path, pace: float = 1.0, **upstream: Any) -> AsyncIterator[Stand]:
    """A gateway that takes webhooks, and a vendor that sends them."""
    async with behaving(folder, pace=pace, upstream={**TAKING, **upstream}) as stand:
        stand.vendor_is(webhook_url=f"{stand.url}{PATH}", webhook_secret=SECRET)
        yield stand


def hints(stand: Stand) -> list[str]:
    return [fact.result for fact in stand.facts if isinstance(fact, HintCame)]


def questions(stand: Stand) -> list[str]:
    return [fact.answer for fact in stand.facts if isinstance(fact, Asked)]


async def make(stand: Stand, **wish: Any) -> httpx.Response:
    async with stand.plain() as client:
        return await client.post("/v1/images/generations", json={**WISH, **wish})


def signed(event: Mapping[str, Any], secret: str = SECRET, late: float = 0) -> dict[str, Any]:
    """What the vendor would send, by its page's rule."""
    body = json.dumps(event).encode()
    made = str(int(SystemClock().wall() - late))
    text = f"{event['id']}.{made}.".encode() + body
    right = hmac.digest(secret.encode(), text, hashlib.sha256).hex()
    headers = {
        "X-ToAPIs-Webhook-Id": event["id"],
        "X-ToAPIs-Webhook-Timestamp": made,
        "X-ToAPIs-Webhook-Signature": f"v1={right}",
    }
    return {"content": body, "headers": headers}


def event(task: str, name: str = "evt_1", ours: str | None = None) -> dict[str, Any]:
    data = {"task_id": task, "client_business_id": ours, "status": "SUCCESS"}
    return {"id": name, "type": "generation.completed", "data": data}


async def test_a_task_that_would_be_asked_about_late_is_noticed_because_the_vendor_tells(
    tmp_path: Path,
) -> None:
    async with telling(tmp_path, polling={"scale": 10}) as stand:
        stand.vendor_fails(SLOW)
        answer = await make(stand)
        assert (answer.status_code, answer.json()["size"]) == (200, SMALL)
        assert hints(stand) == ["used"]
        assert questions(stand) == ["done"]
        assert stand.purchases == 1
        ended = [one for one in stand.requests if one.route == "webhook"]
        assert [(one.method, one.status) for one in ended] == [("POST", 204)]


@pytest.mark.parametrize("kind", ["failed", "moderated"])
async def test_a_task_that_fails_is_noticed_so_too(tmp_path: Path, kind: str) -> None:
    async with telling(tmp_path, polling={"scale": 10}) as stand:
        stand.vendor_fails({"where": "create", "kind": kind})
        answer = await make(stand)
        assert answer.status_code in {400, 502}
        assert questions(stand) == ["failed"]


async def test_with_webhooks_lost_altogether_everything_works_as_before(tmp_path: Path) -> None:
    async with telling(tmp_path) as stand:
        stand.vendor_fails({"where": "webhook", "kind": "never", "times": None})
        assert (await make(stand, n=2)).status_code == 200
        assert hints(stand) == []
        assert questions(stand)[-1] == "done"
        assert stand.purchases == 1


@pytest.mark.parametrize("kind", ["duplicate", "late", "out_of_order", "forged", "stale"])
async def test_however_they_come_each_picture_is_bought_and_given_once(
    tmp_path: Path, kind: str
) -> None:
    """Of fifteen, while tasks are asked about as well; what is not good is refused, and no more."""
    fault = {"where": "webhook", "kind": kind, "times": None, "share": 0.5, "seconds": 0.2}
    async with telling(tmp_path) as stand:
        stand.vendor_fails(fault)
        async with stand.plain() as client:
            for number in range(15):
                wish = {**WISH, "prompt": f"{canaries.PROMPT} {number}"}
                answer = await client.post("/v1/images/generations", json=wish)
                assert answer.status_code == 200, answer.text
        counts = stand.simulator.vendor.webhooks.counts
        await stand.until(lambda: counts["delivered"] == 15)
        assert stand.purchases == 15
        assert (hints(stand).count("refused") > 0) is (kind in {"forged", "stale"})
        assert (hints(stand).count("duplicate") > 0) is (kind == "duplicate")
        # What came while a create's answer was written was put off, too.
        assert hints(stand).count("refused") <= counts["refused"]


async def test_forged_and_replayed_ones_buy_change_and_ask_nothing(tmp_path: Path) -> None:
    async with behaving(tmp_path, upstream=SELDOM) as stand:
        stand.vendor_fails({**SLOW, "kind": "stuck"})
        async with stand.plain(timeout=5) as client:
            asking = client.build_request("POST", "/v1/images/generations", json=WISH)
            with contextlib.suppress(httpx.TimeoutException):
                asking.extensions["timeout"] = dict.fromkeys(("read", "write", "pool"), 0.5)
                await client.send(asking)
            (job,) = stand.gateway.board.jobs()
            (name,), ours = job.upstream_ids, job.tasks[0].entry.task_id
            good = signed(event(name, ours=ours))
            bad = [
                signed(event(name), secret="another, which is as long"),
                signed(event(name), late=400),
                signed(event(name), late=-400),
                {"content": good["content"]},
                {**good, "content": good["content"].replace(b"SUCCESS", b"FAILURE")},
                {"content": b""},
            ]
            for one in bad:
                answer = await client.post(PATH, **one)
                assert answer.status_code == 401
                error = answer.json()["error"]
                assert (error["type"], error["code"]) == (
                    "invalid_request_error",
                    "invalid_webhook_signature",
                )
            assert questions(stand) == []
            for _ in range(5):
                assert (await client.post(PATH, **good)).status_code == 204
            assert (await client.post(PATH, **signed(event("tsk_img_another")))).status_code == 204
            other = event("tsk_img_another", "evt_2")
            assert (await client.post(PATH, **signed(other))).status_code == 204
            test = {"id": "evt_3", "type": "endpoint.test", "data": {}}
            assert (await client.post(PATH, **signed(test))).status_code == 204
        await stand.until(lambda: questions(stand))
        results = hints(stand)
        assert results == [*["refused"] * 6, "used", *["duplicate"] * 5, "unknown", "ignored"]
        assert questions(stand) == ["pending"]
        assert stand.purchases == 1
        assert stand.gateway.board.jobs() == (job,)


async def test_an_answer_to_a_create_that_was_lost_is_looked_up_when_the_vendor_tells(
    tmp_path: Path,
) -> None:
    """Its first look-ups find nothing, and the vendor tells before the next."""
    async with telling(tmp_path, pace=10, settle_time=60) as stand:
        stand.vendor_fails(
            {"where": "create", "kind": "cut"},
            {"where": "status", "kind": "task_not_found", "times": 3},
            {"where": "webhook", "kind": "late", "seconds": 0.8},
        )
        answer = await make(stand)
        assert answer.status_code == 200
        assert len(stand.events(CreateLost)) == len(stand.events(Found)) == 1
        assert questions(stand)[:4] == ["unknown", "unknown", "unknown", "done"]
        # It was told to tell it again, for the next process if this one ends before it is found.
        await stand.until(lambda: len(hints(stand)) > 1)
        assert hints(stand)[0] == "used"
        assert stand.purchases == 1


async def test_tasks_of_a_process_before_are_noticed_so_too(tmp_path: Path) -> None:
    """It is gone while its task is made; what the vendor tells the next one is taken for a hint."""
    async with behaving(tmp_path, upstream=SELDOM) as stand:
        stand.vendor_fails({**SLOW, "seconds": 1.5})
        async with stand.plain(timeout=0.5) as client:
            with contextlib.suppress(httpx.TimeoutException):
                await client.post("/v1/images/generations", json=WISH)
        (name,) = stand.gateway.board.jobs()[0].upstream_ids
        await stand.gateway.stop()
        facts: list[object] = []
        settings = config(tmp_path, stand.vendor_url, {"upstream": SELDOM})
        after = Gateway(settings, SteadyClock(), facts.append)
        await after.start()
        try:
            # It is asked about at once, and then not for twenty seconds.
            await stand.until(lambda: any(isinstance(fact, Asked) for fact in facts))
            await stand.until(lambda: stand.simulator.vendor.book.running() == 0)
            transport = httpx.ASGITransport(after.clients)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                assert (await client.post(PATH, **signed(event(name)))).status_code == 204
            await stand.until(lambda: not after.board.jobs())
            answers = [fact.answer for fact in facts if isinstance(fact, Asked)]
            assert answers == ["pending", "done"]
        finally:
            await after.stop()
        assert stand.purchases == 1


async def test_without_a_secret_there_is_no_such_path(stand: Stand) -> None:
    async with stand.plain() as client:
        for method in ("POST", "GET"):
            answer = await client.request(method, PATH)
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "unknown_url"


async def test_what_is_no_webhook_is_answered_in_the_listener_s_manner(tmp_path: Path) -> None:
    async with behaving(tmp_path, upstream=TAKING) as stand, stand.plain() as client:
        wrong = await client.get(PATH)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
        assert wrong.json()["error"]["code"] == "method_not_supported"
        signature = signed(event("tsk_img_another"))["headers"]
        large = await client.post(PATH, content=b"x" * 256_001, headers=signature)
        assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")
        good = await client.post(PATH, **signed(event("tsk_img_another")))
        assert (good.status_code, good.content) == (204, b"")
        assert good.headers["x-request-id"].startswith("req_")
        assert hints(stand) == ["unknown"]


async def test_bodies_that_never_come_keep_no_other_address_out(tmp_path: Path) -> None:
    """One address holds as many as it may, each as if it were signed, and the vendor is heard."""
    section = {"trusted_proxies": ["127.0.0.1"], "bounds": {"body_time": 1}}
    async with behaving(tmp_path, upstream=TAKING, server=section) as stand:
        host, port = stand.url.removeprefix("http://").split(":")
        lines = {
            **signed(event("tsk_img_another"))["headers"],
            "Host": "pictures",
            "X-Forwarded-For": "203.0.113.7",
            "Content-Length": "200000",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())

        async def hold() -> bytes:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"POST {PATH} HTTP/1.1\r\n{head}\r\n{{".encode())
            try:
                return (await reader.readline()).split(b" ")[1]
            finally:
                writer.close()

        holding = [asyncio.ensure_future(hold()) for _ in range(40)]
        await asyncio.wait(holding, return_when=asyncio.FIRST_COMPLETED)
        async with stand.plain(headers={"X-Forwarded-For": "203.0.113.8"}) as client:
            good = await client.post(PATH, **signed(event("tsk_img_another")))
            assert good.status_code == 204
        statuses = Counter(await asyncio.gather(*holding))
        assert statuses == {b"429": 32, b"408": 8}


async def test_a_task_that_was_given_up_is_taken_up_again_when_the_vendor_tells_of_it(
    tmp_path: Path,
) -> None:
    async with behaving(tmp_path, upstream={**TAKING, "settle_time": 1}) as stand:
        stand.vendor_fails(
            {"where": "create", "kind": "cut"},
            {"where": "status", "kind": "task_not_found", "times": None},
        )
        assert (await make(stand)).status_code == 502
        (lost,) = stand.events(CreateLost)
        task = stand.simulator.vendor.book.find(lost.task_id)
        assert task is not None
        stand.vendor_fails()
        async with stand.plain() as client:
            told = await client.post(PATH, **signed(event(task.id, ours=lost.task_id)))
            assert told.status_code == 204
            await stand.until(lambda: stand.events(Collected) and not stand.gateway.board.jobs())
            answer = await client.get(f"/v1/images/generations/{lost.task_id}")
            assert answer.json()["status"] == "completed"
        assert hints(stand) == ["revived"]
        assert stand.purchases == 1


async def test_who_keeps_sending_forgeries_is_put_off_and_its_keys_are_not(tmp_path: Path) -> None:
    section = {"failed_auth_per_minute": 5}
    async with behaving(tmp_path, upstream=TAKING, server=section) as stand:
        async with stand.plain() as client:
            statuses = [(await client.post(PATH, content=b"x")).status_code for _ in range(8)]
            assert statuses == [401] * 5 + [429] * 3
            put_off = await client.post(PATH, **signed(event("tsk_img_another")))
            assert put_off.status_code == 429
            assert put_off.headers["retry-after"]
            assert (await client.get("/v1/models")).status_code == 200
            assert (
                await client.get("/v1/models", headers={"authorization": "x"})
            ).status_code == 401
        assert hints(stand) == ["refused"] * 5
