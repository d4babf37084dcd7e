"""Where the vendor's webhooks arrive: what is read, how many at once, and what is answered."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message, Receive

from gateway.access.failures import Failures
from gateway.config.sections import Server, ServerBounds, Upstream
from gateway.errors import BodyTooLarge, BodyTooSlow, RateLimited, WebhookRefused
from gateway.facts import RequestFacts
from gateway.openai.bodies import ClientGone
from gateway.openai.callbacks import AT_ONCE, BODY, OF_ONE, PATH, CallbackEndpoint, address
from gateway.openai.paths import canonical
from gateway.openai.proxies import Proxies
from gateway.openai.rejections import rejection
from gateway.openai.responses import render_error
from tests.openai.fakes import FakeClock, received

BOUNDS = ServerBounds(body_time=100, body_rate=1000, body_grace=10)


@dataclass
class Ear:
    """Takes what is whole, unless it is forged, or its headers show already that it is none."""

    heard: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    def glance(self, headers: Mapping[str, str]) -> None:
        if "x-doubtful" in headers:
            raise WebhookRefused("no")

    def take(self, headers: Mapping[str, str], body: bytes) -> None:
        if body == b"forged":
            raise WebhookRefused("no")
        self.heard.append((headers, body))


@dataclass
class Door:
    """An endpoint, and who knocks at it."""

    ear: Ear = field(default_factory=Ear)
    clock: FakeClock = field(default_factory=FakeClock)
    per_minute: int | None = 3
    trusted: tuple[str, ...] = ()
    sent: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.endpoint = CallbackEndpoint(
            self.ear,
            Failures(self.per_minute, self.clock),
            Proxies(self.trusted),
            BOUNDS,
            self.clock,
        )

    async def knock(
        self, body: bytes | Receive, peer: str = "203.0.113.7", **headers: str
    ) -> tuple[int, RequestFacts]:
        facts = RequestFacts("req_1")
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "headers": [
                (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
            ],
            "client": (peer, 1),
            "state": {"facts": facts},
        }
        self.sent.clear()

        async def send(message: Message) -> None:
            self.sent.append(message)

        receive = received([body]) if isinstance(body, bytes) else body
        await self.endpoint(scope, receive, send)
        return self.sent[0]["status"], facts


async def test_a_webhook_is_handed_over_as_it_came_and_answered_with_nothing() -> None:
    door = Door()
    status, facts = await door.knock(b"\x00 as it is", x_toapis_webhook_id="evt_1")
    assert status == 204
    assert [message.get("body", b"") for message in door.sent[1:]] == [b""]
    ((headers, body),) = door.ear.heard
    assert (headers["x-toapis-webhook-id"], body) == ("evt_1", b"\x00 as it is")
    assert facts.route == "webhook"


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_beyond_its_bound_is_refused_and_not_handed_over(declared: bool) -> None:
    door, body = Door(), b"x" * (BODY + 1)
    headers = {"content_length": str(len(body))} if declared else {}
    with pytest.raises(BodyTooLarge):
        await door.knock(body, **headers)
    assert door.ear.heard == []
    assert (await door.knock(b"x" * BODY))[0] == 204


@pytest.mark.parametrize("seconds", [11, 1])
async def test_a_body_is_waited_for_ten_seconds_in_all_however_steadily_it_comes(
    seconds: int,
) -> None:
    door = Door()
    start = door.clock.now

    async def piecemeal() -> Message:
        door.clock.now += seconds
        return {"type": "http.request", "body": b"x" * 2_000, "more_body": True}

    with pytest.raises(BodyTooSlow):
        await door.knock(piecemeal)
    assert door.clock.now - start in {10, 11}


async def test_who_hangs_up_is_not_heard() -> None:
    door = Door()
    with pytest.raises(ClientGone):
        await door.knock(leaves)
    assert door.ear.heard == []
    assert "reading=0" in repr(door.endpoint)


async def test_an_address_that_sends_forgeries_is_put_off_before_its_next_is_read() -> None:
    door = Door()
    for _ in range(3):
        with pytest.raises(WebhookRefused):
            await door.knock(b"forged")
    with pytest.raises(RateLimited) as put_off:
        await door.knock(unread)
    assert 0 < (put_off.value.retry_after or 0) <= 20
    assert (await door.knock(b"good", peer="203.0.113.8"))[0] == 204
    door.clock.now += 20
    assert (await door.knock(b"good"))[0] == 204


async def unread() -> Message:
    raise AssertionError("was read")


async def leaves() -> Message:
    return {"type": "http.disconnect"}


async def test_what_its_headers_show_to_be_none_is_not_read_and_puts_its_address_off() -> None:
    door = Door()
    for _ in range(3):
        with pytest.raises(WebhookRefused):
            await door.knock(unread, x_doubtful="yes")
    with pytest.raises(RateLimited):
        await door.knock(unread)


@pytest.mark.parametrize("how", ["too slow", "too large", "gone"])
async def test_who_does_not_send_a_body_as_it_should_be_is_put_off(how: str) -> None:
    door = Door()

    async def slow() -> Message:
        door.clock.now += 11
        return {"type": "http.request", "body": b"x", "more_body": True}

    bodies: dict[str, tuple[bytes | Receive, type[Exception]]] = {
        "too slow": (slow, BodyTooSlow),
        "too large": (b"x" * (BODY + 1), BodyTooLarge),
        "gone": (leaves, ClientGone),
    }
    body, refused = bodies[how]
    door.per_minute = 1
    door.__post_init__()
    with pytest.raises(refused):
        await door.knock(body)
    with pytest.raises(RateLimited):
        await door.knock(unread)
    assert (await door.knock(b"good", peer="203.0.113.8"))[0] == 204


async def test_an_address_is_the_one_that_a_trusted_proxy_names() -> None:
    door = Door(trusted=("10.0.0.1",))
    for _ in range(3):
        with pytest.raises(WebhookRefused):
            await door.knock(b"forged", peer="10.0.0.1", x_forwarded_for="203.0.113.7")
    with pytest.raises(RateLimited):
        await door.knock(b"good", peer="203.0.113.7")
    assert (await door.knock(b"good", peer="10.0.0.1", x_forwarded_for="203.0.113.9"))[0] == 204


async def test_without_a_limit_nobody_is_put_off() -> None:
    door = Door(per_minute=None)
    for _ in range(100):
        with pytest.raises(WebhookRefused):
            await door.knock(b"forged")


async def test_so_many_are_read_at_once_and_the_next_is_told_to_come_again() -> None:
    door = Door()
    go_on = asyncio.Event()

    async def slowly() -> Message:
        await go_on.wait()
        return {"type": "http.request", "body": b"late", "more_body": False}

    reading = [
        asyncio.ensure_future(door.knock(slowly, peer=f"203.0.113.{number // OF_ONE}"))
        for number in range(AT_ONCE)
    ]
    await asyncio.wait(reading, timeout=0)
    for _ in range(5):
        await door.clock.sleep(0)
    with pytest.raises(RateLimited) as put_off:
        await door.knock(b"one more")
    assert put_off.value.retry_after == 10
    go_on.set()
    await asyncio.gather(*reading)
    assert len(door.ear.heard) == AT_ONCE
    assert (await door.knock(b"one more"))[0] == 204


async def test_one_address_holds_a_few_of_the_places_and_leaves_the_rest_to_others() -> None:
    door = Door()

    async def never() -> Message:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nothing comes")

    # One subscriber's addresses are one.
    reading = [
        asyncio.ensure_future(door.knock(never, peer=f"2001:db8::{number}"))
        for number in range(OF_ONE)
    ]
    await asyncio.wait(reading, timeout=0)
    for _ in range(5):
        await door.clock.sleep(0)
    assert f"reading={OF_ONE}" in repr(door.endpoint)
    with pytest.raises(RateLimited):
        await door.knock(unread, peer="2001:db8::ffff")
    assert (await door.knock(b"good", peer="203.0.113.8"))[0] == 204
    for one in reading:
        one.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    assert "reading=0" in repr(door.endpoint)
    assert (await door.knock(b"good", peer="2001:db8::ffff"))[0] == 204


def test_a_refusal_has_a_code_of_its_own_and_says_nothing_of_keys() -> None:
    answer = render_error(WebhookRefused("no"))
    assert (answer.status, answer.code) == (401, "invalid_webhook_signature")
    assert "www-authenticate" not in answer.headers
    assert rejection(WebhookRefused("no")) == "auth"


def test_the_address_to_register_is_known_where_webhooks_are_taken() -> None:
    public = Server(public_url="https://pictures.example")
    taking = Upstream.model_validate({"api_key": "k", "webhook_secret": "s" * 32})
    assert address(public, taking) == "https://pictures.example/webhooks/toapis"
    assert address(Server(), taking) is None
    assert address(public, Upstream.model_validate({"api_key": "k"})) is None


@pytest.mark.parametrize("path", [PATH, f"/{PATH}", f"{PATH}/"])
def test_its_path_is_left_alone(path: str) -> None:
    assert canonical(path) == (PATH, None)


@pytest.mark.parametrize("path", [f"/v1{PATH}", f"/openai/deployments/m{PATH}x", "/webhooks"])
def test_no_other_path_leads_there(path: str) -> None:
    assert canonical(path)[0] != PATH
