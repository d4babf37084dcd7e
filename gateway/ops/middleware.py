"""Around every request: its id, its facts, the headers every response has, and the last resort.

Owns: ``x-request-id`` and its kin, which requests are in flight, what of their time their callers
take, one event at each request's end, and what is said when nobody else answered. Pure ASGI, so
that hang-ups stay visible. Must not know: routes, keys, jobs; those write what they know into the
facts.
"""

import json
import traceback
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.clock import Clock
from gateway.facts import (
    Crashed,
    Emit,
    InFlight,
    RequestEnded,
    RequestFacts,
    Whereabouts,
    new_request_id,
)

_CLIENT_ID = 200  # characters kept of a client's own request id


class RequestContext:
    """ASGI middleware, to be the outermost of ours.

    Around a Starlette app it belongs into the app's ``middleware=``: that is inside Starlette's own
    error page, which would otherwise answer a crash first, and not in OpenAI's envelope.

    The facts are at ``scope["state"]["facts"]`` (with Starlette: ``request.state.facts``).
    Those being served are entered in ``in_flight``.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        clock: Clock,
        emit: Emit,
        in_flight: InFlight,
        new_id: Callable[[], str] = new_request_id,
    ) -> None:
        self._app = app
        self._clock = clock
        self._emit = emit
        self._in_flight = in_flight
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; only cancellation is raised."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        facts = RequestFacts(self._new_id(), client_request_id=_clients_own_id(scope))
        scope.setdefault("state", {})["facts"] = facts
        exchange = _Exchange(facts, self._clock, receive, send)
        self._in_flight.enter(facts)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.leave()
        except Exception as error:  # noqa: BLE001 - the last resort: whatever escapes becomes a plain 500
            text = "".join(traceback.format_exception(error))
            self._emit(Crashed(facts.request_id, type(error).__name__, text, facts.job_id))
            await exchange.apologize()
        finally:
            self._in_flight.leave(facts)
            self._emit(exchange.ended(scope["method"]))

    def __repr__(self) -> str:
        return f"<RequestContext {self._in_flight!r}>"


class _Exchange:
    """One request and its response, seen from outside."""

    def __init__(self, facts: RequestFacts, clock: Clock, receive: Receive, send: Send) -> None:
        self._facts = facts
        self._clock = clock
        self._receive = receive
        self._send = send
        self._began = clock.monotonic()
        self._client = 0.0
        self._received = 0
        self._read = False
        self._sent = 0
        self._complete = False
        self._left_at: Whereabouts | None = None

    @property
    def left_early(self) -> bool:
        """Whether the client hung up before the response was complete."""
        return self._left_at is not None

    def leave(self) -> None:
        """The client hung up."""
        if not self._complete and self._left_at is None:
            self._left_at = self._facts.waiting

    async def receive(self) -> Message:
        """Pass on what the client sends; whoever has read all of it only watches for its end."""
        began = self._clock.monotonic()
        watching = self._read or self._facts.status is not None
        try:
            message = await self._receive()
        finally:
            if not watching:
                self._client += self._clock.monotonic() - began
        if message["type"] == "http.disconnect":
            self.leave()
        elif message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._read = not message.get("more_body", False)
            if self._read and self._facts.waits == "body":
                self._facts.waits = "queue"
        return message

    async def send(self, message: Message) -> None:
        if self.left_early:  # nobody is there: what is still said counts as unsaid
            return
        if message["type"] == "http.response.start":
            self._facts.status = message["status"]
            self._facts.waits = "write"
            await self._add_headers(message)
        elif message["type"] == "http.response.body":
            self._sent += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        began = self._clock.monotonic()
        try:
            await self._send(message)
        finally:
            self._client += self._clock.monotonic() - began

    async def _add_headers(self, message: Message) -> None:
        message.setdefault("headers", [])
        headers = MutableHeaders(scope=message)
        if self._facts.standing is not None:
            headers.update(await self._facts.standing())
        headers["x-request-id"] = self._facts.request_id
        if self._facts.client_request_id is not None:
            headers["x-client-request-id"] = self._facts.client_request_id
        headers["openai-processing-ms"] = str(int(self._took() * 1000))
        headers["openai-version"] = "2020-10-01"

    async def apologize(self) -> None:
        """Answer 500; where a response has begun, leave it unfinished: the server then cuts it."""
        facts = self._facts
        if self.left_early or self._complete:
            return
        facts.error_code = "server_error"
        if facts.status is not None:
            facts.late_status = 500
            return
        bought = f"; job {facts.job_id}" if facts.job_id else ""
        message = f"The server had an error (request id {facts.request_id}{bought})."
        error = {"message": message, "type": "server_error", "param": None, "code": "server_error"}
        body = json.dumps({"error": error}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        if facts.job_id or facts.upstream_ids:
            headers.append((b"x-should-retry", b"false"))  # asking again could buy again
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def ended(self, method: str) -> RequestEnded:
        facts = self._facts
        return RequestEnded(
            request_id=facts.request_id,
            method=method,
            status=facts.status,
            duration=self._took(),
            sent=self._sent,
            received=self._received,
            left_early=self.left_early,
            waiting=self._left_at,
            client_request_id=facts.client_request_id,
            key_name=facts.key_name,
            key_fault=facts.key_fault,
            route=facts.route,
            model=facts.model,
            n=facts.n,
            tier=facts.tier,
            quality=facts.quality,
            job_id=facts.job_id,
            joined=facts.joined,
            upstream_ids=facts.upstream_ids,
            notes=facts.notes,
            manner=facts.manner,
            late_status=facts.late_status,
            error_code=facts.error_code,
            rejection=facts.rejection,
            retry=facts.retry,
            images=facts.images,
            delivery=facts.delivery,
            cost=facts.cost,
            phases={"client": self._client, **facts.phases},
        )

    def _took(self) -> float:
        return self._clock.monotonic() - self._began


def _clients_own_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            kept = "".join(chr(one) for one in value[: _CLIENT_ID * 2] if 0x20 <= one <= 0x7E)  # noqa: PLR2004 - printable ASCII
            return kept[:_CLIENT_ID].strip() or None
    return None
