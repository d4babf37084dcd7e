"""Listeners: where callers come in, and how the process stops.

Owns: binding sockets, uvicorn's protocol on them in the running loop, stopping with grace, and
the signals of the process. Must not know: what the applications behind it do.

``uvicorn.Server`` is left out: it takes the signals for itself, ends the process when a port is
taken and wakes ten times a second. Two listeners share one loop here.
"""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence

from uvicorn import Config
from uvicorn.server import ServerState

from gateway.clock import Clock
from gateway.config.sections import ServerBounds
from gateway.server.framing import Application, BoundedProtocol
from gateway.server.transport import Book

_BACKLOG = 2048
_LAST_WORDS = 0.5  # seconds for cut requests to finish their clean-up
_REASONS = {
    errno.EADDRINUSE: "the port is in use by another program",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "ports below 1024 need a privilege this process does not have",
}


class ListenError(OSError):
    """A listener could not be opened; the text says where and why, in words for an operator."""


class Listener:
    """One address on which an ASGI application is served over HTTP/1.1.

    With ``sockets`` (already bound, for instance inherited) ``host`` and ``port`` are not used.
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

    async def start(self) -> None:
        """Bind and accept, unless it does already; raises ``ListenError`` where that cannot be."""
        if self._servers:
            return
        loop = asyncio.get_running_loop()
        try:
            if self._sockets:
                for sock in self._sockets:
                    server = await loop.create_server(self._protocol, sock=sock, backlog=_BACKLOG)
                    self._servers.append(server)
            else:
                server = await loop.create_server(
                    self._protocol, self._host or None, self._port, backlog=_BACKLOG
                )
                self._servers.append(server)
        except OSError as error:
            raise self._cannot_listen(error) from error
        self._port = int(self._servers[0].sockets[0].getsockname()[1])

    def _protocol(self) -> BoundedProtocol:
        return BoundedProtocol(self._config, self._state, self._book)

    def _cannot_listen(self, error: OSError) -> ListenError:
        # From Python 3.13 on, asyncio leaves the number out where no address is this machine's.
        number = errno.EADDRNOTAVAIL if error.errno is None else error.errno
        if isinstance(error, socket.gaierror):
            reason = "the host's name is not known"
        else:
            reason = _REASONS.get(number, error.strerror or str(error))
        told = ListenError(f"cannot listen on {self._host}:{self._port}: {reason}")
        told.errno = number
        return told

    async def stop(self, grace: float) -> None:
        """Accept no more, let running requests finish for ``grace`` seconds, then cut them.

        A caller that is cut before anything was sent to it gets 503 and is told to come back.
        """
        for server in self._servers:
            server.close()
        for connection in self._connections():
            connection.shutdown()
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
    on_stop: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop within ``grace`` seconds; a second signal hurries.

    ``on_stop`` is awaited first, while everything still listens. Listeners stop in the order given,
    so that the operators' one, last, still tells what is going on. Raises ``ListenError``.
    """
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[None] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, None)
    try:
        for listener in listeners:
            await listener.start()
        await signals.get()
        await _first_of(_stop_all(listeners, grace, on_stop), signals.get())
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        await asyncio.gather(*(listener.stop(0) for listener in listeners))


async def _stop_all(
    listeners: Sequence[Listener], grace: float, on_stop: Callable[[], Awaitable[None]] | None
) -> None:
    until = asyncio.get_running_loop().time() + grace
    if on_stop is not None:
        await on_stop()
    for listener in listeners:
        await listener.stop(max(0.0, until - asyncio.get_running_loop().time()))


async def _first_of(*waits: Awaitable[None]) -> None:
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
