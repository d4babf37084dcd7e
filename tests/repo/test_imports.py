import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.source import ROOT, gateway_modules

PROBE = Path(__file__).with_name("import_probe.py")


def deeds(folder: Path, package: str) -> list[str]:
    """What importing a package does, as the probe tells it; its last line is the count."""
    done = subprocess.run(
        [sys.executable, "-I", PROBE, folder, package],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_importing_the_gateway_does_nothing() -> None:
    assert deeds(ROOT, "gateway") == [f"imported {len(gateway_modules())} modules"]


@pytest.mark.parametrize(
    ("source", "deed"),
    [
        ("import socket\nsocket.socket().close()", "socket.__new__"),
        ("from pathlib import Path\nPath(__file__ + '.log').write_text('x')", "for writing"),
        ("from pathlib import Path\nPath(__file__ + '.d').mkdir(exist_ok=True)", "os.mkdir"),
        ("import tempfile\ntempfile.mkdtemp()", "tempfile.mkdtemp"),
        ("import sqlite3\nsqlite3.connect(':memory:').close()", "sqlite3.connect"),
        ("import subprocess\nsubprocess.run(['true'], check=False)", "subprocess.Popen"),
        ("import os\nos.environ.get('HOME')", "looks at the environment"),
        ("from os import getenv\ngetenv('HOME')", "looks at the environment"),
        ("from os import environ\n'HOME' in environ", "looks at the environment"),
        ("from os import environ\ndict(environ)", "looks at the environment"),
        ("import threading\nthreading.Thread(target=print).start()", "starts a thread"),
    ],
)
def test_the_probe_sees_what_an_import_does(tmp_path: Path, source: str, deed: str) -> None:
    package = tmp_path / "sample"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "loud.py").write_text(source)
    *told, last = deeds(tmp_path, "sample")
    assert last == "imported 2 modules"
    assert any(line.startswith("sample.loud: ") and deed in line for line in told)


def test_the_probe_lets_a_quiet_module_pass(tmp_path: Path) -> None:
    package = tmp_path / "sample"
    package.mkdir()
    (package / "__init__.py").write_text("import os\nimport socket\nimport threading\nX = 1\n")
    assert deeds(tmp_path, "sample") == ["imported 1 modules"]
