"""Listeners: where callers come in, and how the process stops.

Owns: binding sockets, uvicorn's protocol on them in the running loop, in which order they start,
and stopping with grace. Must not know: what the applications behind it do.

``uvicorn.Server`` is left out: it takes the signals for itself, ends the process when a port is
taken and wakes ten times a second. Two listeners share one loop here.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence

from uvicorn import Config
from uvicorn.server import ServerState

from gateway.clock import Clock
from gateway.config.sections import ServerBounds
from gateway.server.framing import Application, BoundedProtocol
from gateway.server.signals import endings
from gateway.server.sockets import address, cannot_listen
from gateway.server.transport import Book

_BACKLOG = 2048
_LAST_WORDS = 0.5  # seconds for cut requests to finish their clean-up
_TURNS = 8  # of the loop, in which whoever was accepted is let in and what was sent is read


class Listener:
    """One address on which an ASGI application is served over HTTP/1.1.

    With ``sockets`` that somebody else opened, ``host`` and ``port`` are not used: theirs are told.
    Counts since the start are read from ``connections_open``, ``connections_refused``,
    ``faults`` and ``readers_cut``.
    """

    def __init__(
        self,
        app: Application,
        *,
        host: str,
        port: int,
        bounds: ServerBounds,
        clock: Clock,
        sockets: Sequence[socket.socket] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._sockets = tuple(sockets or ())
        self._book = Book(bounds, clock)
        self._state = ServerState()
        self._servers: list[asyncio.Server] = []
        self._config = Config(
            app=app,
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            workers=1,  # this and the next: else uvicorn asks the environment
            forwarded_allow_ips=[],
            # typed int, handed to ``call_later``
            timeout_keep_alive=bounds.idle_time,  # type: ignore[arg-type]
        )

    @property
    def connections_open(self) -> int:
        """Connections that are served or wait."""
        return len(self._state.connections)

    @property
    def connections_refused(self) -> int:
        """Connections turned away because too many were open."""
        return self._book.refused

    @property
    def faults(self) -> int:
        """Requests that were no HTTP, or whose head was too large or too slow."""
        return self._book.faults

    @property
    def readers_cut(self) -> int:
        """Connections cut because their reader took nothing."""
        return self._book.cut

    @property
    def port(self) -> int:
        """The port, as the system gave it where zero was asked for."""
        return self._port

    @property
    def url(self) -> str:
        """An address this machine reaches the listener by, without a slash at its end."""
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - a name, not bound to
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def host(self) -> str:
        """What the listener is bound to."""
        return self._host

    @property
    def inherited(self) -> bool:
        """Whether somebody else opened the socket, and goes on holding it."""
        return bool(self._sockets)

    async def start(self) -> None:
        """Bind and accept, unless it does already; raises ``ListenError`` where that cannot be."""
        if self._servers:
            return
        self._book.stopping = False
        loop = asyncio.get_running_loop()
        places = [address(sock) for sock in self._sockets]
        if places:
            self._host, self._port = places[0]
        try:
            for sock in self._sockets:
                server = await loop.create_server(self._protocol, sock=sock, backlog=_BACKLOG)
                self._servers.append(server)
            if not self._sockets:
                server = await loop.create_server(
                    self._protocol, self._host or None, self._port, backlog=_BACKLOG
                )
                self._servers.append(server)
        except OSError as error:
            raise cannot_listen(self._host, self._port, error) from error
        self._port = int(self._servers[0].sockets[0].getsockname()[1])

    def _protocol(self) -> BoundedProtocol:
        return BoundedProtocol(self._config, self._state, self._book)

    async def wind_down(self) -> None:
        """Let every connection's next answer be its last, and close those that wait for none.

        An inherited socket is let go of: who comes now waits in its backlog for whoever accepts
        next. One of our own still accepts, for else callers would be refused without a word.
        """
        self._book.stopping = True
        if self.inherited:
            self._stop_accepting()
        await self._settle()
        for connection in self._connections():
            connection.shutdown()

    async def stop(self, grace: float) -> None:
        """Accept no more, let running requests finish for ``grace`` seconds, then cut them.

        A caller that is cut before anything was sent to it gets 503 and is told to come back.
        """
        self._stop_accepting()
        await self.wind_down()
        for server in self._servers:
            server.close()  # of an inherited socket our copy alone
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._all_gone()
        for connection in self._connections():
            connection.end()
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_WORDS)
        self._servers.clear()

    def _stop_accepting(self) -> None:
        """Look no more whether somebody comes; the servers stay open.

        Closed at once, asyncio would drop whom it has accepted and not yet let in.
        """
        loop = asyncio.get_running_loop()
        for server in self._servers:
            for sock in server.sockets:
                loop.remove_reader(sock.fileno())

    async def _settle(self) -> None:
        """Let those in who were accepted, and read what has come: it is to be answered."""
        for _ in range(_TURNS):
            await self._book.clock.sleep(0)

    def _connections(self) -> list[BoundedProtocol]:
        return [one for one in self._state.connections if isinstance(one, BoundedProtocol)]

    async def _all_gone(self) -> None:
        while self._state.connections:
            self._book.empty.clear()
            await self._book.empty.wait()
        if self._state.tasks:  # a task may have more to do after its last byte
            await asyncio.wait(list(self._state.tasks))

    def __repr__(self) -> str:
        state = self.url if self._servers else "stopped"
        return f"<Listener {state} open={self.connections_open} refused={self.connections_refused}>"


async def run_until_signal(
    listeners: Sequence[Listener],
    *,
    grace: float,
    on_start: Callable[[], None] | None = None,
    on_signal: Callable[[], Awaitable[None]] | None = None,
    on_stop: Callable[[], Awaitable[None]] | None = None,
    asked: asyncio.Event | None = None,
    signals: asyncio.Queue[None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop within ``grace`` seconds; a second signal hurries.

    ``signals`` is where they are heard, if somebody hears them already. ``asked`` is somebody's
    asking for the same from within; set, it is a first signal.
    They start from the last to the first, so that nobody whom the first accepts is sent away for
    another's port that is taken; ``on_start`` is called once all accept.
    ``on_signal`` is awaited first: until it returns, or a second signal comes, everything is served
    as before. Then the listeners wind down, and ``on_stop`` is awaited while those with a socket of
    their own still accept. They stop in the order given, so that the operators' one, last, still
    tells what is going on. Raises ``ListenError``.
    """
    with contextlib.nullcontext(signals) if signals is not None else endings() as heard:
        try:
            for listener in reversed(listeners):
                await listener.start()
            if on_start is not None:
                on_start()
            await _first_of(heard.get(), *([asked.wait()] if asked is not None else []))
            if on_signal is not None:
                await _first_of(on_signal(), heard.get())
            await _first_of(_stop_all(listeners, grace, on_stop), heard.get())
        finally:
            await asyncio.gather(*(listener.stop(0) for listener in listeners))


async def _stop_all(
    listeners: Sequence[Listener], grace: float, on_stop: Callable[[], Awaitable[None]] | None
) -> None:
    until = asyncio.get_running_loop().time() + grace
    await asyncio.gather(*(listener.wind_down() for listener in listeners))
    if on_stop is not None:
        await on_stop()
    for listener in listeners:
        await listener.stop(max(0.0, until - asyncio.get_running_loop().time()))


async def _first_of(*waits: Awaitable[object]) -> None:
    """Return, or raise, as the first of them does; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
