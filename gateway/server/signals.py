"""A signal that asks for something and never ends the process: SIGHUP.

Owns: who hears it. Must not know: what is done about it. ``signal.signal`` and not the loop's own
handlers: those fall back to the default, which is death, before the process has ended.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator


def ignored(number: signal.Signals) -> None:
    """From now on it does nothing. Call it early, and from the main thread."""
    signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def heard(number: signal.Signals, call: Callable[[], None]) -> Iterator[None]:
    """Within the block the running loop makes this call for each signal; afterwards nobody does."""
    loop = asyncio.get_running_loop()
    signal.signal(number, lambda *_: loop.call_soon_threadsafe(call))
    try:
        yield
    finally:
        ignored(number)
