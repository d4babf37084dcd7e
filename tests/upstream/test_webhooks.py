"""The client, held to the vendor's recorded webhooks, and to what others may send in its name."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.base import NotGenuine
from gateway.upstream.webhooks import SKEW, WebhookReader
from tests.clocks import FakeClock

RECORDED = [
    json.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parents[1] / "wire" / "webhooks").glob("*.json"))
]
SECRET = "as the console shows it, 32 letters"
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "type": "generation.completed",
    "data": {"task_id": "tsk_1", "client_business_id": "task_1"},
}


def made(
    clock: FakeClock, event: Any = EVENT, secret: str = SECRET, name: str = "evt_1", late: float = 0
) -> tuple[dict[str, str], bytes]:
    """Headers and body, signed by the page's rule."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    timestamp = str(int(clock.wall() - late))
    signed = f"{name}.{timestamp}.".encode() + body
    right = hmac.digest(secret.encode(), signed, hashlib.sha256).hex()
    headers = {
        "x-toapis-webhook-id": name,
        "x-toapis-webhook-timestamp": timestamp,
        "x-toapis-webhook-signature": f"v1={right}",
    }
    return headers, body


def refusal(reader: WebhookReader, headers: Mapping[str, str], body: bytes) -> str:
    with pytest.raises(NotGenuine) as refused:
        reader.read(headers, body)
    return refused.value.reason


@pytest.mark.parametrize("one", RECORDED, ids=lambda one: str(one["name"]))
def test_every_recorded_webhook_means_what_it_says(one: dict[str, Any]) -> None:
    clock, expect = FakeClock(epoch=one["received_at"]), one["expect"]
    reader, body = WebhookReader(one["secret"], clock), one["text"].encode()
    if expect["outcome"] == "refused":
        assert refusal(reader, one["headers"], body) == expect["reason"]
        return
    reader.glance(one["headers"])
    webhook = reader.read(one["headers"], body)
    assert (webhook.names, webhook.word) == (tuple(expect["names"]), expect["word"])
    assert not webhook.repeated
    assert bool(webhook.names) is (expect["outcome"] == "hint")
    assert reader.read(one["headers"], body).repeated


def test_the_recordings_meet_every_outcome() -> None:
    assert {one["expect"]["outcome"] for one in RECORDED} == {"hint", "ignored", "refused"}
    assert {one["expect"]["reason"] for one in RECORDED} == {None, "unsigned", "forged", "stale"}


@pytest.mark.parametrize("place", ["body", "name", "timestamp", "signature", "secret"])
@given(st.data())
def test_whatever_is_changed_makes_it_a_forgery(place: str, data: st.DataObject) -> None:
    clock = FakeClock()
    headers, body = made(clock)
    if place == "body":
        at = data.draw(st.integers(0, len(body) - 1))
        other = data.draw(st.integers(0, 255).filter(lambda byte: byte != body[at]))
        body = body[:at] + bytes([other]) + body[at + 1 :]
    elif place == "name":
        headers["x-toapis-webhook-id"] += "x"
    elif place == "timestamp":
        headers["x-toapis-webhook-timestamp"] = str(int(clock.wall()) + 1)
    elif place == "signature":
        digits = headers["x-toapis-webhook-signature"]
        at = data.draw(st.integers(3, len(digits) - 1))
        other_digit = data.draw(
            st.sampled_from("0123456789abcdef").filter(lambda d: d != digits[at])
        )
        headers["x-toapis-webhook-signature"] = digits[:at] + other_digit + digits[at + 1 :]
    reader = WebhookReader(SECRET + "x" if place == "secret" else SECRET, clock)
    assert refusal(reader, headers, body) == "forged"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("id", None),
        ("id", ""),
        ("id", "x" * 201),
        ("id", "evt 1"),
        ("id", "evt_\xff"),
        ("timestamp", None),
        ("timestamp", "now"),
        ("timestamp", "-5"),
        ("timestamp", "1" * 400),
        ("timestamp", "١٧٩"),
        ("signature", None),
        ("signature", ""),
        ("signature", "v1="),
        ("signature", "v2=00"),
        ("signature", ",,,"),
        ("signature", "sha256=00"),
    ],
)
def test_what_bears_no_signature_of_the_known_form_is_unsigned(
    header: str, value: str | None
) -> None:
    clock = FakeClock()
    headers, body = made(clock)
    name = f"x-toapis-webhook-{header}"
    headers = {key: one for key, one in headers.items() if key != name}
    if value is not None:
        headers[name] = value
    assert refusal(WebhookReader(SECRET, clock), headers, body) == "unsigned"
    with pytest.raises(NotGenuine, match="unsigned"):
        WebhookReader(SECRET, clock).glance(headers)


@pytest.mark.parametrize(
    "written",
    ["{}", "v1=00,{}", "{},v1=00", " {} , v1=00", "v2=00,{}", "v1=\xff,{}", "v0=1,v1=zz,{}"],
)
def test_one_right_signature_of_several_is_enough_wherever_it_stands(written: str) -> None:
    clock = FakeClock()
    headers, body = made(clock)
    right = headers["x-toapis-webhook-signature"]
    headers["x-toapis-webhook-signature"] = written.format(right)
    assert WebhookReader(SECRET, clock).read(headers, body).names == ("tsk_1", "task_1")


def test_digits_may_be_written_large() -> None:
    clock = FakeClock()
    headers, body = made(clock)
    right = headers["x-toapis-webhook-signature"].removeprefix("v1=")
    headers["x-toapis-webhook-signature"] = f"v1={right.upper()}"
    assert WebhookReader(SECRET, clock).read(headers, body).names


def test_so_many_signatures_are_looked_at_and_no_more() -> None:
    clock = FakeClock()
    headers, body = made(clock)
    right = headers["x-toapis-webhook-signature"]
    headers["x-toapis-webhook-signature"] = "v1=00," * 7 + right
    assert WebhookReader(SECRET, clock).read(headers, body).names
    headers["x-toapis-webhook-signature"] = "v1=00," * 8 + right
    assert refusal(WebhookReader(SECRET, clock), headers, body) == "forged"


@pytest.mark.parametrize("late", [SKEW + 1, -SKEW - 2])
async def test_what_was_signed_too_long_ago_or_in_the_future_is_stale(late: float) -> None:
    clock = FakeClock()
    assert refusal(WebhookReader(SECRET, clock), *made(clock, late=late)) == "stale"
    with pytest.raises(NotGenuine, match="stale"):
        WebhookReader(SECRET, clock).glance(made(clock, late=late)[0])


@pytest.mark.parametrize("late", [SKEW - 1, 1 - SKEW])
async def test_five_minutes_are_allowed_either_way(late: float) -> None:
    clock = FakeClock()
    assert WebhookReader(SECRET, clock).read(*made(clock, late=late)).names


def test_a_timestamp_may_be_in_milliseconds() -> None:
    clock = FakeClock()
    body = json.dumps(EVENT).encode()
    for factor, fresh in ((1_000, True), (1_000_000, False)):
        timestamp = str(int(clock.wall()) * factor)
        right = hmac.digest(SECRET.encode(), f"e.{timestamp}.".encode() + body, "sha256").hex()
        headers = {
            "x-toapis-webhook-id": "e",
            "x-toapis-webhook-timestamp": timestamp,
            "x-toapis-webhook-signature": f"v1={right}",
        }
        reader = WebhookReader(SECRET, clock)
        if fresh:
            assert reader.read(headers, body).names
        else:
            assert refusal(reader, headers, body) == "stale"


async def test_an_event_is_new_once_also_where_it_is_signed_anew() -> None:
    clock = FakeClock()
    reader = WebhookReader(SECRET, clock)
    assert not reader.read(*made(clock)).repeated
    assert reader.read(*made(clock)).repeated
    await clock.advance(86_400)
    assert reader.read(*made(clock)).repeated
    # The event's own id tells, whatever its delivery is called.
    assert reader.read(*made(clock, name="delivery-2")).repeated
    assert not reader.read(*made(clock, {**EVENT, "id": "evt_2"})).repeated


async def test_without_an_id_of_its_own_an_event_is_known_by_that_of_its_headers() -> None:
    clock = FakeClock()
    reader = WebhookReader(SECRET, clock)
    nameless = {"type": "generation.completed", "data": {"task_id": "tsk_1"}}
    assert not reader.read(*made(clock, nameless)).repeated
    assert reader.read(*made(clock, nameless)).repeated
    assert not reader.read(*made(clock, nameless, name="evt_2")).repeated


def test_a_glance_at_its_headers_neither_takes_nor_refuses_what_may_be_the_vendor_s() -> None:
    clock = FakeClock()
    reader = WebhookReader(SECRET, clock)
    reader.glance(made(clock, secret="another")[0])
    reader.glance(made(clock)[0])
    assert not reader.read(*made(clock)).repeated


def test_what_is_to_be_forgotten_is_new_when_it_comes_again() -> None:
    clock = FakeClock()
    reader = WebhookReader(SECRET, clock)
    for _ in range(2):
        webhook = reader.read(*made(clock))
        assert not webhook.repeated
        reader.forget(webhook)
    assert not reader.read(*made(clock)).repeated
    assert reader.read(*made(clock)).repeated


async def test_what_was_refused_is_new_when_it_comes_as_it_should() -> None:
    clock = FakeClock()
    reader = WebhookReader(SECRET, clock)
    assert refusal(reader, *made(clock, secret="another")) == "forged"
    assert refusal(reader, *made(clock, late=400)) == "stale"
    assert not reader.read(*made(clock)).repeated


async def test_events_are_forgotten_after_two_days_and_beyond_ten_thousand() -> None:
    clock = FakeClock()
    reader = WebhookReader(SECRET, clock)
    reader.read(*made(clock))
    await clock.advance(172_801)
    assert not reader.read(*made(clock)).repeated
    for number in range(10_100):
        reader.read(*made(clock, {**EVENT, "id": f"evt_{number}_"}))
    assert repr(reader) == "<WebhookReader seen=10000>"
    assert not reader.read(*made(clock)).repeated


@pytest.mark.parametrize(
    ("event", "names", "word"),
    [
        ({**EVENT, "type": "generation.failed"}, ("tsk_1", "task_1"), "generation.failed"),
        ({**EVENT, "type": "generation.started"}, (), "generation.started"),
        ({**EVENT, "type": "x" * 65}, (), "malformed"),
        ({**EVENT, "type": "two words"}, (), "malformed"),
        ({**EVENT, "type": 7}, (), "malformed"),
        ({**EVENT, "type": ["generation.failed"]}, (), "malformed"),
        ({**EVENT, "data": "tsk_1"}, (), "generation.completed"),
        (
            {**EVENT, "data": {"task_id": 1, "client_business_id": ["a"]}},
            (),
            "generation.completed",
        ),
        (
            {**EVENT, "data": {"task_id": "a b", "client_business_id": "c"}},
            ("c",),
            "generation.completed",
        ),
        ({**EVENT, "data": {"task_id": "x" * 201}}, (), "generation.completed"),
        (b"", (), "malformed"),
        (b"\xff\xfe", (), "malformed"),
        (b"null", (), "malformed"),
        (b"[" * 100_000, (), "malformed"),
        (b'"' + b"x" * 200_000 + b'"', (), "malformed"),
    ],
)
def test_a_shape_that_is_not_known_names_no_task_and_does_no_harm(
    event: Any, names: tuple[str, ...], word: str
) -> None:
    clock = FakeClock()
    webhook = WebhookReader(SECRET, clock).read(*made(clock, event))
    assert (webhook.names, webhook.word) == (names, word)


@given(st.binary(max_size=300))
def test_no_signed_body_makes_it_stumble(body: bytes) -> None:
    clock = FakeClock()
    WebhookReader(SECRET, clock).read(*made(clock, body))
