import os
from pathlib import Path

import pytest

from gateway.images.storage import blank, place, remove, take_stock
from tests.images.drawn import drawn, exif, placed, saved

TOKEN = "0123456789abcdef" * 2


def test_the_folder_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "images"
    assert take_stock(str(folder), 60) == []
    assert folder.stat().st_mode & 0o777 == 0o700


def test_pictures_are_found_by_age_with_their_size(tmp_path: Path) -> None:
    for age, extension, form in ((30, "jpg", "JPEG"), (10, "png", "PNG"), (20, "webp", "WEBP")):
        path = placed(tmp_path, saved(drawn(40, 20), form), f"{TOKEN[:-2]}{age}.{extension}")
        os.utime(path, (1_000 - age, 1_000 - age))
    found = take_stock(str(tmp_path), 60)
    assert [picture.filename for picture in found] == [
        f"{TOKEN[:-2]}30.jpg",
        f"{TOKEN[:-2]}20.webp",
        f"{TOKEN[:-2]}10.png",
    ]
    assert [picture.expires_at for picture in found] == [1_030, 1_040, 1_050]
    assert [picture.media_type for picture in found] == ["image/jpeg", "image/webp", "image/png"]
    assert {(picture.width, picture.height) for picture in found} == {(40, 20)}
    assert all(picture.size == Path(picture.path).stat().st_size for picture in found)


def test_what_was_left_unfinished_is_swept_and_the_rest_left_alone(tmp_path: Path) -> None:
    leftover = blank(str(tmp_path))
    Path(leftover).write_bytes(b"half a picture")
    torn = placed(tmp_path, saved(drawn(), "PNG")[:30], f"{TOKEN}.png")
    empty = placed(tmp_path, b"", f"{TOKEN}.jpg")
    misnamed = placed(tmp_path, saved(drawn(), "PNG"), f"{TOKEN}.webp")
    foreign = [
        placed(tmp_path, b"mine", name)
        for name in ("notes.txt", f"{TOKEN}.gif", f"{TOKEN.upper()}.png", ".part", f"{TOKEN}x.png")
    ]
    assert take_stock(str(tmp_path), 60) == []
    assert not any(Path(path).exists() for path in (leftover, torn, empty, misnamed))
    assert all(Path(path).exists() for path in foreign)


def test_a_placed_file_has_its_time_and_leaves_nothing_behind(tmp_path: Path) -> None:
    source = placed(tmp_path, saved(drawn(), "PNG", exif=exif(1)), "source")
    place(source, str(tmp_path / "target"), 1_234.5)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert (tmp_path / "target").stat().st_mtime == 1_234.5


def test_removing_says_what_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = placed(tmp_path, b"1", "one"), placed(tmp_path, b"2", "two")
    original = Path.unlink

    def unlink(path: Path, *, missing_ok: bool = False) -> None:
        if path.name == "two":
            raise PermissionError(13, "no")
        original(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    assert remove([one, two, str(tmp_path / "never")]) == {two}
    assert not Path(one).exists()


def test_blank_names_differ_and_stay_in_the_folder(tmp_path: Path) -> None:
    names = {blank(str(tmp_path)) for _ in range(100)}
    assert len(names) == 100
    assert {str(Path(name).parent) for name in names} == {str(tmp_path)}
    assert not list(tmp_path.iterdir())
