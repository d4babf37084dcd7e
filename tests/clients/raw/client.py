"""What a replica of a client consists of, and the steps that all take.

Owns: the parts of a replica, asking again as a client does by itself, and looking at what a client
was given as it would. Must not know: any one client.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from PIL import Image

from tests.clients.raw.reading import Maybe, Misread, Nullable, json_of, picture, read_as
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Headers, Reply, Request, ask
from tests.e2e.pictures import decoded
from tests.e2e.stand import KEY

Made = Image.Image | str
"""A picture, or its address."""

GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"
VARIATIONS = "/v1/images/variations"


class Generate(Protocol):
    """``attempt`` counts the client's own repetitions; ``options`` replace what it sends."""

    def __call__(self, shop: Shop, attempt: int = 0, **options: Any) -> Request: ...


class Edit(Protocol):
    def __call__(
        self,
        shop: Shop,
        images: Sequence[bytes],
        mask: bytes | None = None,
        attempt: int = 0,
        **scalars: str,
    ) -> Request: ...


IMAGE = {
    "b64_json": Maybe(Nullable(str)),
    "url": Maybe(Nullable(str)),
    "revised_prompt": Maybe(Nullable(str)),
}
USAGE = {
    "total_tokens": int,
    "input_tokens": int,
    "output_tokens": int,
    "input_tokens_details": {"text_tokens": int, "image_tokens": int},
}
ERROR = {"message": str, "type": str, "param": Nullable(str), "code": Nullable(str)}


def either(reply: Reply, shape: Any = None) -> list[Made]:
    """What there is of each picture: its bytes first, else its address."""
    answer = read_as(json_of(reply), shape or {"data": [IMAGE]})
    return [_bytes_first(item) for item in answer["data"]]


def address_first(reply: Reply, shape: Any = None) -> list[Made]:
    """Its address first, else its bytes: what an answer with both would come to."""
    answer = read_as(json_of(reply), shape or {"data": [IMAGE]})
    return [item.get("url") or picture(item["b64_json"]) for item in answer["data"]]


def bytes_only(reply: Reply) -> list[Made]:
    """Its bytes, which must be there."""
    answer = read_as(json_of(reply), {"data": [{"b64_json": str}]})
    return [picture(item["b64_json"]) for item in answer["data"]]


def address_only(reply: Reply) -> list[Made]:
    """Its address, which must be there."""
    answer = read_as(json_of(reply), {"data": [{"url": str}]})
    return [item["url"] for item in answer["data"]]


def _bytes_first(item: Mapping[str, Any]) -> Made:
    if item.get("b64_json"):
        return picture(item["b64_json"])
    if not urlsplit(item["url"]).scheme:
        raise Misread(f"no whole address: {item['url']}")
    return str(item["url"])


def envelope(reply: Reply) -> str:
    """What OpenAI's own libraries tell of an error: they want all four keys of their types."""
    return str(read_as(reply.error, ERROR)["message"])


def never(_reply: Reply) -> bool:
    return False


def stainless(reply: Reply) -> bool:
    """Whether the libraries made by Stainless (openai-java, -go, -ruby) send it again."""
    advice = reply.header("x-should-retry")
    if advice in {"true", "false"}:
        return advice == "true"
    return reply.status in {408, 409, 429} or reply.status >= 500


@dataclass(frozen=True)
class Client:
    """A replica. ``id`` is what pages call it by, ``name`` client and version.

    ``read`` takes an answer as the client does, ``told`` an error; ``again`` says whether it asks
    once more by itself, which it does ``retries`` times. ``keyed`` ones show their key where they
    fetch a picture, too.
    """

    id: str
    name: str
    generate: Generate
    edit: Edit | None = None
    several: bool = True
    masks: bool = True
    read: Callable[[Reply], list[Made]] = either
    told: Callable[[Reply], str] = envelope
    again: Callable[[Reply], bool] = never
    retries: int = 0
    keyed: bool = False

    async def persist(self, shop: Shop, make: Callable[[int], Request]) -> list[Reply]:
        """All answers, the last of which its caller meets; its pauses are left out."""
        replies: list[Reply] = []
        for attempt in range(self.retries + 1):
            replies.append(await ask(shop, make(attempt)))
            if not self.again(replies[-1]):
                break
        return replies

    async def seen(self, shop: Shop, reply: Reply) -> list[Image.Image]:
        """The pictures of an answer, fetched by the client's own way where it was given links."""
        return [
            await self._fetched(shop, made) if isinstance(made, str) else made
            for made in self.read(reply)
        ]

    async def _fetched(self, shop: Shop, url: str) -> Image.Image:
        headers = [("Host", shop.authority), ("Accept", "*/*")]
        if self.keyed:
            headers.append(("Authorization", f"Bearer {KEY}"))
        assert url.startswith(f"{shop.url}/images/")
        request = Request(url.removeprefix(shop.url), headers, method="GET")
        reply = await ask(shop, request)
        assert reply.status == 200
        kind = (reply.header("content-type") or "").partition("/")
        assert kind[0] == "image"
        assert urlsplit(url).path.endswith(f".{kind[2]}")
        return decoded(reply.body)


def posted(
    target: str,
    headers: Headers,
    body: Mapping[str, Any],
    *,
    separators: tuple[str, str] = (",", ":"),
    indent: int | None = None,
) -> Request:
    """A request with a JSON body."""
    data = json.dumps(body, separators=separators, indent=indent, ensure_ascii=False).encode()
    return Request(target, headers, data)
