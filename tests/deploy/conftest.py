import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.container import Builder, last, steps
from tests.repo.source import ROOT


@pytest.fixture(scope="session")
def container() -> Iterator[Builder]:
    """The image as ``Dockerfile`` makes it, its root read-only but for the one folder."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    folder = Path(tempfile.mkdtemp(prefix="image-gateway-"))
    folder.chmod(0o755)
    builder = Builder(folder, ROOT)
    try:
        builder.build(text)
        builder.seal(last("VOLUME", steps(text)))
        yield builder
    finally:
        builder.unseal()
        shutil.rmtree(folder)
