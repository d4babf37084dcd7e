"""The signals of the process: SIGHUP, which asks for something, and those that ask for the end.

Owns: who hears them, and what a signal breaks off. Must not know: what is done about it.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator

ENDS = (signal.SIGTERM, signal.SIGINT)


def ignored(number: signal.Signals) -> None:
    """From now on it does nothing. Call it early, and from the main thread."""
    signal.signal(number, signal.SIG_IGN)


def ends_well() -> None:
    """From now on SIGTERM and SIGINT end the process with 0, until a loop hears them.

    For the time in which nothing has been opened. Call it from the main thread.
    """
    for number in ENDS:
        signal.signal(number, lambda *_: sys.exit(0))


@contextlib.contextmanager
def heard(number: signal.Signals, call: Callable[[], None]) -> Iterator[None]:
    """Within the block the running loop makes this call for each signal; afterwards nobody does.

    By ``signal.signal`` and not the loop's own handlers: those fall back to the default, which is
    death, before the process has ended.
    """
    loop = asyncio.get_running_loop()
    signal.signal(number, lambda *_: loop.call_soon_threadsafe(call))
    try:
        yield
    finally:
        ignored(number)


@contextlib.contextmanager
def endings() -> Iterator[asyncio.Queue[None]]:
    """Within the block each SIGTERM and SIGINT is put into the queue, and ends nothing by itself.

    Afterwards one is the end at once: whoever hangs in its stop can still be ended.
    """
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[None] = asyncio.Queue()
    for number in ENDS:
        loop.add_signal_handler(number, signals.put_nowait, None)
    try:
        yield signals
    finally:
        for number in ENDS:
            loop.remove_signal_handler(number)


async def before_any(signals: asyncio.Queue[None], work: Awaitable[object]) -> bool:
    """Whether the work came to its end before a signal came, which breaks it off.

    It has ended when this returns. Raises: as the work does, unless a signal came first.
    """
    working, signalled = asyncio.ensure_future(work), asyncio.ensure_future(signals.get())
    try:
        await asyncio.wait({working, signalled}, return_when=asyncio.FIRST_COMPLETED)
        if signalled.done():
            return False
        working.result()
        return True
    finally:
        for one in (working, signalled):
            one.cancel()
        await asyncio.gather(working, signalled, return_exceptions=True)
