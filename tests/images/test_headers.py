import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.images import header_gif, header_jpeg, header_png
from gateway.images.headers import BadHeader, Header, orientation, sniff
from gateway.images.look import look
from tests.images.drawn import (
    END,
    PIXELS,
    chunk,
    drawn,
    exif,
    inserted,
    placed,
    png,
    riff,
    saved,
)


def seen(folder: Path, data: bytes, *, whole: bool = True) -> Header | None:
    with Path(placed(folder, data)).open("rb") as file:
        return look(file, whole=whole)


def faulty(folder: Path, data: bytes) -> str:
    with pytest.raises(BadHeader) as caught:
        seen(folder, data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\r", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"RIFF\x10\0\0\0WEBP", "image/webp"),
        (b"GIF89a", "image/gif"),
        (b"GIF87a", "image/gif"),
        (b"", None),
        (b"\xff\xd8", None),
        (b"RIFF\x10\0\0\0WAVE", None),
        (b"<svg xmlns='http", None),
        (b"%PDF-1.7", None),
        (b"BM\0\0\0\0", None),
        (b"\0\0\0 ftypavif", None),
        (b"\x89PNG\n\x1a\n", None),
        (b" \x89PNG\r\n\x1a\n", None),
    ],
)
def test_the_kind_is_told_by_the_first_bytes_alone(head: bytes, kind: str | None) -> None:
    assert sniff(head) == kind


def test_a_file_of_no_known_kind_has_no_header(tmp_path: Path) -> None:
    assert seen(tmp_path, b"<svg/>") is None
    assert seen(tmp_path, b"") is None


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("form", "mode", "options", "alpha"),
    [
        ("PNG", "1", {}, False),
        ("PNG", "L", {}, False),
        ("PNG", "L", {"transparency": 3}, True),
        ("PNG", "LA", {}, True),
        ("PNG", "P", {}, False),
        ("PNG", "P", {"transparency": 3}, True),
        ("PNG", "RGB", {}, False),
        ("PNG", "RGB", {"transparency": (1, 2, 3)}, True),
        ("PNG", "RGBA", {}, True),
        ("PNG", "I;16", {}, False),
        ("JPEG", "L", {}, False),
        ("JPEG", "RGB", {}, False),
        ("JPEG", "RGB", {"progressive": True}, False),
        ("JPEG", "CMYK", {}, False),
        ("WEBP", "RGB", {}, False),
        ("WEBP", "RGB", {"lossless": True}, False),
        ("WEBP", "RGBA", {}, True),
        ("WEBP", "RGBA", {"lossless": True}, True),
        ("WEBP", "RGB", {"exif": exif(1)}, False),
        ("GIF", "P", {}, False),
        ("GIF", "RGBA", {}, True),
        ("GIF", "L", {"comment": b"x" * 999}, False),
    ],
)
def test_size_and_alpha_are_read_from_every_format_and_mode(
    tmp_path: Path, form: str, mode: str, options: dict[str, object], *, alpha: bool, whole: bool
) -> None:
    data = saved(drawn(37, 23, mode), form, **options)
    assert seen(tmp_path, data, whole=whole) == Header(
        f"image/{form.lower()}",  # type: ignore[arg-type]
        37,
        23,
        alpha,
    )


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("turned", range(1, 9))
def test_the_orientation_is_read_and_turns_the_size(tmp_path: Path, form: str, turned: int) -> None:
    header = seen(tmp_path, saved(drawn(40, 20), form, exif=exif(turned)))
    assert header is not None
    assert (header.width, header.height) == (40, 20)
    assert header.orientation == turned
    assert header.upright == ((20, 40) if turned >= 5 else (40, 20))


def test_the_orientation_behind_a_pngs_pixels_counts(tmp_path: Path) -> None:
    data = inserted(saved(drawn(), "PNG"), b"IEND", chunk(b"eXIf", exif(6)[6:]))
    header = seen(tmp_path, data)
    assert header is not None
    assert header.orientation == 6


def tiff(order: str, value: int, kind: int = 3, tag: int = 0x0112, entries: int = 1) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    entry = struct.pack(f"{order}HHIHH", tag, kind, 1, value, 0)
    return mark + struct.pack(f"{order}HIH", 42, 8, entries) + entry


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (tiff("<", 6), 6),
        (tiff(">", 8), 8),
        (b"Exif\0\0" + tiff(">", 3), 3),
        (tiff("<", 0), 1),
        (tiff("<", 9), 1),
        (tiff("<", 6, kind=4), 1),
        (tiff("<", 6, tag=0x0110), 1),
        (tiff("<", 6, entries=0), 1),
        (tiff("<", 6, tag=1, entries=65_535), 1),
        (tiff("<", 6)[:-3], 1),
        (b"II*\0\xff\xff\xff\xff", 1),
        (b"MM", 1),
        (b"", 1),
    ],
)
def test_damaged_exif_data_means_upright(data: bytes, value: int) -> None:
    assert orientation(data) == value


@given(st.binary(max_size=200))
def test_no_exif_data_makes_it_raise(data: bytes) -> None:
    assert 1 <= orientation(data) <= 8


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True, "exif": exif(6)}),
        ("WEBP", {"exif": exif(6)}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
    ],
)
def test_a_file_cut_anywhere_is_known_by_its_structure(
    tmp_path: Path, form: str, options: dict[str, object]
) -> None:
    data = saved(drawn(60, 50), form, **options)
    for length in range(12, len(data), 7):
        assert faulty(tmp_path, data[:length])
    assert seen(tmp_path, data) is not None


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_an_animation_has_several_frames(tmp_path: Path, form: str) -> None:
    frames = [drawn(20, 20), drawn(20, 20).rotate(90), drawn(20, 20).rotate(180)]
    data = saved(frames[0], form, save_all=True, append_images=frames[1:])
    header = seen(tmp_path, data)
    assert header is not None
    assert header.frames == 2


def test_an_animation_of_one_frame_is_a_picture(tmp_path: Path) -> None:
    control = chunk(b"acTL", struct.pack(">II", 1, 0))
    header = seen(tmp_path, inserted(saved(drawn(), "PNG"), b"IDAT", control))
    assert header is not None
    assert header.frames == 1


class Counting(io.FileIO):
    """A file that counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        type(self).reads += 1
        return super().read(-1 if size is None else size)


def reads_of(path: str) -> int:
    Counting.reads = 0
    with Counting(path) as file:
        look(file)
    return Counting.reads


def test_ten_thousand_frames_are_not_counted_one_by_one(tmp_path: Path) -> None:
    pictures = [b"\x2c" + bytes(4) + b"\1\0\1\0\0\2\2\x4c\1\0"] * 10_000
    gif = b"GIF89a\1\0\1\0\0\0\0" + b"".join(pictures) + b";"
    assert reads_of(placed(tmp_path, gif)) < 40
    frames = [(b"ANMF", bytes(24))] * 900
    webp = riff((b"VP8X", b"\2\0\0\0" + bytes(6)), *frames)
    assert reads_of(placed(tmp_path, webp)) < 2_000


def test_a_flood_of_chunks_ends_early(tmp_path: Path) -> None:
    flood = png(*[chunk(b"tEXt")] * 60_000, PIXELS, END)
    assert "too many chunks" in faulty(tmp_path, flood)
    flood = riff((b"VP8X", bytes(10)), *[(b"ANIM", b"")] * 1_200)
    assert "too many chunks" in faulty(tmp_path, flood)


def test_a_flood_of_blocks_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_gif, "_BLOCKS", 1_000)
    start = b"GIF89a\1\0\1\0\0\0\0"
    assert "too many blocks" in faulty(tmp_path, start + b"!\xfe\0" * 2_000 + b";")
    assert "too many blocks" in faulty(tmp_path, start + b"!\xfe" + b"\1x" * 2_000 + b"\0;")


def test_a_flood_of_scans_or_segments_ends_early(tmp_path: Path) -> None:
    data = saved(drawn(64, 64), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    assert seen(tmp_path, data[:-2] + scan * 20 + data[-2:]) is not None
    assert "scans" in faulty(tmp_path, data[:-2] + scan * 100 + data[-2:])
    assert "scans" in faulty(tmp_path, data[:2] + b"\xff\xfe\0\2" * 5_000 + data[2:])


def test_a_jpeg_may_hold_filling_thumbnails_and_a_second_picture(tmp_path: Path) -> None:
    data = saved(drawn(64, 48), "JPEG")
    thumbnail = b"\xff\xee" + struct.pack(">H", len(data) + 2) + data
    filled = data[:2] + b"\xff" * 40_000 + thumbnail[0:] + data[2:] + data
    header = seen(tmp_path, filled)
    assert header is not None
    assert (header.width, header.height) == (64, 48)


@pytest.mark.parametrize(
    "data",
    [
        png(PIXELS),
        png(END),
        png(PIXELS, END, colour=5),
        png(struct.pack(">I", 2**31 - 1) + b"IDAT"),
        png(struct.pack(">I", 0) + b"I\0AT", END),
        b"\x89PNG\r\n\x1a\n" + PIXELS + END,
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(12)) + PIXELS + END,
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\0\1\xff\xd9",
        b"\xff\xd8\xff\xe0\xff\xff\xff\xd9",
        b"\xff\xd8\xff\xda\0\2\xff\xd9",
        b"\xff\xd8" + b"\xff\xc0\0\x08\x08\0\1\0\1\1" * 2 + b"\xff\xda\0\2\xff\xd9",
        b"\xff\xd8\xff\xe0",
        riff((b"VP8X", b"")),
        riff((b"ALPH", bytes(30))),
        riff((b"VP8L", bytes(30))),
        riff((b"VP8 ", bytes(30))),
        riff((b"VP8X", bytes(10)))[:-1],
        b"RIFF\xff\xff\xff\xffWEBP",
        riff((b"VP8X", bytes(10)), (b"EXIF", b""))[:-4] + b"\xff\xff\0\0",
        b"GIF89a\1\0\1\0\0\0\0;",
        b"GIF89a\1\0\1\0\0\0\0?",
        b"GIF89a\1\0\1\0\0\0\0!\xf9",
        b"GIF89a\1\0\1\0\0\0\0!\xf9\4",
        b"GIF89a\1\0\1\0\0\0\0\x2c" + bytes(4) + b"\2\0\1\0\0\2\0;",
    ],
)
def test_a_contradiction_in_the_structure_is_a_fault(tmp_path: Path, data: bytes) -> None:
    if data == riff((b"VP8X", b"")):
        # Zeros where the size should be make it one pixel, which the decoder then disputes.
        assert seen(tmp_path, data) == Header("image/webp", 1, 1)
        return
    assert faulty(tmp_path, data)


@given(st.data())
def test_no_damage_makes_a_reader_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    form = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]))
    content = bytearray(saved(drawn(9, 7), form))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(8, len(content) - 1), st.integers(0, 255)), max_size=6)
    ):
        content[place] = value
    try:
        seen(tmp_path_factory.getbasetemp(), bytes(content))
    except BadHeader:
        return


def test_trailing_bytes_do_not_matter(tmp_path: Path) -> None:
    for form in ("PNG", "JPEG", "WEBP", "GIF"):
        data = saved(drawn(), form)
        assert seen(tmp_path, data + b"PK\3\4" * 100) == seen(tmp_path, data)


def test_the_bounds_leave_real_files_alone() -> None:
    assert header_png._CHUNKS * 4_096 > 50_000_000
    assert header_gif._BLOCKS * 255 > 50_000_000
    assert header_jpeg._SCANS >= 64
