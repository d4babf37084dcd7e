"""``POST /webhooks/toapis``: where the vendor's webhooks arrive, on the clients' listener.

Owns: the bounds on what anybody may send there, and the answer. Must not know: what makes a
webhook genuine, or what is done with it (``Ear``). There is no key before the body is read, so
few are read at once, of one address fewer, and none for long; and an address that keeps sending
what is not the vendor's, or is not sent to its end, is put off. Those are not counted with its
wrong keys: behind a proxy that is not trusted all have one address, and a slip in the vendor's
secret would shut callers out.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.access.failures import Failures, counted_as
from gateway.clock import Clock
from gateway.config.sections import Server, ServerBounds, Upstream
from gateway.errors import BodyTooLarge, BodyTooSlow, RateLimited, WebhookRefused
from gateway.openai.admission import facts_of
from gateway.openai.bodies import ClientGone, stream
from gateway.openai.proxies import Proxies

PATH = "/webhooks/toapis"
BODY = 256_000
AT_ONCE = 32
OF_ONE = 8
_BODY_TIME = 10.0
_AGAIN = 10.0
_TOO_MANY = "Too many webhooks come at once."


class Ear(Protocol):
    """Takes webhooks, at once."""

    def glance(self, headers: Mapping[str, str]) -> None:
        """Before the body is read. Raises: WebhookRefused."""
        ...

    def take(self, headers: Mapping[str, str], body: bytes) -> None:
        """Headers and body. Raises: WebhookRefused, Overloaded."""
        ...


def address(server: Server, upstream: Upstream) -> str | None:
    """What has to be registered at the vendor, where its webhooks are taken."""
    if upstream.webhook_secret is None or server.public_url is None:
        return None
    return f"{server.public_url}{PATH}"


class CallbackEndpoint:
    """The endpoint, as an ASGI app."""

    def __init__(
        self, ear: Ear, failures: Failures, proxies: Proxies, bounds: ServerBounds, clock: Clock
    ) -> None:
        self._ear = ear
        self._failures = failures
        self._proxies = proxies
        time = min(bounds.body_time, _BODY_TIME)
        self._bounds = bounds.model_copy(update={"body_time": time})
        self._clock = clock
        self._reading: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<CallbackEndpoint reading={self._reading.total()} {self._failures!r}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one webhook.

        Raises: WebhookRefused, RateLimited, BodyTooLarge, BodyTooSlow, ClientGone, Overloaded.
        """
        request = Request(scope, receive)
        facts_of(scope).route = "webhook"
        address = self._proxies.client(
            request.client.host if request.client else None,
            request.headers.getlist("x-forwarded-for"),
        )
        wait = self._failures.wait(address)
        if wait:
            raise RateLimited(_TOO_MANY, retry_after=wait)
        try:
            self._ear.glance(request.headers)
            with self._place(counted_as(address)):
                pieces = stream(request.receive, request.headers, BODY, self._bounds, self._clock)
                body = b"".join([piece async for piece in pieces])
            self._ear.take(request.headers, body)
        except (WebhookRefused, BodyTooLarge, BodyTooSlow, ClientGone):
            self._failures.count(address)
            raise
        await Response(status_code=204)(scope, receive, send)

    @contextlib.contextmanager
    def _place(self, name: str) -> Iterator[None]:
        """Hold one of the places for reading. Raises: RateLimited."""
        if self._reading.total() >= AT_ONCE or self._reading[name] >= OF_ONE:
            raise RateLimited(_TOO_MANY, retry_after=_AGAIN)
        self._reading[name] += 1
        try:
            yield
        finally:
            self._reading[name] -= 1
            if not self._reading[name]:
                del self._reading[name]
