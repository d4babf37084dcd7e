"""The import contracts of pyproject.toml, checked by import-linter in a process of its own."""

import subprocess
import sys
from pathlib import Path

from tests.repo.source import ROOT


def check(folder: Path) -> tuple[bool, str]:
    """Whether the package ``gateway`` in ``folder`` keeps every contract, and what was said."""
    start = "from importlinter.cli import lint_imports_command as main; main()"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            start,
            "--config",
            ROOT / "pyproject.toml",
            "--no-logo",
            "--no-cache",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr
