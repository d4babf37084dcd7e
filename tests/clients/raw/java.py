"""openai-java, and Spring AI, which stands on it.

Bytes become parts without a file name, of octet-stream; texts say their character set. Forms from
bytes have a length and are repeated, forms from streams are chunked and are not. Spring AI wants an
address or bytes, and takes the address where it has both.
"""

from collections.abc import Sequence
from typing import Any

from tests.clients.raw.client import (
    EDITS,
    GENERATIONS,
    IMAGE,
    USAGE,
    Client,
    Made,
    address_first,
    either,
    posted,
    stainless,
)
from tests.clients.raw.parts import Part, lines, multipart
from tests.clients.raw.reading import Maybe
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Headers, Reply, Request
from tests.e2e.stand import KEY

IMAGES = {
    "created": int,
    "data": Maybe([IMAGE]),
    "background": Maybe(str),
    "output_format": Maybe(str),
    "quality": Maybe(str),
    "size": Maybe(str),
    "usage": Maybe(USAGE),
}
_BOUNDARY = "7c6c1a42-5f3d-4a0e-9a54-0c0d5f4b{:04d}"


def _headers(shop: Shop, content_type: str, attempt: int) -> Headers:
    return (
        ("Authorization", f"Bearer {KEY}"),
        ("User-Agent", "OpenAIOkHttpClientImpl/Java 4.9.0"),
        ("X-Stainless-Arch", "x64"),
        ("X-Stainless-Lang", "java"),
        ("X-Stainless-OS", "Linux"),
        ("X-Stainless-OS-Version", "6.1.0-40-amd64"),
        ("X-Stainless-Package-Version", "4.9.0"),
        ("X-Stainless-Runtime", "JRE"),
        ("X-Stainless-Runtime-Version", "21.0.9"),
        ("X-Stainless-Retry-Count", str(attempt)),
        ("X-Stainless-Read-Timeout", "600"),
        ("X-Stainless-Timeout", "600"),
        ("Content-Type", content_type),
        ("Host", shop.authority),
        ("Connection", "Keep-Alive"),
        ("Accept-Encoding", "gzip"),
    )


def generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {"prompt": shop.prompt, "model": "gpt-image-2", "size": "1024x1024", **options}
    return posted(GENERATIONS, _headers(shop, "application/json", attempt), body)


def _text(name: str, value: str) -> Part:
    return lines(f'name="{name}"', "Content-Type: text/plain; charset=utf-8"), value.encode()


def _file(name: str, content: bytes) -> Part:
    return lines(f'name="{name}"', "Content-Type: application/octet-stream"), content


def edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    name = "image" if len(images) == 1 else "image[]"
    parts = [_file(name, image) for image in images]
    parts.append(_text("prompt", shop.prompt))
    if mask is not None:
        parts.append(_file("mask", mask))
    told = {"model": "gpt-image-2", **scalars}
    parts += [_text(key, value) for key, value in told.items()]
    line = _BOUNDARY.format(attempt)
    content_type = f"multipart/form-data; boundary={line}"
    return Request(EDITS, _headers(shop, content_type, attempt), multipart(line, parts))


def streamed_edit(shop: Shop, image: bytes) -> Request:
    """From an ``InputStream``: nobody knows how long it is."""
    whole = edit(shop, [image])
    return Request(whole.target, whole.headers, whole.body, chunks=8192)


def read(reply: Reply) -> list[Made]:
    return either(reply, IMAGES)


def spring_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    """Spring AI's defaults: the model's name, and what was configured."""
    return generate(shop, attempt, **{"n": 1, "model": "gpt-image-1", **options})


JAVA = Client(
    "openai-java",
    "openai-java 5f499c3",
    generate,
    edit,
    read=read,
    again=stainless,
    retries=2,
)
SPRING = Client(
    "spring-ai",
    "Spring AI fd3fd6e",
    spring_generate,
    read=lambda reply: address_first(reply, IMAGES),
    again=stainless,
    retries=2,
)
