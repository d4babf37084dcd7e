"""``Dockerfile`` carried out without a container: its own steps, in a folder that stands for ``/``.

Owns: reading the file, and doing RUN, COPY, ENV, WORKDIR and USER as a builder would, except that
absolute paths are moved under a folder, the base image is this machine's Python with nothing but
pip, and everything is done by an unprivileged user. Steps it does not know are an error.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

NOBODY = 65532
PASSED_ON = ("PIP_", "SSL_", "HTTP", "http", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy")
SYSTEM = "bin|dev|lib|proc|sys|tmp|usr"
ABSOLUTE = re.compile(rf"(?<![\w./~-])/(?!(?:{SYSTEM})\b)(?=\w)")


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction: its word in capitals and everything after it on one line."""

    word: str
    rest: str


def steps(text: str) -> list[Step]:
    """The instructions of a Dockerfile, comments gone and continued lines joined."""
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n", " ", bare)
    found = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [Step(word.upper(), " ".join(rest.split())) for word, _, rest in found]


def last(word: str, within: Sequence[Step]) -> str:
    """The rest of the last step of this word; :raises ValueError: if there is none."""
    for step in reversed(within):
        if step.word == word:
            return step.rest
    raise ValueError(f"no {word}")


def command(rest: str) -> list[str]:
    """A command in its JSON form."""
    words: list[str] = json.loads(rest[rest.index("[") :])
    return words


def flags(words: list[str]) -> dict[str, str]:
    return dict(word[2:].split("=", 1) for word in words if word.startswith("--"))


def unprivileged() -> tuple[int, str]:
    """Who is to do the work, and a Python that they may run (root's own may lie in root's home)."""
    ours = str(getattr(sys, "_base_executable", sys.executable))
    if os.geteuid() != 0:
        return os.geteuid(), ours
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (ours, shutil.which(version, path="/usr/local/bin:/usr/bin"), "/usr/bin/python3"):
        if python and _can_run(python):
            return NOBODY, python
    return 0, ours


def _can_run(python: str) -> bool:
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        done = subprocess.run(
            [python, "-I", "-c", check], user=NOBODY, group=NOBODY, check=False, capture_output=True
        )
    except OSError:
        return False
    return done.returncode == 0


class Builder:
    """Carries out a Dockerfile stage by stage; the present stage's ``/`` is always ``root``."""

    def __init__(self, folder: Path, context: Path) -> None:
        self.root = folder / "root"
        self._folder = folder
        self._context = context
        self._stages: dict[str, Path] = {}
        self._name = ""
        self._owner, self._python = unprivileged()
        self.environment: dict[str, str] = {}
        self.directory = self.root

    def build(self, text: str) -> None:
        for step in steps(text):
            match step.word:
                case "FROM":
                    self._from(step.rest)
                case "ENV":
                    for pair in step.rest.split():
                        name, _, value = pair.partition("=")
                        self.environment[name] = Template(self.here(value)).substitute(
                            self.environment
                        )
                case "WORKDIR":
                    self.directory = Path(self.here(step.rest))
                    self.directory.mkdir(parents=True, exist_ok=True)
                    self._give(self.directory)
                case "COPY":
                    self._copy(step.rest.split())
                case "RUN":
                    self._checked(["/bin/sh", "-euc", self.here(step.rest)])
                case "USER" | "VOLUME" | "EXPOSE" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD":
                    pass
                case _:
                    raise ValueError(f"not understood: {step}")

    def run(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Start a program of the container as its user would, and wait for its end."""
        with self.start(words) as child:
            out, err = child.communicate()
            return subprocess.CompletedProcess(words, child.returncode, out, err)

    def start(self, words: Sequence[str], **more: str) -> subprocess.Popen[str]:
        """Start a program of the container as its user would; ``more`` is what ``-e`` sets."""
        inherited = {
            name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)
        }
        nobody = NOBODY if self.drops_root else None
        program = shutil.which(words[0], path=self.environment["PATH"])
        return subprocess.Popen(
            [program or words[0], *words[1:]],
            cwd=self.directory,
            env={**inherited, "HOME": str(self._folder / "home"), **self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=nobody,
            group=nobody,
            extra_groups=[] if self.drops_root else None,
        )

    def seal(self, *but: str) -> None:
        """Make everything read-only except these folders."""
        kept = [self.root / path.lstrip("/") for path in but]
        for path in (self.root, *self.root.rglob("*")):
            if not path.is_symlink() and not any(path.is_relative_to(keep) for keep in kept):
                path.chmod(path.stat().st_mode & ~0o222)

    def unseal(self) -> None:
        for path in (self.root, *self.root.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o700)

    def mount(self, place: Path, source: Path) -> None:
        """Put a file into the container as ``-v …:ro`` does: it can be read, and nothing else."""
        self.root.chmod(0o755)
        for folder in reversed(place.parents):
            if folder.is_relative_to(self.root) and not folder.exists():
                folder.parent.chmod(0o755)
                folder.mkdir()
        place.parent.chmod(0o755)
        place.unlink(missing_ok=True)
        shutil.copy(source, place)
        for path in (place, *place.parents):
            path.chmod(path.stat().st_mode & ~0o222)
            if path == self.root:
                break

    @property
    def drops_root(self) -> bool:
        """Whether we are root and have a Python that somebody else may run."""
        return os.geteuid() == 0 and self._owner == NOBODY

    def _from(self, rest: str) -> None:
        base = self._folder / "base"
        if self.root.exists():
            self._stages[self._name] = self.root.rename(self._folder / f"was-{self._name}")
            shutil.rmtree(base)
        self._name = rest.lower().partition(" as ")[2] or "last"
        self.root.mkdir()
        (self._folder / "home").mkdir(exist_ok=True)
        seed = [sys.executable, "-m", "uv", "venv", "--quiet", "--seed", "--python", self._python]
        subprocess.run([*seed, base], check=True)
        for path in (self.root, self._folder / "home", base):
            self._give(path)
        self.directory = self.root
        self.environment = {"PATH": f"{base}/bin:/usr/local/bin:/usr/bin:/bin"}

    def _copy(self, words: list[str]) -> None:
        given = flags(words)
        *sources, target = (word for word in words if not word.startswith("--"))
        destination = self.directory / self.here(target)
        for source in sources:
            origin = (
                self._stages[given["from"]] / source.lstrip("/")
                if "from" in given
                else self._context / source
            )
            if origin.is_dir():
                junk = shutil.ignore_patterns("__pycache__")
                skip = None if "from" in given else junk
                shutil.copytree(origin, destination, symlinks=True, ignore=skip, dirs_exist_ok=True)
            else:
                destination.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, destination)
        self._give(destination)

    def here(self, text: str) -> str:
        """The same text with absolute paths under our ``/`` and the container's user as us."""
        owner = f"{self._owner}:{self._owner if self.drops_root else os.getegid()}"
        moved = ABSOLUTE.sub(f"{self.root}/", text.replace(f"{NOBODY}:{NOBODY}", owner))
        return str(self.root) if text == "/" else moved

    def _give(self, path: Path) -> None:
        if self.drops_root:
            for each in (path, *path.rglob("*")):
                os.chown(each, NOBODY, NOBODY, follow_symlinks=False)

    def _checked(self, words: Sequence[str]) -> None:
        done = self.run(words)
        if done.returncode != 0:
            raise RuntimeError(f"{words[-1]}\n{done.stdout}{done.stderr}")
