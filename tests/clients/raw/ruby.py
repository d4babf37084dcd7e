"""ruby-openai, which Ruby programs used first, and OpenAI's own openai-ruby.

ruby-openai numbers pictures (``image[0]``), tells a media type that is empty, and what
multipart-post adds: lengths and an encoding for each part. openai-ruby sends its forms chunked,
percent-encodes file names, and named several pictures ``image`` each until the summer of 2026,
``image[]`` since.
"""

from collections.abc import Sequence
from typing import Any

from tests.clients.raw.client import EDITS, GENERATIONS, IMAGE, Client, posted, stainless
from tests.clients.raw.parts import Part, lines, multipart
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Headers, Request
from tests.e2e.stand import KEY

_RUBY_BOUNDARY = "-----------RubyMultipartPost-2f9a86c3a7e14c0b8dd1fdd1e6f4a9b0"
_ENCODINGS = "gzip;q=1.0,deflate;q=0.6,identity;q=0.3"


def _headers(shop: Shop, content_type: str) -> Headers:
    """Faraday's and net/http's."""
    return (
        ("Content-Type", content_type),
        ("Authorization", f"Bearer {KEY}"),
        ("Accept-Encoding", _ENCODINGS),
        ("Accept", "*/*"),
        ("User-Agent", "Ruby"),
        ("Connection", "close"),
        ("Host", shop.authority),
    )


def generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {"prompt": shop.prompt, "model": "dall-e-3", "size": "1024x1792", **options}
    return posted(GENERATIONS, _headers(shop, "application/json"), body)


def _file(name: str, filename: str, content: bytes) -> Part:
    more = (
        f"Content-Length: {len(content)}",
        "Content-Type: ",
        "Content-Transfer-Encoding: binary",
    )
    return lines(f'name="{name}"; filename="{filename}"', *more), content


def edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    told = {"model": "gpt-image-1", "prompt": shop.prompt, **scalars}
    parts: list[Part] = [(lines(f'name="{key}"'), value.encode()) for key, value in told.items()]
    if len(images) == 1:
        parts.append(_file("image", "a.png", images[0]))
    else:
        parts += [_file(f"image[{place}]", "a.png", image) for place, image in enumerate(images)]
    if mask is not None:
        parts.append(_file("mask", "mask.png", mask))
    content_type = f"multipart/form-data; boundary={_RUBY_BOUNDARY}"
    return Request(EDITS, _headers(shop, content_type), multipart(_RUBY_BOUNDARY, parts))


RUBY = Client("ruby-openai", "ruby-openai 62938e0", generate, edit)

_IMAGES = {"created": int, "data": [IMAGE]}


def _official_headers(shop: Shop, content_type: str, attempt: int) -> Headers:
    return (
        ("accept-encoding", _ENCODINGS),
        ("accept", "application/json"),
        ("user-agent", "OpenAI::Client/Ruby 0.42.0"),
        ("host", shop.authority),
        ("x-stainless-arch", "x64"),
        ("x-stainless-lang", "ruby"),
        ("x-stainless-os", "Linux"),
        ("x-stainless-package-version", "0.42.0"),
        ("x-stainless-runtime", "ruby"),
        ("x-stainless-runtime-version", "3.4.7"),
        ("content-type", content_type),
        ("x-stainless-retry-count", str(attempt)),
        ("x-stainless-timeout", "600.0"),
        ("authorization", f"Bearer {KEY}"),
        ("connection", "keep-alive"),
    )


def official_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {"prompt": shop.prompt, "model": "gpt-image-2", "size": "1024x1024", **options}
    return posted(GENERATIONS, _official_headers(shop, "application/json", attempt), body)


def official_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    *,
    several: str = "image[]",
    **scalars: str,
) -> Request:
    name = "image" if len(images) == 1 else several
    octets = "Content-Type: application/octet-stream"
    parts: list[Part] = [
        (lines(f'name="{name}"; filename="B%C3%A4r%20{place}.png"', octets), image)
        for place, image in enumerate(images)
    ]
    if mask is not None:
        parts.append((lines('name="mask"; filename="mask.png"', octets), mask))
    told = {"prompt": shop.prompt, "model": "gpt-image-2", **scalars}
    parts += [
        (lines(f'name="{key}"', "Content-Type: text/plain"), value.encode())
        for key, value in told.items()
    ]
    line = f"hJ2vQb8nR0wX4mZ6tC1yK9fL3sD7gA5pE-uV_iO{attempt:02d}"
    content_type = f"multipart/form-data; boundary={line}"
    headers = _official_headers(shop, content_type, attempt)
    return Request(EDITS, headers, multipart(line, parts), chunks=16_384)


OFFICIAL = Client(
    "openai-ruby",
    "openai-ruby edfb30b",
    official_generate,
    official_edit,
    again=stainless,
    retries=2,
)
