"""Tools written in Python: on OpenAI's own library, on aiohttp, on httpx.

What stands on OpenAI's library looks the same on the wire but for its parameters. aiohttp puts a
part's media type before its disposition, httpx puts files last.
"""

import json
from collections.abc import Sequence
from typing import Any

from tests.clients.raw.client import (
    EDITS,
    GENERATIONS,
    Client,
    Edit,
    Generate,
    Made,
    address_first,
    address_only,
    bytes_only,
    either,
    posted,
    stainless,
)
from tests.clients.raw.parts import Part, lines, multipart
from tests.clients.raw.reading import Misread
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Headers, Reply, Request
from tests.e2e.stand import KEY

_FAILURES = 400


# ── on OpenAI's library ──


def library_headers(shop: Shop, content_type: str, attempt: int, version: str) -> Headers:
    return (
        ("host", shop.authority),
        ("accept-encoding", "gzip, deflate"),
        ("connection", "keep-alive"),
        ("accept", "application/json"),
        ("content-type", content_type),
        ("user-agent", f"OpenAI/Python {version}"),
        ("x-stainless-lang", "python"),
        ("x-stainless-package-version", version),
        ("x-stainless-os", "Linux"),
        ("x-stainless-arch", "x64"),
        ("x-stainless-runtime", "CPython"),
        ("x-stainless-runtime-version", "3.11.7"),
        ("authorization", f"Bearer {KEY}"),
        ("x-stainless-async", "false"),
        ("x-stainless-retry-count", str(attempt)),
        ("x-stainless-read-timeout", "600"),
    )


def _on_library(version: str = "2.54.0", **defaults: Any) -> Generate:
    def generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
        headers = library_headers(shop, "application/json", attempt, version)
        return posted(GENERATIONS, headers, {"prompt": shop.prompt, **defaults, **options})

    return generate


def _edit_on_library(version: str = "2.54.0", **defaults: str) -> Edit:
    def edit(
        shop: Shop,
        images: Sequence[bytes],
        mask: bytes | None = None,
        attempt: int = 0,
        **scalars: str,
    ) -> Request:
        told = {"prompt": shop.prompt, **defaults, **scalars}
        parts: list[Part] = [
            (lines(f'name="{name}"'), value.encode()) for name, value in told.items()
        ]
        # A list stays one, be it of one picture.
        parts += [_named("image[]", f"{place}.png", image) for place, image in enumerate(images)]
        if mask is not None:
            parts.append(_named("mask", "mask.png", mask))
        line = f"8f3c0e2b9d5a4f17a6b1c2d3e4f5{attempt:04d}"
        content_type = f"multipart/form-data; boundary={line}"
        headers = library_headers(shop, content_type, attempt, version)
        return Request(EDITS, headers, multipart(line, parts))

    return edit


def _named(name: str, filename: str, content: bytes) -> Part:
    return lines(f'name="{name}"; filename="{filename}"', "Content-Type: image/png"), content


DIFY = Client(
    "dify",
    "Dify dify-official-plugins 7af2283",
    _on_library(model="gpt-image-2", n=1, size="1024x1024", quality="low"),
    _edit_on_library(model="gpt-image-2", n="1", size="1024x1024"),
    read=bytes_only,
    again=stainless,
    retries=2,
)
HOME_ASSISTANT = Client(
    "home-assistant",
    "Home Assistant 004090e",
    _on_library(
        model="dall-e-3",
        size="1024x1024",
        quality="standard",
        style="vivid",
        response_format="url",
        n=1,
    ),
    read=address_only,
    again=stainless,
    retries=2,
)
LANGCHAIN = Client(
    "langchain",
    "langchain-community 0.4.2",
    _on_library("3.54.0", model="dall-e-2", n=1, size="1024x1024"),
    read=address_only,
    again=stainless,
    retries=2,
)
CREWAI = Client(
    "crewai",
    "crewAI dalle_tool",
    _on_library(model="dall-e-3", size="1024x1024", quality="standard", n=1),
    read=address_only,
    again=stainless,
    retries=2,
)
AUTOGPT = Client(
    "autogpt",
    "AutoGPT classic 1e9971c",
    _on_library("1.55.3", n=1, size="256x256", response_format="b64_json"),
    read=bytes_only,
    again=stainless,
    retries=2,
)
KERNEL = Client(
    "semantic-kernel",
    "Semantic Kernel Python 1.45.0",
    _on_library(model="dall-e-3", n=1, size="1024x1024"),
    read=address_first,
    again=stainless,
    retries=2,
)


# ── LiteLLM: its own httpx for edits ──


def _litellm_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    """Always a list, and under the whole path of the file."""
    told = {"model": "gpt-image-2", "prompt": shop.prompt, **scalars}
    parts: list[Part] = [(lines(f'name="{name}"'), value.encode()) for name, value in told.items()]
    parts += [
        _named("image[]", f"/home/me/{place}.png", image) for place, image in enumerate(images)
    ]
    if mask is not None:
        parts.append(_named("mask", "/home/me/mask.png", mask))
    line = "3b1c0d9e8f7a4655b2c3d4e5f6a7b8c9"
    headers = (
        ("Host", shop.authority),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Connection", "keep-alive"),
        ("User-Agent", "litellm/1.106.2"),
        ("Authorization", f"Bearer {KEY}"),
        ("Content-Type", f"multipart/form-data; boundary={line}"),
    )
    return Request(EDITS, headers, multipart(line, parts))


def _litellm_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    """``openai/`` is taken off; what it does not know goes along."""
    body = {
        "prompt": shop.prompt,
        "model": "gpt-image-2",
        "size": "1024x1024",
        "seed": 4,
        **options,
    }
    headers = library_headers(shop, "application/json", attempt, "2.54.0")
    return posted(GENERATIONS, [*headers, ("X-Stainless-Raw-Response", "true")], body)


LITELLM = Client(
    "litellm", "LiteLLM 1.106.2", _litellm_generate, _litellm_edit, again=stainless, retries=2
)


# ── on aiohttp ──


def _aiohttp_headers(shop: Shop, content_type: str, target: str = "") -> Headers:
    return (
        ("Host", shop.authority),
        ("Authorization", f"Bearer {KEY}"),
        ("Content-Type", content_type),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("User-Agent", "Python/3.11 aiohttp/3.14.5"),
    )


def _aiohttp_text(name: str, value: str) -> Part:
    head = ("Content-Type: text/plain; charset=utf-8", *lines(f'name="{name}"'))
    return head, value.encode()


def _aiohttp_file(name: str, filename: str, content: bytes) -> Part:
    return ("Content-Type: image/png", *lines(f'name="{name}"; filename="{filename}"')), content


def webui_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    """With an API version after the path, as for Azure, and the administrator's own parameters."""
    body = {
        "model": "dall-e-2",
        "prompt": shop.prompt,
        "n": 1,
        "size": "512x512",
        "response_format": "b64_json",
        "quality": "low",
        "steps": 50,
        **options,
    }
    headers = _aiohttp_headers(shop, "application/json")
    target = f"{GENERATIONS}?api-version=2025-04-01-preview"
    return posted(target, headers, body, separators=(", ", ": "))


def webui_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    """A mapping goes along as JSON in a text."""
    told = {
        "model": "dall-e-2",
        "prompt": shop.prompt,
        "n": "1",
        "size": "1024x1024",
        "response_format": "b64_json",
        "metadata": json.dumps({"chat_id": "c1"}),
        **scalars,
    }
    name = "image" if len(images) == 1 else "image[]"
    parts = [_aiohttp_text(key, value) for key, value in told.items()]
    parts += [
        _aiohttp_file(name, f"0b1f9c5e-5d50-4f6b-a7ab-{place:012d}.png", image)
        for place, image in enumerate(images)
    ]
    line = "5b7f0e9a1c3d4e2fa6b8c0d1e2f3a4b5"
    headers = _aiohttp_headers(shop, f"multipart/form-data; boundary={line}")
    return Request(f"{EDITS}?api-version=2025-04-01-preview", headers, multipart(line, parts))


def _status_only(reply: Reply) -> str:
    """``raise_for_status``: of an error it keeps the status and its phrase, and no more."""
    if reply.status < _FAILURES:
        raise Misread(f"no error: {reply.status}")
    return reply.reason


OPEN_WEBUI = Client(
    "open-webui",
    "Open WebUI 02530d5",
    webui_generate,
    webui_edit,
    masks=False,
    read=address_first,
    told=_status_only,
    keyed=True,
)


def comfy_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {
        "model": "gpt-image-1",
        "prompt": shop.prompt,
        "quality": "low",
        "background": "auto",
        "n": 1,
        "seed": 0,
        "size": "auto",
        **options,
    }
    headers = _aiohttp_headers(shop, "application/json")
    return posted(GENERATIONS, headers, body, separators=(", ", ": "))


def comfy_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    told = {"model": "gpt-image-1", "prompt": shop.prompt, "quality": "low", "n": "1", "seed": "0"}
    name = "image" if len(images) == 1 else "image[]"
    parts = [_aiohttp_text(key, value) for key, value in {**told, **scalars}.items()]
    parts += [
        _aiohttp_file(name, f"image_{place}.png", image) for place, image in enumerate(images)
    ]
    if mask is not None:
        parts.append(_aiohttp_file("mask", "mask.png", mask))
    line = "9d8c7b6a5f4e3d2c1b0a99887766aabb"
    headers = _aiohttp_headers(shop, f"multipart/form-data; boundary={line}")
    return Request(EDITS, headers, multipart(line, parts))


COMFYUI = Client("comfyui", "ComfyUI a125cd8", comfy_generate, comfy_edit, read=either)


def presenton_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {"model": "dall-e-3", "prompt": shop.prompt, "n": 1, "quality": "standard", **options}
    return posted(GENERATIONS, library_headers(shop, "application/json", attempt, "2.54.0"), body)


def _presenton_read(reply: Reply) -> list[Made]:
    return address_first(reply)


PRESENTON = Client(
    "presenton",
    "Presenton #677",
    presenton_generate,
    read=_presenton_read,
    again=stainless,
    retries=2,
    keyed=True,
)
