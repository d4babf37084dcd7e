"""A wall clock that jumps under a running process, by Debian's libfaketime.

Owns: finding the library (fetched once into the project's cache, unpacked without being
installed), and the file a process reads its offset from. Must not know: what the process is. The
monotonic clock is left alone: a set wall clock is what is imitated.
"""

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from tests.repo.source import ROOT

_NAME = "libfaketimeMT.so.1"  # the one for threads
_CACHE = ROOT / ".cache" / "faketime"
_ADVICE = (
    "libfaketime is neither installed nor could it be fetched into .cache; on Debian and Ubuntu: "
    "apt-get install libfaketime"
)


class Wall:
    """The wall clock of whoever is started with ``variables``."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.offset = 0
        self._library = library
        self._file = folder / "offset"
        self._set()

    @property
    def variables(self) -> Mapping[str, str]:
        """For the environment of the process."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            # Of itself it takes this C library for an old one, and lets timed waits end at once.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }

    def jump(self, seconds: int) -> None:
        """Set the clock so much forward, or back."""
        self.offset += seconds
        self._set()

    def _set(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{self.offset:+d}\n", encoding="ascii")
        new.replace(self._file)  # so that half a number is never read


def told_time(log: Path) -> float:
    """What the last line of a process's log says of the time."""
    last = json.loads(log.read_text("utf-8").splitlines()[-1])
    return datetime.fromisoformat(last["timestamp"]).timestamp()


async def faketime(folder: Path) -> Wall:
    """A wall clock. Raises: RuntimeError where the library cannot be had."""
    return Wall(await asyncio.to_thread(_library), folder)


def _library() -> Path:
    for place in (_CACHE, Path("/usr/lib")):
        if (found := next(place.glob(f"**/faketime/{_NAME}"), None)) is not None:
            return found
    _CACHE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE.parent) as folder:
        try:
            _do(folder, "apt-get", "download", "libfaketime")
            (package,) = Path(folder).glob("*.deb")
            _do(folder, "dpkg-deb", "-x", package.name, "unpacked")
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            raise RuntimeError(_ADVICE) from error
        shutil.rmtree(_CACHE, ignore_errors=True)
        (Path(folder) / "unpacked").replace(_CACHE)
    return next(_CACHE.glob(f"**/faketime/{_NAME}"))


def _do(folder: str, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
