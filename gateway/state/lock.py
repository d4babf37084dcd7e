"""One process at a time.

Owns: the file ``<ledger>.lock``: a lock of the kernel's, which goes with the process however it
ends, and the holder's process id as text for whoever finds it taken. The file stays: removing it
would let two processes hold two files of one name. Must not know: what is locked.
"""

import contextlib
import fcntl
import os
import threading
from pathlib import Path

_PAUSE = 0.05


class Taken(Exception):
    """Another process holds it; ``pid`` as it said, or None."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(pid)
        self.pid = pid


def acquire(path: Path, patience: float, given_up: threading.Event) -> int:
    """Take the lock, waiting so many seconds for it; closing the descriptor gives it back.

    Blocks, so it is for a thread; ``given_up`` ends the waiting. Raises: Taken, OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait(descriptor, patience, given_up)
    except BaseException:
        os.close(descriptor)
        raise
    # In place, for on a full disk there may be no other; and it is only for people to read.
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, f"{os.getpid():<10}\n".encode(), 0)
    return descriptor


def _wait(descriptor: int, patience: float, given_up: threading.Event) -> None:
    pauses = int(patience / _PAUSE)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if pauses == 0 or given_up.wait(_PAUSE):
                raise Taken(_holder(descriptor)) from None
        else:
            return
        pauses -= 1


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
