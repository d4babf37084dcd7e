"""One user of one client: the same wishes, said as each client wants to hear them.

Owns: which method and which form of arguments a wish becomes, and what its user then holds. Must
not know: what is tested.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from tests.clients.driving import Driver, as_file
from tests.clients.known import (
    AI,
    AI_COMPATIBLE,
    LANGCHAIN,
    LANGCHAIN_JS,
    LITELLM,
    NODE3,
    PY0,
    Known,
)
from tests.e2e.pictures import fetched, pictures_of
from tests.e2e.stand import KEY, Stand

__all__ = ["Seen", "User", "as_file"]

_NODE3 = {
    "generate": ("createImage", None),
    "edit": (
        "createImageEdit",
        ("image", "prompt", "mask", "n", "size", "response_format", "user"),
    ),
    "variation": ("createImageVariation", ("image", "n", "size", "response_format", "user")),
}
_PY0 = {
    "images.generate": "Image.create",
    "images.edit": "Image.create_edit",
    "images.create_variation": "Image.create_variation",
}
_LITELLM = {
    "images.generate": "image_generation",
    "images.edit": "image_edit",
    "images.create_variation": "image_variation",
}
_AI_OWN = {"prompt", "n", "size", "maxRetries", "headers", "abort_after", "maxImagesPerCall"}
_CAMEL = {"base_url": "baseURL", "api_key": "apiKey", "max_retries": "maxRetries"}


@dataclass
class Seen:
    """What a client's user holds after a call."""

    value: Any
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None

    @property
    def data(self) -> list[dict[str, Any]]:
        """The pictures, as the answer tells of them."""
        items: list[dict[str, Any]] = self.value["data"]
        return items

    async def pictures(self) -> list[Image.Image]:
        """Each, decoded to the last pixel."""
        if isinstance(self.value, str):
            return [await fetched(url) for url in self.value.split("\n")]
        if all(item.get("b64_json") for item in self.data):
            return pictures_of(_Attributes(self.data))
        return [await fetched(item["url"]) for item in self.data]


class _Attributes:
    """Items as ``pictures_of`` reads them."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.data = [type("Item", (), item) for item in items]


@dataclass
class User:
    """Somebody who has one client, and a key of the gateway's.

    ``settings`` are the client's own, as Python's SDK calls them; time-outs are in seconds.
    """

    known: Known
    driver: Driver
    stand: Stand
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.known.name

    def with_(self, **settings: Any) -> "User":
        """The same one with other settings."""
        return User(self.known, self.driver, self.stand, {**self.settings, **settings})

    async def generate(self, **wish: Any) -> Seen:
        """Ask for pictures. Raises: Refused."""
        return await self._asked("generate", wish)

    async def edit(self, **wish: Any) -> Seen:
        """Have pictures edited. Raises: Refused."""
        return await self._asked("edit", wish)

    async def variation(self, **wish: Any) -> Seen:
        """Ask for variations. Raises: Refused."""
        return await self._asked("variation", wish)

    async def call(self, method: str, **more: Any) -> Seen:
        """One of the SDK's methods by its name. Raises: Refused."""
        return _seen(await self.driver.ask("call", client=self.client, method=method, **more))

    async def stream(self, method: str, **args: Any) -> tuple[list[dict[str, Any]], Any]:
        """Read a stream to its end: its events, and the error it ended with. Raises: Refused."""
        given = {"stream": True, **args}
        told = await self.driver.ask("stream", client=self.client, method=method, args=given)
        return told["events"], told["error"]

    @property
    def client(self) -> dict[str, Any]:
        """What the client is made with."""
        own = {"base_url": f"{self.stand.url}/v1", "api_key": KEY, **self.settings}
        if not _is_sdk_of_node(self.known):
            return own
        if "timeout" in own:
            own["timeout"] = int(own["timeout"] * 1000)
        if own.pop("in_browser", False):
            own["dangerouslyAllowBrowser"] = True
        return {_CAMEL.get(name, name): value for name, value in own.items()}

    async def _asked(self, what: str, wish: dict[str, Any]) -> Seen:
        if self.name in {LANGCHAIN, LANGCHAIN_JS}:
            return await self._by_tool(wish)
        if self.name in {AI, AI_COMPATIBLE}:
            return await self._by_ai_sdk(wish)
        if self.name == NODE3:
            method, order = _NODE3[what]
            words = [wish] if order is None else [wish.get(name) for name in order]
            return await self.call(method, words=words)
        variation = "createVariation" if _is_sdk_of_node(self.known) else "create_variation"
        method = f"images.{variation if what == 'variation' else what}"
        if self.name == LITELLM:
            wish = {"model": "gpt-image-2", **wish}
            wish["model"] = f"openai/{wish['model']}"
        names = {PY0: _PY0, LITELLM: _LITELLM}.get(self.name, {})
        return await self.call(names.get(method, method), args=wish)

    async def _by_tool(self, wish: dict[str, Any]) -> Seen:
        prompt = wish.pop("prompt")
        return _seen(await self.driver.ask("call", client=self.client, prompt=prompt, args=wish))

    async def _by_ai_sdk(self, wish: dict[str, Any]) -> Seen:
        """Pictures to be edited are part of the prompt; what is OpenAI's alone goes aside."""
        model = wish.pop("model", "gpt-image-2")
        compatible = self.name == AI_COMPATIBLE
        if "image" in wish:
            given = wish.pop("image")
            images = given if isinstance(given, list) else [given]
            mask = {"mask": wish.pop("mask")} if "mask" in wish else {}
            wish["prompt"] = {"text": wish["prompt"], "images": images, **mask}
        own = {name: wish[name] for name in wish if name in _AI_OWN}
        others = {name: wish[name] for name in wish if name not in _AI_OWN}
        if others:
            own["providerOptions"] = {"gateway" if compatible else "openai": others}
        if "max_retries" in self.settings:
            own["maxRetries"] = self.settings["max_retries"]
        asked = {"client": self.client, "compatible": compatible, "model": model}
        return _seen(await self.driver.ask("call", args=own, **asked))


def _is_sdk_of_node(known: Known) -> bool:
    return known.program == "openai_node.mjs"


def _seen(told: dict[str, Any]) -> Seen:
    known = {name: told[name] for name in ("request_id", "headers", "status") if name in told}
    return Seen(told["value"], **known)
