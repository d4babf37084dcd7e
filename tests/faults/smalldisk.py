"""A real disk of a few megabytes that only one process tree sees, and that can be filled.

Owns: mounting it in a namespace of its own (gone with the last process in it, so nothing ever
stays mounted), filling it and setting it free, and reading a ledger that lies on it. Must not
know: who writes to it. It works as root, and as anybody where the kernel lets users make
namespaces.
"""

import asyncio
import contextlib
import errno
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock

_MOUNT = 'mount -t tmpfs -o "size=$1,mode=0700" tmpfs "$0" && shift && exec "$@"'
_ADVICE = (
    "A small disk cannot be mounted here: this needs root, or a kernel that lets users make "
    "namespaces (try: unshare -Urm true)."
)
# Run within the namespace: a path from outside would be resolved outside by SQLite.
_READ = """
import json, sqlite3, sys
reading = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=10)
rows = reading.execute("SELECT task_id, state, upstream_id FROM tasks").fetchall()
(open_jobs,) = reading.execute("SELECT count(*) FROM jobs WHERE ended_at IS NULL").fetchone()
(integrity,) = reading.execute("PRAGMA integrity_check").fetchone()
print(json.dumps({"tasks": rows, "open_jobs": open_jobs, "integrity": integrity}))
"""
_BLOCKS = (1 << 16, 1 << 12, 1)
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is written: state and vendor's id by task, jobs not ended, SQLite's own judgement."""

    tasks: dict[str, tuple[str, str | None]]
    open_jobs: int
    integrity: str


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """Seen at ``path`` by whatever is started ``within``."""

    path: Path
    size: str
    alone: tuple[str, ...]

    @property
    def within(self) -> tuple[str, ...]:
        """The command that mounts the disk and then becomes the command it is given."""
        return (*self.alone, "sh", "-c", _MOUNT, str(self.path), self.size)

    @asynccontextmanager
    async def full(self, pid: int) -> AsyncIterator[None]:
        """For so long every byte is taken, also those that are given up meanwhile."""
        filler = Path(f"/proc/{pid}/root{self.path}/filler")
        await asyncio.to_thread(_fill, filler)
        filling = asyncio.create_task(_keep_full(filler))
        try:
            yield
        finally:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)
            filler.unlink()

    async def ledger(self, pid: int, name: str) -> Ledger:
        """Read the ledger of that name on this disk, as it is now."""
        user = () if "-m" in self.alone else ("--user", "--preserve-credentials")
        enter = ("nsenter", "--target", str(pid), *user, "--mount")
        read = await asyncio.create_subprocess_exec(
            *(*enter, sys.executable, "-I", "-S", "-c", _READ, str(self.path / name)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await read.communicate()
        if read.returncode:
            raise RuntimeError(f"the ledger could not be read: {err.decode()[-500:]}")
        told: Any = json.loads(out)
        tasks = {task_id: (state, upstream_id) for task_id, state, upstream_id in told["tasks"]}
        return Ledger(tasks, told["open_jobs"], told["integrity"])


async def small_disk(path: Path, size: str) -> SmallDisk:
    """A disk for ``path``, which is made. Raises: RuntimeError where none can be mounted."""
    path.mkdir()
    ways = [("unshare", "-m")] if os.geteuid() == 0 else []
    for alone in (*ways, ("unshare", "-Urm")):
        disk = SmallDisk(path, size, alone)
        tried = await asyncio.to_thread(_does, (*disk.within, "true"))
        if tried:
            return disk
    raise RuntimeError(_ADVICE)


def _does(command: tuple[str, ...]) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    return False


async def _keep_full(filler: Path) -> None:
    while True:
        await asyncio.to_thread(_fill, filler)
        await _CLOCK.sleep(0.05)


def _fill(filler: Path) -> None:
    """Write until not one more byte fits."""
    with filler.open("ab", buffering=0) as file:
        for block in _BLOCKS:
            try:
                while file.write(b"x" * block) == block:
                    continue
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
