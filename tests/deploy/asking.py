"""A picture, asked for as a client would that has nothing but Python."""

import json
import urllib.request
from typing import Any


def ask(url: str, key: str) -> dict[str, Any]:
    """The answer, with the picture's link in it."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{url}/v1/images/generations",
        json.dumps({"model": "dall-e-3", "prompt": "fog"}).encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
        return answer
