"""A request's files: private, written in steps, and gone when they are discarded."""

import asyncio
import stat
from pathlib import Path

import pytest

from gateway.errors import NoRoom
from gateway.openai.spool import BUFFER, Spool
from tests.openai.fakes import FakeClock, content


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "spool"))
    spool.new()
    await spool.discard()
    assert not (tmp_path / "spool").exists()


async def test_the_folder_is_the_owners_alone(tmp_path: Path) -> None:
    await Spool(str(tmp_path)).folder()
    folder = tmp_path / names(tmp_path)[0]
    assert mode(folder) == 0o700


async def test_two_requests_have_two_folders(tmp_path: Path) -> None:
    assert await Spool(str(tmp_path)).folder() != await Spool(str(tmp_path)).folder()


async def test_a_file_holds_what_was_written_in_order(tmp_path: Path) -> None:
    file = Spool(str(tmp_path)).new()
    pieces = [bytes([i]) * 100_000 for i in range(10)]
    for piece in pieces:
        await file.write(piece)
    await file.close()
    assert content(file.path) == b"".join(pieces)
    assert file.size == 1_000_000


async def test_small_writes_wait_for_one_another(tmp_path: Path) -> None:
    file = Spool(str(tmp_path)).new()
    await file.write(b"x" * (BUFFER - 1))
    assert names(tmp_path) == []
    await file.write(b"x")
    assert len(content(file.path)) == BUFFER


async def test_an_empty_file_exists_once_it_is_closed(tmp_path: Path) -> None:
    file = Spool(str(tmp_path)).new()
    await file.close()
    assert content(file.path) == b""


async def test_discarding_removes_all_and_may_be_repeated(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path))
    for _ in range(3):
        await spool.new().close()
    await spool.discard()
    await spool.discard()
    assert names(tmp_path) == []
    assert "discarded=True" in repr(spool)


async def test_nothing_appears_after_the_discard(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path))
    file = spool.new()
    await file.write(b"late")
    await spool.discard()
    with pytest.raises(RuntimeError):
        await file.close()
    assert names(tmp_path) == []


async def test_a_write_given_up_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path))
    file = spool.new()
    task = asyncio.create_task(file.write(b"x" * BUFFER * 20))
    await FakeClock().sleep(0)  # the task has begun to write
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await spool.discard()
    assert names(tmp_path) == []


async def test_a_disk_that_refuses_is_told_as_no_room(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(NoRoom):
        await Spool(str(blocked)).new().close()
