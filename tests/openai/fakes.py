"""What the tests of reading stand on: a clock by hand, a desk that knows two tiny formats,
bodies as clients send them, and what an ASGI server hands over.
"""

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.types import Message, Receive

from gateway.clock import SystemClock
from gateway.config.sections import PictureBounds, ServerBounds
from gateway.errors import InvalidRequest
from gateway.images.measure import BadPicture
from gateway.openai.requests import Reading, Received, read_request
from gateway.translate.model import Kind, Note, Picture, note

BOUNDARY = "gateway-test-boundary"


def png(width: int = 64, height: int = 64, *, alpha: bool = True, padding: int = 0) -> bytes:
    """A PNG's head, as many bytes after it as wanted, and its end: enough for ``FakeDesk``."""
    colour = 6 if alpha else 2
    head = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\x0dIHDR"
    return (
        head + struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0) + bytes(padding) + b"IEND"
    )


def content(path: str) -> bytes:
    """A file's bytes; tests may wait for a disk."""
    return Path(path).read_bytes()


def content_size(path: str) -> int:
    return Path(path).stat().st_size


JPEG = b"\xff\xd8\xff\xe0 a picture\r\n--of bytes \x00 IEND"


@dataclass
class FakeDesk:
    """Measures what ``png`` makes and takes ``JPEG`` for 64x64; ``calls`` are in order."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    shrinks: bool = False

    async def measure(self, path: str) -> Picture:
        data = content(path)
        self.calls.append(("measure", Path(path).name))
        digest = hashlib.sha256(data).hexdigest()
        if data.startswith(b"\xff\xd8\xff"):
            return Picture(path, digest, "image/jpeg", 64, 64, len(data), alpha=False)
        if not data.startswith(b"\x89PNG") or len(data) < 29:
            raise BadPicture("unsupported_file_mimetype", "no picture")
        width, height = struct.unpack(">II", data[16:24])
        alpha = data[25] == 6
        return Picture(path, digest, "image/png", width, height, len(data), alpha=alpha)

    async def verify(self, picture: Picture) -> Picture:
        self.calls.append(("verify", Path(picture.path).name))
        if not content(picture.path).endswith(b"IEND"):
            raise BadPicture("invalid_image_file", "it ends early")
        return picture

    async def prepare(
        self, picture: Picture, *, keep_pixels: bool, is_mask: bool, folder: str
    ) -> tuple[Picture, tuple[Note, ...]]:
        assert os.path.isdir(folder)  # noqa: PTH112 - a fake may wait for a disk
        kind = "mask" if is_mask else "kept" if keep_pixels else "free"
        self.calls.append(("prepare", kind))
        return picture, (note("picture-reencoded"),) if self.shrinks else ()


@dataclass
class FakeRemote:
    """Refuses what is not https; serves ``pages``."""

    pages: dict[str, bytes] = field(default_factory=dict)
    checked: list[str] = field(default_factory=list)

    def check(self, url: str) -> None:
        self.checked.append(url)
        if not url.startswith("https://"):
            raise InvalidRequest("Only public https addresses are fetched.")

    async def fetch(self, url: str, path: str) -> None:
        if url not in self.pages:
            raise InvalidRequest("Error while downloading file. Upstream status code: 404.")
        Path(path).write_bytes(self.pages[url])


@dataclass
class FakeClock:
    """Time that stands still but when a test moves it."""

    now: float = 1000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)
        await SystemClock().sleep(0)


def reading(
    folder: Path,
    *,
    strict: bool = False,
    desk: FakeDesk | None = None,
    remote: FakeRemote | None = None,
    **bounds: Any,
) -> Reading:
    """A ``Reading`` on fakes; ``picture_bytes`` and the names of ``ServerBounds`` may be given."""
    picture = bounds.pop("picture_bytes", 50_000_000)
    return Reading(
        bounds=ServerBounds(**bounds),
        picture_bounds=PictureBounds(bytes=picture),
        strict=strict,
        spool_folder=str(folder),
        pictures=desk or FakeDesk(),
        remote=remote or FakeRemote(),
        clock=FakeClock(),
    )


def received(chunks: Iterable[bytes], *, then: Message | None = None) -> Receive:
    """An ASGI receive that hands over ``chunks``, then an end (or ``then``)."""
    last: Message = then or {"type": "http.request", "body": b"", "more_body": False}

    def messages() -> Iterator[Message]:
        for chunk in chunks:
            yield {"type": "http.request", "body": chunk, "more_body": True}
        while True:
            yield last

    source = messages()

    async def receive() -> Message:
        return next(source)

    return receive


def split(body: bytes, size: int) -> list[bytes]:
    return [body[i : i + size] for i in range(0, len(body), size)]


async def ask(
    kind: Kind,
    body: bytes,
    using: Reading,
    *,
    content_type: str | None = "application/json",
    size: int = 65_536,
    prompt: str | None = None,
) -> Received:
    """Read ``body`` in chunks of ``size``; a length is declared, as most clients do."""
    headers = {"content-length": str(len(body))}
    if content_type is not None:
        headers["content-type"] = content_type
    chunks = split(body, size)
    return await read_request(kind, headers, received(chunks), using, standing_prompt=prompt)


def part(
    name: str,
    content: bytes | str,
    *,
    filename: str | None = None,
    content_type: str | None = None,
    disposition: str | None = None,
) -> bytes:
    """One part, without its boundary."""
    head = disposition or f'form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{filename}"'
    lines = f"Content-Disposition: {head}\r\n"
    if content_type is not None:
        lines += f"Content-Type: {content_type}\r\n"
    data = content.encode() if isinstance(content, str) else content
    return lines.encode() + b"\r\n" + data


def form(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    """The parts between boundaries, closed."""
    line = b"--" + boundary.encode()
    return b"".join(line + b"\r\n" + each + b"\r\n" for each in parts) + line + b"--\r\n"


FORM = f"multipart/form-data; boundary={BOUNDARY}"
