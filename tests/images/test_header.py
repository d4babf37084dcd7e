import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gateway.images.header import Header, glance, look, sniff
from gateway.images.readers import Damaged
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


def seen(folder: Path, data: bytes) -> Header:
    header = look(placed(folder, data))
    assert header is not None
    return header


def faulty(folder: Path, data: bytes) -> str:
    with pytest.raises(Damaged) as caught:
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
    assert look(placed(tmp_path, b"<svg/>")) is None
    assert look(placed(tmp_path, b"")) is None


@pytest.mark.parametrize("form", ["BMP", "TIFF", "ICO"])
def test_what_comes_first_decides_over_what_follows(tmp_path: Path, form: str) -> None:
    whole = saved(drawn(37, 23), form)
    assert look(placed(tmp_path, whole + saved(drawn(), "PNG"))) is None
    assert seen(tmp_path, saved(drawn(), "PNG") + whole).media_type == "image/png"
    assert faulty(tmp_path, b"GIF89a" + whole)


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
    tmp_path: Path, form: str, mode: str, options: dict[str, object], *, alpha: bool
) -> None:
    data = saved(drawn(37, 23, mode), form, **options)
    assert seen(tmp_path, data) == Header(
        f"image/{form.lower()}",  # type: ignore[arg-type]
        37,
        23,
        alpha,
    )
    assert glance(placed(tmp_path, data)) == (f"image/{form.lower()}", 37, 23)


def test_a_glance_sees_no_more_than_type_and_size(tmp_path: Path) -> None:
    assert glance(placed(tmp_path, b"<svg/>")) is None
    lying = saved(drawn(40, 20), "PNG", exif=exif(6))
    assert glance(placed(tmp_path, lying)) == ("image/png", 40, 20)
    ways: list[dict[str, object]] = [{"lossless": True}, {"quality": 1}, {"exif": exif(1)}]
    for options in ways:
        for size in ((1, 16_383), (16_383, 1), (257, 129)):
            data = saved(Image.new("RGB", size), "WEBP", **options)
            assert glance(placed(tmp_path, data[:40])) == ("image/webp", *size)
    for torn in (saved(drawn(), "PNG")[:30], saved(drawn(), "WEBP")[:15]):
        with pytest.raises(Damaged):
            glance(placed(tmp_path, torn))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("turned", range(1, 9))
def test_the_orientation_is_read_and_turns_the_size(tmp_path: Path, form: str, turned: int) -> None:
    header = seen(tmp_path, saved(drawn(40, 20), form, exif=exif(turned)))
    assert header.orientation == turned
    assert (header.width, header.height) == ((20, 40) if turned >= 5 else (40, 20))


def test_the_orientation_behind_a_pngs_pixels_counts(tmp_path: Path) -> None:
    data = inserted(saved(drawn(), "PNG"), b"IEND", chunk(b"eXIf", exif(6)[6:]))
    assert seen(tmp_path, data).orientation == 6


def test_xmp_turns_nothing(tmp_path: Path) -> None:
    xmp = b"<x:xmpmeta><a tiff:Orientation='6' tiff:Orientation=\"6\"/></x:xmpmeta>"
    for form in ("PNG", "JPEG", "WEBP"):
        assert seen(tmp_path, saved(drawn(), form, xmp=xmp)).orientation == 1


def tiff(order: str, value: int, kind: int = 3, tag: int = 0x0112, entries: int = 1) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    entry = struct.pack(f"{order}HHIHH", tag, kind, 1, value, 0)
    return mark + struct.pack(f"{order}HIH", 42, 8, entries) + entry + bytes(4)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (tiff("<", 6), 6),
        (tiff(">", 8), 8),
        (b"Exif\0\0" + tiff(">", 3), 3),
        (tiff("<", 0), 1),
        (tiff("<", 9), 1),
        (tiff("<", 6, kind=2), 1),
        (tiff("<", 6, kind=5), 1),
        (tiff("<", 6, tag=0x0110), 1),
        (tiff("<", 6, entries=0), 1),
        (tiff("<", 6)[:-7], 1),
        (b"II*\0\xff\xff\xff\xff", 1),
        (b"MM", 1),
        (b"", 1),
        (b"\xff" * 200_000, 1),
    ],
)
@pytest.mark.filterwarnings("ignore:::PIL")
def test_damaged_exif_data_means_upright(tmp_path: Path, data: bytes, value: int) -> None:
    for place in (b"IDAT", b"IEND"):
        exifs = inserted(saved(drawn(), "PNG"), place, chunk(b"eXIf", data))
        assert seen(tmp_path, exifs).orientation == value
    webp = riff((b"VP8X", b"\x08\0\0\0\x2f\0\0\x1f\0\0"), (b"VP8 ", saved(drawn(), "WEBP")[20:]))
    body = webp[12:] + b"EXIF" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    assert seen(tmp_path, b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body) == Header(
        "image/webp",
        *((32, 48) if value >= 5 else (48, 32)),
        orientation=value,
    )


@pytest.mark.filterwarnings("ignore:::PIL")
@given(st.binary(max_size=200))
def test_no_exif_data_makes_it_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    exifs = inserted(png(PIXELS, END), b"IDAT", chunk(b"eXIf", data))
    assert 1 <= seen(tmp_path_factory.getbasetemp(), exifs).orientation <= 8


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_an_animation_has_several_frames(tmp_path: Path, form: str) -> None:
    frames = [drawn(20, 20), drawn(20, 20).rotate(90), drawn(20, 20).rotate(180)]
    data = saved(frames[0], form, save_all=True, append_images=frames[1:])
    assert seen(tmp_path, data).animated


def test_an_animation_of_one_frame_is_a_picture(tmp_path: Path) -> None:
    frame = struct.pack(">IIIIIHHBB", 0, 48, 32, 0, 0, 1, 10, 0, 0)
    control = chunk(b"acTL", struct.pack(">II", 1, 0)) + chunk(b"fcTL", frame)
    assert not seen(tmp_path, inserted(saved(drawn(), "PNG"), b"IDAT", control)).animated


def test_a_gifs_picture_beyond_its_screen_makes_the_picture_larger(tmp_path: Path) -> None:
    gif = b"GIF89a\1\0\1\0\0\0\0\x2c" + bytes(4) + b"\7\0\5\0\0\2\2\x4c\1\0;"
    assert seen(tmp_path, gif) == Header("image/gif", 7, 5)


@pytest.mark.parametrize(
    "data",
    [
        png(PIXELS),
        png(END),
        png(PIXELS, END, colour=5),
        png(PIXELS, END, width=0),
        png(struct.pack(">I", 2**31 - 1) + b"IDAT"),
        png(struct.pack(">I", 0) + b"I\0AT", END),
        png(chunk(b"tEXt", b"bbox\0no box"), END),
        b"\x89PNG\r\n\x1a\n" + PIXELS + END,
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(12)) + PIXELS + END,
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\0\1\xff\xd9",
        b"\xff\xd8\xff\xe0\xff\xff\xff\xd9",
        b"\xff\xd8\xff\xda\0\2\xff\xd9",
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
        b"GIF89a\0\0\1\0\0\0\0\x2c" + bytes(4) + b"\0\0\1\0\0\2\0;",
    ],
)
def test_a_contradiction_in_the_structure_is_a_fault(tmp_path: Path, data: bytes) -> None:
    assert faulty(tmp_path, data)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_a_cut_file_is_known_by_its_structure(tmp_path: Path, form: str) -> None:
    data = saved(drawn(60, 50), form)
    for length in range(12, len(data) - 12, 7):
        assert faulty(tmp_path, data[:length])


def test_no_pixel_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("PIL.ImageFile.ImageFile.load")
    for form in ("PNG", "JPEG", "GIF"):
        assert seen(tmp_path, saved(drawn(), form)).width == 48
    monkeypatch.delattr("PIL.WebPImagePlugin.WebPImageFile.load")
    assert seen(tmp_path, saved(drawn(), "WEBP")).width == 48
    lying = png(chunk(b"IDAT", zlib.compress(b"")), END, width=9, height=9)
    assert seen(tmp_path, lying).width == 9


def test_trailing_bytes_do_not_matter(tmp_path: Path) -> None:
    for form in ("PNG", "JPEG", "WEBP", "GIF"):
        data = saved(drawn(), form)
        assert seen(tmp_path, data + b"PK\3\4" * 100) == seen(tmp_path, data)


@given(st.data())
def test_no_damage_makes_a_reader_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    form = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]))
    content = bytearray(saved(drawn(9, 7), form))
    path = tmp_path_factory.getbasetemp()
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(8, len(content) - 1), st.integers(0, 255)), max_size=6)
    ):
        content[place] = value
    try:
        look(placed(path, bytes(content)))
    except Damaged:
        return
