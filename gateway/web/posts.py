"""Telling strangers: one POST to an address that a caller named.

Owns: that such a call goes to public addresses alone, on a connection of its own, with no key, no
cookie and no redirect followed, within its time, and that nothing of the answer's body is kept.
Must not know: what is told, or when again. Nothing that a stranger does here may cost others more
than a moment: neither a name whose servers are silent (``lookups.py``) nor an answer without end
(``brief.py``).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from gateway.clock import Clock
from gateway.web.brief import SentTooMuch
from gateway.web.clients import Interrupted, PublicResolver, interruptions, lower, pooled
from gateway.web.headers import retry_after
from gateway.web.lookups import LookedUpLate, Lookups
from gateway.web.policy import AddressRefused, Policy

__all__ = ["Interrupted", "Posts", "Reply"]

_FOR_THE_NAME = 0.9  # of a call's time, so that it can be said what took so long


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver said: a status, and after how many seconds it may be asked again."""

    status: int
    retry_after: float | None = None


class Posts:
    """The client; closed by ``close``. ``seconds`` is how long a call may take in all."""

    def __init__(self, policy: Policy, seconds: float, clock: Clock) -> None:
        self._policy = policy
        self._seconds = seconds
        self._clock = clock
        tls = httpx.create_ssl_context(trust_env=False)
        timeout = httpx.Timeout(seconds, pool=None)
        resolver = PublicResolver(policy, Lookups(seconds * _FOR_THE_NAME))
        self._client = pooled(tls, resolver, timeout, heads_only=True)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send it once. Raises: Interrupted, also where the address is refused."""
        try:
            self._policy.check(url)
        except AddressRefused as refused:
            raise Interrupted(f"refused: {refused}") from None
        try:
            with interruptions():
                request = self._client.build_request("POST", url, content=body, headers=headers)
                async with asyncio.timeout(self._seconds):
                    response = await self._client.send(request, stream=True)
                    await response.aclose()
        except Interrupted as failed:
            match _reason(failed):
                case AddressRefused() as refusal:
                    raise Interrupted(f"refused: {refusal}") from None
                case LookedUpLate() | SentTooMuch() as reason:
                    raise Interrupted(str(reason.strerror)) from None
            raise
        return Reply(response.status_code, retry_after(lower(response), self._clock.wall()))

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _reason(error: BaseException | None) -> AddressRefused | LookedUpLate | SentTooMuch | None:
    """The reason of ours behind what an engine made of it, if it had one."""
    while error is not None:
        if isinstance(error, AddressRefused | LookedUpLate | SentTooMuch):
            return error
        error = error.__cause__ or error.__context__
    return None
