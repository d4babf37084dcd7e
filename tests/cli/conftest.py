from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.config.simulated import Simulator as Section
from gateway.server.listener import Listener
from gateway.simulator.app import Simulator
from tests.canaries import CLIENT_KEY, VENDOR_KEY
from tests.cli.looks import Looks

KEY = CLIENT_KEY
CONFIG = """
server: {{port: 0}}
ops: {{port: 0}}
upstream:
  base_url: {url}
  api_key: {vendor_key}
  polling: {{scale: 0.02}}
keys:
  - {{name: studio, key: {key}}}
images: {{folder: pictures}}
"""


@pytest.fixture
async def vendor() -> AsyncIterator[tuple[Simulator, str]]:
    """The simulated vendor and its address."""
    clock = SystemClock()
    simulator = Simulator(Section(speed=1000, seed=3, api_key=SecretStr(VENDOR_KEY)), clock)
    bounds = ServerBounds()
    listener = Listener(simulator.app, host="127.0.0.1", port=0, bounds=bounds, clock=clock)
    await listener.start()
    yield simulator, listener.url
    await listener.stop(0)
    simulator.close()


@pytest.fixture
def config(tmp_path: Path, vendor: tuple[Simulator, str]) -> Path:
    """A configuration whose ports the system chooses."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(url=vendor[1], key=KEY, vendor_key=VENDOR_KEY))
    return path


@pytest.fixture
def looks(tmp_path: Path) -> Iterator[Looks]:
    """A ledger of a gateway that does not run; it is three hours ago, if nothing else is said."""
    made = Looks(tmp_path, SystemClock().wall() - 3 * 3600)
    yield made
    made.ledger.close()
