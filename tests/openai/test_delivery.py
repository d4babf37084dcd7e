"""What counts as delivered and fetched: only what was handed to somebody who was still there."""

import asyncio
from pathlib import Path

import pytest
from starlette.types import Message

from gateway.config.sections import Images
from gateway.images.finish import Finished
from gateway.images.shelf import Shelf, Shelved
from gateway.openai.delivery import PictureResponse, SegmentsResponse
from tests.clocks import FakeClock

SIZE = 500_000


class Wire:
    """Counts the bytes sent; the client leaves after so many, if at all."""

    def __init__(self, leaves_after: int | None = None) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent = 0
        self._leaves_after = leaves_after

    async def send(self, message: Message) -> None:
        self.sent += len(message.get("body", b""))
        leaves = self._leaves_after is not None and self.sent >= self._leaves_after
        if leaves and not self.gone.done():
            self.gone.set_result(None)

    async def receive(self) -> Message:
        raise AssertionError("nothing more is read")


async def a_shelf(folder: Path) -> tuple[Shelf, Shelved]:
    """A shelf with one picture on it, and room for no other."""
    shelf = Shelf(Images(folder=str(folder), shelf=SIZE), FakeClock(), free=lambda _: 10**12)
    await shelf.open()
    path = shelf.blank()
    Path(path).write_bytes(b"x" * SIZE)
    return shelf, await shelf.keep(Finished(path, "png", 8, 8, SIZE))


@pytest.mark.parametrize(
    ("method", "leaves_after", "claimed"),
    [("GET", None, True), ("GET", 1, False), ("HEAD", None, False)],
    ids=["read to its end", "given up after a byte", "asked for its length"],
)
async def test_only_a_picture_read_to_its_end_was_fetched_and_may_be_evicted(
    tmp_path: Path, method: str, leaves_after: int | None, claimed: bool
) -> None:
    shelf, picture = await a_shelf(tmp_path)
    wire = Wire(leaves_after)
    response = PictureResponse(picture, {}, shelf, wire.gone)
    await response({"type": "http", "method": method}, wire.receive, wire.send)
    assert shelf.room(SIZE) is claimed
    assert wire.sent == {"HEAD": 0}.get(method, wire.sent)


async def test_who_leaves_with_the_last_byte_has_had_it(tmp_path: Path) -> None:
    shelf, picture = await a_shelf(tmp_path)
    wire = Wire()

    async def send(message: Message) -> None:
        await wire.send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            wire.gone.set_result(None)  # its length was told, so nobody waits for the end

    response = PictureResponse(picture, {}, shelf, wire.gone)
    await response({"type": "http", "method": "GET"}, wire.receive, send)
    assert (wire.sent, response.fetched_first) == (SIZE, True)
    assert shelf.is_claimed(picture.token)


@pytest.mark.parametrize(("leaves_after", "claimed"), [(None, True), (1, False)])
async def test_only_a_body_taken_to_its_end_was_delivered(
    tmp_path: Path, leaves_after: int | None, claimed: bool
) -> None:
    shelf, picture = await a_shelf(tmp_path)
    wire = Wire(leaves_after)
    response = SegmentsResponse([b"{", picture, b"}"], {}, shelf, wire.gone)
    await response({"type": "http", "method": "POST"}, wire.receive, wire.send)
    assert shelf.room(SIZE) is claimed
