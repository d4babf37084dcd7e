"""Streams as the libraries read them that are on neither package index.

openai-php reads line by line: after ``event:`` it takes the next line for the data, and a type that
it does not know is an error to it. openai-go gathers the lines of an event until a blank one, which
its older versions take for an event whatever came before it; it holds 32 MB of a line at most, and
looks for ``error`` in the data before all else.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.clients.raw import dotnet, go, java, php, ruby
from tests.clients.raw.client import USAGE, Client
from tests.clients.raw.reading import Maybe, Misread, Nullable, picture, read_as
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Reply, Request, ask, wired
from tests.e2e.pictures import drawn_png
from tests.e2e.stand import KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")

PNG = drawn_png((96, 64))
OTHER = drawn_png((64, 96), seed=2)
COMPLETED = {
    "type": str,
    "b64_json": str,
    "created_at": int,
    "size": str,
    "quality": str,
    "background": str,
    "output_format": str,
    "usage": USAGE,
}
ERROR = {"message": str, "type": str, "code": Nullable(str), "param": Maybe(Nullable(str))}
LONGEST_LINE = 32 * 2**20


class Told(Exception):
    """The library raises an error that came in the stream."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


Events = Callable[[bytes], Iterator[dict[str, Any]]]


def phps(body: bytes) -> Iterator[dict[str, Any]]:
    lines = iter(body.decode().splitlines(keepends=True))
    for first in lines:
        line = next(lines, "") if first.startswith("event:") else first
        if not line.startswith("data:"):
            continue
        data = json.loads(line.removeprefix("data:").strip())
        if data.get("error") is not None:
            raise Told(read_as(data["error"], ERROR))
        if data["type"] not in {"image_generation.completed", "image_edit.completed"}:
            raise Misread(f"unknown event {data['type']}")
        yield read_as(data, COMPLETED)


def gos(body: bytes) -> Iterator[dict[str, Any]]:
    data = b""
    for line in body.split(b"\n"):
        assert len(line) < LONGEST_LINE
        name, _, value = line.rstrip(b"\r").partition(b":")
        if not name and not line.strip():
            if data:
                yield _gos_event(data)
            data = b""
        elif name == b"data":
            data += value.removeprefix(b" ") + b"\n"
    assert not data, "an event that no blank line ends is lost"


def older_gos(body: bytes) -> Iterator[dict[str, Any]]:
    """Each blank line ends an event, also one without data, which no decoder of JSON reads."""
    for event in body.removesuffix(b"\n\n").split(b"\n\n"):
        data = [line for line in event.split(b"\n") if line.startswith(b"data:")]
        yield _gos_event(b"\n".join(line.removeprefix(b"data:") for line in data))


def _gos_event(data: bytes) -> dict[str, Any]:
    event = json.loads(data)
    if "error" in event:
        raise Told(read_as(event["error"], ERROR))
    completed: dict[str, Any] = read_as(event, COMPLETED)
    return completed


@dataclass(frozen=True)
class Streaming:
    """A client that reads streams: how, and how it writes that it wants one in a form."""

    client: Client
    events: Events
    flag: Any = "true"


READERS = [
    pytest.param(reader, id=f"{reader.client.id}-{reader.events.__name__}")
    for reader in (
        Streaming(php.PHP, phps),
        Streaming(go.OFFICIAL, gos),
        Streaming(go.OFFICIAL, older_gos),
        Streaming(ruby.OFFICIAL, gos),
        Streaming(java.JAVA, gos),
        Streaming(dotnet.DOTNET, gos),
    )
]


def generation(shop: Shop, reader: Streaming, **options: Any) -> Request:
    return reader.client.generate(shop, stream=True, partial_images=2, **options)


def edit(shop: Shop, reader: Streaming) -> Request:
    assert reader.client.edit is not None
    return reader.client.edit(shop, [PNG, OTHER], stream=reader.flag)


def begun(reply: Reply) -> bytes:
    """A stream's body, once its head is what it must be."""
    assert (reply.status, reply.reason) == (200, "OK")
    assert reply.header("content-type") == "text/event-stream; charset=utf-8"
    assert reply.header("cache-control") == "no-cache"
    assert (reply.header("x-request-id") or "").startswith("req_")
    assert b"[DONE]" not in reply.body
    return reply.body


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.row(24, client="openai-php, -go, -ruby, -java, -dotnet", how="raw bytes")
async def test_each_picture_ends_in_an_event_of_its_own(shop: Shop, reader: Streaming) -> None:
    reply = await ask(shop, generation(shop, reader, n=2))
    events = list(reader.events(begun(reply)))
    assert [event["type"] for event in events] == ["image_generation.completed"] * 2
    for event in events:
        assert "x".join(map(str, picture(event["b64_json"]).size)) == event["size"]
        usage = event["usage"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert shop.bought()["n"] == 2


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.row(25, client="openai-php, -go, -ruby, -java, -dotnet", how="raw bytes")
async def test_an_edits_stream_is_asked_for_in_a_word_of_the_form(
    shop: Shop, reader: Streaming
) -> None:
    request = edit(shop, reader)
    assert b"true" in request.body
    (event,) = reader.events(begun(await ask(shop, request)))
    assert event["type"] == "image_edit.completed"
    assert picture(event["b64_json"]).size
    assert shop.bought()["references"] == 2


@pytest.mark.parametrize("flag", ["1", "true", "True"])
@pytest.mark.row(25, client=php.PHP.name, how="raw bytes")
async def test_phps_casts_of_true_are_true(shop: Shop, flag: str) -> None:
    (event,) = phps(begun(await ask(shop, php.edit(shop, [PNG], stream=flag))))
    assert event["type"] == "image_edit.completed"


@pytest.mark.row(25, client=php.PHP.name, how="raw bytes")
async def test_phps_false_is_no_wish_for_a_stream(shop: Shop) -> None:
    request = php.edit(shop, [PNG], stream=False)
    assert b'name="stream"\r\n\r\n\r\n' in request.body
    assert len(await php.PHP.seen(shop, await ask(shop, request))) == 1


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.row(27, client="openai-php, -go, -ruby, -java, -dotnet", how="raw bytes")
async def test_a_failure_amid_the_stream_raises(shop: Shop, reader: Streaming) -> None:
    shop.vendor_fails({"where": "create", "kind": "moderated", "times": None})
    reply = await ask(shop, generation(shop, reader))
    with pytest.raises(Told) as caught:
        list(reader.events(begun(reply)))
    assert caught.value.error["code"] == "moderation_blocked"
    assert shop.purchases == 1


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.row(28, client="openai-php, -go, -ruby, -java, -dotnet", how="raw bytes")
async def test_what_fails_before_it_begins_is_an_ordinary_error(
    shop: Shop, reader: Streaming
) -> None:
    reply = await ask(shop, generation(shop, reader, size="9000x100"))
    assert reply.told == (400, "invalid_value", "size")
    assert reader.client.told(reply)
    assert shop.calls("create") == 0


@pytest.mark.row(26, client=go.OFFICIAL.name, how="raw bytes")
@pytest.mark.row(37, client=go.OFFICIAL.name, how="raw bytes")
async def test_the_first_byte_comes_at_once_and_who_leaves_then_collects_by_asking_again(
    shop: Shop,
) -> None:
    reader = Streaming(go.OFFICIAL, gos)
    shop.vendor_fails({"where": "create", "kind": "slow", "seconds": 0.3})
    async with wired(shop) as wire:
        await wire.send(bytes(generation(shop, reader)))
        assert (await wire.begin())[0] == 200
        await wire.reader.readuntil(b"\r\n")  # of the first chunk's length
        assert (await wire.reader.readline()).startswith(b": job ")
        await shop.until(lambda: shop.purchases)
        wire.hang_up()
        await shop.until(lambda: shop.left_early)
    retry = go.OFFICIAL.generate(shop, 1, stream=True, partial_images=2)
    (event,) = gos(begun(await ask(shop, retry)))
    assert picture(event["b64_json"]).size == (1024, 1024)
    assert shop.purchases == 1


@pytest.mark.row(29, client=dotnet.DOTNET.name, how="raw bytes")
async def test_a_stream_and_a_whole_answer_are_one_wish(shop: Shop) -> None:
    """How it is answered is no part of what is wished: an ``Idempotency-Key`` joins both."""
    named = ("Idempotency-Key", f"stream-{shop.prompt[-4:].strip()}")
    whole = dotnet.generate(shop)
    streamed = dotnet.generate(shop, stream=True)
    for request in (whole, streamed):
        assert KEY in str(request.headers)
        reply = await ask(shop, Request(request.target, [*request.headers, named], request.body))
        assert reply.status == 200
    (event,) = gos(begun(reply))
    assert event["type"] == "image_generation.completed"
    assert shop.purchases == 1


async def test_the_readers_can_fail() -> None:
    event = b'event: keepalive\ndata: {"type": "keepalive", "b64_json": ""}\n\n'
    for events in (phps, gos):
        with pytest.raises((Misread, KeyError)):
            list(events(event))
    with pytest.raises(AssertionError, match="no blank line"):
        list(gos(b'data: {"type": "x"}'))
