"""What may happen to one request on its way to the vendor, or to its answer on the way back.

Owns: the kinds of mishaps, whom one strikes, and as much of HTTP as aiming needs. Must not know:
sockets (``proxy.py`` acts). Nothing is left to chance but ``share``, which is drawn from a seed.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Place: TypeAlias = Literal["create", "status", "upload", "file", "other"]
Kind: TypeAlias = Literal[
    "late",  # the request is passed on only after ``seconds``
    "slow_request",  # it is passed on in drops
    "drip",  # the answer comes in drops, from byte ``at`` on
    "reset",  # the connection is reset after ``at`` bytes of the answer
    "close",  # it is closed after ``at`` bytes of the answer
    "silence",  # nothing is answered, for as long as the caller stays
    "say",  # ``text`` is answered, then ``filler`` for ever if there is any
    "spoil",  # the answer is what ``spoiled`` makes of the vendor's
    "twice",  # the request is passed on twice, and the second answer given
    "hang_up",  # closed before anything was read
    "slam",  # reset before anything was read
]
AFTER_HEAD = -1
"""``at`` of a drip that begins with the body."""

_UNREAD = {"hang_up", "slam"}
HEAD_ENDS = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Mishap:
    """It strikes ``times`` times (None: always) after letting ``after`` requests pass.

    ``where`` None is anywhere; ``hang_up`` and ``slam`` cannot be aimed, for nothing was read yet.
    ``step`` bytes come every ``seconds`` in a drip. ``forwarded``: the vendor gets the request
    whole, whatever becomes of its answer.
    """

    kind: Kind
    where: Place | None = None
    times: int | None = None
    after: int = 0
    share: float = 1.0
    at: int = 0
    step: int = 1
    seconds: float = 0.0
    forwarded: bool = True
    text: bytes = b""
    filler: bytes = b""
    spoiled: Callable[[bytes], bytes] = bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in; ``raw`` is all of it."""

    method: str
    path: str
    raw: bytes

    @property
    def place(self) -> Place:
        """What it asks the vendor for."""
        match self.method, self.path.strip("/").split("/"):
            case "POST", ["v1", "images", "generations"]:
                return "create"
            case "GET", ["v1", "images", "generations", _]:
                return "status"
            case "POST", ["v1", "uploads", "images"]:
                return "upload"
            case "GET", ["files", *_]:
                return "file"
        return "other"


Choose: TypeAlias = Callable[[Request | None], Mishap | None]
"""Chooses for a request, or (None) for a connection of which nothing was read yet."""


@dataclass(slots=True)
class _Line:
    """A mishap, the requests it could have struck, and those it was chosen for."""

    mishap: Mishap
    seen: int = 0
    chosen: int = 0

    def concerns(self, request: Request | None) -> bool:
        mishap = self.mishap
        if (mishap.kind in _UNREAD) is not (request is None):
            return False
        aimed = request is None or mishap.where in {None, request.place}
        return aimed and (mishap.times is None or self.chosen < mishap.times)


class Script:
    """Mishaps in order; the first that is due strikes."""

    def __init__(self, mishaps: Sequence[Mishap], seed: int) -> None:
        self._lines = [_Line(mishap) for mishap in mishaps]
        self._dice = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def __call__(self, request: Request | None) -> Mishap | None:
        """Choose, and count what was let pass and what was chosen."""
        for line in self._lines:
            if not line.concerns(request):
                continue
            line.seen += 1
            if line.seen > line.mishap.after and self._dice.random() < line.mishap.share:
                line.chosen += 1
                return line.mishap
        return None

    def give_back(self, mishap: Mishap) -> None:
        """It was chosen and did not come to strike: the next request gets it."""
        for line in self._lines:
            if line.mishap is mishap:
                line.chosen -= 1


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read one request whole; as it is passed on, it asks for the connection's end."""
    head = await reader.readuntil(HEAD_ENDS)
    lines = head[: -len(HEAD_ENDS)].split(b"\r\n")
    kept = [line for line in lines[1:] if not line.lower().startswith(b"connection:")]
    body = b""
    for line in kept:
        name, _, value = line.lower().partition(b":")
        if name == b"content-length":
            body = await reader.readexactly(int(value))
        elif name == b"transfer-encoding":
            body = await _chunked(reader)
    method, path, _ = lines[0].decode("latin-1").split(" ", 2)
    raw = b"\r\n".join([lines[0], *kept, b"connection: close", b"", body])
    return Request(method, path.partition("?")[0], raw)


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        body += line + await reader.readexactly(size + 2)
        if size == 0:
            return body


def respoken(
    answer: bytes, body: bytes, *, told: int | None = None, media_type: str | None = None
) -> bytes:
    """The answer with another body; its length is right unless another is ``told``."""
    lines = answer[: head_of(answer)].rstrip(b"\r\n").split(b"\r\n")
    headers = {b"content-length": b"%d" % (len(body) if told is None else told)}
    if media_type is not None:
        headers[b"content-type"] = media_type.encode()
    kept = [line for line in lines if line.lower().partition(b":")[0] not in headers]
    new = [name + b": " + value for name, value in headers.items()]
    return b"\r\n".join([*kept, *new, b"", body])


def body_of(answer: bytes) -> bytes:
    """What comes after an answer's head."""
    return answer[head_of(answer) :]


def head_of(answer: bytes) -> int:
    """Where an answer's body begins."""
    return answer.index(HEAD_ENDS) + len(HEAD_ENDS)
