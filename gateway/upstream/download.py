"""Fetching pictures: bounded, checked, repeated where that can help.

Owns: the way from a link (or an inline ``data:`` URL) to a file on disk: policy, redirects, size,
length, time. Must not know: what a picture is (``images``), whose it is.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin

from gateway.clock import Clock
from gateway.notices import CallRepeated, Flaw, Repeated
from gateway.web.clients import Files, Interrupted, Stream
from gateway.web.policy import AddressRefused, Policy

_TRIES = 3
_PAUSE = 0.5
_REDIRECTS = 2
_BUFFER = 256 * 1024
# More at once make the loop's turns longer than they make the whole faster (bench picture_way).
_AT_ONCE = 8
_THROTTLED = f"HTTP {HTTPStatus.TOO_MANY_REQUESTS:d}"
_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class LinkDead(Exception):
    """A link did not give its file.

    ``fleeting`` says that another try might give it; ``away`` that it is the host, or the way to
    it, that fails, and not this file: that may last. ``flaw`` is what was wrong with it, in a word.
    """

    def __init__(
        self, reason: str, *, fleeting: bool, away: bool = False, flaw: Flaw = "dead_link"
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fleeting = fleeting
        self.away = away
        self.flaw = flaw

    @property
    def repeated(self) -> Repeated:
        """The reason why the download is made again, if it is."""
        if self.flaw == "broken":
            return "broken"
        return "throttled" if self.reason == _THROTTLED else "unavailable"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one file: bytes, and seconds in all."""

    size: int
    seconds: float


class Downloads:
    """Fetches links into files; who wants to hear of repetitions says whom to ``tell``."""

    def __init__(
        self,
        files: Files,
        policy: Policy,
        clock: Clock,
        bounds: Bounds,
        tell: Callable[[object], None] | None = None,
    ) -> None:
        self._files = files
        self._tell = tell
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._policy = policy
        self._clock = clock
        self._bounds = bounds

    async def fetch(self, url: str, path: str) -> int:
        """Fetch into ``path`` (overwritten); its bytes. Raises: LinkDead."""
        for attempt in range(1, _TRIES):
            try:
                return await self.fetch_once(url, path)
            except LinkDead as dead:
                if not dead.fleeting:
                    raise
                await self._clock.sleep(_PAUSE * attempt)
                if self._tell is not None:
                    self._tell(CallRepeated(op="download", reason=dead.repeated))
        return await self.fetch_once(url, path)

    async def fetch_once(self, url: str, path: str) -> int:
        """As ``fetch``, with one try."""
        if url.startswith("data:"):
            return await asyncio.to_thread(_inline, url, path, self._bounds.size)
        try:
            async with self._slots, asyncio.timeout(self._bounds.seconds):
                return await self._follow(url, path)
        except TimeoutError:
            raise LinkDead("timeout", fleeting=True) from None
        except Interrupted as error:
            raise LinkDead(error.reason, fleeting=True, flaw="broken") from error
        except AddressRefused as refusal:
            reason = f"address refused: {refusal}"
            raise LinkDead(reason, fleeting=False, flaw="forbidden") from refusal

    async def _follow(self, url: str, path: str) -> int:
        for _ in range(_REDIRECTS + 1):
            self._policy.check(url)
            async with self._opened(url) as stream:
                target = stream.headers.get("location")
                if HTTPStatus.MULTIPLE_CHOICES <= stream.status < HTTPStatus.BAD_REQUEST and target:
                    url = urljoin(url, target)
                    continue
                _check(stream, self._bounds.size)
                return await self._write(stream, path)
        raise LinkDead("too many redirects", fleeting=False)

    @asynccontextmanager
    async def _opened(self, url: str) -> AsyncIterator[Stream]:
        async with AsyncExitStack() as stack:
            try:
                stream = await stack.enter_async_context(self._files.open(url))
            except Interrupted as error:
                raise LinkDead(error.reason, fleeting=True, away=True) from error
            yield stream

    async def _write(self, stream: Stream, path: str) -> int:
        """Write as it comes; a small file in one go, for every hop to a thread costs."""
        size, buffer, mode = 0, bytearray(), "wb"
        async for chunk in stream.chunks:
            size += len(chunk)
            if size > self._bounds.size:
                raise LinkDead("too large", fleeting=False, flaw="too_large")
            buffer += chunk
            if len(buffer) >= _BUFFER:
                await asyncio.to_thread(_append, path, mode, buffer)
                buffer, mode = bytearray(), "ab"
        told = stream.headers.get("content-length")
        if told is not None and told.isdigit() and int(told) != size:
            raise LinkDead("shorter than announced", fleeting=True, flaw="broken")
        if size == 0:
            raise LinkDead("empty", fleeting=True, flaw="broken")
        await asyncio.to_thread(_append, path, mode, buffer)
        return size


def _append(path: str, mode: str, content: bytearray) -> None:
    with open(path, mode) as file:  # noqa: PTH123 - the mode differs from write to write
        file.write(content)


def _check(stream: Stream, most: int) -> None:
    status = stream.status
    if status != HTTPStatus.OK:
        fleeting = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER
        raise LinkDead(f"HTTP {status}", fleeting=fleeting, away=fleeting)
    if stream.headers.get("content-encoding", "identity") != "identity":
        raise LinkDead("encoded", fleeting=False, flaw="broken")
    told = stream.headers.get("content-length", "")
    if told.isdigit() and int(told) > most:
        raise LinkDead("too large", fleeting=False, flaw="too_large")


def _inline(url: str, path: str, most: int) -> int:
    """Decode a ``data:`` URL in slices; runs in a thread."""
    head, _, content = url.partition(",")
    if not head.endswith(";base64") or len(content) > most * 4 // 3 + 4:
        flaw: Flaw = "too_large" if head.endswith(";base64") else "broken"
        raise LinkDead("inline picture unusable", fleeting=False, flaw=flaw)
    size, step = 0, 4 * _BUFFER
    try:
        with open(path, "wb") as file:  # noqa: PTH123 - a plain path is all that is known here
            for start in range(0, len(content), step):
                size += file.write(base64.b64decode(content[start : start + step], validate=True))
    except binascii.Error as error:
        raise LinkDead("inline picture unusable", fleeting=False, flaw="broken") from error
    if size == 0:
        raise LinkDead("empty", fleeting=False, flaw="broken")
    return size
