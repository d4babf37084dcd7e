"""A caller who asks through the official SDK, and what is wrong with the answer, if anything.

Owns: asking, the SDK's own retries (with their pauses cut short), and the form every answer must
have. Must not know: which fault is being tried.
"""

import asyncio
import base64
import binascii
import io
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import openai
from PIL import Image

from gateway.clock import SystemClock
from tests.e2e.stand import KEY, VENDOR_KEY

SERVED = "served"
NO_ANSWER = "no_answer"
DEFAULT_RETRIES = 2
SIZE = (1024, 768)

_WISH: dict[str, Any] = {
    "model": "gpt-image-2",
    "size": "1024x768",
    "quality": "low",
    "output_format": "jpeg",
}
_LONGEST_PAUSE = 0.5
_CLOCK = SystemClock()
_JOB = re.compile(r"\bjob_[0-9A-HJKMNP-TV-Z]{26}\b")


class Hasty(openai.AsyncOpenAI):
    """The SDK with retries of its own, which waits between them no longer than half a second."""

    def _calculate_retry_timeout(self, *args: Any, **options: Any) -> float:
        return min(super()._calculate_retry_timeout(*args, **options), _LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class End:
    """How a wish ended: ``word`` is ``served``, ``no_answer`` or the error's code."""

    word: str
    seconds: float
    status: int = 0
    pictures: tuple[bytes, ...] = ()
    links: tuple[str, ...] = ()
    error: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def names_the_task(self) -> bool:
        """Whether an error tells what was bought, and tells SDKs not to come back."""
        said = str((self.error or {}).get("message", ""))
        return bool(_JOB.search(said)) and self.headers.get("x-should-retry") == "false"


@asynccontextmanager
async def asking(url: str, retries: int = 0, **options: Any) -> AsyncIterator[Hasty]:
    """The SDK at a gateway."""
    settings = {"base_url": f"{url}/v1", "api_key": KEY, "max_retries": retries, **options}
    async with Hasty(**settings) as client:
        yield client


async def generated(client: Hasty, prompt: str, n: int = 1, **options: Any) -> End:
    """Wish for pictures of the smallest kind, in the format that is drawn quickest."""
    return await _ended(client.images.generate(prompt=prompt, n=n, **{**_WISH, **options}))


async def edited(client: Hasty, prompt: str, picture: bytes) -> End:
    """Wish for a picture after another one."""
    return await _ended(client.images.edit(prompt=prompt, image=picture, **_WISH))


async def _ended(answer: Any) -> End:
    start = _CLOCK.monotonic()
    try:
        result = await answer
    except openai.APIStatusError as error:
        seconds = _CLOCK.monotonic() - start
        response = error.response
        body = error.body if isinstance(error.body, dict) else None
        word = str(body.get("code")) if body else "no_envelope"
        return End(
            word,
            seconds,
            response.status_code,
            error=_envelope(response.text),
            headers={name.lower(): value for name, value in response.headers.items()},
            text=response.text,
        )
    except openai.APIConnectionError as error:
        return End(NO_ANSWER, _CLOCK.monotonic() - start, text=repr(error.__cause__))
    seconds = _CLOCK.monotonic() - start
    inside, outside = [item.b64_json for item in result.data], [item.url for item in result.data]
    pictures = await asyncio.to_thread(_decoded, [one for one in inside if one])
    return End(SERVED, seconds, 200, pictures, tuple(link for link in outside if link))


def _envelope(text: str) -> Any:
    try:
        return json.loads(text)["error"]
    except (ValueError, LookupError, TypeError):
        return None


def _decoded(encoded: list[str]) -> tuple[bytes, ...]:
    try:
        return tuple(base64.b64decode(one, validate=True) for one in encoded)
    except binascii.Error:
        return ()


async def misshapen(end: End, n: int = 1, secrets: tuple[str, ...] = ()) -> str | None:
    """What is wrong with an answer: a whole right result, or OpenAI's envelope with no secrets."""
    if end.word == NO_ANSWER:
        return f"there was no answer: {end.text}"
    if end.word == SERVED:
        return await asyncio.to_thread(_misdrawn, end.pictures, n)
    if not isinstance(end.error, dict) or set(end.error) != {"message", "type", "param", "code"}:
        return f"{end.status} is not in the envelope: {end.text[:200]}"
    if not all(
        isinstance(end.error[name], str) and end.error[name] for name in ("message", "type")
    ):
        return f"the envelope says nothing: {end.text[:200]}"
    if not 400 <= end.status < 600 or "x-request-id" not in end.headers:
        return f"{end.status} without a request id"
    said = end.text + str(end.headers)
    told = [secret for secret in (KEY, VENDOR_KEY, *secrets, "Traceback") if secret in said]
    return "the answer tells a secret" if told else None


def _misdrawn(pictures: tuple[bytes, ...], n: int) -> str | None:
    if len(pictures) != n:
        return f"{len(pictures)} pictures instead of {n}"
    for data in pictures:
        try:
            picture = Image.open(io.BytesIO(data))
            picture.load()
        except (OSError, SyntaxError) as error:
            return f"a picture does not decode: {error}"
        if picture.size != SIZE:
            return f"a picture has {picture.size}"
    return None
