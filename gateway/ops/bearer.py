"""Who is an operator.

Owns: the comparison of what somebody shows with the operators' token, as a bearer or at the door's
form, and what becomes of those who show another one. Must not know: what is guarded by it. Without
a token everybody is an operator: then the listener is on the loopback interface.

The right token is heard at once, whatever else comes from the same address: a scraper or an
operator may stand behind one proxy with a stranger, who could else lock them out. What keeps the
token from being guessed is its length (``config.checks.LEAST_TOKEN``). Counting per address bounds
what is answered and told of wrong ones, not how many are tried.
"""

import hashlib
import hmac
from dataclasses import dataclass

from starlette.requests import Request

from gateway.access.failures import Failures
from gateway.clock import Clock
from gateway.facts import Emit
from gateway.ops.acts import How, SignInRefused

TRIES = 10  # wrong tokens of an address that are told, at once and a minute


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not done; ``wait`` in seconds, where that helps."""

    why: str
    wait: float | None = None


class OperatorsToken:
    """The token, and the addresses that showed others; one for all that it guards."""

    def __init__(self, token: str, clock: Clock, emit: Emit) -> None:
        self._digest = _digest(token)
        self._failures = Failures(TRIES, clock)
        self._emit = emit

    def __repr__(self) -> str:
        return f"<OperatorsToken {self._failures!r}>"

    def bearer(self, request: Request) -> Refusal | None:
        """Why a request does not pass with what it shows as a bearer; None if it does.

        Who shows nothing, or something of another kind to a proxy, has not shown a wrong one.
        """
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        shown = shown.strip()
        if scheme.lower() != "bearer" or not shown:
            return Refusal("The operators' token is needed.")
        return self.shown(request, shown, "bearer")

    def shown(self, request: Request, shown: str, how: How) -> Refusal | None:
        """Why a request does not pass with this; None if it is the token."""
        if hmac.compare_digest(_digest(shown), self._digest):
            return None
        address = request.client.host if request.client else ""
        wait = self._failures.wait(address)
        if wait:
            return Refusal("Too many wrong tokens came from your address.", wait)
        self._failures.count(address)
        self._emit(SignInRefused(address=address, how=how))
        return Refusal("This is not the operators' token.")


def _digest(text: str) -> bytes:
    """Digests are compared: what takes longer says nothing of the token, its length included."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
