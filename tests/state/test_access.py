"""What the system forbids is told in plain words."""

import asyncio
import multiprocessing
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.state.base import LedgerFault
from tests.state.refusing import filled
from tests.state.rows import Ledger

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

FORBIDDING = (
    ("data", 0o500),
    ("data", 0o000),
    ("data/state.db", 0o400),
    ("data/state.db", 0o000),
    ("data/state.db.mark", 0o000),
    ("data/state.db.lock", 0o000),
)


def told_anybody(folder: str, answer: "Connection[list[str], object]") -> None:
    """What is told, mode by mode, to somebody whom modes apply to, as they do not to root."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    asyncio.run(filled(Ledger(Path(folder) / "data" / "state.db")))
    told = []
    for name, mode in FORBIDDING:
        path = Path(folder) / name
        before = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode)
        told.append(attempt(Path(folder)))
        path.chmod(before)
    answer.send(told)


def attempt(folder: Path) -> str:
    """What an operator is told who opens the ledger in ``folder``."""
    store = Ledger(folder / "data" / "state.db").store()
    try:
        asyncio.run(store.open())
    except LedgerFault as fault:
        return f"{fault.message} {fault.advice}"
    return "it was opened"


def test_what_may_not_be_read_and_written_is_refused() -> None:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="ledger-") as folder:
        if os.getuid() == 0:
            os.chown(folder, 65534, 65534)
        process = context.Process(target=told_anybody, args=(folder, theirs))
        process.start()
        theirs.close()
        with mine:
            told = mine.recv()
        process.join()
    for (name, mode), said in zip(FORBIDDING, told, strict=True):
        assert "cannot be read and written" in said, (name, mode)
        assert f"the folder {folder}/data, and its disk must not be read-only" in said


READ_ONLY = """
mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" -c "
import pathlib, sys
from tests.state.test_access import attempt
print(attempt(pathlib.Path(sys.argv[1])))" "$1"
"""


async def test_a_disk_that_is_read_only_is_refused(ledger: Ledger) -> None:
    await filled(ledger)
    folder = ledger.path.parent.parent
    told = await asyncio.to_thread(
        subprocess.run,
        ["unshare", "-Urm", "sh", "-c", READ_ONLY, "sh", str(folder), sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, f"no disk could be made read-only here: {told.stderr}"
    assert "cannot be read and written" in told.stdout
