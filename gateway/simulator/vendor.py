"""The simulated vendor as one thing: its settings, its book, its files, its allowances.

Owns: what the endpoints share, and starting afresh. Must not know: routes. State is in memory;
pictures and uploads are files in a temporary folder that ``close`` removes.
"""

import hmac
import random
import secrets
from collections import Counter
from collections.abc import Iterable

from starlette.requests import Request

from gateway.clock import Clock
from gateway.config.simulated import Simulator as Section
from gateway.simulator.allowances import Allowance
from gateway.simulator.envelopes import REFUSALS, Refused
from gateway.simulator.faults import Fault, Script
from gateway.simulator.files import Files
from gateway.simulator.settings import Settings
from gateway.simulator.studio import Studio
from gateway.simulator.tasks import Book, Task
from gateway.simulator.webhooks import Webhooks

_CALLS = ("create", "status", "upload", "file", "models", "balance")


class Vendor:
    """Everything the endpoints share. For one event loop."""

    def __init__(
        self, section: Section, clock: Clock, public_url: str | None, settings: Settings
    ) -> None:
        self.clock = clock
        self.settings = settings
        self.files = Files()
        self._first_settings = settings
        self._key = section.api_key.get_secret_value()
        self._public_url = public_url.rstrip("/") if public_url is not None else None
        self._seed = section.seed if section.seed is not None else secrets.randbits(64)
        self._studio: Studio | None = None
        self.webhooks = Webhooks(self)
        self.begin()

    def begin(self) -> None:
        """Forget every task, file, count, fault and setting."""
        if self._studio is not None:
            self._studio.abandon()
        self.webhooks.abandon()
        self.files.clear()
        self.dice = random.Random(self._seed)  # noqa: S311 - repeatable on purpose
        self.book = Book(self.clock, self.dice)
        self.script = Script(seed=self._seed)
        self.calls = Counter(dict.fromkeys(_CALLS, 0))
        self.authorized_file_requests = 0
        self.change(self._first_settings)

    def change(self, settings: Settings) -> None:
        """Take over new settings; allowances start full."""
        self.settings = settings
        self.submits = Allowance(
            self.clock, "async_submit", settings.submit_per_second, settings.submit_burst
        )
        self.queries = Allowance(
            self.clock, "async_query", settings.query_per_second, settings.query_burst
        )

    def set_faults(self, faults: Iterable[Fault]) -> None:
        """Replace the script."""
        self.script = Script(faults, self._seed)

    @property
    def studio(self) -> Studio:
        """The place where pictures are drawn; opened when first needed."""
        if self._studio is None:
            self._studio = Studio(self.files, self.clock, self._spoiled)
        return self._studio

    def authorize(self, request: Request) -> None:
        """Raise ``Refused`` unless the request carries the account's key."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(key.strip().encode(), self._key.encode())
        if scheme.lower() != "bearer" or not same:
            raise Refused(REFUSALS["authentication_error"])

    def base(self, request: Request) -> str:
        """Where links point to: the public address, else the one the request came by."""
        if self._public_url is not None:
            return self._public_url
        return f"{request.url.scheme}://{request.headers.get('host', 'localhost')}"

    def close(self) -> None:
        """Stop drawing and telling, and remove the files."""
        self.webhooks.abandon()
        if self._studio is not None:
            self._studio.close()
            self._studio = None
        self.files.close()

    def _spoiled(self, task: Task) -> None:
        self.book.spoil(task, "bad_reference")
