import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from gateway.server.signals import ENDS, before_any, endings, ends_well, heard, ignored


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, *ENDS)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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


@pytest.mark.parametrize("number", ENDS)
def test_before_there_is_a_loop_a_signal_is_a_good_end(number: signal.Signals) -> None:
    ends_well()
    with pytest.raises(SystemExit) as caught:
        signal.raise_signal(number)
    assert caught.value.code == 0


@pytest.mark.parametrize("number", ENDS)
async def test_a_signal_breaks_off_what_is_under_way(number: signal.Signals) -> None:
    tidied: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
            tidied.append("tidied")

    with endings() as signals:
        async with asyncio.timeout(10):
            assert not await before_any(signals, work())
        assert signals.empty()
    assert tidied == ["tidied"]


async def test_without_a_signal_it_comes_to_its_end_and_the_next_signal_is_kept() -> None:
    async def work() -> None:
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop

    with endings() as signals:
        assert await before_any(signals, work())
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            await signals.get()


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise OSError("no")

    with endings() as signals, pytest.raises(OSError, match="no"):
        await before_any(signals, work())


async def test_a_signal_that_came_first_counts_more_than_what_is_raised() -> None:
    async def work() -> None:
        raise OSError("no")

    signals: asyncio.Queue[None] = asyncio.Queue()
    signals.put_nowait(None)
    assert not await before_any(signals, work())
