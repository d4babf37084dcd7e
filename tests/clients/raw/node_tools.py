"""Tools on Node and in browsers: on OpenAI's own library, on axios, on fetch.

axios sends a form chunked when it does not know how long it is. A browser's form has its own
boundaries, and its page's origin in the headers.
"""

from collections.abc import Sequence
from typing import Any

from tests.clients.raw.client import (
    EDITS,
    GENERATIONS,
    Client,
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
from tests.clients.raw.reading import Maybe, Misread, json_of, picture, read_as
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Headers, Reply, Request
from tests.e2e.stand import KEY

# ── on OpenAI's library ──


def _library_headers(shop: Shop, content_type: str, attempt: int) -> Headers:
    """Version 4's, on node-fetch; it tells its time-out."""
    return (
        ("content-type", content_type),
        ("Accept", "application/json"),
        ("User-Agent", "OpenAI/JS 4.104.0"),
        ("X-Stainless-Lang", "js"),
        ("X-Stainless-Package-Version", "4.104.0"),
        ("X-Stainless-OS", "Linux"),
        ("X-Stainless-Arch", "x64"),
        ("X-Stainless-Runtime", "node"),
        ("X-Stainless-Runtime-Version", "v20.20.2"),
        ("Authorization", f"Bearer {KEY}"),
        ("x-stainless-retry-count", str(attempt)),
        ("x-stainless-timeout", "600"),
        ("Accept-Encoding", "gzip,deflate"),
        ("Host", shop.authority),
        ("Connection", "keep-alive"),
    )


def _on_library(**defaults: Any) -> Generate:
    def generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
        """It writes its JSON in lines."""
        headers = _library_headers(shop, "application/json", attempt)
        body = {"prompt": shop.prompt, **defaults, **options}
        return posted(GENERATIONS, headers, body, separators=(",", ": "), indent=2)

    return generate


def lobe_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    """On every edit ``input_fidelity``, and whatever the page has set."""
    told = {
        "input_fidelity": "high",
        "model": "gpt-image-1",
        "n": "1",
        "prompt": shop.prompt,
        "seed": "3",
        "aspectRatio": "1:1",
        "cfg": "2.5",
        **scalars,
    }
    name = "image" if len(images) == 1 else "image[]"
    parts: list[Part] = [(lines(f'name="{key}"'), value.encode()) for key, value in told.items()]
    octets = "Content-Type: application/octet-stream"
    parts += [
        (lines(f'name="{name}"; filename="{place}.png"', octets), image)
        for place, image in enumerate(images)
    ]
    line = f"form-data-boundary-0x5kq9zj2w8r{attempt}p1"
    headers = _library_headers(shop, f"multipart/form-data; boundary={line}", attempt)
    return Request(EDITS, headers, multipart(line, parts))


LOBECHAT = Client(
    "lobechat",
    "LobeChat 3c7f186",
    _on_library(
        model="gpt-image-1", n=1, seed=3, aspectRatio="1:1", cfg=2.5, imageUrl=None, steps=20
    ),
    lobe_edit,
    masks=False,
    read=either,
    again=stainless,
    retries=2,
)
LANGCHAIN_JS = Client(
    "langchain-js",
    "@langchain/openai 1.5.8",
    _on_library(
        model="gpt-image-2",
        n=1,
        size="1024x1024",
        response_format="url",
        style="vivid",
        quality="standard",
    ),
    read=address_only,
    again=stainless,
    retries=2,
)
LIBRECHAT_DALLE = Client(
    "librechat-dalle",
    "LibreChat DALLE3.js 00b3bc3",
    _on_library(model="dall-e-3", quality="hd", style="vivid", size="1024x1024", n=1),
    read=address_only,
    again=stainless,
    retries=2,
)


# ── on axios ──


def _axios_headers(shop: Shop, content_type: str) -> Headers:
    return (
        ("Accept", "application/json, text/plain, */*"),
        ("Content-Type", content_type),
        ("Authorization", f"Bearer {KEY}"),
        ("User-Agent", "axios/1.13.2"),
        ("Accept-Encoding", "gzip, compress, deflate, br"),
        ("Host", shop.authority),
        ("Connection", "close"),
    )


def _form_data(
    shop: Shop, target: str, told: dict[str, str], files: list[Part], *, chunks: int | None
) -> Request:
    """The package ``form-data``: its boundary has 26 dashes before 24 digits."""
    line = "-" * 26 + "483920174650192837465019"
    parts: list[Part] = [(lines(f'name="{name}"'), value.encode()) for name, value in told.items()]
    headers = _axios_headers(shop, f"multipart/form-data; boundary={line}")
    return Request(target, headers, multipart(line, [*parts, *files]), chunks=chunks)


def _original(name: str, filename: str, content: bytes) -> Part:
    return lines(f'name="{name}"; filename="{filename}"', "Content-Type: image/png"), content


def librechat_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    """Chunked, and after a base URL that ended in a slash."""
    told = {
        "model": "gpt-image-1",
        "prompt": shop.prompt,
        "quality": "auto",
        "size": "auto",
        "user": "u1",
        **scalars,
    }
    files = [_original("image[]", f"{place}.png", image) for place, image in enumerate(images)]
    return _form_data(shop, "/v1//images/edits", told, files, chunks=65_536)


LIBRECHAT = Client(
    "librechat",
    "LibreChat OpenAIImageTools.js 00b3bc3",
    _on_library(
        model="gpt-image-1",
        n=1,
        background="auto",
        output_format="png",
        output_compression=100,
        quality="auto",
        size="auto",
    ),
    librechat_edit,
    masks=False,
    read=bytes_only,
    again=stainless,
    retries=2,
)


def n8n_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {
        "prompt": shop.prompt,
        "model": "dall-e-3",
        "quality": "standard",
        "size": "1024x1024",
        "style": "vivid",
        "n": 1,
        "response_format": "b64_json",
        **options,
    }
    return posted(GENERATIONS, _axios_headers(shop, "application/json"), body)


def n8n_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    told = {
        "model": "gpt-image-1",
        "prompt": shop.prompt,
        "n": "1",
        "size": "1024x1024",
        "quality": "low",
        "input_fidelity": "high",
        **scalars,
    }
    files = [_original("image[]", f"{place}.png", image) for place, image in enumerate(images)]
    if mask is not None:
        files.append(_original("mask", "mask.png", mask))
    return _form_data(shop, EDITS, told, files, chunks=None)


N8N = Client("n8n", "n8n 0713e95", n8n_generate, n8n_edit, read=either)


# ── on fetch ──


def silly_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {
        "prompt": shop.prompt,
        "model": "dall-e-3",
        "size": "1792x1024",
        "n": 1,
        "quality": "standard",
        "style": "vivid",
        "response_format": "b64_json",
        **options,
    }
    headers = (
        ("content-type", "application/json"),
        ("authorization", f"Bearer {KEY}"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, deflate, br"),
        ("user-agent", "node-fetch"),
        ("host", shop.authority),
        ("connection", "close"),
    )
    return posted(GENERATIONS, headers, body)


def _as_it_stands(reply: Reply) -> str:
    """SillyTavern hands an error's text on to its page."""
    if reply.status == 200:
        raise Misread("no error")
    return reply.body.decode()


SILLYTAVERN = Client(
    "sillytavern", "SillyTavern 00a72b5", silly_generate, read=bytes_only, told=_as_it_stands
)


def next_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    """Through its own server, as for Azure: a deployment in the path, the key in ``api-key``."""
    body = {
        "model": "dall-e-3",
        "prompt": shop.prompt,
        "response_format": "b64_json",
        "n": 1,
        "size": "1024x1024",
        "quality": "standard",
        "style": "vivid",
        **options,
    }
    headers = (
        ("host", shop.authority),
        ("connection", "keep-alive"),
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("api-key", KEY),
        ("accept", "*/*"),
        ("accept-language", "*"),
        ("sec-fetch-mode", "cors"),
        ("user-agent", "node"),
        ("accept-encoding", "gzip, deflate"),
    )
    target = "/openai/deployments/dall-e-3/images/generations?api-version=2024-10-21"
    return posted(target, headers, body)


NEXTCHAT = Client("nextchat", "NextChat 706a18b", next_generate, read=address_first)


def _browser_headers(shop: Shop, content_type: str) -> Headers:
    return (
        ("Host", shop.authority),
        ("Connection", "keep-alive"),
        ("sec-ch-ua-platform", '"Windows"'),
        ("Authorization", f"Bearer {KEY}"),
        ("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) CherryStudio/1.6.7 Chrome/138.0"),
        ("Content-Type", content_type),
        ("Accept", "*/*"),
        ("Origin", "file://"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "de-DE"),
    )


def cherry_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    """What is ``auto`` is left out."""
    body = {
        "prompt": shop.prompt,
        "model": "gpt-image-1",
        "size": "1024x1024",
        "n": 1,
        "moderation": "low",
        **options,
    }
    return posted(GENERATIONS, _browser_headers(shop, "application/json"), body)


def cherry_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    """Each picture is called ``image``; the model may be empty."""
    told = {
        "prompt": shop.prompt,
        "model": "",
        "size": "1024x1024",
        "n": "1",
        "moderation": "low",
        **scalars,
    }
    parts: list[Part] = [(lines(f'name="{name}"'), value.encode()) for name, value in told.items()]
    parts += [_original("image", f"bild {place}.png", image) for place, image in enumerate(images)]
    line = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    headers = _browser_headers(shop, f"multipart/form-data; boundary={line}")
    return Request(EDITS, headers, multipart(line, parts))


CHERRY_STUDIO = Client(
    "cherry-studio",
    "Cherry Studio 6e0dab4",
    cherry_generate,
    cherry_edit,
    masks=False,
    read=address_first,
)


# ── Vercel's AI SDK ──


def _ai_headers(shop: Shop, content_type: str) -> Headers:
    return (
        ("host", shop.authority),
        ("connection", "keep-alive"),
        ("authorization", f"Bearer {KEY}"),
        ("content-type", content_type),
        ("user-agent", "ai/7.0.173 ai-sdk/openai/4.0.118 ai-sdk/provider-utils/5.0.61 node.js/20"),
        ("accept", "*/*"),
        ("accept-language", "*"),
        ("sec-fetch-mode", "cors"),
        ("accept-encoding", "gzip, deflate"),
    )


def ai_generate(shop: Shop, attempt: int = 0, **options: Any) -> Request:
    body = {"model": "gpt-image-2", "prompt": shop.prompt, "n": 1, "size": "1024x1024", **options}
    return posted(GENERATIONS, _ai_headers(shop, "application/json"), body)


def ai_edit(
    shop: Shop,
    images: Sequence[bytes],
    mask: bytes | None = None,
    attempt: int = 0,
    **scalars: str,
) -> Request:
    name = "image" if len(images) == 1 else "image[]"
    told = {"n": "1", "size": "1024x1024", **scalars}
    parts: list[Part] = [
        (lines('name="model"'), b"gpt-image-2"),
        (lines('name="prompt"'), shop.prompt.encode()),
        *(_original(name, "blob", image) for image in images),
    ]
    if mask is not None:
        parts.append(_original("mask", "blob", mask))
    parts += [(lines(f'name="{key}"'), value.encode()) for key, value in told.items()]
    line = f"----formdata-undici-0{attempt}4839201746"
    headers = _ai_headers(shop, f"multipart/form-data; boundary={line}")
    return Request(EDITS, headers, multipart(line, parts))


def ai_read(reply: Reply) -> list[Made]:
    """zod: texts are texts, whole numbers numbers, and base64 must be there."""
    usage = {
        "input_tokens": Maybe(float),
        "output_tokens": Maybe(float),
        "total_tokens": Maybe(float),
        "input_tokens_details": Maybe({"image_tokens": Maybe(float), "text_tokens": Maybe(float)}),
    }
    shape = {
        "created": Maybe(float),
        "data": [{"b64_json": str, "revised_prompt": Maybe(str)}],
        "background": Maybe(str),
        "output_format": Maybe(str),
        "size": Maybe(str),
        "quality": Maybe(str),
        "usage": Maybe(usage),
    }
    return [picture(item["b64_json"]) for item in read_as(json_of(reply), shape)["data"]]


def _deaf(reply: Reply) -> bool:
    """It repeats by status, whatever ``x-should-retry`` says."""
    return reply.status in {408, 409, 429} or reply.status >= 500


AI_SDK = Client(
    "ai-sdk",
    "ai 7.0.173",
    ai_generate,
    ai_edit,
    read=ai_read,
    again=_deaf,
    retries=2,
)
