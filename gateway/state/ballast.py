"""A megabyte held in reserve beside the ledger.

On a full disk SQLite cannot even delete. The ballast is then given up, and what has already
happened is written into the room it leaves. Owns: the file ``<ledger>.ballast``. Must not know:
what the room is used for.
"""

import errno
import os
from pathlib import Path

SIZE = 1 << 20
# Left over for the ledger once the ballast is back: else it would have to go again at once.
_MARGIN = 1 << 18


class Ballast:
    """The file; ``held`` says that it is there and whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.held = False

    def __repr__(self) -> str:
        return f"Ballast({self._path}, {'held' if self.held else 'missing'})"

    def restore(self) -> None:
        """Make it, unless it is there. Raises: OSError, also where it would fit but barely."""
        if self._path.exists() and self._path.stat().st_size == SIZE:
            self.held = True
            return
        self.held = False
        disk = os.statvfs(self._path.parent)
        if disk.f_bavail * disk.f_frsize < SIZE + _MARGIN:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            self._fill()
        except BaseException:
            self.give_up()
            raise
        self.held = True

    def give_up(self) -> None:
        """Let the disk have its room."""
        self.held = False
        try:
            self._path.unlink(missing_ok=True)
        except OSError:  # then it is of no use, and the next attempt will say what is wrong
            return

    def _fill(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            rest = memoryview(os.urandom(SIZE))  # zeros take no room where files are squeezed
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
