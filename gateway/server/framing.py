"""One connection: which bytes are a request, and how long a caller may take over them.

Owns: the bounds on heads, connections, silence and readers; what is answered where no application
can; the slow goodbye that lets an early answer arrive. Must not know: routes, keys, pictures.

uvicorn's protocol on httptools does the parsing and ASGI; this subclass adds what it lacks. What
it uses of uvicorn that is not public is listed in ``tests/server/test_framing.py``, which fails
when a release renames it. The framing rules are those of RFC 9112.
"""

import asyncio
import functools
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.server.transport import Book, Refusal, Wire

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_PIPELINED = 32  # requests a client may send ahead; each costs memory before it is served
_TURNED_AWAY = 1.0  # seconds a caller beyond the bound is given to read why
_ON_ITS_WAY = 1.0  # seconds for a first request that comes while the server stops
_UNKNOWN = 1 << 62  # bytes: the length of a body whose end is the connection's
_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=-]+(:\d{0,5})?|\[[0-9A-Fa-f:.]+\](:\d{0,5})?")

_MALFORMED = Refusal(400, "malformed_request", "The request is not valid HTTP/1.1.")
_VERSION = Refusal(400, "malformed_request", "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
_HOSTLESS = Refusal(400, "malformed_request", "Exactly one valid Host header is required.")
_CODING = Refusal(400, "malformed_request", "The only transfer coding understood is chunked.")
_AHEAD = Refusal(400, "malformed_request", "Too many requests were sent ahead.")
_HEAD_TOO_LARGE = Refusal(431, "headers_too_large", "The request's head is too large.")
_HEAD_TOO_SLOW = Refusal(408, "request_timeout", "The request's head took too long to arrive.")
_FULL = Refusal(503, "server_is_overloaded", "Too many connections are open.", retry_after=1)
_STOPPING = Refusal(
    503, "server_is_stopping", "The server is restarting; please ask again.", retry_after=1
)
_BROKEN = Refusal(500, "server_error", "The server failed to answer.")

_LOGGER = logging.getLogger("gateway.server")
# uvicorn's own lines, a traceback for every hang-up among them, go nowhere: a caller could flood
# the log with them. What matters of it is counted in the book or logged by ``_serve``.
# An instance of its own, for a registered logger's handlers and level are anyone's to change.
_SILENT = logging.Logger("gateway.server.silent", logging.CRITICAL + 1)  # noqa: LOG001


class _Fault(Exception):
    """Stops the parser from inside one of its callbacks."""


class BoundedProtocol(HttpToolsProtocol):
    """A client's connection, with every bound of ``ServerBounds`` that concerns framing."""

    _wire: Wire

    def __init__(self, config: Config, state: ServerState, book: Book) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(config=config, server_state=state, app_state={}, _loop=loop)
        self.logger = _SILENT
        self._book = book
        self._bounds = book.bounds
        self._running: RequestResponseCycle | None = None
        self._refusal: Refusal | None = None  # why a callback stopped the parser
        self._deaf = False  # nothing more is parsed; what still comes is dropped
        self._muted = False  # the parser is being told a head that no client sent
        self._in_body = False
        self._body_head: bytes | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._quiet = 0  # bytes taken since the parser last got anywhere

    # The connection's own life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection in, or turn it away at once where there are too many."""
        raw = cast("asyncio.Transport", transport)
        self._wire = Wire(raw, self._book, self._leaves_bytes_unread)
        if len(self.connections) >= self._bounds.connections:
            self._turn_away()
            return
        super().connection_made(self._wire)
        self.timeout_keep_alive_task = self.loop.call_later(
            self._bounds.idle_time, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the running request that its client has left, and forget the connection."""
        self._wire.release()
        self._stop_head_timer()
        self._unset_keepalive_if_required()
        running = self._running
        if running is not None and not running.response_complete:
            # uvicorn tells the newest request only, which may be one that waits behind.
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)
        if not self.connections:
            self._book.empty.set()

    def _turn_away(self) -> None:
        self._book.refused += 1
        self.transport = self._wire
        self._deaf = True
        if self._book.lingering > self._bounds.connections // 10 + 16:
            self._wire.abort()  # the polite ones hold a descriptor each: a flood gets none
            return
        self._wire.linger_time = min(_TURNED_AWAY, self._bounds.idle_time)
        self._wire.write(_FULL.response(self._book.date()))
        self._wire.close()

    def _leaves_bytes_unread(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return self._deaf or bool(self.pipeline) or (cycle is not None and cycle.more_body)

    def shutdown(self) -> None:
        """Close where nothing is awaited; else the answer to what is shall be the last.

        Whoever has not asked anything yet is about to: they were let in, so they are answered.
        """
        cycle: RequestResponseCycle | None = self.cycle
        if self._head_timer is not None:
            return
        if cycle is not None:
            super().shutdown()
        else:
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                min(_ON_ITS_WAY, self._bounds.idle_time), self.timeout_keep_alive_handler
            )

    def end(self) -> None:
        """Cut the connection now; a caller still without an answer is told to come back."""
        running = self._running
        if running is not None and not running.response_complete:
            self._give_up(running, _STOPPING)
        elif self._head_timer is not None:
            self._answer_last(_STOPPING)
        else:
            self._wire.abort()

    # Bytes in

    def data_received(self, data: bytes) -> None:
        """Parse what came; in place of uvicorn's, which answers faults into running responses."""
        if self._deaf or self._wire.is_closing():
            self._wire.discard(len(data))
            return
        self._unset_keepalive_if_required()
        if self._head_timer is None and not self._in_body:
            self._head_timer = self.loop.call_later(self._bounds.header_time, self._head_too_slow)
        self._quiet += len(data)
        self._feed(data)
        if self._quiet > self._bounds.header_bytes and not self._deaf:
            # One endless header, chunk extension or trailer: the parser keeps it and says nothing.
            self._refuse(_HEAD_TOO_LARGE)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._refusal or _MALFORMED)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on in HTTP/1.1, as a server may that does not want to change protocols.

        The parser believes a request that offers an upgrade to have no body, and would take the
        body for the next request. Java's own client offers h2c on every plain POST, so a fresh
        parser is told the length by a head of ours and given the rest.
        """
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.parser = parser
        if self._body_head is not None:
            self._muted = True
            parser.feed_data(self._body_head)
            self._muted = False
            self._body_head = None
        if rest:
            self._feed(rest)

    def _head_too_slow(self) -> None:
        self._head_timer = None
        self._refuse(_HEAD_TOO_SLOW)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """Count a new head from nothing."""
        if not self._muted:
            self._head_bytes = 0
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the target as part of the head."""
        if not self._muted:
            self._count(len(url))
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; drop a trailer, which must not pass for a header of the request."""
        if self._muted:
            return
        self._count(len(name) + len(value) + 4)  # colon, space and line end
        if self._in_body:
            return
        super().on_header(name, value)
        if len(self.headers) > self._bounds.header_count:
            self._stop(_HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Check the head as a whole and let uvicorn start, or queue, the request."""
        if self._muted:
            return
        self._check_head()
        if len(self.pipeline) >= _PIPELINED:
            self._stop(_AHEAD)
        self._stop_head_timer()
        self._quiet = 0
        self._in_body = True
        self.server_state.default_headers = self._book.date()
        super().on_headers_complete()
        if self._book.stopping:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._quiet = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body, unless the parser only thinks that there is none."""
        if self._body_head is not None:
            return
        self._quiet = 0
        self._in_body = False
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._bounds.header_bytes:
            self._stop(_HEAD_TOO_LARGE)

    def _check_head(self) -> None:
        version = self.parser.get_http_version()
        if version not in {"1.0", "1.1"}:
            self._stop(_VERSION)
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (version == "1.1" and not hosts):
            self._stop(_HOSTLESS)
        if hosts and _HOST.fullmatch(hosts[0]) is None:
            self._stop(_HOSTLESS)
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if codings and (version == "1.0" or codings[0].strip().lower() != b"chunked"):
            self._stop(_CODING)
        if self.parser.should_upgrade():
            self._body_head = self._framing_of_body()

    def _framing_of_body(self) -> bytes | None:
        for name, value in self.headers:
            if name in {b"content-length", b"transfer-encoding"}:
                return b"POST / HTTP/1.1\r\n%b: %b\r\n\r\n" % (name, value)
        return None

    def _stop(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise _Fault

    # Answers that no application gives

    def _refuse(self, refusal: Refusal) -> None:
        """Answer a fault in the framing, after which nothing on this connection can be trusted."""
        self._deaf = True
        self._book.faults += 1
        running = self._running
        if running is None or running.response_complete:
            self._answer_last(refusal)
            return
        self._stop_head_timer()
        if running is self.cycle and running.more_body:
            self._give_up(running, refusal)
        else:
            # The fault lies behind a good request, whose answer comes first and is the last.
            self.pipeline.clear()
            running.keep_alive = False

    def _answer_last(self, refusal: Refusal) -> None:
        """Answer where no request runs, and hear no more."""
        self._deaf = True
        self._stop_head_timer()
        self._unset_keepalive_if_required()
        self._wire.write(refusal.response(self._book.date()))
        self._wire.close()

    def _give_up(self, cycle: RequestResponseCycle, refusal: Refusal) -> None:
        """Answer in the application's place if nothing was sent yet, and end its request."""
        if not cycle.response_started:
            self._wire.write(refusal.response(self._book.date(), head=self._wants_head(cycle)))
        cycle.disconnected = True  # so that nothing the application still says is sent
        cycle.message_event.set()
        if cycle.response_started and cycle.expected_content_length == _UNKNOWN:
            self._wire.cut()  # a connection that ends well would be the body's good end
        else:
            self._wire.close()

    @staticmethod
    def _wants_head(cycle: RequestResponseCycle) -> bool:
        return cycle.scope["method"] == "HEAD"

    # The application

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        """Remember which request runs, and stand between uvicorn and the application."""
        self._running = cycle
        super()._start_asgi_task(cycle, functools.partial(self._serve, cycle, app))

    async def _serve(
        self,
        cycle: RequestResponseCycle,
        app: Application,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
    ) -> None:
        async def send_framed(message: Message) -> None:
            if message["type"] == "http.response.start" and cycle.more_body:
                # Answered before the body was read: uvicorn then adds "connection: close" and
                # closes, and the wire lingers over what the client is still sending.
                cycle.keep_alive = False
            if scope["http_version"] == "1.0":
                _leave_unframed(cycle, message)
            await send(message)

        try:
            await app(scope, receive, send_framed)
        except (
            Exception
        ):  # the border: whatever escapes ends one request, not the connection's task
            if not cycle.disconnected:  # else it is about the hang-up
                _LOGGER.exception("the application raised")
        if not cycle.response_complete and not cycle.disconnected:
            self._give_up(cycle, _BROKEN)


def _leave_unframed(cycle: RequestResponseCycle, message: Message) -> None:
    """End a body of unknown length by the connection's end, as HTTP/1.0 does.

    uvicorn would send it in chunks, of which such a client knows nothing. It is told that the
    length is known, and with each piece that this is all.
    """
    if message["type"] == "http.response.start":
        names = {name.lower() for name, _ in message.get("headers", ())}
        if b"content-length" not in names:
            cycle.chunked_encoding = False
            cycle.expected_content_length = _UNKNOWN
    elif cycle.expected_content_length == _UNKNOWN:
        more = message.get("more_body", False)
        size = len(message.get("body", b""))
        cycle.expected_content_length = size + _UNKNOWN if more else size
