"""News for viewers: taken once for all, only while somebody looks, and never in the way."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import Message

from gateway.ops.feed import Feed, Shared
from tests.clocks import FakeClock


class Viewer:
    """One connection, as an ASGI server has it."""

    def __init__(self, feed: Feed) -> None:
        self.messages: list[Message] = []
        self.slow: asyncio.Event | None = None
        self.admitted = True
        self._left = asyncio.Event()
        stream: Any = feed.stream(lambda: self.admitted)
        self.task = asyncio.ensure_future(stream({"type": "http"}, self._receive, self._send))

    async def _receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.messages.append(message)
        if self.slow is not None:
            await self.slow.wait()

    @property
    def text(self) -> str:
        return b"".join(one.get("body", b"") for one in self.messages).decode()

    @property
    def events(self) -> list[tuple[str, Any]]:
        found = []
        for block in self.text.split("\n\n"):
            if block.startswith("event: "):
                name, data = block.split("\n")
                found.append((name[7:], json.loads(data[6:])))
        return found

    def leave(self) -> None:
        self._left.set()


class Source:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.made = 0
        self.fault: Exception | None = None

    async def __call__(self) -> Mapping[str, Any]:
        self.made += 1
        if self.fault is not None:
            raise self.fault
        return {"n": self.made}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture(autouse=True)
def _threads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up time must not jump while a thread works."""

    async def at_once(call: Any, *args: Any) -> Any:
        return call(*args)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


def feed_of(source: Source, clock: FakeClock, most: int = 20) -> Feed:
    return Feed({"now": Shared(source, 1.0, clock)}, clock, most)


async def test_a_viewer_is_told_once_a_second(source: Source, clock: FakeClock) -> None:
    feed = feed_of(source, clock)
    viewer = Viewer(feed)
    await clock.advance(3.5)
    assert viewer.events == [("now", {"n": n}) for n in (1, 2, 3, 4)]
    assert viewer.text.startswith("retry: 2000\n\n")
    head = dict(viewer.messages[0]["headers"])
    assert head[b"content-type"] == b"text/event-stream"
    assert head[b"cache-control"] == b"no-store"
    viewer.leave()
    await viewer.task
    assert viewer.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_nothing_is_taken_while_nobody_looks(source: Source, clock: FakeClock) -> None:
    feed = feed_of(source, clock)
    await clock.advance(5)
    assert source.made == 0
    viewer = Viewer(feed)
    await clock.advance(1.5)
    viewer.leave()
    await viewer.task
    made = source.made
    await clock.advance(60)
    assert (source.made, feed.viewers) == (made, 0)
    again = Viewer(feed)
    await clock.advance(0.5)
    assert [values["n"] for _, values in again.events] == [made + 1]
    again.leave()
    await again.task


async def test_all_viewers_share_what_was_taken(source: Source, clock: FakeClock) -> None:
    feed = feed_of(source, clock)
    viewers = [Viewer(feed) for _ in range(10)]
    await clock.advance(2.5)
    assert source.made == 3
    assert all(len(viewer.events) == 3 for viewer in viewers)
    feed.close()
    await asyncio.gather(*(viewer.task for viewer in viewers))


async def test_who_comes_later_need_not_wait_for_the_next_second(
    source: Source, clock: FakeClock
) -> None:
    feed = feed_of(source, clock)
    first = Viewer(feed)
    await clock.advance(0.5)
    second = Viewer(feed)
    await clock.advance(0.1)
    assert second.events == first.events
    assert source.made == 1
    feed.close()
    await asyncio.gather(first.task, second.task)


async def test_a_slow_reader_misses_what_is_out_of_date(source: Source, clock: FakeClock) -> None:
    feed = feed_of(source, clock)
    viewer = Viewer(feed)
    await clock.advance(0.5)
    viewer.slow = asyncio.Event()
    await clock.advance(5)
    viewer.slow.set()
    await clock.advance(0.1)
    assert [values["n"] for _, values in viewer.events] == [1, 2, 6]
    feed.close()
    await viewer.task


async def test_too_many_are_not_let_in(source: Source, clock: FakeClock) -> None:
    feed = feed_of(source, clock, most=2)
    one, two = Viewer(feed), Viewer(feed)
    await clock.advance(0.1)
    full = feed.is_open
    assert repr(feed) == "<Feed open viewers=2>"
    one.leave()
    await one.task
    assert (full, feed.is_open) == (False, True)
    two.leave()
    await two.task


async def test_closing_ends_every_stream_and_begins_none(source: Source, clock: FakeClock) -> None:
    feed = feed_of(source, clock)
    viewer = Viewer(feed)
    await clock.advance(0.5)
    feed.close()
    await viewer.task
    assert not viewer.messages[-1]["more_body"]
    assert not feed.is_open
    assert repr(feed) == "<Feed closed viewers=0>"


async def test_who_may_look_no_more_is_told_no_more(source: Source, clock: FakeClock) -> None:
    feed = feed_of(source, clock)
    viewer, other = Viewer(feed), Viewer(feed)
    await clock.advance(1.5)
    viewer.admitted = False
    await clock.advance(1)
    assert viewer.task.done()
    assert viewer.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert [values["n"] for _, values in viewer.events] == [1, 2]
    assert [values["n"] for _, values in other.events] == [1, 2, 3]
    assert feed.viewers == 1
    feed.close()
    await other.task


async def test_who_reads_slowly_is_not_told_the_rest_either(
    source: Source, clock: FakeClock
) -> None:
    feed = Feed({"now": Shared(source, 1.0, clock), "keys": Shared(source, 1.0, clock)}, clock)
    viewer = Viewer(feed)
    await clock.advance(0.5)
    first, second = asyncio.Event(), asyncio.Event()
    viewer.slow = first
    await clock.advance(2)  # meanwhile there is more of both
    viewer.slow = second
    first.set()
    await clock.advance(0.1)
    told = len(viewer.events)
    viewer.admitted = False
    second.set()
    await viewer.task
    assert len(viewer.events) == told


async def test_in_silence_too_who_may_look_no_more_is_sent_away(clock: FakeClock) -> None:
    never = asyncio.Event()

    async def hang() -> Mapping[str, Any]:
        await never.wait()
        return {}

    feed = Feed({"keys": Shared(hang, 5.0, clock)}, clock)
    viewer = Viewer(feed)
    await clock.advance(1)
    viewer.admitted = False
    await clock.advance(10)
    assert viewer.task.done()
    assert feed.viewers == 0


async def test_silence_is_broken_by_a_comment(clock: FakeClock) -> None:
    never = asyncio.Event()

    async def hang() -> Mapping[str, Any]:
        await never.wait()
        return {}

    feed = Feed({"keys": Shared(hang, 5.0, clock)}, clock)
    viewer = Viewer(feed)
    await clock.advance(25)
    assert viewer.text == "retry: 2000\n\n: still here\n\n: still here\n\n"
    feed.close()
    await viewer.task


async def test_a_source_that_hangs_keeps_no_other_back(source: Source, clock: FakeClock) -> None:
    never = asyncio.Event()

    async def hang() -> Mapping[str, Any]:
        await never.wait()
        return {}

    sources = {"keys": Shared(hang, 5.0, clock), "now": Shared(source, 1.0, clock)}
    feed = Feed(sources, clock)
    viewer = Viewer(feed)
    await clock.advance(2.5)
    assert [name for name, _ in viewer.events] == ["now", "now", "now"]
    feed.close()
    await viewer.task


async def test_a_source_that_fails_ends_the_streams_and_is_tried_again(
    source: Source, clock: FakeClock
) -> None:
    feed = feed_of(source, clock)
    viewer = Viewer(feed)
    await clock.advance(0.5)
    source.fault = RuntimeError("no figures")
    await clock.advance(1)
    with pytest.raises(RuntimeError, match="no figures"):
        await viewer.task
    assert feed.viewers == 0
    source.fault = None
    again = Viewer(feed)
    await clock.advance(1)
    assert again.events
    feed.close()
    await again.task


async def test_a_viewer_that_is_cut_off_leaves_nothing_running(
    source: Source, clock: FakeClock
) -> None:
    feed = feed_of(source, clock)
    viewer = Viewer(feed)
    await clock.advance(0.5)
    viewer.task.cancel()
    await asyncio.gather(viewer.task, return_exceptions=True)
    assert feed.viewers == 0
    await clock.advance(1)
    assert len(asyncio.all_tasks()) == 1


async def test_what_is_shared_is_made_once_for_those_who_ask_together(
    source: Source, clock: FakeClock
) -> None:
    shared = Shared(source, 1.0, clock)
    assert list(await asyncio.gather(shared.get(), shared.get())) == [{"n": 1}, {"n": 1}]
    clock.now += 0.99
    assert await shared.get() == {"n": 1}
    clock.now += 0.02
    assert await shared.get() == {"n": 2}
    assert repr(shared) == "Shared(for 1.0 s)"


async def test_what_a_viewer_still_says_is_passed_over(source: Source, clock: FakeClock) -> None:
    said: list[Message] = [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return said.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await feed_of(source, clock).stream(lambda: True)({"type": "http"}, receive, send)
    assert said == []
    assert not sent[-1]["more_body"]
