"""Addresses of names that strangers chose.

Owns: the threads that ask the system's resolver, which may hang in one for as long as a name's
servers are silent. They are no more than so many, and nobody else's: what the rest of the gateway
does in threads waits for none of them. Must not know: which addresses are allowed.

They are made for one look-up each and are daemons: a pool's threads are waited for when the process
ends, and one that hangs cannot be stopped.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Any

Addresses = Sequence[tuple[Any, ...]]
"""As ``socket.getaddrinfo`` gives them."""


class LookedUpLate(OSError):
    """No answer within the time, or no thread to ask in."""

    def __init__(self) -> None:
        super().__init__(None, "its name could not be looked up in time")


class Lookups:
    """At most ``threads`` at once; a call waits no longer than ``seconds``, in all."""

    def __init__(self, seconds: float, threads: int = 8) -> None:
        self._seconds = seconds
        self._threads = threads
        self._under_way: dict[tuple[str, int, int], asyncio.Future[Addresses | OSError]] = {}

    def __repr__(self) -> str:
        return f"Lookups({len(self._under_way)} of {self._threads} under way)"

    async def find(self, host: str, port: int, family: int) -> Addresses:
        """All addresses of a host; equal questions at the same time are one.

        Raises: OSError, LookedUpLate.
        """
        question = (host, port, family)
        try:
            async with asyncio.timeout(self._seconds):
                while (asked := self._under_way.get(question)) is None:
                    if len(self._under_way) < self._threads:
                        asked = self._ask(question)
                        break
                    waited = tuple(self._under_way.values())
                    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                found = await asyncio.shield(asked)
        except TimeoutError:
            raise LookedUpLate from None
        if isinstance(found, OSError):
            raise OSError(*found.args) from found
        return found

    def _ask(self, question: tuple[str, int, int]) -> asyncio.Future[Addresses | OSError]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Addresses | OSError] = loop.create_future()

        def told(found: Addresses | OSError) -> None:
            del self._under_way[question]
            answer.set_result(found)

        def ask() -> None:
            found: Addresses | OSError = OSError("the resolver failed")
            try:
                found = _addresses(*question)
            except OSError as error:
                found = error
            except UnicodeError as error:  # no name that could be asked for
                found = OSError(str(error))
            finally:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                    loop.call_soon_threadsafe(told, found)

        threading.Thread(target=ask, name="look-up", daemon=True).start()
        self._under_way[question] = answer
        return answer


def _addresses(host: str, port: int, family: int) -> Addresses:
    return socket.getaddrinfo(
        host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
