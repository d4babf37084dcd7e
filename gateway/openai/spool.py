"""A private folder per request, for the pictures that came with it.

Owns: making the folder on first use, writing files in steps and in threads, and removing all of
it at once. Must not know: what the files hold, or how they were sent.

A write that was given up (its caller was cancelled) may still be running in its thread; the lock
makes sure that nothing is created once the folder was discarded.
"""

import asyncio
import secrets
import shutil
import threading
from pathlib import Path

from gateway.errors import NoRoom

BUFFER = 256 * 1024


class Spool:
    """One request's files; whoever holds the spool must ``discard`` it."""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / f"request-{secrets.token_hex(16)}"
        self._lock = threading.Lock()
        self._discarded = False
        self._used = False
        self._count = 0

    def new(self) -> "SpoolFile":
        """Name a new file; it is on disk once something was written or it was closed."""
        self._count += 1
        self._used = True
        return SpoolFile(self, str(self._path / f"{self._count:03d}"))

    async def folder(self) -> str:
        """Return the folder's path, for those who write files of their own; it exists."""
        self._used = True
        await asyncio.to_thread(self._write)
        return str(self._path)

    async def append(self, path: str, data: bytes) -> None:
        """Add ``data`` to the file at ``path``, in a thread. Raises ``NoRoom``."""
        await asyncio.to_thread(self._write, path, data)

    async def discard(self) -> None:
        """Remove the folder and all in it; may be called more than once.

        Most requests bring no file: where none was named, there is nothing a thread could do.
        """
        if self._used:
            await asyncio.to_thread(self._remove)
        else:
            self._discarded = True

    def _write(self, path: str | None = None, data: bytes = b"") -> None:
        with self._lock:
            if self._discarded:
                raise RuntimeError("the spool was discarded")
            try:
                self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
                if path is not None:
                    with Path(path).open("ab", buffering=0) as file:
                        file.write(data)
            except OSError as fault:
                raise NoRoom("There is no room for the request's pictures now.") from fault

    def _remove(self) -> None:
        with self._lock:
            self._discarded = True
            shutil.rmtree(self._path, ignore_errors=True)

    def __repr__(self) -> str:
        return f"Spool(files={self._count}, discarded={self._discarded})"


class SpoolFile:
    """A file being written; no descriptor stays open between writes, so none can be lost."""

    def __init__(self, spool: Spool, path: str) -> None:
        self.path = path
        self.size = 0
        self._spool = spool
        self._pending: list[bytes] = []
        self._waiting = 0

    async def write(self, data: bytes) -> None:
        """Take ``data``; it reaches the disk in pieces of ``BUFFER`` bytes or more."""
        self._pending.append(data)
        self._waiting += len(data)
        self.size += len(data)
        if self._waiting >= BUFFER:
            await self._flush()

    async def close(self) -> None:
        """Bring what is pending to the disk; the file exists afterwards, be it empty."""
        await self._flush()

    async def _flush(self) -> None:
        data = b"".join(self._pending)
        self._pending, self._waiting = [], 0
        await self._spool.append(self.path, data)
