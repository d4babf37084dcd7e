"""``POST /webhooks/toapis``: where the vendor's webhooks arrive, on the clients' listener.

Owns: the bounds on what anybody may send there, and the answer. Must not know: what makes a
webhook genuine, or what is done with it (``hear``). There is no key before the body is read, so
few are read at once, and an address that keeps sending what is not the vendor's is put off. Those
are not counted with its wrong keys: behind a proxy that is not trusted all have one address, and a
slip in the vendor's secret would shut callers out.
"""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.access.failures import Failures
from gateway.clock import Clock
from gateway.config.sections import Server, ServerBounds, Upstream
from gateway.errors import RateLimited, WebhookRefused
from gateway.openai.admission import facts_of
from gateway.openai.bodies import stream
from gateway.openai.proxies import Proxies

PATH = "/webhooks/toapis"
BODY = 256_000
AT_ONCE = 32
_AGAIN = 10.0

Hear = Callable[[Mapping[str, str], bytes], None]
"""Takes a webhook's headers and body, at once. Raises: WebhookRefused."""


def address(server: Server, upstream: Upstream) -> str | None:
    """What has to be registered at the vendor, where its webhooks are taken."""
    if upstream.webhook_secret is None or server.public_url is None:
        return None
    return f"{server.public_url}{PATH}"


class CallbackEndpoint:
    """The endpoint, as an ASGI app."""

    def __init__(
        self, hear: Hear, failures: Failures, proxies: Proxies, bounds: ServerBounds, clock: Clock
    ) -> None:
        self._hear = hear
        self._failures = failures
        self._proxies = proxies
        self._bounds = bounds
        self._clock = clock
        self._reading = 0

    def __repr__(self) -> str:
        return f"<CallbackEndpoint reading={self._reading} {self._failures!r}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one webhook. Raises: WebhookRefused, RateLimited, BodyTooLarge, BodyTooSlow."""
        request = Request(scope, receive)
        facts_of(scope).route = "webhook"
        address = self._proxies.client(
            request.client.host if request.client else None,
            request.headers.getlist("x-forwarded-for"),
        )
        wait = self._failures.wait(address)
        if wait or self._reading >= AT_ONCE:
            raise RateLimited("Too many webhooks come at once.", retry_after=wait or _AGAIN)
        body = await self._body(request)
        try:
            self._hear(request.headers, body)
        except WebhookRefused:
            self._failures.count(address)
            raise
        await Response(status_code=204)(scope, receive, send)

    async def _body(self, request: Request) -> bytes:
        self._reading += 1
        try:
            pieces = stream(request.receive, request.headers, BODY, self._bounds, self._clock)
            return b"".join([piece async for piece in pieces])
        finally:
            self._reading -= 1
