"""Files the vendor keeps: uploads and finished pictures, on disk, bounded in bytes.

Owns: a temporary folder (made when first needed, removed by ``close``), names, what is dropped
when there is no more room (the oldest). Must not know: HTTP, pictures' contents. Writing and
reading the bytes is the caller's work, in a thread; the methods here are quick.
"""

import shutil
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"GIF87a", "image/gif", "gif"),
    (b"GIF89a", "image/gif", "gif"),
)
"""First bytes, media type, extension."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file under its public name. ``since`` is monotonic; ``task_id`` is empty for uploads."""

    name: str
    path: Path
    media_type: str
    size: int
    since: float
    task_id: str = ""


def sniff(head: bytes) -> tuple[str, str] | None:
    """Media type and extension by the first bytes, or None for anything but the four allowed."""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp", "webp"
    for signature, media_type, extension in SIGNATURES:
        if head.startswith(signature):
            return media_type, extension
    return None


class Files:
    """At most ``most`` bytes; the newest file always stays."""

    def __init__(self, most: int = 1_000_000_000) -> None:
        self._most = most
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0
        self._folder: Path | None = None
        self._number = 0

    def path(self) -> Path:
        """Choose a fresh place on disk to write to, before ``keep``."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="image-simulator-"))
        self._number += 1
        return self._folder / str(self._number)

    def keep(self, kept: Kept) -> None:
        """Publish a written file, dropping the oldest ones where room is short."""
        self._kept[kept.name] = kept
        self._bytes += kept.size
        while self._bytes > self._most and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def find(self, name: str) -> Kept | None:
        """Look up the file of that public name, if it is still there."""
        return self._kept.get(name)

    def clear(self) -> None:
        """Drop everything."""
        for name in list(self._kept):
            self._drop(name)

    def close(self) -> None:
        """Drop everything and remove the folder."""
        self._kept.clear()
        self._bytes = 0
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __len__(self) -> int:
        return len(self._kept)

    def _drop(self, name: str) -> None:
        kept = self._kept.pop(name)
        self._bytes -= kept.size
        kept.path.unlink(missing_ok=True)
