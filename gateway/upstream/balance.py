"""What the vendor's account still holds.

Owns: ``GET /v1/balance``, how often it is asked, and what its answer means. Must not know: who
looks at it, any other of the vendor's shapes. The vendor limits this call more than others, and
nothing hangs on it: a failure makes the balance unknown until the next look, and that is all.
"""

import json
import math
from http import HTTPStatus

from gateway.clock import Clock
from gateway.config.sections import Upstream as Section
from gateway.web.clients import Calls, Interrupted

UNLIMITED = -1


class Balance:
    """The account's balance, as last told."""

    def __init__(self, section: Section, calls: Calls, clock: Clock) -> None:
        self._section = section
        self._calls = calls
        self._clock = clock
        self._dollars: float | None = None

    def __repr__(self) -> str:
        return f"Balance({self._dollars})"

    @property
    def dollars(self) -> float | None:
        """US dollars; infinite where the account has no bound, None while it is not known."""
        return self._dollars

    @property
    def asked(self) -> bool:
        """Whether it is to be asked at all."""
        return self._section.balance_interval > 0

    async def run(self) -> None:
        """Ask now and then, until cancelled."""
        while True:
            await self.ask()
            await self._clock.sleep(self._section.balance_interval)

    async def ask(self) -> None:
        """Ask once."""
        section = self._section
        headers = {
            "authorization": f"Bearer {section.api_key.get_secret_value()}",
            "accept": "application/json",
        }
        url = f"{section.base_url}/v1/balance"
        try:
            answer = await self._calls.call("GET", url, headers, section.status_time)
        except Interrupted:
            self._dollars = None
        else:
            self._dollars = read(answer.body) if answer.status == HTTPStatus.OK else None


def read(body: bytes) -> float | None:
    """The dollars that an answer tells of; a refusal comes with a good status too."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("success") is not True:
        return None
    left = _number(told.get("remain_balance"))
    if told.get("unlimited_quota") is True or left == UNLIMITED:
        return math.inf
    return left


def _number(value: object) -> float | None:
    """A finite number, also where it is told as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
