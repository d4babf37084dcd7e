"""Codex CLI, Nextcloud, and curl as people type it.

Codex names pictures by data URLs in JSON. Nextcloud takes an address, and fetches it without a key.
curl calls JSON a form unless it is told otherwise, and asks before it sends more than a megabyte.
"""

import base64
from collections.abc import Sequence
from typing import Any

from tests.clients.raw.client import (
    EDITS,
    GENERATIONS,
    Client,
    address_only,
    bytes_only,
    either,
    posted,
)
from tests.clients.raw.parts import Part, lines, multipart
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Headers, Request
from tests.e2e.stand import KEY


def _codex_headers(shop: Shop) -> Headers:
    """reqwest's: lower case."""
    return (
        ("content-type", "application/json"),
        ("authorization", f"Bearer {KEY}"),
        ("user-agent", "codex_cli_rs/0.118.0 (Debian 12.0.0; x86_64) xterm-256color"),
        ("originator", "codex_cli_rs"),
        ("accept", "*/*"),
        ("host", shop.authority),
    )


_CODEX = {
    "background": "opaque",
    "model": "gpt-image-2",
    "quality": "auto",
    "size": "auto",
}


def codex_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    return posted(GENERATIONS, _codex_headers(shop), {"prompt": shop.prompt, **_CODEX, **options})


def data_url(image: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(image).decode()}"


def codex_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: Any,
) -> Request:
    body: dict[str, Any] = {"images": [{"image_url": data_url(image)} for image in images]}
    if mask is not None:
        body["mask"] = {"image_url": data_url(mask)}
    return posted(EDITS, _codex_headers(shop), {**body, "prompt": shop.prompt, **_CODEX, **scalars})


CODEX = Client("codex", "Codex CLI", codex_generate, codex_edit, read=bytes_only)


def nextcloud_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {
        "prompt": shop.prompt,
        "size": "1024x1024",
        "n": 1,
        "response_format": "url",
        "model": "dall-e-3",
        **options,
    }
    headers = (
        ("Host", shop.authority),
        ("User-Agent", "Nextcloud OpenAI/LocalAI integration"),
        ("Content-Type", "application/json"),
        ("Authorization", f"Bearer {KEY}"),
        ("Accept-Encoding", "gzip"),
    )
    return posted(GENERATIONS, headers, body)


NEXTCLOUD = Client(
    "nextcloud", "Nextcloud integration_openai #138", nextcloud_generate, read=address_only
)


def curl_headers(shop: Shop, content_type: str) -> Headers:
    return (
        ("Host", shop.authority),
        ("User-Agent", "curl/7.88.1"),
        ("Accept", "*/*"),
        ("Authorization", f"Bearer {KEY}"),
        ("Content-Type", content_type),
    )


def curl_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    """``-d`` without ``-H``: a form by its header, JSON by its content."""
    headers = curl_headers(shop, "application/x-www-form-urlencoded")
    body = {"prompt": shop.prompt, "model": "gpt-image-2", "size": "1024x1024", **options}
    return posted(GENERATIONS, headers, body, separators=(", ", ": "))


def curl_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    """``-F image[]=@a.png``."""
    kind = "Content-Type: image/png"
    parts: list[Part] = [
        (lines(f'name="image[]"; filename="{place}.png"', kind), image)
        for place, image in enumerate(images)
    ]
    if mask is not None:
        parts.append((lines('name="mask"; filename="mask.png"', kind), mask))
    told = {"prompt": shop.prompt, "model": "gpt-image-2", **scalars}
    parts += [(lines(f'name="{name}"'), value.encode()) for name, value in told.items()]
    line = "------------------------d74496d66958873e"
    headers = curl_headers(shop, f"multipart/form-data; boundary={line}")
    return Request(EDITS, headers, multipart(line, parts))


CURL = Client("curl", "curl 7.88", curl_generate, curl_edit, read=either)
