"""A disk that writes but cannot sync, under a ledger; the process then kills itself.

The kernel is told to fail the sync of one thread, the writer's (seccomp(2), as a filter installed
by prctl(2)): no real disk has to break.
"""

import asyncio
import ctypes
import os
import platform
import signal
import sqlite3
import struct
import sys
from pathlib import Path

from gateway.errors import LedgerUnavailable
from gateway.events import State
from gateway.state.commit import Kind
from tests.state.rows import Ledger, a_job, sent

FSYNC, FDATASYNC = {"x86_64": (74, 75), "aarch64": (82, 83)}[platform.machine()]
NO_NEW_PRIVILEGES, SET_FILTER, MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL_EIO = 0x7FFF0000, 0x00050005


def fail_syncs(_: sqlite3.Connection) -> None:
    """From now on this thread's fsync and fdatasync fail with EIO."""
    code = b"".join(
        struct.pack("HBBI", *one)
        for one in (
            (LOAD, 0, 0, 0),  # the number of the call
            (EQUAL, 1, 0, FSYNC),
            (EQUAL, 0, 1, FDATASYNC),
            (RETURN, 0, 0, FAIL_EIO),
            (RETURN, 0, 0, ALLOW),
        )
    )
    content = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(content))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or prctl(SET_FILTER, MODE_FILTER, program):
        raise RuntimeError(f"no filter could be set: {os.strerror(ctypes.get_errno())}")


async def main(ledger: Ledger) -> None:
    store = ledger.store()
    await store.open()
    await store.add_job(a_job("j", "t"))
    await store._write(fail_syncs, Kind.FACT)
    try:
        await store.record(sent("j", "t"), State.CREATING)
    except LedgerUnavailable:
        print(store.trouble, flush=True)  # noqa: T201 - for the test that started it
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(Ledger(Path(sys.argv[1]))))
