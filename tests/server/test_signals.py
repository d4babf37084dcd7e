import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from gateway.server.signals import heard, ignored


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


async def test_a_signal_is_heard_in_the_loop() -> None:
    called = asyncio.Event()
    with heard(signal.SIGHUP, called.set):
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(10):
            await called.wait()


async def test_before_and_afterwards_it_does_nothing() -> None:
    calls: list[str] = []
    ignored(signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGHUP)
    with heard(signal.SIGHUP, lambda: calls.append("heard")):
        pass
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
    assert calls == []


def test_it_ends_nothing_when_the_loop_is_gone() -> None:
    async def main() -> None:
        with heard(signal.SIGHUP, lambda: None):
            pass

    asyncio.run(main())
    os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
