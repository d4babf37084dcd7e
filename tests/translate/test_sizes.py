import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest, UnmakeableImage
from gateway.translate.sizes import (
    LARGEST_CROP,
    check_openai,
    crop_share,
    fit_pixels,
    fit_ratio,
    offered,
    read_pixels,
    read_ratio,
)

SPECIFICATION = Path(__file__).parents[1] / "wire" / "sizes.md"
edges = st.integers(min_value=1, max_value=6000)


def specified() -> dict[tuple[str, str], tuple[int, int]]:
    """The size table as the specification's page prints it."""
    rows = re.findall(r"^(\d+:\d+) \| (.+) \|$", SPECIFICATION.read_text("utf-8"), re.MULTILINE)
    table = {}
    for ratio, cells in rows:
        for tier, cell in zip(("1k", "2k", "4k"), cells.split(" | "), strict=True):
            if cell != "Not supported":
                width, height = map(int, cell.split("x"))
                table[ratio, tier] = (width, height)
    return table


def test_the_table_is_the_specifications_own() -> None:
    ours = {(ratio, tier): pixels for ratio, tier, pixels in offered(extended=False)}
    assert ours == specified()
    assert len(ours) == 32


def test_the_extended_table_has_thirty_nine_distinct_sizes_within_the_vendors_bounds() -> None:
    sizes = [pixels for _, _, pixels in offered(extended=True)]
    assert len(sizes) == len(set(sizes)) == 39
    for width, height in sizes:
        check_openai((width, height))


@pytest.mark.parametrize(("ratio", "tier", "pixels"), list(offered(extended=False)))
def test_every_size_of_the_table_is_passed_through(
    ratio: str, tier: str, pixels: tuple[int, int]
) -> None:
    fit = fit_pixels(pixels, "exact", extended=False)
    assert (fit.ratio, fit.tier, fit.bought, fit.promised) == (ratio, tier, pixels, pixels)
    assert fit.notes == ()


@pytest.mark.parametrize(
    ("wanted", "ratio", "tier", "note"),
    [
        ((1792, 1024), "16:9", "2k", "size-cropped"),
        ((512, 512), "1:1", "1k", "size-scaled"),
        ((256, 256), "1:1", "1k", "size-scaled"),
        ((1920, 1080), "16:9", "2k", "size-scaled"),
        ((1234, 777), "3:2", "1k", "size-cropped"),
        ((1000, 1000), "1:1", "1k", "size-scaled"),
        ((3000, 2000), "16:9", "4k", "size-cropped"),
        ((1280, 720), "16:9", "1k", "size-scaled"),
    ],
)
def test_any_other_size_is_made_exact_from_the_nearest_ratio_that_covers_it(
    wanted: tuple[int, int], ratio: str, tier: str, note: str
) -> None:
    fit = fit_pixels(wanted, "exact", extended=False)
    assert (fit.ratio, fit.tier, fit.promised) == (ratio, tier, wanted)
    assert [one.name for one in fit.notes] == [note]


def test_the_note_tells_the_ratio_and_the_share_cut_away() -> None:
    (note,) = fit_pixels((3000, 2000), "exact", extended=False).notes
    assert dict(note.params) == {"from": "16:9", "share": pytest.approx(0.156, abs=0.001)}


@pytest.mark.parametrize("wanted", [(4096, 4096), (2100, 2100), (100, 5000), (15, 20), (0, 0)])
def test_what_cannot_be_made_is_refused_by_name(wanted: tuple[int, int]) -> None:
    with pytest.raises(UnmakeableImage) as caught:
        fit_pixels(wanted, "exact", extended=False)
    assert (caught.value.param, caught.value.code) == ("size", "invalid_value")


def test_a_refusal_names_the_largest_size_of_that_shape_and_that_size_can_be_made() -> None:
    with pytest.raises(UnmakeableImage) as caught:
        fit_pixels((4096, 4096), "exact", extended=False)
    found = re.search(r"largest size of this shape is '(\d+)x(\d+)'", caught.value.message)
    assert found is not None
    largest = (int(found[1]), int(found[2]))
    assert fit_pixels(largest, "exact", extended=False).promised == largest


def test_the_extended_table_serves_a_size_the_short_one_refuses() -> None:
    assert fit_pixels((2880, 2880), "exact", extended=True).tier == "4k"


@given(edges, edges)
def test_every_size_is_exact_or_refused_and_never_enlarged(width: int, height: int) -> None:
    wanted = (width, height)
    try:
        fit = fit_pixels(wanted, "exact", extended=False)
    except UnmakeableImage as error:
        assert error.param == "size"
        return
    assert fit.promised == wanted
    assert fit.bought[0] >= width
    assert fit.bought[1] >= height
    assert crop_share(fit.bought, wanted) <= LARGEST_CROP
    assert bool(fit.notes) == (fit.bought != wanted)


@given(edges, edges)
def test_nearest_always_gives_a_size_of_the_table_and_says_so(width: int, height: int) -> None:
    fit = fit_pixels((width, height), "nearest", extended=False)
    assert fit.bought == fit.promised
    assert fit.bought in {pixels for _, _, pixels in offered(extended=False)}
    assert bool(fit.notes) == (fit.promised != (width, height))


def test_nearest_refuses_an_edge_of_nothing() -> None:
    with pytest.raises(UnmakeableImage):
        fit_pixels((0, 10), "nearest", extended=False)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ((1792, 936), "divisible by 16"),
        ((4096, 4096), "less than or equal to 3840"),
        ((1024, 576), "below the current minimum"),
        ((3840, 1200), "less than or equal to 3:1"),
        ((3840, 3840), "above the current maximum"),
        ((0, 16), "3:1"),
    ],
)
def test_strict_refuses_in_openais_words(wanted: tuple[int, int], says: str) -> None:
    with pytest.raises(UnmakeableImage, match=says):
        fit_pixels(wanted, "strict", extended=False)


def test_strict_serves_what_openai_serves() -> None:
    assert fit_pixels((1536, 864), "strict", extended=False).notes == ()
    assert fit_pixels((1280, 720), "strict", extended=False).promised == (1280, 720)


@pytest.mark.parametrize(
    ("text", "pixels"),
    [
        ("1024x768", (1024, 768)),
        ("1024X768", (1024, 768)),
        ("1024 × 768", (1024, 768)),
        ("1024*768", (1024, 768)),
        ("1024", (1024, 1024)),
        ("16:9", None),
        ("auto", None),
        ("x", None),
        ("-1x5", None),
    ],
)
def test_sizes_are_read_in_all_spellings(text: str, pixels: tuple[int, int] | None) -> None:
    assert read_pixels(text) == pixels


@pytest.mark.parametrize(
    ("text", "ratio"), [("16:9", (16, 9)), ("16 : 9", (16, 9)), ("0:1", None), ("1x1", None)]
)
def test_ratios_are_read(text: str, ratio: tuple[int, int] | None) -> None:
    assert read_ratio(text) == ratio


def test_an_equal_ratio_in_other_numbers_is_the_same() -> None:
    assert fit_ratio("32:18", "2k", extended=False).bought == (2048, 1152)


def test_a_ratio_that_is_not_offered_is_refused() -> None:
    with pytest.raises(UnmakeableImage) as caught:
        fit_ratio("7:4", "1k", extended=False)
    assert caught.value.param == "size"


def test_a_tier_that_a_ratio_lacks_is_refused_by_the_tiers_own_name() -> None:
    with pytest.raises(InvalidRequest) as caught:
        fit_ratio("1:1", "4k", extended=False)
    assert caught.value.param == "resolution"
    assert fit_ratio("1:1", "4k", extended=True).bought == (2880, 2880)
