"""What the tests of ``tasks`` share: a ledger in a folder, a configuration, and the commands."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from gateway.cli import main
from tests import canaries
from tests.state.ledgers import Ledger

VENDOR_KEY = canaries.VENDOR_KEY
TOKEN = canaries.OPERATORS_TOKEN


class Looks:
    """A folder with a gateway's configuration and its ledger."""

    def __init__(self, folder: Path, now: float, vendor: str = "http://127.0.0.1:9") -> None:
        self.folder = folder
        self.shelf = folder / "pictures"
        self.shelf.mkdir()
        self.ledger = Ledger(folder / "state.db", now)
        self.config = folder / "config.yaml"
        self.configure(vendor)

    def configure(self, vendor: str = "http://127.0.0.1:9", **sections: str) -> None:
        lines = {
            "server": "{port: 0}",
            "ops": "{port: 0}",
            "upstream": f"{{base_url: '{vendor}', api_key: {VENDOR_KEY}}}",
            "keys": f"[{{name: studio, key: {canaries.CLIENT_KEY}}}]",
            "state": f"{{url: 'sqlite:///{self.ledger.path}'}}",
            "images": f"{{folder: '{self.shelf}'}}",
            **sections,
        }
        self.config.write_text("".join(f"{name}: {text}\n" for name, text in lines.items()))

    def tasks(self, name: str, *arguments: str) -> Result:
        """Call a command below ``tasks``."""
        called = ["tasks", name, "--config", str(self.config), *arguments]
        result = CliRunner().invoke(main, called)
        assert "canary" not in result.output
        assert "nobody may read" not in result.output
        return result

    def shelve(self, job: str, token: str, content: bytes, **row: Any) -> Path:
        """A picture of a job with its file on the shelf."""
        self.ledger.picture(job, token, size=len(content), **row)
        extension = "jpg" if row.get("format") == "jpeg" else row.get("format", "png")
        path = self.shelf / f"{token}.{extension}"
        path.write_bytes(content)
        return path
