import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, features

from gateway.clock import SystemClock
from gateway.simulator import pictures
from gateway.simulator.orders import OFFERED
from gateway.simulator.pictures import Commission, Measured, NotAPicture, draw, measure
from gateway.simulator.settings import Settings
from tests.simulator.house import House, mask, photo, png
from tests.simulator.house import house as opened

EVERY_SIZE = [size for row in OFFERED.values() for size in row if size is not None]


def drawn(**changes: Any) -> Image.Image:
    order = Commission(**{"seed": "s", "prompt": "a cat", "width": 256, "height": 192, **changes})
    picture = Image.open(io.BytesIO(draw(order)))
    picture.load()
    return picture


def equal(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_every_size_of_the_table_is_drawn_exactly(size: tuple[int, int]) -> None:
    assert drawn(width=size[0], height=size[1]).size == size


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (3, 500), (500, 3), (40, 40)])
def test_tiny_and_narrow_pictures_are_drawn_too(size: tuple[int, int]) -> None:
    assert drawn(width=size[0], height=size[1], references=(png(photo(9, 9)),)).size == size


def test_a_1k_picture_takes_less_than_a_tenth_of_a_second() -> None:
    drawn(width=1024, height=1024)  # the font is read once
    clock, took = SystemClock(), []
    for number in range(5):
        before = clock.monotonic()
        draw(Commission(seed=str(number), prompt="雾中的灯塔", width=1024, height=1024))
        took.append(clock.monotonic() - before)
    assert min(took) < 0.1


def test_equal_commissions_give_equal_pictures_and_other_seeds_others() -> None:
    assert equal(drawn(), drawn())
    assert not equal(drawn(), drawn(seed="t"))
    assert not equal(drawn(), drawn(corner="1 of 2"))


def test_the_prompt_and_the_facts_can_be_seen() -> None:
    assert not equal(drawn(), drawn(prompt="a dog"))
    assert not equal(drawn(prompt="灯塔"), drawn(prompt="灯光"))
    assert not equal(drawn(facts=("256x192 px",)), drawn(facts=("256x193 px",)))


@pytest.mark.parametrize("character", "A9é雾塔燈龍ひカ，“…")  # noqa: RUF001 - Chinese
def test_the_font_has_english_and_chinese(character: str) -> None:
    font = pictures._font(60)
    missing = font.getmask("\U0010ffff")
    glyph = font.getmask(character)
    assert glyph.size != missing.size or bytes(glyph) != bytes(missing)
    assert any(bytes(glyph))


def test_a_character_the_font_lacks_leaves_a_visible_mark() -> None:
    assert any(bytes(pictures._font(60).getmask("\U0010ffff")))
    assert features.check("freetype2")


def test_the_type_stands_where_ink_is_brightest() -> None:
    """The word "simulated" is white on a dark tag, in the upper left corner."""
    tag = drawn(width=1024, height=1024).crop((45, 45, 250, 95)).convert("L").histogram()
    assert sum(tag[241:]) > 500
    assert sum(tag[:120]) > 2000


def test_pictures_say_in_their_bytes_that_they_are_simulated() -> None:
    assert drawn().info["Software"] == "simulated"
    assert drawn(output_format="jpeg").info["comment"] == b"simulated"


def test_compression_is_the_encoders_quality() -> None:
    order = {"seed": "s", "prompt": "p", "width": 512, "height": 512}
    sizes = [
        len(draw(Commission(**order, output_format="jpeg", compression=value)))  # type: ignore[arg-type]
        for value in (0, 30, 70, 100)
    ]
    assert sizes == sorted(sizes)
    assert len({*sizes}) == 4
    assert drawn(output_format="jpeg").format == "JPEG"


def test_transparency_is_honoured_in_png_alone() -> None:
    clear = drawn(transparent=True)
    assert clear.mode == "RGBA"
    assert clear.getpixel((0, 0))[3] == 0  # type: ignore[index]
    assert clear.getpixel((128, 96))[3] == 255  # type: ignore[index]
    assert drawn(transparent=True, output_format="jpeg").mode == "RGB"


@pytest.mark.parametrize("count", [1, 3, 6, 7, 16])
def test_references_are_shown_as_thumbnails(count: int) -> None:
    plain = drawn(width=1024, height=1024)
    marked = Image.new("RGB", (50, 90), (255, 0, 255))
    shown = drawn(width=1024, height=1024, references=(png(marked),) * count)
    assert not equal(plain, shown)
    counts = {colour: count for count, colour in shown.getcolors(1 << 20) or []}
    assert counts[255, 0, 255] > 1000


def test_a_transparent_reference_and_an_address_are_shown_too() -> None:
    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    one = drawn(width=800, height=800, references=(png(clear),))
    other = drawn(width=800, height=800, references=("https://example.com/a.png",))
    assert not equal(one, other)
    assert not equal(other, drawn(width=800, height=800, references=("https://example.com/b.png",)))


# ── masks ──


def _split(old: Image.Image, new: Image.Image, hole: Image.Image) -> tuple[int, int]:
    """How many pixels changed outside the hole, and how many did not inside."""
    bands = ImageChops.difference(old, new).split()
    changed = bands[0].point(lambda value: 255 if value else 0)
    for band in bands[1:]:
        changed = ImageChops.lighter(changed, band.point(lambda value: 255 if value else 0))
    outside = ImageChops.multiply(changed, ImageChops.invert(hole))
    inside = ImageChops.multiply(ImageChops.invert(changed), hole)
    return outside.histogram()[255], inside.histogram()[255]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("hole", [(300, 200, 700, 900), (0, 0, 1024, 1024), (5, 5, 6, 6)])
def test_a_mask_is_kept_to_the_pixel(mode: str, hole: tuple[int, int, int, int]) -> None:
    old = photo(mode=mode)
    new = drawn(width=1024, height=1024, references=(png(old),), mask=png(mask(hole=hole)))
    opening = Image.new("L", (1024, 1024), 0)
    opening.paste(255, hole)
    before = old if mode == "RGBA" else old.convert("RGB")
    assert new.mode == before.mode
    assert _split(before, new, opening) == (0, 0)


def test_even_a_reference_equal_to_the_new_picture_changes_everywhere_in_the_hole() -> None:
    order: dict[str, Any] = {
        "width": 512,
        "height": 512,
        "mask": png(mask(512, 512, (0, 0, 512, 512))),
    }
    first = drawn(references=(png(photo(512, 512)),), **order)
    second = drawn(references=(png(first),), **order)
    assert _split(first, second, Image.new("L", (512, 512), 255)) == (0, 0)


def test_half_open_pixels_are_blended() -> None:
    half = Image.new("RGBA", (128, 128), (0, 0, 0, 128))
    white = Image.new("RGB", (128, 128), (255, 255, 255))
    order: dict[str, Any] = {"width": 128, "height": 128, "mask": png(half)}
    new = drawn(references=(png(white),), **order)
    grey = new.convert("L").histogram()
    assert sum(grey[:120]) == 0
    assert sum(grey[120:250]) > 0


def test_a_mask_without_a_hole_changes_nothing() -> None:
    old = photo(256, 192)
    closed = Image.new("RGBA", (256, 192), (0, 0, 0, 255))
    assert equal(drawn(references=(png(old),), mask=png(closed)), old)


def test_where_sizes_differ_the_reference_and_its_mask_are_scaled_first() -> None:
    old = photo(512, 384)
    new = drawn(references=(png(old),), mask=png(mask(512, 384, (256, 0, 512, 384))))
    scaled = old.resize((256, 192), Image.Resampling.BICUBIC)
    assert equal(new.crop((0, 0, 128, 192)), scaled.crop((0, 0, 128, 192)))
    opening = Image.new("L", (256, 192), 0)
    opening.paste(255, (128, 0, 256, 192))
    assert _split(scaled, new, opening) == (0, 0)


def test_the_address_of_a_mask_stands_for_an_ellipse() -> None:
    old = photo(256, 192)
    new = drawn(references=(png(old),), mask="https://example.com/mask.png")
    assert new.getpixel((0, 0)) == old.getpixel((0, 0))
    assert new.getpixel((128, 96)) != old.getpixel((128, 96))


async def test_an_edit_over_the_api_honours_its_mask(house: House) -> None:
    old = photo(1536, 1024)
    hole = (100, 100, 900, 600)
    (new,) = await house.pictures(
        size="3:2",
        image_urls=[await house.uploaded(old), await house.uploaded(photo(64, 64))],
        mask_url=await house.uploaded(mask(1536, 1024, hole)),
    )
    opening = Image.new("L", old.size, 0)
    opening.paste(255, hole)
    assert _split(old, new, opening) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "picture"),
    [
        ("a smaller one", mask(512, 512)),
        ("one without alpha", photo()),
        ("a grey one", photo(mode="L")),
    ],
)
async def test_a_mask_that_does_not_fit_is_refused(
    house: House, kind: str, picture: Image.Image
) -> None:
    answer = await house.create(
        image_urls=[await house.uploaded(photo())], mask_url=await house.uploaded(picture)
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "mask_url"


async def test_a_mask_that_is_no_png_is_refused(house: House) -> None:
    out = io.BytesIO()
    mask().save(out, "WEBP", lossless=True)
    answer = await house.create(
        image_urls=[await house.uploaded(photo())],
        mask_url=(await house.upload(out.getvalue())).json()["data"]["url"],
    )
    assert answer.json()["error"]["param"] == "mask_url"


async def test_foreign_pictures_may_be_mixed_with_own_ones(house: House) -> None:
    foreign = "https://example.com/a.png"
    own, hole = await house.uploaded(photo()), await house.uploaded(mask())
    for order in (
        {"image_urls": [foreign], "mask_url": hole},
        {"image_urls": [own], "mask_url": foreign},
        {"image_urls": [foreign, own], "mask_url": foreign},
    ):
        (picture,) = await house.pictures(**order)
        assert picture.size == (1024, 1024)


async def test_jpeg_and_transparency_are_delivered_as_ordered() -> None:
    async with opened(Settings(transparency=True)) as house:
        (flat,) = await house.pictures(output_format="jpeg", output_compression=40)
        assert flat.format == "JPEG"
        (clear,) = await house.pictures(background="transparent")
        assert clear.mode == "RGBA"
    async with opened() as house:
        (opaque,) = await house.pictures(background="transparent")
        assert opaque.mode == "RGB"


# ── measuring ──


def test_headers_are_read_without_decoding() -> None:
    assert measure(png(photo(30, 20))) == Measured(30, 20, "image/png", alpha=False)
    assert measure(png(mask(30, 20))).alpha
    palette = photo(30, 20).convert("P")
    palette.info["transparency"] = 0
    out = io.BytesIO()
    palette.save(out, "PNG", transparency=0)
    assert measure(out.getvalue()).alpha


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"BM" + bytes(80)])
def test_what_is_no_picture_says_so(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        measure(data)
    with pytest.raises(NotAPicture):
        drawn(references=(data,))


@settings(max_examples=60)
@given(st.integers(0, 3000), st.integers(0, 255))
def test_a_damaged_reference_is_drawn_or_called_broken(at: int, value: int) -> None:
    data = bytearray(png(photo(64, 64)))
    data[at % len(data)] = value
    for damaged in (bytes(data), bytes(data[:at])):
        try:
            draw(Commission(seed="s", prompt="p", width=64, height=64, references=(damaged,)))
        except NotAPicture:
            continue


@settings(max_examples=40)
@given(st.text(max_size=200), st.integers(1, 400), st.integers(1, 400))
def test_any_text_is_drawn_at_any_size(prompt: str, width: int, height: int) -> None:
    assert drawn(prompt=prompt, width=width, height=height).size == (width, height)
