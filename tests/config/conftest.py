from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.config.faults import ConfigFaults
from gateway.config.loader import Loaded, load

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]

NEEDED = """
upstream: {api_key: vendor-key}
keys:
  - {name: studio, key: client-key}
"""


@pytest.fixture
def load_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a text as ``config.yaml``; ``needed`` puts the required settings below it."""
    monkeypatch.chdir(tmp_path)

    def load_it(
        text: str, environ: Mapping[str, str] | None = None, *, needed: bool = True
    ) -> Loaded:
        Path("config.yaml").write_text(text + (NEEDED if needed else ""), encoding="utf-8")
        return load("config.yaml", environ or {})

    return load_it


@pytest.fixture
def told(load_text: Load) -> Faults:
    """Every fault of a text, rendered; an empty list if there is none."""

    def faults_of(
        text: str, environ: Mapping[str, str] | None = None, *, needed: bool = True
    ) -> list[str]:
        try:
            load_text(text, environ, needed=needed)
        except ConfigFaults as faults:
            return [str(fault) for fault in faults.faults]
        return []

    return faults_of
