"""Webhooks to callers, over real sockets, checked by the library that their receivers use."""

import asyncio
import base64
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.notices import WebhookDelivered, WebhookFailed, WebhookGivenUp
from tests import canaries
from tests.e2e.outcomes import CANARY
from tests.e2e.pictures import SMALL, drawn_png, fetched
from tests.e2e.receiving import Heard, Receiver, receiving
from tests.e2e.stand import KEY, Stand, behaving
from tests.outputs import OUTPUTS

SECRET = canaries.WEBHOOK_SECRET
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()
WISH = {"model": "gpt-image-2", "prompt": f"{CANARY} a lighthouse", "size": SMALL, "quality": "low"}
LATER = {"prefer": "respond-async"}
HOOKS = {"secret": SECRET, "hosts": ["127.0.0.1"], "scale": 0.002, "time": 1}
FAILS = {"where": "create", "kind": "failed", "times": None}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(SECRET) as receiver:
        yield receiver


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with behaving(tmp_path, webhooks=HOOKS) as stand:
        yield stand


async def asked(stand: Stand, url: str, **wish: Any) -> httpx.Response:
    async with stand.plain() as client:
        body = {**WISH, "webhook_url": url, **wish}
        return await client.post("/v1/images/generations", json=body, headers=LATER)


def told(stand: Stand, kind: type) -> list[Any]:
    return [fact for fact in stand.facts if isinstance(fact, kind)]


# ── what is told ──


async def test_a_receiver_is_told_of_pictures_by_links(stand: Stand, receiver: Receiver) -> None:
    answer = await asked(stand, receiver.url + canaries.WEBHOOK_PATH)
    assert answer.status_code == 202
    await stand.until(lambda: told(stand, WebhookDelivered))
    (call,) = receiver.calls
    assert receiver.forged == []
    assert call.path == canaries.WEBHOOK_PATH
    assert call.headers["content-type"] == "application/json"
    assert call.headers["user-agent"] == "image-gateway"
    assert not {"authorization", "api-key", "cookie"} & set(call.headers)
    body = call.told
    assert set(body) == {"type", "timestamp", "data"}
    assert body["type"] == "generation.completed"
    data = body["data"]
    assert data["id"] == answer.json()["id"]
    assert (data["object"], data["status"], data["error"]) == ("generation.task", "completed", None)
    assert set(data["data"][0]) == {"url"}
    assert b"b64_json" not in call.body
    assert canaries.MARK.encode() not in call.body
    assert (await fetched(data["data"][0]["url"])).size == (1024, 768)
    async with stand.plain() as client:
        shown = (await client.get(f"/v1/images/generations/{data['id']}")).json()
    shown["data"] = data["data"]  # as it was asked for: in base64
    assert data == shown


async def test_who_is_told_of_pictures_has_not_had_them(stand: Stand, receiver: Receiver) -> None:
    answer = await asked(stand, receiver.url)
    await stand.until(lambda: told(stand, WebhookDelivered))
    row = await stand.gateway._store.job(answer.json()["id"])
    assert row is not None
    assert row.delivered_at is None
    assert (await stand.gateway._store.figures()).unclaimed == 1
    (call,) = receiver.calls
    await fetched(call.told["data"]["data"][0]["url"])
    await stand.until(lambda: [one for one in stand.requests if one.route == "image"])
    assert (await stand.gateway._store.figures()).unclaimed == 0


async def test_a_failure_is_told_with_its_error(stand: Stand, receiver: Receiver) -> None:
    stand.vendor_fails(FAILS)
    answer = await asked(stand, receiver.url)
    assert answer.status_code == 202
    await stand.until(lambda: told(stand, WebhookDelivered))
    (call,) = receiver.calls
    body = call.told
    assert (body["type"], body["data"]["status"]) == ("generation.failed", "failed")
    assert set(body["data"]["error"]) == {"message", "type", "param", "code"}
    assert "data" not in body["data"]


@pytest.mark.parametrize("wanted", [False, True])
async def test_what_was_made_of_several_is_told_of(
    tmp_path: Path, receiver: Receiver, *, wanted: bool
) -> None:
    partial = {"partial_results": wanted}
    async with behaving(tmp_path, webhooks=HOOKS, requests=partial) as stand:
        stand.vendor_fails({"where": "create", "kind": "fewer", "times": None})
        await asked(stand, receiver.url, n=2)
        await stand.until(lambda: told(stand, WebhookDelivered))
        (path,) = stand.shelved()
    (call,) = receiver.calls
    data = call.told["data"]
    url = f"{stand.url}/images/{path.name}"
    if wanted:
        assert (call.told["type"], data["data"]) == ("generation.completed", [{"url": url}])
    else:
        assert call.told["type"] == "generation.failed"
        assert url in data["error"]["message"]


async def test_edits_and_variations_are_told_of_too(stand: Stand, receiver: Receiver) -> None:
    picture = ("a.png", drawn_png((64, 64)), "image/png")
    form = {"webhook_url": receiver.url, "model": "gpt-image-2", "size": SMALL, "quality": "low"}
    async with stand.plain(headers={"authorization": f"Bearer {KEY}", **LATER}) as client:
        for path in ("edits", "variations"):
            answer = await client.post(
                f"/v1/images/{path}",
                data={**form, "prompt": CANARY} if path == "edits" else form,
                files={"image": picture},
            )
            assert answer.status_code == 202, answer.text
    await stand.until(lambda: len(told(stand, WebhookDelivered)) == 2)
    assert len({call.told["data"]["id"] for call in receiver.calls}) == 2


async def test_several_secrets_all_sign_and_a_key_s_own_comes_first(tmp_path: Path) -> None:
    own = {"name": "studio", "key": KEY, "webhook_secret": f"{OTHER_SECRET} {SECRET}"}
    async with (
        receiving(SECRET) as old,
        receiving(OTHER_SECRET) as new,
        behaving(tmp_path, webhooks={**HOOKS, "secret": None}, keys=[own]) as stand,
    ):
        for receiver in (old, new):
            assert (await asked(stand, receiver.url)).status_code == 202
        await stand.until(lambda: len(told(stand, WebhookDelivered)) == 2)
        assert (old.forged, new.forged) == ([], [])


# ── a receiver that fails half the time ──


def forgeries(call: Heard) -> list[tuple[dict[str, str], bytes]]:
    """The same call with one byte changed: of the body, the moment, the name, the signature."""
    name, at = call.headers["webhook-id"], call.headers["webhook-timestamp"]
    version, _, signature = call.headers["webhook-signature"].partition(",")
    changed = base64.b64decode(signature)
    changed = bytes([changed[0] ^ 1]) + changed[1:]
    at_place = len(call.body) // 2
    body = bytes([*call.body[:at_place], call.body[at_place] ^ 1, *call.body[at_place + 1 :]])
    return [
        (call.headers, body),
        ({**call.headers, "webhook-timestamp": str(int(at) + 1)}, call.body),
        ({**call.headers, "webhook-id": f"{name}x"}, call.body),
        (
            {
                **call.headers,
                "webhook-signature": f"{version},{base64.b64encode(changed).decode()}",
            },
            call.body,
        ),
    ]


async def test_a_hundred_are_told_though_the_receiver_fails_half_the_time(tmp_path: Path) -> None:
    chance = random.Random(6)  # noqa: S311 - so that a failure can be repeated

    unheard = Counter[str]()

    def fate(name: str) -> str:
        troubles = ("broken", "cut", "slow", "redirect", "busy")
        fine = chance.random() < 0.5 or unheard[name] == 5  # so that it takes no half minute
        unheard[name] += not fine
        return "ok" if fine else chance.choice(troubles)

    hooks = {**HOOKS, "time": 0.5, "concurrency": 64, "scale": 0.0003}
    async with receiving(SECRET, fate) as receiver, behaving(tmp_path, webhooks=hooks) as stand:
        async with stand.plain() as client:

            async def one(number: int) -> str:
                body = {**WISH, "prompt": f"{CANARY} {number}", "webhook_url": receiver.url}
                answer = await client.post("/v1/images/generations", json=body, headers=LATER)
                assert answer.status_code == 202
                job_id: str = answer.json()["id"]
                return job_id

            jobs = await asyncio.gather(*(one(number) for number in range(100)))
        await stand.until(lambda: len(told(stand, WebhookDelivered)) == 100, 60)
        assert told(stand, WebhookGivenUp) == []
        heard = receiver.delivered
        assert {call.told["data"]["id"] for call in heard} == set(jobs)
        assert len({call.headers["webhook-id"] for call in heard}) == 100
        by_job = Counter(
            (call.told["data"]["id"], call.headers["webhook-id"]) for call in receiver.calls
        )
        assert len(by_job) == 100  # every attempt for a job has the one name
        fates = Counter(call.fate for call in receiver.calls)
        assert min(fates[one] for one in ("broken", "cut", "slow", "redirect", "busy")) > 3
        assert all(call.path == "/" for call in receiver.calls)  # no redirect was followed
        assert receiver.forged == []
        accepted = [
            receiver.is_genuine(headers, body)
            for call in heard
            for headers, body in forgeries(call)
        ]
        assert (len(accepted), any(accepted)) == (4 * len(heard), False)
        assert stand.purchases == 100
        assert len(told(stand, WebhookFailed)) >= len(receiver.calls) - len(heard)


# ── where it may go ──


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/told",
        "http://example.com/told",
        "https://10.0.0.7/",
        "https://localhost/",
        "ftp://example.com/",
        "https://xn--a.com/told",
        "not a link",
    ],
)
async def test_an_address_that_may_not_be_told_is_refused_before_anything_is_bought(
    tmp_path: Path, url: str
) -> None:
    async with behaving(tmp_path, webhooks={"secret": SECRET}) as stand:
        answer = await asked(stand, url)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["param"], error["code"]) == ("webhook_url", "invalid_value")
        assert url not in error["message"]
        assert stand.purchases == 0
        assert await stand.gateway._store.unfinished() == ()


async def test_so_many_addresses_are_told_of_one_purchase_and_no_more(
    stand: Stand, receiver: Receiver
) -> None:
    async with stand.plain() as client:

        async def again(number: int) -> httpx.Response:
            body = {**WISH, "webhook_url": f"{receiver.url}/{number}"}
            headers = {**LATER, "idempotency-key": "one purchase"}
            return await client.post("/v1/images/generations", json=body, headers=headers)

        answers = [await again(number) for number in range(8)]
        assert [answer.status_code for answer in answers] == [202] * 8
        ninth, known = await again(8), await again(7)
        shown = await client.get(answers[0].headers["location"])
    assert (ninth.status_code, known.status_code, shown.status_code) == (400, 202, 200)
    error = ninth.json()["error"]
    assert (error["param"], error["code"]) == ("webhook_url", "invalid_value")
    assert "8 others are told of this job already" in error["message"]
    await stand.until(lambda: len(told(stand, WebhookDelivered)) == 8)
    assert {call.path for call in receiver.calls} == {f"/{number}" for number in range(8)}
    assert stand.purchases == 1


async def test_without_a_secret_there_are_no_webhooks(tmp_path: Path) -> None:
    async with behaving(tmp_path) as stand:
        answer = await asked(stand, "https://hooks.example.com/")
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["param"] == "webhook_url"
        assert "webhooks are not configured for this key" in error["message"]
        assert stand.purchases == 0


async def test_a_webhook_is_for_who_asks_later(stand: Stand, receiver: Receiver) -> None:
    async with stand.plain() as client:
        body = {**WISH, "webhook_url": receiver.url}
        answer = await client.post("/v1/images/generations", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "webhook_url")
    assert stand.purchases == 0


async def test_a_name_that_leads_to_a_private_address_is_refused_when_connecting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def lying(host: str, *rest: Any, **how: Any) -> Any:
        return resolve("127.0.0.1" if host == "hooks.example.com" else host, *rest, **how)

    monkeypatch.setattr(socket, "getaddrinfo", lying)
    async with behaving(tmp_path, webhooks={**HOOKS, "hosts": [], "scale": 0.00001}) as stand:
        answer = await asked(stand, "https://hooks.example.com" + canaries.WEBHOOK_PATH)
        assert answer.status_code == 202
        await stand.until(lambda: told(stand, WebhookGivenUp), 20)
        (given_up,) = told(stand, WebhookGivenUp)
        why = "refused: its host resolves to an address that is not public"
        assert (given_up.reason, given_up.attempts) == (why, 10)
        assert {one.reason for one in told(stand, WebhookFailed)} == {why}
        assert given_up.host == "hooks.example.com"
    assert OUTPUTS is not None  # the lines of all this are searched for the address's path


# ── over a restart ──


async def test_the_next_process_tells_what_this_one_could_not(tmp_path: Path) -> None:
    fates = ["broken"] * 3
    async with receiving(SECRET, lambda _: fates.pop() if fates else "ok") as receiver:
        slow = {**HOOKS, "scale": 0.1}
        async with behaving(tmp_path, webhooks=slow) as stand:
            answer = await asked(stand, receiver.url)
            await stand.until(lambda: told(stand, WebhookFailed))
        fates.clear()
        async with behaving(tmp_path, webhooks=slow) as stand:
            await stand.until(lambda: told(stand, WebhookDelivered))
        first, *_, last = receiver.calls
        assert first.headers["webhook-id"] == last.headers["webhook-id"]
        assert last.told["data"]["id"] == answer.json()["id"]
        assert receiver.forged == []
