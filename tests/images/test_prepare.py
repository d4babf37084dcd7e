from pathlib import Path

import pytest
from PIL import Image

from gateway.config.sections import PictureBounds
from gateway.images.measure import BadPicture, measure
from gateway.images.prepare import prepare
from gateway.translate.model import Note, Picture, note
from tests.images.drawn import drawn, exif, noise, placed, saved

RE_ENCODED = note("image-reencoded", to="jpeg", quality=92)


def prepared(
    folder: Path,
    data: bytes,
    max_bytes: int = 10_000_000,
    *,
    keep: bool = False,
    mask: bool = False,
) -> tuple[Picture, Picture, tuple[Note, ...]]:
    """The picture as measured, as prepared, and the notes."""
    made = folder / "made"
    made.mkdir(exist_ok=True)
    before = measure(placed(folder, data), PictureBounds())
    after, notes = prepare(
        before, max_bytes=max_bytes, folder=str(made), keep_pixels=keep, is_mask=mask
    )
    return before, after, notes


def refused(
    folder: Path, data: bytes, max_bytes: int, *, keep: bool = False, mask: bool = False
) -> BadPicture:
    with pytest.raises(BadPicture) as caught:
        prepared(folder, data, max_bytes, keep=keep, mask=mask)
    assert str(folder) not in caught.value.message
    assert not list((folder / "made").iterdir())
    return caught.value


def test_a_picture_that_fits_is_returned_as_it_is(tmp_path: Path) -> None:
    data = saved(drawn(), "PNG")
    before, after, notes = prepared(tmp_path, data, len(data))
    assert after is before
    assert notes == ()


def test_a_lying_photograph_is_set_upright(tmp_path: Path) -> None:
    data = saved(drawn(48, 32).transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif(6))
    before, after, notes = prepared(tmp_path, data)
    assert notes == (note("image-rotated", orientation=6),)
    assert after.path.startswith(str(tmp_path / "made"))
    assert (after.media_type, after.width, after.height) == ("image/jpeg", 48, 32)
    assert (before.width, before.height) == (48, 32)
    assert after.digest != before.digest
    assert after.size == Path(after.path).stat().st_size
    assert measure(after.path, PictureBounds()) == after


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_a_lying_picture_with_transparency_keeps_every_pixel(tmp_path: Path, form: str) -> None:
    picture = drawn(48, 32, "RGBA")
    lying = picture.transpose(Image.Transpose.ROTATE_90)
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    _, after, notes = prepared(tmp_path, saved(lying, form, exif=exif(6), **options))
    assert notes == (note("image-rotated", orientation=6),)
    assert (after.media_type, after.alpha) == ("image/png", True)
    with Image.open(after.path) as made:
        assert made.tobytes() == picture.tobytes()


def test_a_large_opaque_picture_becomes_a_jpeg_of_the_same_size(tmp_path: Path) -> None:
    image = noise(200, 150)
    image.putalpha(255)
    data = saved(image, "PNG")
    _, after, notes = prepared(tmp_path, data, len(data) - 1)
    assert notes == (RE_ENCODED,)
    assert (after.media_type, after.width, after.height) == ("image/jpeg", 200, 150)
    assert after.size < len(data)
    assert not after.alpha


def test_what_is_still_too_large_is_scaled_down(tmp_path: Path) -> None:
    _, after, notes = prepared(tmp_path, saved(noise(400, 300), "PNG"), 30_000)
    size = f"{after.width}x{after.height}"
    assert notes == (RE_ENCODED, note("image-scaled", from_="400x300", to=size))
    assert 10_000 < after.size <= 30_000
    assert abs(after.width / after.height - 4 / 3) < 0.02
    assert len(list((tmp_path / "made").iterdir())) == 1


def test_a_lying_picture_that_is_too_large_is_turned_and_scaled(tmp_path: Path) -> None:
    data = saved(noise(300, 400), "JPEG", quality=100, exif=exif(8))
    _, after, notes = prepared(tmp_path, data, 30_000)
    assert [one.name for one in notes] == ["image-rotated", "image-reencoded", "image-scaled"]
    assert after.width > after.height
    assert after.size <= 30_000


def test_the_picture_under_a_mask_is_never_scaled(tmp_path: Path) -> None:
    data = saved(noise(400, 300), "PNG")
    _, after, notes = prepared(tmp_path, data, len(data) - 1, keep=True)
    assert (after.width, after.height, notes) == (400, 300, (RE_ENCODED,))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    fault = refused(elsewhere, data, 30_000, keep=True)
    assert fault.code == "image_too_large"
    assert "mask" in fault.message


def test_large_transparent_pictures_are_refused(tmp_path: Path) -> None:
    image = noise(200, 150)
    image.putalpha(255)
    image.putpixel((199, 149), (0, 0, 0, 0))
    fault = refused(tmp_path, saved(image, "PNG"), 60_000)
    assert fault.code == "image_too_large"
    assert "transparent" in fault.message


def test_a_mask_is_passed_on_or_refused_never_changed(tmp_path: Path) -> None:
    image = noise(200, 150)
    image.putalpha(255)
    data = saved(image, "PNG")
    before, after, notes = prepared(tmp_path, data, len(data), mask=True)
    assert after is before
    assert notes == ()
    assert refused(tmp_path, data, len(data) - 1, mask=True).code == "image_too_large"
    lying = saved(image, "PNG", exif=exif(6))
    assert refused(tmp_path, lying, len(lying), mask=True).code == "invalid_image_file"


def test_what_can_never_fit_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, saved(drawn(), "PNG"), 100).code == "image_too_large"


def test_what_does_not_decode_is_refused(tmp_path: Path) -> None:
    data = bytearray(saved(noise(100, 80), "PNG"))
    data[len(data) // 2] ^= 1
    assert refused(tmp_path, bytes(data), 20_000).code == "invalid_image_file"


@pytest.mark.parametrize(
    ("mode", "form"),
    [("CMYK", "JPEG"), ("L", "PNG"), ("I;16", "PNG"), ("P", "GIF"), ("RGB", "WEBP")],
)
def test_every_mode_can_be_made_to_fit(tmp_path: Path, mode: str, form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    image = noise(300, 200).convert("L" if mode == "I;16" else mode).convert(mode)
    _, after, _ = prepared(tmp_path, saved(image, form, **options), 15_000)
    assert after.media_type == "image/jpeg"
    assert after.size <= 15_000
