"""The playground: a picture as one of the clients' keys, to see what its owner would get.

Owns: the form's fields and their bounds, the request that becomes of them, how many run at once,
and what is shown of the answer. Must not know: how a request is served as a key, sessions, HTML. A
picture is never parsed or copied as text: where its base64 stands in the answer is found by its
marks, which no text within JSON can hold.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from gateway.clock import Clock
from gateway.ops.bars import Value
from gateway.ops.wording import dollars, size
from gateway.translate.model import QUALITIES, ImageRequest
from gateway.translate.sizes import offered

AT_ONCE = 2
MOST_PICTURES = 4
_LONGEST_PROMPT = 32_000
_KEPT_OF_BASE64 = 32
_TOO_LARGE = "The answer is too large to be shown here; it was made all the same."
_MARK = b'"b64_json":"'
_SHOWN_HEADERS = ("x-request-id", "retry-after", "x-should-retry", "openai-processing-ms")
_SHOWN_FAMILIES = ("x-gateway-", "x-ratelimit-")


class Played(Protocol):
    """An answer as a client gets it; ``headers`` by lower-case names."""

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
        """The whole body; None if it was too large to be kept."""
        ...


@dataclass(frozen=True, slots=True)
class Playing:
    """What the playground is given.

    ``play`` serves a JSON body as a key by its name; ``quote`` says what a request of a key would
    cost in micro-dollars, None where that is not known; ``models`` are those there are now.
    ``lenient``: an answer's form may be asked for whatever the model.
    """

    play: Callable[[str, bytes], Awaitable[Played]]
    quote: Callable[[str, ImageRequest], int | None]
    models: Callable[[], Iterable[str]]
    lenient: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """The form, filled in; an empty word leaves the parameter out."""

    key_name: str
    model: str
    size: str
    quality: str
    n: int
    prompt: str

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

    def body(self, *, lenient: bool) -> bytes:
        """As a client sends it."""
        fields: dict[str, str | int] = {"model": self.model, "prompt": self.prompt, "n": self.n}
        fields |= {"size": self.size, "quality": self.quality}
        if lenient:
            fields["response_format"] = "b64_json"  # links may lead where the browser cannot go
        return json.dumps({name: value for name, value in fields.items() if value != ""}).encode()


class Unusable(ValueError):
    """The form is not one that our page sends."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is told of an answer. ``pictures`` are base64, still as bytes."""

    told: Mapping[str, Value]
    pictures: tuple[bytes, ...]
    media_type: str

    def as_json(self) -> bytes:
        """For the page's script; base64 needs no escaping, so pictures go in as they are."""
        head = json.dumps(self.told).encode()[:-1]
        shown = b",".join(
            b'{"key":"%d","src":"data:%b;base64,%b","alt":"Picture %d"}'
            % (place, self.media_type.encode(), picture, place + 1)
            for place, picture in enumerate(self.pictures)
        )
        return head + b',"pictures":[' + shown + b"]}"

    def as_values(self) -> Mapping[str, Value]:
        """For the page's template."""
        pictures: list[Value] = [
            {
                "key": str(place),
                "src": f"data:{self.media_type};base64,{picture.decode()}",
                "alt": f"Picture {place + 1}",
            }
            for place, picture in enumerate(self.pictures)
        ]
        return {**self.told, "pictures": pictures}


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
        }

    def price(self, wanted: Wanted) -> str:
        """What stands on the button."""
        micro = self._playing.quote(wanted.key_name, wanted.request())
        return "costs money" if micro is None else f"costs {dollars(micro)}"

    async def play(self, wanted: Wanted) -> tuple[Played, Shown]:
        """Make it, and wait; what was begun goes on if whoever asked has left."""
        began = self._clock.monotonic()
        self._running += 1
        try:
            body = wanted.body(lenient=self._playing.lenient)
            played = await self._playing.play(wanted.key_name, body)
        finally:
            self._running -= 1
        return played, shown(played, self._clock.monotonic() - began)


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
    return Wanted(form["key"], model, wanted_size, quality, int(number), prompt)


def shown(played: Played, seconds: float) -> Shown:
    """What is told of an answer: everything but the pictures' bytes, and these beside it."""
    good = played.status < HTTPStatus.BAD_REQUEST
    text, pictures = (_TOO_LARGE, ()) if played.body is None else _parted(played.body)
    headers: list[Value] = [
        {"key": f"{place} {name}", "name": name, "value": value}
        for place, (name, value) in enumerate(played.headers)
        if name in _SHOWN_HEADERS or name.startswith(_SHOWN_FAMILIES)
    ]
    told: dict[str, Value] = {
        "status": f"{played.status} {_phrase(played.status)}",
        "tone": "good" if good else "bad",
        "took": f"{seconds:.1f} s",
        "headers": headers,
        "json": _pretty(text),
    }
    return Shown(told, pictures, _media_type(text))


def _parted(body: bytes) -> tuple[str, tuple[bytes, ...]]:
    """The JSON with its pictures cut short, and the pictures."""
    kept: list[bytes] = []
    pictures: list[bytes] = []
    at = 0
    while (found := body.find(_MARK, at)) >= 0:
        begin = found + len(_MARK)
        end = body.find(b'"', begin)
        if end < 0:
            break
        picture = body[begin:end]
        pictures.append(picture)
        cut = f"{picture[:_KEPT_OF_BASE64].decode('ascii', 'replace')}… ({size(len(picture))})"
        kept += [body[at:begin], cut.encode()]
        at = end
    return (b"".join(kept) + body[at:]).decode("utf-8", "replace"), tuple(pictures)


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _media_type(text: str) -> str:
    try:
        told = json.loads(text)
    except ValueError:
        return "image/png"
    named = told.get("output_format") if isinstance(told, dict) else None
    return f"image/{named}" if named in {"png", "jpeg", "webp"} else "image/png"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _words(pixels: tuple[int, int]) -> str:
    return f"{pixels[0]}x{pixels[1]}"
