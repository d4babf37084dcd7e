"""openai-php/client: strictly typed constructors, which a missing or mistyped value breaks.

Scalars of a form are cast to texts as PHP casts them: ``true`` is ``1`` and ``false`` nothing. What
it makes of the headers (``MetaInformation``) casts milliseconds to an integer.
"""

from collections.abc import Sequence
from typing import Any

from tests.clients.raw.client import (
    EDITS,
    GENERATIONS,
    USAGE,
    Client,
    Made,
    address_first,
    posted,
)
from tests.clients.raw.parts import Part, lines, multipart
from tests.clients.raw.reading import Maybe, Misread, Nullable, read_as
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Headers, Reply, Request
from tests.e2e.stand import KEY

IMAGES = {
    "created": int,
    "data": [{"url": Maybe(str), "b64_json": Maybe(str), "revised_prompt": Maybe(str)}],
    "usage": Maybe(USAGE),
}
_ERROR = {"message": str, "type": Nullable(str), "code": Nullable(str), "param": Nullable(str)}
_BOUNDARY = "d5a3a2f8c37a4f0f9a0a6d1d3c0b7e5f4c9a8b76"
_EXTENSION = {b"\x89PNG": "png", b"\xff\xd8\xff\xe0": "jpeg"}


def _headers(shop: Shop, content_type: str) -> Headers:
    return (
        ("Host", shop.authority),
        ("User-Agent", "GuzzleHttp/7"),
        ("Authorization", f"Bearer {KEY}"),
        ("Content-Type", content_type),
    )


def generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {"model": "gpt-image-2", "prompt": shop.prompt, "n": 1, "size": "1024x1024", **options}
    return posted(GENERATIONS, _headers(shop, "application/json"), body)


def _text(name: str, value: str) -> Part:
    data = value.encode()
    length = [f"Content-Length: {len(data)}"] if data else []
    return lines(f'name="{name}"', *length), data


def _file(name: str, filename: str, content: bytes) -> Part:
    kind = _EXTENSION.get(content[:4], "png")
    length = f"Content-Length: {len(content)}"
    head = lines(
        f'name="{name}"; filename="{filename}.{kind}"', length, f"Content-Type: image/{kind}"
    )
    return head, content


def cast(value: Any) -> str:
    """As ``(string)`` does."""
    if isinstance(value, bool):
        return "1" if value else ""
    return str(value)


def edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: Any,
) -> Request:
    told = {
        "model": "gpt-image-2",
        "prompt": shop.prompt,
        "n": 1,
        "partial_images": False,
        **scalars,
    }
    name = "image" if len(images) == 1 else "image[]"
    parts = [_file(name, f"picture{place}", image) for place, image in enumerate(images)]
    if mask is not None:
        parts.append(_file("mask", "mask", mask))
    parts += [_text(key, cast(value)) for key, value in told.items()]
    content_type = f"multipart/form-data; boundary={_BOUNDARY}"
    return Request(EDITS, _headers(shop, content_type), multipart(_BOUNDARY, parts))


def read(reply: Reply) -> list[Made]:
    meta_information(reply)
    return address_first(reply, IMAGES)


def meta_information(reply: Reply) -> dict[str, Any]:
    """What it keeps of the headers; a limit's parts are integers where they are told at all."""
    kept: dict[str, Any] = {"request_id": reply.header("x-request-id")}
    if not kept["request_id"]:
        raise Misread("no request id")
    for name in ("openai-processing-ms", "x-ratelimit-limit-requests"):
        value = reply.header(name)
        kept[name] = None if value is None else int(value)
    return kept


def told(reply: Reply) -> str:
    """``ErrorException``; a message is never empty. 429 is ``RateLimitException`` of its own."""
    error = read_as(reply.error, _ERROR)
    if not error["message"]:
        raise Misread("no message")
    return str(error["message"])


PHP = Client("openai-php", "openai-php/client eace7a5", generate, edit, read=read, told=told)
