from collections.abc import Iterator

import pytest

from tests.grafana.live import Live, live


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The one run of everything, for all tests that look at what it left."""
    with live(tmp_path_factory.mktemp("live")) as found:
        yield found
