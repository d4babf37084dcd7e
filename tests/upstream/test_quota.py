"""What the vendor says is left, heard off its answers."""

from collections.abc import Mapping

import pytest

from gateway.upstream.quota import FRESH, Listened, Quota
from gateway.web.clients import Answer, Interrupted, Method, Part
from tests.clocks import FakeClock


def headers(category: str, left: object) -> dict[str, str]:
    return {"x-ratelimit-category": category, "x-ratelimit-remaining": str(left)}


def test_what_is_left_is_told_by_category() -> None:
    quota = Quota(FakeClock())
    assert (quota.left("submit"), quota.left("query")) == (None, None)
    quota.hear(headers("async_submit", 41))
    quota.hear(headers(" Async_Query ", " 480 "))
    quota.hear(headers("async_submit", 0))
    assert (quota.left("submit"), quota.left("query")) == (0, 480)
    assert repr(quota) == "Quota(submit=0.0, query=480.0)"


def test_what_was_told_long_ago_is_not_believed() -> None:
    clock = FakeClock()
    quota = Quota(clock)
    quota.hear(headers("async_query", 5))
    clock.now += FRESH - 1
    quota.hear(headers("async_submit", 3))
    clock.now += 1
    assert (quota.left("submit"), quota.left("query")) == (3, None)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"x-ratelimit-remaining": "5"},
        {"x-ratelimit-category": "async_submit"},
        headers("uploads", 5),
        headers("async_submit", ""),
        headers("async_submit", -1),
        headers("async_submit", "1.5"),
        headers("async_submit", "many"),
        headers("async_submit", "٣"),
    ],
)
def test_what_makes_no_sense_says_nothing(said: Mapping[str, str]) -> None:
    quota = Quota(FakeClock())
    quota.hear(headers("async_submit", 9))
    quota.hear(said)
    assert quota.left("submit") == 9


def test_an_absurd_number_is_no_trouble() -> None:
    quota = Quota(FakeClock())
    quota.hear(headers("async_submit", "9" * 5_000))
    assert quota.left("submit") == 999_999_999


class Calls:
    """Answers with what is left, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.asked: list[tuple[object, ...]] = []

    async def create(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        return self._give("async_submit", url, content, headers)

    async def call(
        self,
        method: Method,
        url: str,
        headers: Mapping[str, str],
        seconds: float,
        part: Part | None = None,
    ) -> Answer:
        return self._give("async_query", method, url, headers, seconds, part)

    def _give(self, category: str, *asked: object) -> Answer:
        self.asked.append(asked)
        if self.fails:
            raise Interrupted("timeout")
        return Answer(429, headers(category, 7), b"body")


async def test_listening_changes_nothing_of_a_call() -> None:
    quota, calls = Quota(FakeClock()), Calls()
    listened = Listened(calls, quota)
    created = await listened.create("u", b"c", {"h": "1"})
    assert (created.status, created.body) == (429, b"body")
    called = await listened.call("POST", "u", {"h": "2"}, 3.0, None)
    assert called.headers == headers("async_query", 7)
    assert calls.asked == [("u", b"c", {"h": "1"}), ("POST", "u", {"h": "2"}, 3.0, None)]
    assert (quota.left("submit"), quota.left("query")) == (7, 7)


async def test_a_call_that_fails_fails_as_before() -> None:
    quota = Quota(FakeClock())
    listened = Listened(Calls(fails=True), quota)
    with pytest.raises(Interrupted, match="timeout"):
        await listened.create("u", b"c", {})
    with pytest.raises(Interrupted, match="timeout"):
        await listened.call("GET", "u", {}, 1.0)
    assert quota.left("submit") is None
