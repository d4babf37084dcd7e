import hashlib
import struct
import warnings
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gateway.config.sections import PictureBounds
from gateway.images.measure import BadPicture, measure, verify
from gateway.translate.model import Picture
from tests.images.drawn import (
    END,
    PIXELS,
    chunk,
    drawn,
    exif,
    inserted,
    noise,
    placed,
    png,
    riff,
    saved,
)

BOUNDS = PictureBounds()


def refused(path: str, bounds: PictureBounds = BOUNDS) -> BadPicture:
    with pytest.raises(BadPicture) as caught:
        measure(path, bounds)
    assert path not in caught.value.message
    assert caught.value.message.endswith(".")
    return caught.value


def unverified(path: str) -> BadPicture:
    picture = measure(path, BOUNDS)
    with pytest.raises(BadPicture) as caught:
        verify(picture)
    assert path not in caught.value.message
    return caught.value


def test_a_picture_is_measured_upright_with_its_digest(tmp_path: Path) -> None:
    data = saved(drawn(40, 20), "JPEG", exif=exif(6))
    path = placed(tmp_path, data, "lying.png")
    assert measure(path, BOUNDS) == Picture(
        path=path,
        digest=hashlib.sha256(data).hexdigest(),
        media_type="image/jpeg",
        width=20,
        height=40,
        size=len(data),
        alpha=False,
    )


@pytest.mark.parametrize(
    "data",
    [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"\0" * 64, b"hello", b"BM" * 99],
)
def test_what_is_no_picture_is_an_unsupported_type(tmp_path: Path, data: bytes) -> None:
    fault = refused(placed(tmp_path, data, "picture.png"))
    assert fault.code == "unsupported_file_mimetype"
    assert "image/webp" in fault.message


@pytest.mark.parametrize("form", ["BMP", "TIFF", "ICO", "AVIF", "JPEG2000"])
def test_other_formats_are_unsupported(tmp_path: Path, form: str) -> None:
    assert refused(placed(tmp_path, saved(drawn(), form))).code == "unsupported_file_mimetype"


def test_an_empty_file_is_no_picture(tmp_path: Path) -> None:
    assert refused(placed(tmp_path, b"")).code == "invalid_image_file"


def test_bytes_edges_and_pixels_are_bounded(tmp_path: Path) -> None:
    data = saved(drawn(40, 20), "PNG")
    path = placed(tmp_path, data)
    fits = PictureBounds(bytes=len(data), edge=40, pixels=800)
    assert measure(path, fits).width == 40
    for less in ({"bytes": len(data) - 1}, {"edge": 39}, {"pixels": 799}):
        assert refused(path, fits.model_copy(update=less)).code == "image_too_large"


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (0, 0)])
def test_a_picture_without_pixels_is_invalid(tmp_path: Path, size: tuple[int, int]) -> None:
    data = png(PIXELS, END, width=size[0], height=size[1])
    assert refused(placed(tmp_path, data)).code == "invalid_image_file"


@pytest.mark.parametrize(
    "size", [(2**31 - 1, 2**31 - 1), (2**32 - 1, 1), (8_193, 1), (7_000, 7_000)]
)
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, size: tuple[int, int]) -> None:
    data = png(PIXELS, END, width=size[0], height=size[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refused(placed(tmp_path, data)).code == "image_too_large"


def test_a_webp_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    data = riff((b"VP8X", b"\0\0\0\0" + b"\xff\xff\xff" * 2), (b"VP8 ", bytes(20)))
    assert refused(placed(tmp_path, data)).code == "image_too_large"


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_an_animation_is_refused(tmp_path: Path, form: str) -> None:
    frames = [drawn(20, 20), drawn(20, 20).rotate(90)]
    data = saved(frames[0], form, save_all=True, append_images=frames[1:])
    fault = refused(placed(tmp_path, data))
    assert fault.code == "invalid_image_file"
    assert "one frame" in fault.message


def test_an_apng_of_ten_thousand_frames_is_refused(tmp_path: Path) -> None:
    control = chunk(b"acTL", struct.pack(">II", 10_000, 0))
    frames = [
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", 2 * n, 1, 1, 0, 0, 1, 10, 0, 0))
        + chunk(b"fdAT", struct.pack(">I", 2 * n + 1) + zlib.compress(b"\0\0"))
        for n in range(10_000)
    ]
    data = png(control, PIXELS, *frames, END)
    assert "one frame" in refused(placed(tmp_path, data)).message


FORMS = [
    ("PNG", "RGB", {}),
    ("PNG", "I;16", {}),
    ("PNG", "P", {}),
    ("JPEG", "RGB", {}),
    ("JPEG", "CMYK", {}),
    ("JPEG", "L", {"progressive": True}),
    ("WEBP", "RGBA", {}),
    ("WEBP", "RGB", {"lossless": True}),
    ("GIF", "P", {}),
]


@pytest.mark.parametrize(("form", "mode", "options"), FORMS)
def test_a_whole_picture_verifies_as_itself(
    tmp_path: Path, form: str, mode: str, options: dict[str, object]
) -> None:
    picture = measure(placed(tmp_path, saved(drawn(50, 40, mode), form, **options)), BOUNDS)
    assert verify(picture) == Picture(
        picture.path,
        picture.digest,
        picture.media_type,
        50,
        40,
        picture.size,
        alpha=mode == "RGBA",
        transparent=mode == "RGBA",
    )


@pytest.mark.parametrize(("form", "mode", "options"), FORMS)
def test_a_cut_upload_is_refused_wherever_it_was_cut(
    tmp_path: Path, form: str, mode: str, options: dict[str, object]
) -> None:
    data = saved(noise(40, 30).convert(mode), form, **options)
    needed = len(data) - 2 if form == "GIF" else len(data)  # a GIF ends with a full stop
    for length in {*range(0, needed, max(1, needed // 150)), *range(needed - 8, needed)}:
        path = placed(tmp_path, data[:length])
        with pytest.raises(BadPicture) as caught:
            verify(measure(path, BOUNDS))
        assert caught.value.code in {"invalid_image_file", "unsupported_file_mimetype"}


def test_a_body_that_does_not_decode_is_refused(tmp_path: Path) -> None:
    cut = chunk(b"IDAT", zlib.compress(bytes(10_000))[:8])
    assert unverified(placed(tmp_path, png(cut, END, width=99, height=99))).code == (
        "invalid_image_file"
    )


def test_a_flipped_bit_in_a_png_is_noticed(tmp_path: Path) -> None:
    data = bytearray(saved(noise(40, 30), "PNG"))
    data[len(data) // 2] ^= 1
    assert unverified(placed(tmp_path, bytes(data))).code == "invalid_image_file"


def test_a_wrong_checksum_in_a_png_is_noticed_where_its_pixels_still_decode(tmp_path: Path) -> None:
    data = png(PIXELS[:-1] + b"?", END)
    assert unverified(placed(tmp_path, data)).code == "invalid_image_file"


def test_a_canvas_that_the_pixels_do_not_fill_is_refused(tmp_path: Path) -> None:
    inner = saved(drawn(20, 20), "WEBP")[12:]
    lying = riff((b"VP8X", bytes(4) + b"\x3f\0\0\x3f\0\0"), (b"VP8 ", inner[8:]))
    assert refused(placed(tmp_path, lying)).code == "invalid_image_file"


def test_text_and_profile_bombs_do_not_burst(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(100_000_000))
    for content in (
        chunk(b"zTXt", b"a\0\0" + bomb),
        chunk(b"iCCP", b"a\0\0" + bomb),
        chunk(b"iTXt", b"a\0\1\0\0\0" + bomb),
    ):
        before = inserted(saved(drawn(), "PNG"), b"IDAT", content)
        assert refused(placed(tmp_path, before)).code == "invalid_image_file"
    behind = inserted(saved(drawn(), "PNG"), b"IEND", chunk(b"zTXt", b"a\0\0" + bomb))
    assert unverified(placed(tmp_path, behind)).code == "invalid_image_file"


def test_a_flood_of_scans_is_refused(tmp_path: Path) -> None:
    data = saved(drawn(64, 64), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    many = placed(tmp_path, data[:-2] + scan * 20 + data[-2:])
    assert verify(measure(many, BOUNDS)).width == 64
    for flood in (scan * 100, b"\xff\xfe\0\2" * 9_000, b"\xff\xfe\0\0" * 9_000):
        fault = unverified(placed(tmp_path, data[:-2] + flood + data[-2:]))
        assert "scans" in fault.message


def test_scans_hidden_behind_a_false_end_are_counted(tmp_path: Path) -> None:
    data = saved(drawn(64, 64), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    comment = b"\xff\xfe\0\4\xff\xd9"
    assert "scans" in unverified(placed(tmp_path, data[:-2] + comment + scan * 100)).message


@pytest.mark.parametrize("length", range(65_520, 65_550))
def test_a_marker_across_two_readings_is_found(tmp_path: Path, length: int) -> None:
    data = saved(drawn(8, 8), "JPEG")
    stuffed = data[:-2] + b"\xff" * (length % 2) + b"\xff\0" * (length // 2) + data[-2:]
    assert verify(measure(placed(tmp_path, stuffed), BOUNDS)).width == 8


def test_a_jpeg_may_hold_filling_thumbnails_and_anything_behind(tmp_path: Path) -> None:
    data = saved(drawn(64, 48), "JPEG")
    thumbnail = b"\xff\xee" + struct.pack(">H", len(data) + 2) + data
    filled = data[:2] + b"\xff" * 40_000 + thumbnail + data[2:] + b"\xff\xda\0\2" * 200
    assert verify(measure(placed(tmp_path, filled), BOUNDS)).width == 64


def test_a_phones_picture_with_a_second_one_behind_is_a_jpeg(tmp_path: Path) -> None:
    data = saved(drawn(64, 48), "MPO", save_all=True, append_images=[drawn(16, 12)])
    picture = verify(measure(placed(tmp_path, data), BOUNDS))
    assert (picture.media_type, picture.width, picture.height) == ("image/jpeg", 64, 48)


@pytest.mark.parametrize(
    ("mode", "form", "options", "alpha", "transparent"),
    [
        ("RGBA", "PNG", {}, True, True),
        ("LA", "PNG", {}, True, True),
        ("RGBA", "WEBP", {"lossless": True}, True, True),
        ("P", "PNG", {"transparency": 0}, True, True),
        ("L", "PNG", {"transparency": 0}, True, True),
        ("1", "PNG", {"transparency": 0}, True, True),
        ("RGB", "PNG", {"transparency": (1, 2, 3)}, True, False),
        ("RGB", "PNG", {}, False, False),
        ("I;16", "PNG", {"transparency": 0}, True, True),
        ("RGBA", "GIF", {}, True, True),
    ],
)
def test_a_channel_is_told_from_pixels_that_use_it(
    tmp_path: Path,
    mode: str,
    form: str,
    options: dict[str, object],
    *,
    alpha: bool,
    transparent: bool,
) -> None:
    picture = verify(
        measure(placed(tmp_path, saved(drawn(300, 300, mode), form, **options)), BOUNDS)
    )
    assert (picture.alpha, picture.transparent) == (alpha, transparent)


def test_one_transparent_pixel_in_the_last_corner_is_found(tmp_path: Path) -> None:
    image = Image.new("RGBA", (1_500, 1_500), "red")
    opaque = verify(measure(placed(tmp_path, saved(image, "PNG")), BOUNDS))
    assert (opaque.alpha, opaque.transparent) == (True, False)
    image.putpixel((1_499, 1_499), (0, 0, 0, 254))
    assert verify(measure(placed(tmp_path, saved(image, "PNG")), BOUNDS)).transparent


def test_a_missing_file_is_not_blamed_on_the_caller(tmp_path: Path) -> None:
    path = placed(tmp_path, saved(drawn(), "JPEG"))
    picture = measure(path, BOUNDS)
    Path(path).unlink()
    with pytest.raises(FileNotFoundError):
        verify(picture)


def test_a_machine_without_memory_is_not_blamed_on_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> None:
        raise MemoryError

    picture = measure(placed(tmp_path, saved(drawn(), "JPEG")), BOUNDS)
    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.load", load)
    with pytest.raises(MemoryError):
        verify(picture)


@given(st.data())
def test_no_damage_makes_it_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    form, mode, options = data.draw(st.sampled_from(FORMS))
    content = bytearray(saved(drawn(9, 7, mode), form, **options))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=8)
    ):
        content[place] = value
    path = placed(tmp_path_factory.getbasetemp(), bytes(content), "damaged")
    try:
        picture = verify(measure(path, BOUNDS))
    except BadPicture:
        return
    assert picture.width * picture.height <= BOUNDS.pixels
