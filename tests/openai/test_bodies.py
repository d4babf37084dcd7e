"""A body as it arrives: what is too much, too slow, or nobody's any more."""

import asyncio
from collections.abc import Mapping

import pytest
from starlette.types import Message, Receive

from gateway.config.sections import ServerBounds
from gateway.errors import BodyTooLarge, BodyTooSlow
from gateway.openai.bodies import SLICE, ClientGone, refuse_declared, seconds_left, stream
from tests.openai.fakes import FakeClock, received

BOUNDS = ServerBounds(body_time=100, body_rate=1000, body_grace=10)


async def gather(
    receive: Receive, headers: Mapping[str, str] | None = None, cap: int = 1_000_000
) -> list[bytes]:
    return [each async for each in stream(receive, headers or {}, cap, BOUNDS, FakeClock())]


async def test_a_body_comes_whole_and_in_slices() -> None:
    body = bytes(range(256)) * 1000
    slices = await gather(received([body[:100], body[100:]]))
    assert b"".join(slices) == body
    assert max(map(len, slices)) == SLICE


async def test_a_declared_length_over_the_cap_is_refused_before_reading() -> None:
    async def never() -> Message:
        raise AssertionError("was read")

    with pytest.raises(BodyTooLarge):
        await gather(never, {"content-length": "1001"}, cap=1000)


@pytest.mark.parametrize("declared", ["", "1000", "0001000", "-5", "ten", "1e9"])
def test_a_length_within_the_cap_or_none_is_let_pass(declared: str) -> None:
    refuse_declared({"content-length": declared}, 1000)


def test_a_length_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(BodyTooLarge):
        refuse_declared({"content-length": "9" * 5000}, 1000)


async def test_a_chunked_body_is_cut_as_soon_as_it_exceeds_the_cap() -> None:
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 300, "more_body": True}

    with pytest.raises(BodyTooLarge):
        await gather(receive, cap=1000)
    assert taken == 4


async def test_a_caller_who_hangs_up_is_no_error_of_the_tree() -> None:
    with pytest.raises(ClientGone):
        await gather(received([b"{"], then={"type": "http.disconnect"}))


@pytest.mark.parametrize(
    ("elapsed", "received_bytes", "left"),
    [
        (0, 0, 10),  # the grace
        (4, 5_000, 6),  # still the grace: 5 s worth of bytes came
        (4, 20_000, 16),  # 20 s worth of bytes came
        (4, 500_000, 96),  # the deadline is nearer than the rate
        (12, 11_000, -1),  # too slow by a second
        (101, 10**9, -1),  # the deadline is over, whatever came
    ],
)
def test_the_time_left_is_the_sooner_of_deadline_and_rate(
    elapsed: float, received_bytes: int, left: float
) -> None:
    assert seconds_left(BOUNDS, elapsed, received_bytes) == pytest.approx(left)


def test_without_a_least_rate_only_the_deadline_counts() -> None:
    assert seconds_left(ServerBounds(body_time=100, body_rate=0), 60, 0) == 40


async def test_a_body_that_trickles_is_refused() -> None:
    clock = FakeClock()

    async def receive() -> Message:
        clock.now += 3
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(BodyTooSlow):
        async for _ in stream(receive, {}, 1000, BOUNDS, clock):
            pass
    assert clock.now < 1000 + 13


async def test_a_body_that_never_comes_is_refused() -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("never")

    bounds = ServerBounds(body_time=0.01)
    with pytest.raises(BodyTooSlow):
        async for _ in stream(receive, {}, 1000, bounds, FakeClock()):
            pass


async def test_others_get_their_turn_between_slices() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await FakeClock().sleep(0)

    task = asyncio.create_task(other())
    await gather(received([b"x" * SLICE * 10]))
    task.cancel()
    assert turns >= 10
