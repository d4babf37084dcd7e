"""The playground: a picture as one of the clients' keys, to see what its owner would get.

Owns: the form's fields and their bounds, the request that becomes of them, how many run at once,
what is shown of the answer, and which token the next form has. Must not know: how a request is
served as a key, sessions, HTML. No picture passes through here: the page shows them by their names,
as files.

Each form has a token, ``once``. Sent again, by whoever saw no good answer, it gets what was bought
for it. With a good answer comes another token, so that who asks for the same again gets a new one.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from starlette.types import ASGIApp, Receive

from gateway.clock import Clock
from gateway.ops.bars import Value
from gateway.ops.wording import dollars
from gateway.translate.model import QUALITIES, ImageRequest
from gateway.translate.sizes import offered

AT_ONCE = 2
MOST_PICTURES = 4
_LONGEST_PROMPT = 32_000
_TOO_LARGE = "The answer's JSON is too large to be shown here. What was made is kept all the same."
_SHOWN_HEADERS = ("x-request-id", "retry-after", "x-should-retry", "openai-processing-ms")
_SHOWN_FAMILIES = ("x-gateway-", "x-ratelimit-")


class Played(Protocol):
    """An answer as a client gets it, but for the pictures; ``headers`` by lower-case names."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """All headers, in order."""
        ...

    @property
    def body(self) -> bytes | None:
        """The body, with pictures cut short; None if it was too large to be kept."""
        ...

    @property
    def pictures(self) -> Sequence[str]:
        """The names of its pictures."""
        ...


@dataclass(frozen=True, slots=True)
class Playing:
    """What the playground is given.

    ``play`` serves a JSON body as a key by its name; it is told the wish, by which the same form
    sent once more is known (None where it had no token), and hears from the asking connection when
    that ends. ``quote`` says what a request of a key would cost in micro-dollars, None where that
    is not known; ``models`` are those there are now. ``picture`` finds what sends a picture by its
    name; None if nothing can have that name.
    """

    play: Callable[[str, bytes, str | None, Receive], Awaitable[Played]]
    quote: Callable[[str, ImageRequest], int | None]
    models: Callable[[], Iterable[str]]
    picture: Callable[[str], ASGIApp | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The form, filled in; an empty word leaves the parameter out. ``once`` is its token."""

    key_name: str
    model: str
    size: str
    quality: str
    n: int
    prompt: str
    once: str = ""

    def request(self) -> ImageRequest:
        """As the planner reads it."""
        return ImageRequest(
            kind="generation",
            prompt=self.prompt or "-",
            requested_model=self.model or None,
            n=self.n,
            size=self.size or None,
            quality=self.quality or None,
        )

    def body(self) -> bytes:
        """As a client sends it."""
        fields: dict[str, str | int] = {"model": self.model, "prompt": self.prompt, "n": self.n}
        fields |= {"size": self.size, "quality": self.quality}
        return json.dumps({name: value for name, value in fields.items() if value != ""}).encode()

    def wish(self) -> str | None:
        """What is the same where this form is sent once more as it was; None without a token.

        A form whose fields have changed is for another wish, whatever became of the first.
        """
        if not self.once:
            return None
        return hashlib.sha256(b"%b\0%b" % (self.once.encode(), self.body())).hexdigest()


class Unusable(ValueError):
    """The form is not one that our page sends."""


class Playground:
    """Makes pictures, a few at once."""

    def __init__(self, playing: Playing, clock: Clock, most: int = AT_ONCE) -> None:
        self._playing = playing
        self._clock = clock
        self._most = most
        self._running = 0

    def __repr__(self) -> str:
        return f"<Playground running={self._running}>"

    @property
    def is_full(self) -> bool:
        """Whether no more may run now."""
        return self._running >= self._most

    def choices(self) -> Mapping[str, Value]:
        """What its form offers, apart from keys."""
        extended = [
            {
                "tier": tier,
                "sizes": [_words(one) for _, at, one in offered(extended=False) if at == tier],
            }
            for tier in ("1k", "2k", "4k")
        ]
        return {
            "models": list(self._playing.models()),
            "qualities": list(QUALITIES),
            "numbers": list(range(1, MOST_PICTURES + 1)),
            "tiers": extended,
            "longest": _LONGEST_PROMPT,
            "once": _token(),
        }

    def price(self, wanted: Wanted) -> str:
        """What stands on the button."""
        micro = self._playing.quote(wanted.key_name, wanted.request())
        return "costs money" if micro is None else f"costs {dollars(micro)}"

    def picture(self, name: str) -> ASGIApp | None:
        """What sends a picture, by its name."""
        return self._playing.picture(name)

    async def play(self, wanted: Wanted, receive: Receive) -> tuple[Played, Mapping[str, Value]]:
        """Make it, and wait for as long as whoever asks, whose leaving ``receive`` tells.

        What was bought goes on without them, and is theirs when they send the form again.
        """
        began = self._clock.monotonic()
        self._running += 1
        try:
            played = await self._playing.play(
                wanted.key_name, wanted.body(), wanted.wish(), receive
            )
        finally:
            self._running -= 1
        took = self._clock.monotonic() - began
        told = await asyncio.to_thread(shown, played, took)
        once = wanted.once if wanted.once and not _is_good(played) else _token()
        return played, {**told, "once": once}


def read_form(form: Mapping[str, str]) -> Wanted:
    """The form's fields. Raises: Unusable."""
    number = form.get("n", "1")
    if number not in map(str, range(1, MOST_PICTURES + 1)):
        raise Unusable(f"n is a number from 1 to {MOST_PICTURES}")
    if not form.get("key"):
        raise Unusable("a key has to be chosen")
    prompt = form.get("prompt", "")
    if len(prompt) > _LONGEST_PROMPT:
        raise Unusable(f"a prompt has at most {_LONGEST_PROMPT} characters")
    words = (form.get(name, "") for name in ("model", "size", "quality"))
    model, wanted_size, quality = words
    once = form.get("once", "")
    return Wanted(form["key"], model, wanted_size, quality, int(number), prompt, once)


def shown(played: Played, seconds: float) -> Mapping[str, Value]:
    """What is told of an answer, for the page's template and script alike."""
    headers: list[Value] = [
        {"key": f"{place} {name}", "name": name, "value": value}
        for place, (name, value) in enumerate(played.headers)
        if name in _SHOWN_HEADERS or name.startswith(_SHOWN_FAMILIES)
    ]
    pictures: list[Value] = [
        {"key": str(place), "src": f"playground/pictures/{name}", "alt": f"Picture {place + 1}"}
        for place, name in enumerate(played.pictures)
    ]
    return {
        "status": f"{played.status} {_phrase(played.status)}",
        "tone": "good" if _is_good(played) else "bad",
        "took": f"{seconds:.1f} s",
        "headers": headers,
        "json": _TOO_LARGE if played.body is None else _pretty(played.body),
        "pictures": pictures,
    }


def _is_good(played: Played) -> bool:
    return played.status < HTTPStatus.BAD_REQUEST


def _token() -> str:
    return secrets.token_urlsafe(16)


def _pretty(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _words(pixels: tuple[int, int]) -> str:
    return f"{pixels[0]}x{pixels[1]}"
