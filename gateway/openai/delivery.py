"""Sending pictures: read, encoded and written piece by piece, with a true length where one is told.

Owns: the base64 of a picture inside a body, and a picture as itself. Must not know: what the
body says, how a picture was made. A picture is read from its file in pieces whose length is a
multiple of three, so that the base64 of the pieces is the base64 of the whole; it never passes
through a JSON encoder, and no more than one piece of it is in memory. For whoever fetches the
pictures otherwise there is the same JSON with little of each.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import BinaryIO

import pybase64
from starlette.types import Receive, Scope, Send

from gateway.failpoints import failpoint
from gateway.images.shelf import Shelf, Shelved
from gateway.openai.responses import Segment

# 192 KiB: a multiple of three, large enough that the hop to a thread is cheap.
_PIECE = 3 * 64 * 1024
JSON = "application/json"
_ABRIDGED = 24  # bytes of a picture, a multiple of three as well


class SegmentsBody:
    """Text with pictures in it, as what follows a response's head; its end is the response's.

    ``delivered`` is known afterwards: everything was handed over, and nobody had hung up.
    """

    def __init__(
        self, segments: Sequence[Segment], shelf: Shelf, gone: asyncio.Future[None]
    ) -> None:
        self._segments = segments
        self._pictures = [one for one in segments if isinstance(one, Shelved)]
        self._files: list[BinaryIO] = []
        self._shelf = shelf
        self._gone = gone
        self.delivered = False

    @property
    def length(self) -> int:
        """Bytes in all."""
        return sum(_length(segment) for segment in self._segments)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Within the block all files are open, so that none can be missing later.

        Raises: ImageNotFound.
        """
        with contextlib.ExitStack() as stack:
            self._files = await asyncio.to_thread(self._open, stack)
            yield

    async def send(self, send: Send) -> None:
        """Send all of it, with its files open."""
        failpoint("answer.begun")
        files = iter(self._files)
        for segment in self._segments:
            if isinstance(segment, Shelved):
                await self._send_base64(send, next(files))
            else:
                await send_piece(send, segment)
        await send_end(send)
        failpoint("answer.sent")
        if not self._gone.done():
            self.delivered = True
            for shelved in self._pictures:
                self._shelf.delivered(shelved.token)

    async def _send_base64(self, send: Send, file: BinaryIO) -> None:
        while not self._gone.done() and (piece := await asyncio.to_thread(_encoded, file)):
            await send_piece(send, piece)
            failpoint("answer.amid")

    def _open(self, stack: contextlib.ExitStack) -> list[BinaryIO]:
        return [stack.enter_context(self._shelf.open_for_reading(one)) for one in self._pictures]


class SegmentsResponse:
    """A JSON body with pictures in it, of a known length, as an ASGI response.

    ``begun`` is known as soon as its head was sent, ``delivered`` afterwards.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        headers: Mapping[str, str],
        shelf: Shelf,
        gone: asyncio.Future[None],
    ) -> None:
        self._body = SegmentsBody(segments, shelf, gone)
        self._headers = headers
        self.begun = False

    @property
    def delivered(self) -> bool:
        """Whether everything was handed over, and nobody had hung up."""
        return self._body.delivered

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it. All files are open before the first byte. Raises: ImageNotFound."""
        async with self._body.opened():
            length = str(self._body.length)
            headers = {**self._headers, "content-type": JSON, "content-length": length}
            await send_head(send, headers)
            self.begun = True
            await self._body.send(send)


class PictureResponse:
    """A picture as itself, as an ASGI response; ``HEAD`` gets the headers only.

    Afterwards ``fetched_first`` says whether it was the first time that somebody got all of it.
    """

    def __init__(
        self,
        shelved: Shelved,
        headers: Mapping[str, str],
        shelf: Shelf,
        gone: asyncio.Future[None],
    ) -> None:
        self._shelved = shelved
        self._headers = headers
        self._shelf = shelf
        self._gone = gone
        self.fetched_first = False

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it, and mark it fetched when its last byte was handed over to somebody."""
        with await asyncio.to_thread(self._shelf.open_for_reading, self._shelved) as file:
            await send_head(send, {**self._headers, "content-length": str(self._shelved.size)})
            whole = scope["method"] != "HEAD" and await self._send_all(send, file)
            await send_end(send)
        if whole:
            self.fetched_first = not self._shelf.is_claimed(self._shelved.token)
            self._shelf.fetched(self._shelved.token)

    async def _send_all(self, send: Send, file: BinaryIO) -> bool:
        """Send its bytes; whether somebody was there to the last. Who has it all may leave."""
        left = self._shelved.size
        while left > 0 and not self._gone.done():
            piece = await asyncio.to_thread(file.read, _PIECE)
            if not piece:
                return False
            await send_piece(send, piece)
            left -= len(piece)
        return not self._gone.done()


async def abridged(segments: Sequence[Segment], shelf: Shelf) -> list[bytes]:
    """A body that tells of each picture how its base64 begins and how long it is.

    Raises: ImageNotFound, as sending the whole would.
    """
    return await asyncio.to_thread(lambda: [_abridged(segment, shelf) for segment in segments])


def _abridged(segment: Segment, shelf: Shelf) -> bytes:
    if not isinstance(segment, Shelved):
        return segment
    with shelf.open_for_reading(segment) as file:
        begin = pybase64.b64encode(file.read(_ABRIDGED))
    return begin + f"… ({_length(segment):,} characters)".encode()


def _length(segment: Segment) -> int:
    if isinstance(segment, Shelved):
        return (segment.size + 2) // 3 * 4
    return len(segment)


async def send_head(send: Send, headers: Mapping[str, str]) -> None:
    """Begin an answer of status 200."""
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})


async def send_piece(send: Send, body: bytes) -> None:
    """Send some of a body, which is not its end."""
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def send_end(send: Send) -> None:
    """End a body."""
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _encoded(file: BinaryIO) -> bytes:
    return pybase64.b64encode(file.read(_PIECE))
