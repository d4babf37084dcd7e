"""The shelf's files: what lies in its folder, and how one gets there or goes.

Owns: names, durability, deletion; every function here blocks and belongs into a thread. Must not
know: who may see a picture, what may go first, how much there may be.
"""

import os
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.images.header import glance
from gateway.images.readers import Damaged
from gateway.translate.model import Format

EXTENSIONS: dict[Format, str] = {"png": "png", "jpeg": "jpg", "webp": "webp"}
_FORMATS: dict[str, Format] = {extension: form for form, extension in EXTENSIONS.items()}
_KEPT = re.compile(r"[0-9a-f]{32}\.(png|jpg|webp)")
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.part")


@dataclass(frozen=True, slots=True)
class Shelved:
    """A picture on the shelf; ``size`` in bytes, ``expires_at`` in seconds since the epoch."""

    token: str
    path: str
    format: Format
    width: int
    height: int
    size: int
    expires_at: float

    @property
    def filename(self) -> str:
        """What its link ends with."""
        return f"{self.token}.{EXTENSIONS[self.format]}"

    @property
    def media_type(self) -> str:
        """For ``Content-Type``."""
        return f"image/{self.format}"


def blank(folder: str) -> str:
    """Make up a name for a temporary file; nothing is created."""
    return str(Path(folder) / f".{secrets.token_hex(16)}.part")


def take_stock(folder: str, lifetime: float) -> list[Shelved]:
    """Make the folder, clear what a dead process left unfinished, and list pictures by age.

    Pictures live for ``lifetime`` seconds from when they were placed. Files with foreign names are
    left alone.
    """
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    found = []
    for path in Path(folder).iterdir():
        kept = _KEPT.fullmatch(path.name)
        picture = _shelved(path, lifetime) if kept else None
        if picture is not None:
            found.append(picture)
        elif kept or _TEMPORARY.fullmatch(path.name):
            path.unlink()
    return sorted(found, key=lambda picture: picture.expires_at)


def place(source: str, target: str, modified: float) -> None:
    """Move a file to its name so that it survives a power cut, or is not there at all."""
    with Path(source).open("rb") as file:
        os.utime(file.fileno(), (modified, modified))
        os.fsync(file.fileno())
    Path(source).replace(target)
    folder = os.open(Path(target).parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove(paths: Sequence[str]) -> set[str]:
    """Delete files; returns those that are still there."""
    for path in paths:
        with suppress(OSError):
            Path(path).unlink()
    return {path for path in paths if Path(path).exists()}


def _shelved(path: Path, lifetime: float) -> Shelved | None:
    form = _FORMATS[path.suffix[1:]]
    try:
        seen = glance(path)
    except Damaged:
        return None
    if seen is None or seen[0] != f"image/{form}":
        return None
    status = path.stat()
    expiry = status.st_mtime + lifetime
    return Shelved(path.stem, str(path), form, *seen[1:], status.st_size, expiry)
