import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.sections import Images
from gateway.errors import ImageNotFound, NoRoom
from gateway.images.finish import Finished
from gateway.images.shelf import Shelf, Shelved
from gateway.translate.model import Format
from tests.images.drawn import drawn, saved
from tests.images.fakes import FakeClock

PICTURE = saved(drawn(40, 20), "PNG")
PLENTY = 10**12


async def opened(
    folder: Path, clock: FakeClock, *, pictures: float = 100, free: int = PLENTY
) -> Shelf:
    section = Images(folder=str(folder), lifetime=100, shelf=int(pictures * len(PICTURE)))
    shelf = Shelf(section, clock, free=lambda _: free)
    await shelf.open()
    return shelf


def made(shelf: Shelf, form: Format = "png") -> Finished:
    path = shelf.blank()
    Path(path).write_bytes(PICTURE)
    return Finished(path, form, 40, 20, len(PICTURE))


async def kept(shelf: Shelf, clock: FakeClock, count: int) -> list[Shelved]:
    pictures = []
    for _ in range(count):
        pictures.append(await shelf.keep(made(shelf)))
        clock.now += 1
    return pictures


async def settled(shelf: Shelf) -> None:
    """Let deletions that were begun come to their end."""
    await asyncio.gather(*shelf._burials)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.mark.parametrize(("form", "extension"), [("png", "png"), ("jpeg", "jpg"), ("webp", "webp")])
async def test_a_kept_picture_is_found_under_its_own_name_only(
    tmp_path: Path, clock: FakeClock, form: Format, extension: str
) -> None:
    shelf = await opened(tmp_path, clock)
    picture = await shelf.keep(made(shelf, form))
    assert shelf.find(picture.token, extension) == picture
    assert picture.filename == f"{picture.token}.{extension}"
    assert picture.media_type == f"image/{form}"
    assert picture.expires_at == clock.wall() + 100
    assert len(picture.token) == 32
    assert files(tmp_path) == {picture.filename}
    with shelf.open_for_reading(picture) as file:
        assert file.read() == PICTURE
    wrong = {"png", "jpg", "jpeg", "webp", "gif", "PNG", ""} - {extension}
    assert not any(shelf.find(picture.token, other) for other in wrong)
    for token in ("", "0" * 32, picture.token.upper() + "A", f"../{picture.token}", "\0"):
        assert shelf.find(token, extension) is None


async def test_tokens_do_not_repeat(tmp_path: Path, clock: FakeClock) -> None:
    shelf = await opened(tmp_path, clock)
    assert len({picture.token for picture in await kept(shelf, clock, 20)}) == 20
    assert len(shelf) == 20


async def test_a_picture_expires_and_is_swept(tmp_path: Path, clock: FakeClock) -> None:
    shelf = await opened(tmp_path, clock)
    old, new = await kept(shelf, clock, 2)
    clock.now += 97.5
    assert shelf.find(old.token, "png") == old
    clock.now += 0.5
    assert shelf.find(old.token, "png") is None
    assert shelf.find(new.token, "png") == new
    await shelf.sweep()
    assert files(tmp_path) == {new.filename}
    assert len(shelf) == 1


async def test_a_picture_is_gone_when_it_was_swept_and_not_before(
    tmp_path: Path, clock: FakeClock
) -> None:
    shelf = await opened(tmp_path, clock)
    assert shelf.is_gone("0" * 32)
    picture = await shelf.keep(made(shelf))
    clock.now += 101
    assert not shelf.is_gone(picture.token)
    await shelf.sweep()
    assert shelf.is_gone(picture.token)


@pytest.mark.parametrize("jump", [-86_400, 86_400])
async def test_a_jump_of_the_wall_clock_ends_no_picture(
    tmp_path: Path, clock: FakeClock, jump: float
) -> None:
    shelf = await opened(tmp_path, clock)
    picture = await shelf.keep(made(shelf))
    clock.offset += jump
    await shelf.sweep()
    assert shelf.find(picture.token, "png") == picture
    clock.now += 100
    assert shelf.find(picture.token, "png") is None


async def test_what_is_being_read_is_read_to_its_end(tmp_path: Path, clock: FakeClock) -> None:
    shelf = await opened(tmp_path, clock)
    picture = await shelf.keep(made(shelf))
    with shelf.open_for_reading(picture) as file:
        clock.now += 100
        await shelf.sweep()
        assert file.read() == PICTURE
    with pytest.raises(ImageNotFound):
        shelf.open_for_reading(picture)


async def test_a_restart_serves_what_was_there(tmp_path: Path, clock: FakeClock) -> None:
    shelf = await opened(tmp_path, clock)
    first, second = await kept(shelf, clock, 2)
    leftover = shelf.blank()
    (tmp_path / leftover).write_bytes(b"half")
    clock.now += 50
    again = await opened(tmp_path, clock)
    assert again.find(first.token, "png") == first
    assert again.find(second.token, "png") == second
    assert files(tmp_path) == {first.filename, second.filename}
    assert f"{2 * len(PICTURE)} bytes" in repr(again)
    clock.now += 48.5
    assert again.find(first.token, "png") is None
    assert again.find(second.token, "png") == second


async def test_a_restart_deletes_what_expired_meanwhile(tmp_path: Path, clock: FakeClock) -> None:
    shelf = await opened(tmp_path, clock)
    old, new = await kept(shelf, clock, 2)
    clock.now += 98
    again = await opened(tmp_path, clock)
    assert (len(again), files(tmp_path)) == (1, {new.filename})
    assert again.find(old.token, "png") is None


async def test_a_picture_from_the_future_lives_no_longer_than_others(
    tmp_path: Path, clock: FakeClock
) -> None:
    shelf = await opened(tmp_path, clock)
    picture = await shelf.keep(made(shelf))
    os.utime(picture.path, (clock.wall() + 9_999, clock.wall() + 9_999))
    again = await opened(tmp_path, clock)
    clock.now += 100
    assert again.find(picture.token, "png") is None


async def test_claimed_pictures_go_first_and_of_those_the_oldest(
    tmp_path: Path, clock: FakeClock
) -> None:
    shelf = await opened(tmp_path, clock, pictures=4)
    first, second, third, fourth = await kept(shelf, clock, 4)
    shelf.fetched(fourth.token)
    shelf.delivered(second.token)
    shelf.fetched(second.token)
    shelf.delivered("0" * 32)
    shelf.reserve(len(PICTURE))
    await settled(shelf)
    assert files(tmp_path) == {first.filename, third.filename, fourth.filename}
    shelf.reserve(1)
    await settled(shelf)
    assert files(tmp_path) == {first.filename, third.filename}
    assert shelf.find(fourth.token, "png") is None


async def test_an_unclaimed_picture_is_never_evicted(tmp_path: Path, clock: FakeClock) -> None:
    shelf = await opened(tmp_path, clock, pictures=2)
    pictures = await kept(shelf, clock, 2)
    assert not shelf.room(1)
    with pytest.raises(NoRoom):
        shelf.reserve(1)
    late = await shelf.keep(made(shelf))  # paid for, so kept all the same
    await settled(shelf)
    assert files(tmp_path) == {one.filename for one in (*pictures, late)}
    shelf.delivered(pictures[0].token)
    assert not shelf.room(1)
    shelf.delivered(pictures[1].token)
    assert shelf.room(len(PICTURE))
    assert not shelf.room(len(PICTURE) + 1)


async def test_a_picture_beyond_the_bound_pushes_claimed_ones_out(
    tmp_path: Path, clock: FakeClock
) -> None:
    shelf = await opened(tmp_path, clock, pictures=2)
    first, second = await kept(shelf, clock, 2)
    shelf.delivered(first.token)
    late = await shelf.keep(made(shelf))
    await settled(shelf)
    assert files(tmp_path) == {second.filename, late.filename}


async def test_reserved_room_is_nobody_elses(tmp_path: Path, clock: FakeClock) -> None:
    shelf = await opened(tmp_path, clock, pictures=3)
    with shelf.reserve(2 * len(PICTURE)) as reservation:
        assert shelf.room(len(PICTURE))
        assert not shelf.room(len(PICTURE) + 1)
        await shelf.keep(made(shelf), reservation)
        assert reservation.left == len(PICTURE)
        assert not shelf.room(len(PICTURE) + 1)
    assert shelf.room(2 * len(PICTURE))
    reservation.release()
    assert shelf.room(2 * len(PICTURE))
    small = shelf.reserve(5)
    await shelf.keep(made(shelf), small)
    assert small.left == 0
    assert "0 reserved" in repr(shelf)


async def test_a_full_disk_has_no_room_either(tmp_path: Path, clock: FakeClock) -> None:
    free = 3 * len(PICTURE)
    shelf = await opened(tmp_path, clock, free=free)
    assert shelf.room(free)
    assert not shelf.room(free + 1)
    shelf.reserve(2 * len(PICTURE))
    assert shelf.room(len(PICTURE))
    assert not shelf.room(len(PICTURE) + 1)
    picture = await shelf.keep(made(shelf))
    shelf.delivered(picture.token)
    assert shelf.room(len(PICTURE) * 2)
    shelf.reserve(len(PICTURE) + 1)
    await settled(shelf)
    assert files(tmp_path) == set()


async def test_the_real_disks_space_counts(tmp_path: Path, clock: FakeClock) -> None:
    shelf = Shelf(Images(folder=str(tmp_path / "new"), shelf=10**18), clock)
    await shelf.open()
    assert shelf.room(1)
    assert not shelf.room(10**17)


async def test_a_failed_move_leaves_no_trace_in_the_books(tmp_path: Path, clock: FakeClock) -> None:
    shelf = await opened(tmp_path, clock)
    finished = made(shelf)
    (tmp_path / finished.path).unlink()
    with pytest.raises(FileNotFoundError):
        await shelf.keep(finished)
    assert len(shelf) == 0
    assert "0 pictures, 0 bytes" in repr(shelf)


async def test_sweeping_goes_on_over_files_that_resist(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = await opened(tmp_path, clock)
    first, second = await kept(shelf, clock, 2)
    original = Path.unlink
    refusals = [first.filename, first.filename]

    def unlink(path: Path, *, missing_ok: bool = False) -> None:
        if path.name in refusals:
            refusals.remove(path.name)
            raise PermissionError(13, "no")
        original(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    sweeping = asyncio.ensure_future(shelf.keep_swept(60))
    for _ in range(2_000):
        if not files(tmp_path):
            break
        await asyncio.sleep(0.001)  # noqa: TID251  deletion is another thread's
    assert files(tmp_path) == set()
    assert refusals == []
    assert second.token != first.token
    sweeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweeping


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["keep", "reserve", "release", "claim", "age", "sweep"]),
            st.integers(0, 9),
        ),
        max_size=25,
    )
)
def test_the_books_agree_with_the_folder_and_no_unclaimed_picture_is_lost(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("shelf")

    async def play() -> None:
        clock = FakeClock()
        shelf = await opened(folder, clock, pictures=5)
        reservations = []
        births: dict[str, float] = {}
        claimed = set()
        for step, number in steps:
            if step == "keep":
                picture = await shelf.keep(made(shelf))
                births[picture.token] = clock.now
            elif step == "reserve" and shelf.room(number * len(PICTURE)):
                reservations.append(shelf.reserve(number * len(PICTURE)))
            elif step == "release" and reservations:
                reservations.pop().release()
            elif step == "claim" and births:
                token = list(births)[number % len(births)]
                shelf.delivered(token)
                claimed.add(token)
            elif step == "age":
                clock.now += number * 5
            elif step == "sweep":
                await shelf.sweep()
        await settled(shelf)
        alive = {token for token, born in births.items() if clock.now < born + 100}
        assert all(shelf.find(token, "png") for token in alive - claimed)
        assert not any(shelf.find(token, "png") for token in births if token not in alive)
        assert files(folder) == {f"{token}.png" for token in shelf._entries}
        assert shelf._used == len(files(folder)) * len(PICTURE)
        assert shelf._reserved == sum(one.left for one in reservations)
        marked = [entry for entry in shelf._entries.values() if entry.claimed]
        assert shelf._evictable == len(marked) * len(PICTURE)

    asyncio.run(play())
