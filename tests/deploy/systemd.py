"""systemd's own tool, and what the units of ``deploy/`` say.

Owns: finding ``systemd-analyze``: the machine's, or else Debian's, unpacked and not installed; and
reading a unit. Must not know: what is asked of either.
"""

import ctypes
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.faults.debian import program, shared_object
from tests.repo.source import ROOT


def unit(kind: str) -> Path:
    """The file of the ``service`` or of the ``socket``."""
    return ROOT / f"deploy/image-gateway.{kind}"


def settings(kind: str) -> dict[str, list[str]]:
    """The settings of a unit; some come more than once."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit(kind).read_text("utf-8"), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    """Run ``systemd-analyze``. Raises: Missing, if it cannot be had."""
    path, more = _tool()
    return subprocess.run(
        [path, "--no-pager", "--man=no", *words],
        env={**os.environ, "LC_ALL": "C.UTF-8", **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@functools.cache
def _tool() -> tuple[str, Mapping[str, str]]:
    installed = shutil.which("systemd-analyze")
    if installed is not None:
        return installed, {}
    fetched = program("systemd", "usr/bin/systemd-analyze")
    return str(fetched.path), fetched.environment


@functools.cache
def filter_library() -> str:
    """The library by which systemd makes filters of system calls. Raises: Missing."""
    name = "libseccomp.so.2"
    try:
        ctypes.CDLL(name)
    except OSError:
        return str(shared_object("libseccomp2", name))
    return name
