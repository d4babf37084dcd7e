"""Programs from Debian for tests, unpacked rather than installed: no root, no service.

Owns: the folder ``.cache/debian`` of the project, one folder per program in it. Must not know:
what a program is for. A program that cannot be had is a loud failure that names the package.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.repo.source import ROOT

_FOLDER = ROOT / ".cache" / "debian"
_PATIENCE = 300


class Missing(Exception):
    """A program is not to be had here."""


@dataclass(frozen=True, slots=True)
class Program:
    """An executable, and the folders of the libraries that came with it."""

    path: Path
    libraries: tuple[Path, ...]

    @property
    def environment(self) -> dict[str, str]:
        """What it needs to find its libraries, where the machine lacks them."""
        if not self.libraries:
            return {}
        return {"LD_LIBRARY_PATH": ":".join(map(str, self.libraries))}


def program(package: str, path: str, folder: Path = _FOLDER) -> Program:
    """Give ``path`` (as in ``usr/sbin/nginx``) of a package, fetching it the first time.

    Raises: Missing.
    """
    with _unpacked(package, folder) as (home, fresh):
        if fresh:
            if _lacking(home / path, ()):
                _fetch(home, _library_packages(home, package))
            if lacking := _lacking(home / path, _libraries(home)):
                raise Missing(f"{package} needs {', '.join(lacking)}, which no package brought")
    return Program(home / path, _libraries(home))


def shared_object(package: str, name: str, folder: Path = _FOLDER) -> Path:
    """Give a library of a package by its name, fetching it the first time. Raises: Missing."""
    with _unpacked(package, folder) as (home, _):
        found = sorted(home.glob(f"**/{name}"))
        if not found:
            raise Missing(f"{package} has no {name}")
    return found[0]


@contextlib.contextmanager
def _unpacked(package: str, folder: Path) -> Iterator[tuple[Path, bool]]:
    """The folder a package is unpacked in, and whether it was just now; for one at a time.

    It counts as complete once the block was left in good order.
    """
    home = folder / package
    done = home / ".done"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fresh = not done.exists()
        if fresh:
            shutil.rmtree(home, ignore_errors=True)
            _fetch(home, [package])
        yield home, fresh
        done.touch()


def _fetch(home: Path, packages: Sequence[str]) -> None:
    """Download packages and unpack them; with package lists of our own where there are none."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Missing(f"{packages[0]}: there is no {tool}; this needs Debian or a kin of it")
    fetched = home / ".packages"
    fetched.mkdir(parents=True, exist_ok=True)
    try:
        _run("apt-get", *_options(home), "download", *packages, folder=fetched)
    except Missing:
        (home / ".apt").mkdir(exist_ok=True)
        _run("apt-get", *_options(home), "update", folder=fetched)
        _run("apt-get", *_options(home), "download", *packages, folder=fetched)
    for archive in fetched.glob("*.deb"):
        _run("dpkg-deb", "-x", str(archive), str(home), folder=fetched)
        archive.unlink()


def _options(home: Path) -> list[str]:
    """The machine's package lists; once those have failed us, lists and all else in our folder."""
    apt = home / ".apt"
    if not apt.exists():
        return ["-q"]
    for name in ("lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    return [
        "-q",
        f"-oDir::State::lists={apt / 'lists'}",
        f"-oDir::Cache={apt / 'cache'}",
        "-oAPT::Sandbox::User=root",  # root's own downloads; others have no choice anyway
    ]


def _library_packages(home: Path, package: str) -> list[str]:
    said = _run("apt-cache", *_options(home), "depends", package, folder=home)
    found = set(re.findall(r"^ +Depends: ((?:lib|zlib)\S+)$", said, re.MULTILINE))
    return sorted(found - {"libc6"})


def _libraries(home: Path) -> tuple[Path, ...]:
    return tuple(sorted({path.parent for path in _shared_objects(home)}))


def _shared_objects(home: Path) -> Iterator[Path]:
    for path in home.glob("**/*.so*"):
        if path.is_file():
            yield path


def _lacking(binary: Path, libraries: Sequence[Path]) -> list[str]:
    if not binary.exists():
        raise Missing(f"the package has no {binary.name}")
    more = Program(binary, tuple(libraries)).environment
    said = _run("ldd", str(binary), folder=binary.parent, **more)
    return re.findall(r"^\s*(\S+) => not found", said, re.MULTILINE)


def _run(*command: str, folder: Path, **environment: str) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{' '.join(command)}: {error}") from None
    if done.returncode:
        raise Missing(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
    return done.stdout
