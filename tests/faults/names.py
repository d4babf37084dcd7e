"""A resolver's stand-in: names under ``.test`` lead to loopback, or nowhere, or late.

Owns: what the running loop answers for those names while it is installed; all others go to the
system. Must not know: who asks. Both of the gateway's engines ask the loop.
"""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from gateway.clock import Clock, SystemClock

Trouble: TypeAlias = Literal["unknown", "failing"] | float
"""No such name; the server has failed; an answer after so many seconds."""


class Names:
    """``trouble`` is by name; ``struck`` counts the questions that met it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.trouble: dict[str, Trouble] = {}
        self.struck: Counter[str] = Counter()
        self._clock = clock or SystemClock()

    async def answer(self, host: str, port: int) -> list[Any]:
        """What the system would be answered. Raises: socket.gaierror."""
        match self.trouble.get(host):
            case None:
                pass
            case "unknown":
                self.struck[host] += 1
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            case "failing":
                self.struck[host] += 1
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            case seconds:
                self.struck[host] += 1
                await self._clock.sleep(seconds)
        place = ("127.0.0.1", port)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place)]


@contextlib.contextmanager
def naming() -> Iterator[Names]:
    """Answer for ``.test`` in the running loop."""
    loop = asyncio.get_running_loop()
    system, names = loop.getaddrinfo, Names()

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name.endswith(".test"):
            return await names.answer(name, int(port))
        return await system(host, port, **options)

    with_stand_in: Any = loop
    with_stand_in.getaddrinfo = getaddrinfo
    try:
        yield names
    finally:
        del with_stand_in.getaddrinfo
