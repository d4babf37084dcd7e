"""Clients read streams: what their loops yield, and what they raise, whenever it fails."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from PIL import Image

from gateway.config.answers import Heartbeats
from gateway.translate.usage import output_tokens
from tests.clients.books import Books
from tests.clients.driving import Refused, as_bytes, as_named
from tests.clients.known import NODE6, NODE7, PY2, PY3, by, row
from tests.clients.reporting import OUR_OWN
from tests.clients.users import User
from tests.e2e.pictures import decoded, drawn_png
from tests.e2e.stand import Stand

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

PACE = 5.0
SECTIONS: dict[str, object] = {"server": {"heartbeats": {"interval": 1}}}
SMALL = {"model": "gpt-image-2", "size": "1024x768", "quality": "low"}
SDKS = (PY2, PY3, NODE6, NODE7)
FIELDS = {"type", "b64_json", "created_at", "size", "quality", "background", "output_format"}
TALL = drawn_png((300, 400))


def slow(seconds: float, **more: object) -> dict[str, object]:
    return {"where": "create", "kind": "slow", "times": None, "seconds": seconds, **more}


def picture_of(event: Mapping[str, Any], kind: str) -> Image.Image:
    """The picture of the last event, which has all there is to tell."""
    assert event["type"] == f"{kind}.completed"
    assert {*FIELDS, "usage"} <= event.keys()
    assert isinstance(event["created_at"], int)
    picture = decoded(base64.b64decode(event["b64_json"], validate=True))
    assert event["size"] == "{}x{}".format(*picture.size)
    assert event["output_format"] == (picture.format or "").lower()
    assert (event["quality"], event["background"]) == ("low", "opaque")
    usage = event["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens"] == output_tokens(*picture.size, "low")
    return picture


@by(24, *SDKS)
@pytest.mark.parametrize("partial_images", [0, 2])
async def test_a_stream_ends_with_the_picture(
    user: User, books: Books, prompt: str, partial_images: int
) -> None:
    wish = {"prompt": prompt, **SMALL, "partial_images": partial_images}
    events, error = await user.stream("images.generate", **wish)
    assert error is None
    (event,) = events  # no partial picture is invented
    assert picture_of(event, "image_generation").size == (1024, 768)
    if user.known.python:
        assert event["class"] == "ImageGenCompletedEvent"
    assert (books.purchases, books.images) == (1, 1)
    await books.asked(1)


@by(24, *SDKS)
async def test_each_picture_of_several_has_an_event(user: User, books: Books, prompt: str) -> None:
    events, error = await user.stream("images.generate", prompt=prompt, **SMALL, n=3)
    assert error is None
    pictures = [picture_of(event, "image_generation") for event in events]
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert (books.purchases, books.images) == (1, 3)
    # Who adds the events' tokens up comes to what one answer tells: what went in went in once.
    whole = await user.generate(prompt=prompt, **SMALL, n=3)
    told = whole.value["usage"]
    assert told["input_tokens"] > 0
    for kind in ("input_tokens", "output_tokens", "total_tokens"):
        assert sum(event["usage"][kind] for event in events) == told[kind]
    for details in ("input_tokens_details", "output_tokens_details"):
        for kind, tokens in told[details].items():
            assert sum(event["usage"][details][kind] for event in events) == tokens


@by(25, *SDKS)
async def test_an_edit_is_streamed(user: User, books: Books, prompt: str) -> None:
    image = as_bytes(TALL) if user.known.python else as_named(TALL, "cat.png")
    events, error = await user.stream("images.edit", prompt=prompt, image=image, **SMALL)
    assert error is None
    (event,) = events
    assert picture_of(event, "image_edit").size == (1024, 768)
    if user.known.python:
        assert event["class"] == "ImageEditCompletedEvent"
    assert (books.purchases, books.newest["references"]) == (1, 1)
    await books.asked(1)


@by(26, *SDKS)
async def test_what_keeps_a_stream_alive_is_no_event(user: User, books: Books, prompt: str) -> None:
    user.stand.vendor_fails(slow(1.2))
    events, error = await user.stream("images.generate", prompt=prompt, **SMALL)
    assert error is None
    (event,) = events
    assert picture_of(event, "image_generation")
    assert books.purchases == 1


@row((24, 26), "httpx", how="raw bytes")
async def test_the_first_byte_comes_at_once_and_comments_until_the_picture(
    stand: Stand, books: Books, prompt: str
) -> None:
    stand.vendor_fails(slow(1.2))
    wish = {"prompt": prompt, **SMALL, "stream": True}
    async with stand.plain() as client:
        asked = client.stream("POST", "/v1/images/generations", json=wish)
        async with asked as answer:
            lines = answer.aiter_lines()
            first = await anext(lines)
            assert len(stand.gateway.board) == 1  # the picture is still being made
            rest = [line async for line in lines if line]
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    # Pings come after a while, and what is told of the task once it is done: this one is first.
    assert first.startswith(": job ")
    *comments, event, data = rest
    # The gateway's clock goes five times as fast as the vendor's: one a second of it.
    assert len([line for line in comments if line == ": ping"]) >= 4
    assert all(line.startswith(":") for line in comments)
    assert event == "event: image_generation.completed"
    assert data.startswith("data: {")
    assert books.purchases == 1


@row(26, OUR_OWN, how="")
async def test_nobody_waits_for_a_comment_for_more_than_fifteen_seconds_unless_told_to() -> None:
    """That comments come as often as this says is seen above, and on a clock of the test's own."""
    assert Heartbeats().interval <= 15


@by((26, 38), NODE7)
async def test_a_stream_outlives_the_patience_of_the_client(
    user: User, books: Books, prompt: str
) -> None:
    """Its patience is 1 s here, for headers and between two pieces of a body; Node's is 300 s."""
    user.stand.vendor_fails(slow(4))
    hasty = user.with_(patience=1000, max_retries=0)
    events, error = await hasty.stream("images.generate", prompt=prompt, **SMALL)
    assert error is None
    (event,) = events
    assert picture_of(event, "image_generation").size == (1024, 768)
    assert books.purchases == 1
    await books.asked(1)


@by(27, *SDKS)
@pytest.mark.parametrize(
    ("kind", "code"), [("moderated", "moderation_blocked"), ("failed", "upstream_task_failed")]
)
async def test_a_failure_in_a_stream_is_raised(
    user: User, books: Books, prompt: str, kind: str, code: str
) -> None:
    user.stand.vendor_fails({"where": "create", "kind": kind, "times": None})
    events, error = await user.stream("images.generate", prompt=prompt, **SMALL)
    assert events == []
    assert error["class"] == "APIError"
    assert error["code"] == code
    assert books.purchases == 1
    await books.asked(1)


@by(27, *SDKS)
async def test_a_failure_in_a_stream_of_an_edit_is_raised(
    user: User, books: Books, prompt: str
) -> None:
    user.stand.vendor_fails({"where": "create", "kind": "failed", "times": None})
    image = as_bytes(TALL) if user.known.python else as_named(TALL, "cat.png")
    events, error = await user.stream("images.edit", prompt=prompt, image=image, **SMALL)
    assert (events, error["class"]) == ([], "APIError")
    assert error["code"] == "upstream_task_failed"
    assert books.purchases == 1


@by(28, *SDKS)
@pytest.mark.parametrize(("param", "value"), [("size", "9x9"), ("n", 11), ("prompt", "")])
async def test_what_is_refused_before_a_stream_is_an_error_with_its_status(
    user: User, books: Books, prompt: str, param: str, value: object
) -> None:
    with pytest.raises(Refused) as caught:
        await user.stream("images.generate", **{"prompt": prompt, **SMALL, param: value})
    assert caught.value.told["class"] == "BadRequestError"
    assert (caught.value.status, caught.value.param) == (400, param)
    assert books.purchases == 0
    await books.asked(1)


@by(29, PY2, PY3)
async def test_who_would_accept_a_stream_and_asks_for_none_gets_json(
    user: User, books: Books, prompt: str
) -> None:
    headers = {"Accept": "application/json, text/event-stream"}
    seen = await user.generate(prompt=prompt, **SMALL, extra_headers=headers)
    assert len(await seen.pictures()) == books.purchases == 1


@by(38, NODE7)
async def test_who_left_a_stream_gets_the_picture_by_asking_again(
    user: User, books: Books, prompt: str
) -> None:
    user.stand.vendor_fails(slow(1))
    told = await user.driver.ask(
        "stream",
        client=user.client,
        method="images.generate",
        args={"prompt": prompt, **SMALL, "stream": True},
        options={"abort_after": 300},
    )
    # A stream that its own reader ends raises nothing.
    assert told["events"] == []
    await user.stand.until(lambda: books.requests)
    seen = await user.generate(prompt=prompt, **SMALL)
    assert len(await seen.pictures()) == books.purchases == 1
    await books.asked(2)
