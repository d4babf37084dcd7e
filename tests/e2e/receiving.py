"""A caller's receiver of webhooks on loopback: it fails as it is told, and checks what it hears."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

_REPLIES = {
    "ok": b"HTTP/1.1 204 No Content\r\n\r\n",
    "broken": b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 307 There\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
    "busy": b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n",
    "gone": b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n",
}

Fate = Callable[[str], str]


@dataclass
class Heard:
    """One call: its path, its headers in lower case, its body, and what it was answered."""

    path: str
    headers: dict[str, str]
    body: bytes
    fate: str

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told


@dataclass
class Receiver:
    """``fate`` says how a message is answered, by its name: a reply's name, ``cut``, ``slow``."""

    secret: str
    fate: Fate = lambda _: "ok"
    url: str = ""
    calls: list[Heard] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)

    @property
    def delivered(self) -> list[Heard]:
        return [call for call in self.calls if call.fate == "ok"]

    def is_genuine(self, headers: dict[str, str], body: bytes) -> bool:
        """Whether the published library takes it."""
        try:
            Webhook(self.secret).verify(body, headers)
        except (WebhookVerificationError, ValueError):
            return False
        return True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers["content-length"]))
        if not self.is_genuine(headers, body):
            self.forged.append(head)
        call = Heard(first.split(" ")[1], headers, body, self.fate(headers["webhook-id"]))
        self.calls.append(call)
        if call.fate == "cut":
            plug = writer.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if call.fate == "slow":
            await reader.read()  # until whoever told has given up
            return
        writer.write(_REPLIES[call.fate])
        await writer.drain()


@contextlib.asynccontextmanager
async def receiving(secret: str, fate: Fate = lambda _: "ok") -> AsyncIterator[Receiver]:
    receiver = Receiver(secret, fate)
    tasks: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await receiver.serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
        left = [task for task in tasks if task is not None and not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
