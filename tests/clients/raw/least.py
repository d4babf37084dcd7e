"""The least that may be sent: a request of no client in particular.

Owns: its headers and its body. Must not know: what is tested by it.
"""

from collections.abc import Sequence

from tests.clients.raw.client import GENERATIONS, posted
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Request
from tests.e2e.stand import KEY


def told(shop: Shop, *more: tuple[str, str], key: str | None = KEY) -> Sequence[tuple[str, str]]:
    """Headers: the host, the key if there is to be one, and others."""
    credential = [("Authorization", f"Bearer {key}")] if key else []
    return [("Host", shop.authority), *credential, *more]


def generation(shop: Shop, *more: tuple[str, str], **options: object) -> Request:
    """One picture asked for in JSON; ``options`` are parameters."""
    headers = told(shop, ("Content-Type", "application/json"), *more)
    body = {"prompt": shop.prompt, "model": "gpt-image-2", "size": "1024x1024", **options}
    return posted(GENERATIONS, headers, body)
