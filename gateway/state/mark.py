"""How far the ledger had come, written beside it.

Owns: the file ``<ledger>.mark``, a number of synced commits as text. It is written after a commit
is on the disk and never synced itself, so it may lag behind, and is never ahead: a ledger that
has fewer commits than its mark has lost some. Must not know: SQLite.
"""

import os
from pathlib import Path
from typing import Self

_DIGITS = 20


def read(path: Path) -> int | None:
    """The number; None without a mark. One that lost its content with the power says 0."""
    try:
        text = path.read_bytes().strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isdigit() else 0


class Mark:
    """The mark, open for writing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open it, or make it. Raises: OSError."""
        return cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def write(self, commits: int) -> None:
        """Say that so many commits are on the disk. Raises: OSError."""
        os.pwrite(self._descriptor, f"{commits:0{_DIGITS}}\n".encode(), 0)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)
