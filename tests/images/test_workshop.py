import asyncio
import struct
import threading
import time
from pathlib import Path

import pytest

from gateway.config.sections import Images, PictureBounds
from gateway.images import workshop as module
from gateway.images.measure import BadPicture
from gateway.images.workshop import Workshop
from gateway.translate.model import Finish, Picture
from tests.images.drawn import chunk, drawn, exif, inserted, placed, saved


async def test_a_pictures_whole_way(tmp_path: Path) -> None:
    shop = Workshop(Images(), 10**6)
    path = placed(tmp_path, saved(drawn(48, 32, "RGBA"), "PNG", exif=exif(6)))
    picture = await shop.verify(await shop.measure(path))
    assert picture.transparent
    ready, notes = await shop.prepare(picture, folder=str(tmp_path), keep_pixels=False)
    assert (ready.width, ready.height, len(notes)) == (32, 48, 1)
    assert ready.transparent
    made = await shop.finish(ready.path, str(tmp_path / "made"), Finish((30, 40), "webp"))
    assert (made.format, made.width, made.height) == ("webp", 30, 40)
    shop.close()


async def test_damaged_metadata_warns_nobody(tmp_path: Path) -> None:
    # The suite makes warnings errors, and Pillow warns of each of these.
    segment = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x1a\x01\5\0\1\0\0\0\xff\xff\xff\x7f\0\0\0\0"
    jpeg = saved(drawn(), "JPEG", exif=segment)
    twice = chunk(b"acTL", struct.pack(">II", 0, 0))
    shop = Workshop(Images(), 10**6)
    for data in (jpeg, inserted(saved(drawn(), "PNG"), b"IDAT", twice, twice)):
        path = placed(tmp_path, data)
        pictures = await asyncio.gather(*(shop.measure(path) for _ in range(20)))
        assert (await shop.verify(pictures[0])).width == 48
    shop.close()


async def test_the_sections_bounds_hold(tmp_path: Path) -> None:
    shop = Workshop(Images(bounds=PictureBounds(edge=47)), 10**6)
    with pytest.raises(BadPicture):
        await shop.measure(placed(tmp_path, saved(drawn(48, 32), "PNG")))
    shop.close()


async def test_a_bound_on_callers_pictures_is_none_on_results(tmp_path: Path) -> None:
    shop = Workshop(Images(bounds=PictureBounds(pixels=1, edge=1)), 10**6)
    path = placed(tmp_path, saved(drawn(48, 32), "PNG"))
    made = await shop.finish(path, str(tmp_path / "made"), Finish(None, "png"))
    assert made.width == 48
    shop.close()


async def test_decoding_goes_one_at_a_time_and_leaves_the_loop_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = 0
    most = 0
    threads = set()
    go_on = threading.Event()

    def slow(picture: Picture) -> Picture:
        nonlocal running, most
        running += 1
        most = max(most, running)
        threads.add(threading.current_thread())
        go_on.wait(5)
        running -= 1
        return picture

    monkeypatch.setattr(module, "verify", slow)
    shop = Workshop(Images(), 10**6)
    path = placed(tmp_path, saved(drawn(), "PNG"))
    picture = await shop.measure(path)
    waiting = [asyncio.ensure_future(shop.verify(picture)) for _ in range(5)]
    assert await shop.measure(path) == picture  # headers are read meanwhile
    go_on.set()
    assert await asyncio.gather(*waiting) == [picture] * 5
    assert most == 1
    assert threading.main_thread() not in threads
    shop.close()


async def test_work_not_begun_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    loop = asyncio.get_running_loop()
    begun = asyncio.Event()
    calls = []

    def slow(picture: Picture) -> Picture:
        calls.append(picture)
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(5)
        return picture

    monkeypatch.setattr(module, "verify", slow)
    shop = Workshop(Images(), 10**6)
    picture = await shop.measure(placed(tmp_path, saved(drawn(), "PNG")))
    first, second, third = (asyncio.ensure_future(shop.verify(picture)) for _ in range(3))
    await begun.wait()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    shop.close()
    go_on.set()
    assert await first == picture
    with pytest.raises(asyncio.CancelledError):
        await third
    assert len(calls) == 1


def test_nothing_starts_before_it_is_needed() -> None:
    before = threading.active_count()
    Workshop(Images(), 10**6).close()
    assert threading.active_count() == before


async def test_the_loop_keeps_turning_while_a_large_picture_is_worked_on(tmp_path: Path) -> None:
    shop = Workshop(Images(), 10**6)
    path = placed(tmp_path, saved(drawn(3840, 2160), "PNG", compress_level=1))
    work = asyncio.ensure_future(
        shop.finish(path, str(tmp_path / "made"), Finish((1920, 1080), "jpeg"))
    )
    turns = 0
    start = time.monotonic()  # noqa: TID251  what is measured is the machine
    while not work.done():
        turns += 1
        await asyncio.sleep(0.002)  # noqa: TID251
    lasted = time.monotonic() - start  # noqa: TID251
    assert work.result().width == 1920
    assert turns > lasted / 0.1
    shop.close()
