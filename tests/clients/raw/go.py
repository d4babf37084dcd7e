"""go-openai, which many Go programs have used for years, and OpenAI's own openai-go.

go-openai writes every field of an edit whether it was set or not, so that ``n`` is 0 and the rest
empty, names a mask without a name ``.``, never repeats, and decodes into integers of 64 bits.
openai-go names a nameless file ``anonymous_file`` and counts its repetitions.
"""

from collections.abc import Sequence
from typing import Any

from tests.clients.raw.client import (
    EDITS,
    GENERATIONS,
    USAGE,
    VARIATIONS,
    Client,
    Made,
    either,
    posted,
    stainless,
)
from tests.clients.raw.parts import Part, lines, multipart
from tests.clients.raw.reading import Maybe, Misread, Nullable, read_as
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Headers, Reply, Request
from tests.e2e.stand import KEY

# Go leaves at zero what is absent or null, and refuses what is of another type.
_TEXT = Maybe(Nullable(str))
IMAGES = {
    "created": int,
    "data": [{"url": _TEXT, "b64_json": _TEXT, "revised_prompt": _TEXT}],
    "usage": Maybe(USAGE),
}
_ERROR = {"message": str, "type": _TEXT, "param": _TEXT, "code": Maybe(Nullable(str))}
_BOUNDARY = "c8ad0f6a9bd64f5b5f0d6f4be0dd4a0e7fae0b9f1f0d2a1e3c4b5a69788{:05d}"
_FAILURES = 400


def _headers(shop: Shop, content_type: str) -> Headers:
    """In the order of Go's transport."""
    return (
        ("Host", shop.authority),
        ("User-Agent", "Go-http-client/1.1"),
        ("Accept", "application/json"),
        ("Authorization", f"Bearer {KEY}"),
        ("Content-Type", content_type),
        ("Accept-Encoding", "gzip"),
    )


def generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    """``omitempty``: what is not set is not sent."""
    body = {"prompt": shop.prompt, "model": "gpt-image-1", "n": 1, "size": "1024x1024", **options}
    return posted(GENERATIONS, _headers(shop, "application/json"), body)


def _text(name: str, value: str) -> Part:
    return lines(f'name="{name}"'), value.encode()


def _file(name: str, filename: str, kind: str, content: bytes) -> Part:
    head = lines(f'name="{name}"; filename="{filename}"', f"Content-Type: {kind}")
    return head, content


def _content_type(attempt: int = 0) -> tuple[str, str]:
    line = _BOUNDARY.format(attempt)
    return line, f"multipart/form-data; boundary={line}"


def _unset(scalars: dict[str, str]) -> list[Part]:
    told = {"n": "0", "size": "", "response_format": "", **scalars}
    return [_text(name, value) for name, value in told.items()]


def edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    (image,) = images
    parts = [_file("image", "cat.png", "image/png", image)]
    if mask is not None:
        parts.append(_file("mask", ".", "application/octet-stream", mask))
    parts += [_text("prompt", shop.prompt), *_unset(scalars)]
    line, content_type = _content_type(attempt)
    return Request(EDITS, _headers(shop, content_type), multipart(line, parts))


def variation(shop: Shop, image: bytes) -> Request:
    """Its ``model`` is dropped on the way."""
    parts = [_file("image", "cat.png", "image/png", image), *_unset({})]
    line, content_type = _content_type()
    return Request(VARIATIONS, _headers(shop, content_type), multipart(line, parts))


def read(reply: Reply) -> list[Made]:
    return either(reply, IMAGES)


def told(reply: Reply) -> str:
    """``APIError``: a message is a text, a code a text or a whole number."""
    if reply.status < _FAILURES:
        raise Misread(f"no error: {reply.status}")
    return str(read_as(reply.error, _ERROR)["message"])


GO = Client(
    "go-openai",
    "go-openai 3d58ac5",
    generate,
    edit,
    several=False,
    read=read,
    told=told,
)


def _official_headers(shop: Shop, content_type: str, attempt: int) -> Headers:
    return (
        ("Host", shop.authority),
        ("User-Agent", "OpenAI/Go 3.8.1"),
        ("Accept", "application/json"),
        ("Authorization", f"Bearer {KEY}"),
        ("Content-Type", content_type),
        ("X-Stainless-Arch", "x64"),
        ("X-Stainless-Lang", "go"),
        ("X-Stainless-Os", "Linux"),
        ("X-Stainless-Package-Version", "3.8.1"),
        ("X-Stainless-Retry-Count", str(attempt)),
        ("X-Stainless-Runtime", "go"),
        ("X-Stainless-Runtime-Version", "go1.27.3"),
        ("Accept-Encoding", "gzip"),
    )


def official_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {"prompt": shop.prompt, "model": "gpt-image-2", "size": "1024x1024", **options}
    return posted(GENERATIONS, _official_headers(shop, "application/json", attempt), body)


def official_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    name = "image" if len(images) == 1 else "image[]"
    octets = "application/octet-stream"
    parts = [_file(name, "anonymous_file", octets, image) for image in images]
    parts.append(_text("prompt", shop.prompt))
    if mask is not None:
        parts.append(_file("mask", "anonymous_file", octets, mask))
    parts += [_text(key, value) for key, value in {"model": "gpt-image-2", **scalars}.items()]
    line, content_type = _content_type(attempt)
    headers = _official_headers(shop, content_type, attempt)
    return Request(EDITS, headers, multipart(line, parts))


OFFICIAL = Client(
    "openai-go",
    "openai-go 4e5a07a",
    official_generate,
    official_edit,
    read=read,
    told=told,
    again=stainless,
    retries=2,
)
