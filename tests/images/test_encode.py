from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageCms

from gateway.images import encode as encoding
from gateway.images.decode import upright
from gateway.images.encode import Unencodable, encode, flat
from gateway.images.header import look
from gateway.translate.model import Format
from tests.images.drawn import drawn, exif, placed, saved


def plain(folder: Path, data: bytes) -> Image.Image:
    path = placed(folder, data, "source")
    header = look(path)
    assert header is not None
    return upright(path, header)


def far_apart(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any band of any pixel."""
    extremes = ImageChops.difference(one, other).convert("RGB").getextrema()
    return max(int(high) for _, high in extremes)  # type: ignore[misc]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turned", range(1, 9))
def test_every_orientation_is_made_upright(tmp_path: Path, form: str, turned: int) -> None:
    straight = drawn(48, 32)
    stored = {
        1: straight,
        2: straight.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: straight.transpose(Image.Transpose.ROTATE_180),
        4: straight.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: straight.transpose(Image.Transpose.TRANSPOSE),
        6: straight.transpose(Image.Transpose.ROTATE_90),
        7: straight.transpose(Image.Transpose.TRANSVERSE),
        8: straight.transpose(Image.Transpose.ROTATE_270),
    }[turned]
    image = plain(tmp_path, saved(stored, form, quality=100, exif=exif(turned)))
    assert image.size == (48, 32)
    assert far_apart(image, straight) < 16


@pytest.mark.parametrize(
    ("mode", "form", "options", "expected"),
    [
        ("1", "PNG", {}, "L"),
        ("1", "PNG", {"transparency": 0}, "LA"),
        ("L", "PNG", {}, "L"),
        ("L", "PNG", {"transparency": 0}, "LA"),
        ("LA", "PNG", {}, "LA"),
        ("I;16", "PNG", {}, "L"),
        ("I;16", "PNG", {"transparency": 0}, "LA"),
        ("P", "PNG", {}, "RGB"),
        ("P", "PNG", {"transparency": 0}, "RGBA"),
        ("P", "PNG", {"transparency": bytes(range(256))}, "RGBA"),
        ("RGB", "PNG", {"transparency": (0, 0, 0)}, "RGBA"),
        ("RGBA", "PNG", {}, "RGBA"),
        ("CMYK", "JPEG", {}, "RGB"),
        ("L", "JPEG", {}, "L"),
        ("RGBA", "WEBP", {}, "RGBA"),
        ("RGBA", "GIF", {}, "RGBA"),
        ("P", "GIF", {}, "RGB"),
    ],
)
@pytest.mark.parametrize("target", ["png", "jpeg", "webp"])
def test_every_mode_becomes_plain_and_can_be_written(
    tmp_path: Path, mode: str, form: str, options: dict[str, object], expected: str, target: Format
) -> None:
    image = plain(tmp_path, saved(drawn(30, 20, mode), form, **options))
    assert image.mode == expected
    assert not image.info
    path = tmp_path / "written"
    encode(image, str(path), target)
    with Image.open(path) as written:
        assert (written.format, written.size) == (target.upper(), (30, 20))
        written.load()


def test_sixteen_bits_are_scaled_not_cut(tmp_path: Path) -> None:
    image = plain(tmp_path, saved(Image.new("I;16", (4, 4), 0x8000), "PNG"))
    assert image.getpixel((0, 0)) == 0x80


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white_and_told(tmp_path: Path, mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0)).convert(mode)
    path = tmp_path / "flat"
    assert encode(clear, str(path), "jpeg") is True
    with Image.open(path) as written:
        assert written.mode == mode[:-1]
        assert written.convert("RGB").getpixel((4, 4)) == (255, 255, 255)


def test_an_unused_alpha_channel_is_dropped_without_a_word(tmp_path: Path) -> None:
    assert encode(Image.new("RGBA", (8, 8), "red"), str(tmp_path / "flat"), "jpeg") is False
    assert flat(Image.new("RGBA", (8, 8), "red")).getpixel((0, 0)) == (255, 0, 0)
    assert encode(drawn(8, 8, "RGBA"), str(tmp_path / "kept"), "png") is False


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_quality_runs_from_nothing_to_a_hundred(tmp_path: Path, form: Format) -> None:
    sizes = []
    for quality in (0, 50, 89, 90, 100):
        path = tmp_path / f"{quality}"
        encode(drawn(200, 150), str(path), form, quality)
        sizes.append(path.stat().st_size)
    assert sizes == sorted(sizes)
    assert sizes[0] * 2 < sizes[-1]


def test_a_jpegs_colour_is_whole_from_ninety_on(tmp_path: Path) -> None:
    for quality, layers in ((89, (2, 2)), (90, (1, 1)), (None, (1, 1))):
        path = tmp_path / "one"
        encode(drawn(), str(path), "jpeg", quality)
        with Image.open(path) as written:
            assert written.layer[0][1:3] == layers  # type: ignore[attr-defined]


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_a_colour_profile_goes_along(tmp_path: Path, form: Format) -> None:
    image = plain(tmp_path, saved(drawn(), "PNG", icc_profile=profile(), exif=exif(1)))
    path = tmp_path / "one"
    encode(image, str(path), form)
    with Image.open(path) as written:
        assert written.info["icc_profile"] == profile()
        assert "exif" not in written.info


@pytest.mark.parametrize(
    ("mode", "data"),
    [
        ("CMYK", profile()[:16] + b"CMYK" + profile()[20:]),
        ("L", profile()),
        ("RGB", b"short"),
        ("RGB", profile()[:16] + b"CMYK" + profile()[20:]),
        ("RGB", profile() + bytes(2**20)),
    ],
)
def test_a_profile_that_does_not_fit_stays_behind(tmp_path: Path, mode: str, data: bytes) -> None:
    assert (
        "icc_profile"
        not in plain(tmp_path, saved(drawn(8, 8, mode), "JPEG", icc_profile=data)).info
    )


def test_a_format_that_cannot_hold_it_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unencodable):
        encode(Image.new("RGB", (16_384, 1)), str(tmp_path / "long"), "webp")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(image: Image.Image, path: str, form: Format, quality: int | None) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encoding, "_save", full)
    with pytest.raises(OSError, match="space"):
        encode(drawn(), str(tmp_path / "half"), "png")
    assert not list(tmp_path.iterdir())
