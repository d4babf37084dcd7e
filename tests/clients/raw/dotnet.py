"""openai-dotnet 2, and Semantic Kernel's .NET half, which stands on it.

Its forms leave names unquoted where they are tokens, give file names twice, give pictures no media
type, and have a boundary of 70 characters that may hold ``=`` and is quoted then. It asks for an
event stream in every ``Accept``. Only 200 is success to it, and it repeats by status alone, without
saying that it does.
"""

import itertools
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
)
from tests.clients.raw.parts import Part, lines, multipart
from tests.clients.raw.reading import Maybe
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Headers, Reply, Request
from tests.e2e.stand import KEY

IMAGES = {
    "created": int,
    "data": [IMAGE],
    "background": Maybe(str),
    "output_format": Maybe(str),
    "quality": Maybe(str),
    "size": Maybe(str),
    "usage": Maybe({**USAGE, "output_tokens_details": {"image_tokens": int, "text_tokens": int}}),
}
_RETRIED = {408, 429, 500, 502, 503, 504}
_boundaries = itertools.count()


def boundary() -> str:
    """Another one for every form, in its alphabet."""
    return f"{next(_boundaries):04d}=0Bx_kQ9=".ljust(69, "z") + "="


def _headers(shop: Shop, content_type: str) -> Headers:
    return (
        ("Host", shop.authority),
        ("Accept", "application/json, text/event-stream"),
        ("User-Agent", "OpenAI/2.9.1 (.NET 9.0.11; Debian GNU/Linux 12 (bookworm))"),
        ("Authorization", f"Bearer {KEY}"),
        ("Content-Type", content_type),
    )


def generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {"prompt": shop.prompt, "model": "gpt-image-2", "size": "1024x1024", **options}
    return posted(GENERATIONS, _headers(shop, "application/json"), body)


def _text(name: str, value: str) -> Part:
    head = ("Content-Type: text/plain; charset=utf-8", *lines(f"name={name}"))
    return head, value.encode()


def _file(name: str, filename: str, content: bytes) -> Part:
    """``image`` is a token and stays unquoted; ``image[]`` is none."""
    named = name if name.isalnum() else f'"{name}"'
    return lines(f"name={named}; filename={filename}; filename*=utf-8''{filename}"), content


def edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    name = "image" if len(images) == 1 else "image[]"
    parts = [_file(name, f"{place}.png", image) for place, image in enumerate(images)]
    parts += [_text("prompt", shop.prompt)]
    if mask is not None:
        parts.append(_file("mask", "mask.png", mask))
    told = {"model": "gpt-image-2", "n": "1", "size": "1024x1024", **scalars}
    parts += [_text(key, value) for key, value in told.items()]
    line = boundary()
    content_type = f'multipart/form-data; boundary="{line}"'
    return Request(EDITS, _headers(shop, content_type), multipart(line, parts))


def read(reply: Reply) -> list[Made]:
    """``GeneratedImageCollection``: numbers are 64-bit integers, addresses whole."""
    return either(reply, IMAGES)


def kernel_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    """Semantic Kernel's text-to-image service names ``gpt-image-1`` where nobody chose."""
    return generate(shop, attempt, **{"model": "gpt-image-1", **options})


def _by_status(reply: Reply) -> bool:
    return reply.status in _RETRIED


DOTNET = Client(
    "openai-dotnet",
    "openai-dotnet b3b4bbb",
    generate,
    edit,
    read=read,
    again=_by_status,
    retries=3,
)
KERNEL = Client(
    "semantic-kernel-dotnet",
    "Semantic Kernel .NET b39d95a",
    kernel_generate,
    read=lambda reply: address_first(reply, IMAGES),
    again=_by_status,
    retries=3,
)
