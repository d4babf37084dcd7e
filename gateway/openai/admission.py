"""Who asks, and on which terms: before a byte of a body is read.

Owns: the order of it (terms, address, key), what is noted of it, and the refusal of addresses that
show wrong keys. Must not know: how a key is looked up, or what it may do.
"""

from functools import partial

from starlette.requests import Request
from starlette.types import Scope

from gateway.access.failures import Failures
from gateway.access.keys import Key, Keys, may_be_strong
from gateway.clock import Clock
from gateway.errors import RateLimited, Unauthenticated
from gateway.facts import RequestFacts
from gateway.jobs.reception import Reception
from gateway.openai.idempotency import retries
from gateway.openai.insiders import on_behalf
from gateway.openai.proxies import Proxies
from gateway.openai.ratelimits import standing_headers
from gateway.openai.terms import CurrentTerms, Terms
from gateway.openai.tokens import token_of


class Admission:
    """Admits a request to an endpoint that needs a key."""

    def __init__(
        self,
        terms: CurrentTerms,
        reception: Reception,
        failures: Failures,
        proxies: Proxies,
        clock: Clock,
    ) -> None:
        self._terms = terms
        self._reception = reception
        self._failures = failures
        self._proxies = proxies
        self._clock = clock

    def __repr__(self) -> str:
        return f"Admission({self._terms!r}, {self._failures!r})"

    async def admit(self, request: Request) -> tuple[Terms, Key]:
        """The terms that the request is served on, and its key.

        From here on each answer says what the key has left. Raises: Unauthenticated, RateLimited.
        """
        facts, terms = facts_of(request.scope), self._terms.now
        facts.retry = retries(request.headers)
        inside = on_behalf(request.scope)
        try:
            if inside is not None:
                key = terms.keys.named(inside.key_name, self._clock.wall())
            else:
                key = self._identified(request, terms.keys)
        except Unauthenticated as fault:
            facts.key_name, facts.key_fault = fault.key_name, fault.reason
            raise
        facts.key_name = key.name
        facts.standing = partial(self._standing, key)
        if inside is None:  # else no credential was shown
            await self._reception.used(key.name, key.credential)
        return terms, key

    def _identified(self, request: Request, keys: Keys) -> Key:
        """Whose request it is.

        An address that showed too many wrong keys is heard again only with a key of the generated
        form: those cannot be guessed, and others may stand behind the same address.
        """
        token, address = token_of(request.headers), self._address(request)
        wait = self._failures.wait(address) if token else 0.0
        if wait and not may_be_strong(token or ""):
            facts_of(request.scope).key_fault = "not_compared"
            raise _too_many(wait)
        try:
            return keys.identify(token, self._clock.wall())
        except Unauthenticated as fault:
            if wait:
                facts = facts_of(request.scope)
                facts.key_name, facts.key_fault = fault.key_name, fault.reason
                raise _too_many(wait) from None
            if token and fault.reason == "unknown":  # what was once good is no guess
                self._failures.count(address)
            raise

    def _address(self, request: Request) -> str:
        peer = request.client.host if request.client else None
        return self._proxies.client(peer, request.headers.getlist("x-forwarded-for"))

    async def _standing(self, key: Key) -> dict[str, str]:
        # By the limits of now, not those the request came under: a rate has one limit at a time.
        limits = self._terms.now.keys.limits_of(key.name) or key.limits
        return standing_headers(await self._reception.standing(key.name, limits))


def facts_of(scope: Scope) -> RequestFacts:
    """The request's facts, as the middleware put them there."""
    facts: RequestFacts = scope["state"]["facts"]
    return facts


def _too_many(wait: float) -> RateLimited:
    message = (
        "Too many requests with an incorrect API key came from your address. "
        f"Please try again in {wait:.3g}s."
    )
    return RateLimited(message, retry_after=wait)
