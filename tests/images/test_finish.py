from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageStat

from gateway.images.finish import Finished, Reason, UnusableResult, finish, fit
from gateway.translate.model import Finish, Format, note
from tests.images.drawn import drawn, exif, noise, placed, riff, saved

PIXELS = 40_000_000


def finished(folder: Path, data: bytes, wanted: Finish) -> tuple[Finished, Image.Image]:
    source = placed(folder, data, "downloaded")
    made = finish(source, str(folder / "made"), wanted, max_pixels=PIXELS)
    assert not Path(source).exists()
    assert made.path == str(folder / "made")
    assert made.size == Path(made.path).stat().st_size
    with Image.open(made.path) as image:
        image.load()
    assert (image.format, image.size) == (made.format.upper(), (made.width, made.height))
    return made, image


def unusable(folder: Path, data: bytes, max_pixels: int = PIXELS) -> Reason:
    source = placed(folder, data, "downloaded")
    wanted = Finish((20, 20), "png")
    with pytest.raises(UnusableResult) as caught:
        finish(source, str(folder / "made"), wanted, max_pixels=max_pixels)
    assert Path(source).read_bytes() == data
    assert not (folder / "made").exists()
    return caught.value.reason


@pytest.mark.parametrize("pixels", [None, (48, 32)])
@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_what_fits_is_passed_on_byte_for_byte(
    tmp_path: Path, form: Format, pixels: tuple[int, int] | None
) -> None:
    data = saved(drawn(48, 32), form.upper())
    made, _ = finished(tmp_path, data, Finish(pixels, form, 40))
    assert (tmp_path / "made").read_bytes() == data
    assert made.notes == ()


@pytest.mark.parametrize("target", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "LA"),
        ("PNG", "P"),
        ("PNG", "L"),
        ("PNG", "1"),
        ("PNG", "I;16"),
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGBA"),
        ("GIF", "P"),
    ],
)
def test_every_format_and_mode_is_brought_to_what_was_promised(
    tmp_path: Path, form: str, mode: str, target: Format
) -> None:
    made, _ = finished(tmp_path, saved(drawn(60, 40, mode), form), Finish((30, 30), target))
    assert (made.format, made.width, made.height) == (target, 30, 30)
    flattened = target == "jpeg" and mode.endswith("A")
    assert made.notes == ((note("alpha-flattened"),) if flattened else ())


@given(
    source=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    asked=st.tuples(st.integers(1, 150), st.integers(1, 150)),
)
def test_the_size_is_exact_or_as_it_came_and_never_larger(
    tmp_path_factory: pytest.TempPathFactory, source: tuple[int, int], asked: tuple[int, int]
) -> None:
    data = saved(Image.new("L", source, 77), "PNG")
    made, image = finished(tmp_path_factory.mktemp("one"), data, Finish(asked, "png"))
    if asked[0] <= source[0] and asked[1] <= source[1]:
        assert (image.size, made.notes) == (asked, ())
    else:
        assert image.size == source
        assert made.notes == (note("size-differs", asked=f"{asked[0]}x{asked[1]}"),)
    assert image.getextrema() == (77, 77)


@given(
    source=st.tuples(st.integers(30, 300), st.integers(30, 300)),
    parts=st.tuples(st.floats(0.2, 1), st.floats(0.2, 1)),
)
def test_the_crop_is_the_least_and_centred(
    source: tuple[int, int], parts: tuple[float, float]
) -> None:
    asked = max(8, int(source[0] * parts[0])), max(8, int(source[1] * parts[1]))
    # Two ramps give each pixel its place: left to right and top to bottom, 0 to 255.
    across = Image.linear_gradient("L").rotate(90).resize(source, Image.Resampling.BILINEAR)
    down = Image.linear_gradient("L").resize(source, Image.Resampling.BILINEAR)
    made = fit(Image.merge("RGB", (across, down, across)), asked)
    assert made.size == asked
    scale = max(asked[0] / source[0], asked[1] / source[1])
    for band, kept in ((0, asked[0] / source[0] / scale), (1, asked[1] / source[1] / scale)):
        middle = ImageStat.Stat(made.getchannel(band)).mean[0]
        assert abs(middle - 127.5) <= 255 / min(source) + 2
        histogram = made.getchannel(band).histogram()
        levels = [level for level, count in enumerate(histogram) if count]
        low, high = levels[0], levels[-1]
        assert abs((high - low) / 255 - kept) <= 2 / min(asked) + 0.03


def test_a_crop_alone_leaves_pixels_untouched(tmp_path: Path) -> None:
    image = noise(60, 41)
    _, made = finished(tmp_path, saved(image, "PNG"), Finish((60, 30), "png"))
    assert made.tobytes() == image.crop((0, 5, 60, 35)).tobytes()
    _, made = finished(tmp_path, saved(image, "PNG"), Finish((25, 41), "png"))
    assert made.tobytes() == image.crop((17, 0, 42, 41)).tobytes()


def test_colours_under_transparent_pixels_do_not_bleed(tmp_path: Path) -> None:
    image = Image.new("RGBA", (80, 80), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 40, 80))
    _, made = finished(tmp_path, saved(image, "PNG"), Finish((39, 39), "png"))
    reds, _, _, alphas = (band.crop((0, 20, 39, 21)).tobytes() for band in made.split())
    assert all(red < 10 for red, alpha in zip(reds, alphas, strict=True) if alpha)
    assert any(alphas)


def test_compression_is_the_encoders_quality(tmp_path: Path) -> None:
    data = saved(noise(90, 60), "PNG")
    forms: tuple[Format, ...] = ("jpeg", "webp")
    for form in forms:
        low, _ = finished(tmp_path, data, Finish(None, form, 0))
        high, _ = finished(tmp_path, data, Finish(None, form, 100))
        none, _ = finished(tmp_path, data, Finish(None, form))
        assert low.size < none.size <= high.size


def test_a_lying_result_is_set_upright(tmp_path: Path) -> None:
    data = saved(drawn(48, 32), "JPEG", exif=exif(6))
    made, _ = finished(tmp_path, data, Finish(None, "jpeg"))
    assert (made.width, made.height) == (32, 48)


def test_of_an_animation_the_first_frame_is_delivered(tmp_path: Path) -> None:
    data = saved(drawn(), "PNG", save_all=True, append_images=[drawn().rotate(180)])
    made, image = finished(tmp_path, data, Finish(None, "png"))
    assert getattr(image, "n_frames", 1) == 1
    assert made.notes == ()


def test_a_picture_no_webp_can_hold_stays_a_png(tmp_path: Path) -> None:
    data = saved(Image.new("RGB", (16_400, 2)), "PNG")
    made, _ = finished(tmp_path, data, Finish(None, "webp"))
    assert (made.format, made.width) == ("png", 16_400)
    assert made.notes == (note("format-differs", asked="webp"),)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>502</title>", "html"),
        (b"\xef\xbb\xbf \r\n<html>", "html"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "html"),
        (b'{"error": "expired"}', "not_a_picture"),
        (b"\0" * 1000, "not_a_picture"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff\xe0", "damaged"),
    ],
)
def test_what_is_no_picture_is_unusable(tmp_path: Path, data: bytes, reason: str) -> None:
    assert unusable(tmp_path, data) == reason


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_cut_result_is_unusable_wherever_it_was_cut(tmp_path: Path, form: str) -> None:
    data = saved(noise(60, 40), form)
    for length in range(12, len(data), max(1, len(data) // 100)):
        assert unusable(tmp_path, data[:length]) == "damaged"


@pytest.mark.parametrize("size", [(20, 20), (40, 40)])
def test_a_damaged_result_is_unusable_passed_on_or_not(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    data = bytearray(saved(noise(*size), "PNG"))
    data[len(data) // 2] ^= 1
    assert unusable(tmp_path, bytes(data)) == "damaged"


def test_too_many_pixels_are_unusable(tmp_path: Path) -> None:
    assert unusable(tmp_path, saved(drawn(20, 21), "PNG"), max_pixels=419) == "too_large"
    vast = riff((b"VP8X", bytes(4) + b"\xff\xff\0" * 2), (b"VP8 ", bytes(20)))
    assert unusable(tmp_path, vast) == "too_large"
