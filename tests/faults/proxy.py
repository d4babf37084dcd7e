"""A proxy on loopback between the gateway and its vendor that misbehaves as it is told.

Owns: what happens to bytes and connections. Must not know: which mishap is due (``mishaps.py``),
tasks, money. Every request is given a connection of its own (``connection: close`` is put in), so
that each can be met by a mishap of its own.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator

from gateway.clock import Clock, SystemClock
from tests.faults.mishaps import (
    AFTER_HEAD,
    Choose,
    Mishap,
    Request,
    Script,
    head_of,
    read_request,
)

_RESET = struct.pack("ii", 1, 0)
_PIECE = 64 * 1024
_BACKLOG = 512


class Proxy:
    """Listens on ``port``; passes on to ``target`` (``host:port``), which may be set later.

    ``asked`` counts requests by method and path, ``struck`` what really was done by kind: a reset
    at byte 600 of an answer that has 300 is none.
    """

    def __init__(self, seed: int = 0, clock: Clock | None = None) -> None:
        self.target = ""
        self.tls: ssl.SSLContext | None = None
        self.choose: Choose = Script((), seed)
        self.asked: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.handshakes_failed = 0
        self._seed = seed
        self._clock = clock or SystemClock()
        self._hold = _bound(0)  # keeps the port ours while nobody listens
        self.port: int = self._hold.getsockname()[1]
        self._door: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._fillers: list[socket.socket] = []
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Its plain address."""
        return f"http://127.0.0.1:{self.port}"

    def script(self, *mishaps: Mishap) -> None:
        """Replace whatever was to happen."""
        self.choose = Script(mishaps, self._seed)

    async def open(self) -> None:
        """Accept connections, whatever was done before to keep them out."""
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        if self._door is None:
            self._door = _bound(self.port)
        self._door.listen(_BACKLOG)
        if self._accepting is None:
            self._accepting = asyncio.create_task(self._accept(self._door))

    async def refuse(self) -> None:
        """Let nobody listen on the port."""
        await self._accept_no_more()
        if self._door is not None:
            self._door.close()
            self._door = None

    async def clog(self) -> None:
        """Keep listening with a backlog that is full: a connection never stands, nor is refused."""
        await self.open()
        await self._accept_no_more()
        assert self._door is not None
        self._door.listen(0)
        for _ in range(_BACKLOG):
            filler = socket.socket()
            filler.setblocking(False)  # noqa: FBT003 - the socket's own signature
            self._fillers.append(filler)
            try:
                async with asyncio.timeout(0.2):
                    await asyncio.get_running_loop().sock_connect(filler, ("127.0.0.1", self.port))
            except TimeoutError:
                return
        raise RuntimeError("this system's backlog is never full")

    async def close(self) -> None:
        """End everything, and give the port up."""
        await self.refuse()
        for serving in tuple(self._serving):
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        for filler in self._fillers:
            filler.close()
        self._hold.close()

    async def _accept_no_more(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None

    async def _accept(self, door: socket.socket) -> None:
        while True:
            plug, _ = await asyncio.get_running_loop().sock_accept(door)
            serving = asyncio.create_task(self._serve(plug))
            self._serving.add(serving)
            serving.add_done_callback(self._serving.discard)
            # Cancelled before it began, it has closed nothing; by then it has let go of the rest.
            serving.add_done_callback(lambda _, plug=plug: plug.close())  # type: ignore[misc]

    async def _serve(self, plug: socket.socket) -> None:
        mishap = self.choose(None)
        if mishap is not None:
            self.struck[mishap.kind] += 1
            if mishap.kind == "slam":
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            plug.close()
            return
        try:
            reader, writer = await _streams(plug, self.tls)
        except OSError:  # ssl.SSLError is one
            self.handshakes_failed += 1
            plug.close()
            return
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await _Connection(self, reader, writer, self._clock).serve()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()


class _Connection:
    """One request's way to the vendor, and its answer's back."""

    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, clock: Clock
    ) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._struck = False

    async def serve(self) -> None:
        request = await read_request(self._reader)
        self._proxy.asked[f"{request.method} {request.path}"] += 1
        mishap = self._proxy.choose(request)
        acting = asyncio.ensure_future(self._act(request, mishap))
        leaving = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait({acting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if acting.done():
                acting.result()
        finally:
            acting.cancel()
            leaving.cancel()
            await asyncio.gather(acting, leaving, return_exceptions=True)
            script = self._proxy.choose
            if mishap is not None and not self._struck and isinstance(script, Script):
                script.give_back(mishap)

    async def _act(self, request: Request, mishap: Mishap | None) -> None:
        if not self._proxy.target:
            return  # the vendor is not there yet: a gateway asks for its balance at once
        match mishap:
            case None:
                await self._pass_on(self._vendor(request.raw))
            case Mishap(kind="late"):
                self._strike(mishap)
                await self._clock.sleep(mishap.seconds)
                await self._pass_on(self._vendor(request.raw))
            case Mishap(kind="slow_request"):
                self._strike(mishap)
                await self._pass_on(self._vendor(request.raw, mishap))
            case Mishap(kind="twice"):
                await _read(self._vendor(request.raw))
                self._strike(mishap)
                await self._pass_on(self._vendor(request.raw))
            case _:
                answer = await _read(self._vendor(request.raw)) if mishap.forwarded else b""
                await self._spoil(answer, mishap)

    async def _spoil(self, answer: bytes, mishap: Mishap) -> None:
        """Give what the mishap makes of a whole answer."""
        match mishap.kind:
            case "silence":
                self._strike(mishap)
                await asyncio.get_running_loop().create_future()
            case "say":
                self._strike(mishap)
                await self._write(mishap.text)
                while mishap.filler:
                    await self._write(mishap.filler)
                    await self._clock.sleep(mishap.seconds)
            case "spoil":
                self._strike(mishap)
                await self._write(mishap.spoiled(answer))
            case "drip":
                start = head_of(answer) if mishap.at == AFTER_HEAD else mishap.at
                await self._write(answer[:start])
                self._strike(mishap)
                await self._drip(self._writer, answer[start:], mishap)
            case _:
                await self._break_off(answer, mishap)

    async def _break_off(self, answer: bytes, mishap: Mishap) -> None:
        """Close or reset after the first bytes of an answer that has more."""
        await self._write(answer[: mishap.at])
        if mishap.at and mishap.at >= len(answer):
            return
        self._strike(mishap)
        if mishap.kind == "reset":
            plug = self._writer.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._writer.transport.abort()

    async def _vendor(self, raw: bytes, drip: Mishap | None = None) -> AsyncGenerator[bytes, None]:
        """Send a request to the vendor; its answer's pieces."""
        host, _, port = self._proxy.target.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            if drip is None:
                writer.write(raw)
                await writer.drain()
            else:
                await self._drip(writer, raw, drip)
            while piece := await reader.read(_PIECE):
                yield piece
        finally:
            writer.close()

    async def _drip(self, writer: asyncio.StreamWriter, data: bytes, mishap: Mishap) -> None:
        for start in range(0, len(data), mishap.step):
            writer.write(data[start : start + mishap.step])
            await writer.drain()
            await self._clock.sleep(mishap.seconds)

    async def _pass_on(self, pieces: AsyncGenerator[bytes, None]) -> None:
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                await self._write(piece)

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def _strike(self, mishap: Mishap) -> None:
        self._proxy.struck[mishap.kind] += 1
        self._struck = True


async def _read(pieces: AsyncGenerator[bytes, None]) -> bytes:
    async with contextlib.aclosing(pieces):
        return b"".join([piece async for piece in pieces])


def _bound(port: int) -> socket.socket:
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    plug.bind(("127.0.0.1", port))
    plug.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return plug


async def _streams(
    plug: socket.socket, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, plug, ssl=tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


@contextlib.asynccontextmanager
async def proxying(target: str = "", seed: int = 0) -> AsyncIterator[Proxy]:
    """A proxy that is open; ``target`` is ``host:port``."""
    proxy = Proxy(seed)
    proxy.target = target
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
