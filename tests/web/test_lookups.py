"""Looking up names that strangers chose, where the resolver hangs as long as it is told to."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.config.sections import Upstream
from gateway.web.clients import Files, Interrupted, PublicResolver
from gateway.web.lookups import LookedUpLate, Lookups
from gateway.web.policy import Policy
from gateway.web.posts import Posts

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
LONG, SHORT = 30.0, 0.05


class Names:
    """Stands in for the system's resolver: "silent" names hang until ``free`` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.free = threading.Event()
        self.begun = threading.Semaphore(0)
        self.most = 0
        self._open = 0
        self._lock = threading.Lock()

    def getaddrinfo(self, host: str, *_: object, **__: object) -> list[Any]:
        with self._lock:
            self.asked.append(host)
            self._open += 1
            self.most = max(self.most, self._open)
        self.begun.release()
        try:
            if "silent" in host:
                self.free.wait(LONG)
            if "unknown" in host:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            if "odd" in host:
                raise UnicodeError("label too long")
        finally:
            with self._lock:
                self._open -= 1
        return FOUND


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    yield names
    names.free.set()


@contextlib.asynccontextmanager
async def hanging(
    names: Names, lookups: Lookups, *hosts: str, threads: int = 1
) -> AsyncIterator[None]:
    """While these are being looked up, in so many threads."""
    under_way = [asyncio.ensure_future(lookups.find(host, 443, 0)) for host in hosts]
    for _ in range(threads):
        await asyncio.to_thread(names.begun.acquire)
    try:
        yield
    finally:
        await asyncio.gather(*under_way, return_exceptions=True)


async def test_a_name_is_looked_up(names: Names) -> None:
    assert await Lookups(LONG).find("a.example", 443, 0) == FOUND


@pytest.mark.parametrize("host", ["unknown.example", "odd.example"])
async def test_a_name_that_leads_nowhere_is_an_error_of_the_system_s(
    names: Names, host: str
) -> None:
    with pytest.raises(OSError, match=r"not known|too long") as told:
        await Lookups(LONG).find(host, 443, 0)
    assert not isinstance(told.value, LookedUpLate)


async def test_a_name_whose_servers_are_silent_is_given_up_in_time(names: Names) -> None:
    with pytest.raises(LookedUpLate, match="could not be looked up in time"):
        await Lookups(SHORT).find("silent.example", 443, 0)


async def test_no_more_threads_hang_than_there_may_be_and_the_rest_waits_in_vain(
    names: Names,
) -> None:
    lookups = Lookups(SHORT, threads=2)
    async with hanging(
        names, lookups, "silent1.example", "silent2.example", "silent3.example", threads=2
    ):
        assert repr(lookups) == "Lookups(2 of 2 under way)"
        with pytest.raises(LookedUpLate):
            await lookups.find("fine.example", 443, 0)
    assert (sorted(names.asked), names.most) == (["silent1.example", "silent2.example"], 2)


async def test_who_waits_for_a_thread_gets_one_when_it_is_free(names: Names) -> None:
    lookups = Lookups(LONG, threads=1)
    async with hanging(names, lookups, "silent.example"):
        waiting = [asyncio.ensure_future(lookups.find(f"{n}.example", 443, 0)) for n in range(5)]
        await SystemClock().sleep(0)
        assert names.asked == ["silent.example"]
        names.free.set()
        assert await asyncio.gather(*waiting) == [FOUND] * 5
    assert (names.most, names.asked[1:]) == (1, [f"{n}.example" for n in range(5)])
    assert repr(lookups) == "Lookups(0 of 1 under way)"


async def test_one_name_is_looked_up_once_at_a_time(names: Names) -> None:
    lookups = Lookups(LONG, threads=2)
    async with hanging(names, lookups, *["silent.example"] * 5):
        assert await lookups.find("fine.example", 443, 0) == FOUND
        names.free.set()
    assert names.asked == ["silent.example", "fine.example"]
    await lookups.find("silent.example", 443, 0)
    assert len(names.asked) == 3


async def test_names_that_hang_hold_up_nothing_else_that_is_done_in_threads(names: Names) -> None:
    posts = Posts(Policy(), 2.0, SystemClock())
    told = await asyncio.gather(
        *(posts.post(f"https://silent{n}.example.com/", b"{}", {}) for n in range(40)),
        return_exceptions=True,
    )
    await posts.close()
    assert {str(one) for one in told} == {"its name could not be looked up in time"}
    assert all(isinstance(one, Interrupted) for one in told)
    assert len(names.asked) == 8
    # The default executor's threads, where files and the vendor's names are dealt with, are free.
    assert await asyncio.wait_for(asyncio.to_thread(lambda: 17), LONG) == 17
    assert await PublicResolver(Policy(hosts=frozenset({"api"}))).resolve("api", 443)


async def test_names_of_callers_pictures_have_threads_of_their_own_and_the_vendor_s_do_not(
    names: Names,
) -> None:
    section = Upstream.model_validate({"api_key": "k", "connect_time": SHORT})
    policy = Policy(hosts=frozenset({"silent.example.com"}))
    callers, results = Files(section, policy, strangers=True), Files(section, policy)
    with pytest.raises(Interrupted):
        async with callers.open("https://silent.example.com/a.png"):
            pass
    waiting = asyncio.ensure_future(_opened(results))
    await asyncio.wait({waiting}, timeout=3 * SHORT)
    assert not waiting.done()  # no time of its own: the whole download has one
    names.free.set()
    assert isinstance(await waiting, Interrupted)
    await callers.close()
    await results.close()


async def _opened(files: Files) -> Exception | None:
    try:
        async with files.open("https://silent.example.com/a.png"):
            return None
    except Interrupted as error:
        return error


_ENDS = """
import asyncio, socket, threading
from gateway.web.lookups import LookedUpLate, Lookups

socket.getaddrinfo = lambda *_, **__: threading.Event().wait()


async def main():
    try:
        await Lookups(0.05).find("silent.example", 443, 0)
    except LookedUpLate:
        print("late")


asyncio.run(main())
"""


def test_a_process_ends_though_a_look_up_hangs_for_ever() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _ENDS], capture_output=True, text=True, timeout=LONG, check=True
    )
    assert (ended.stdout, ended.stderr) == ("late\n", "")
