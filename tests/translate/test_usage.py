import pytest

from gateway.translate.model import Finish, Picture, Plan, Quality, RemotePicture, TaskSpec
from gateway.translate.usage import output_tokens, picture_tokens, text_tokens, usage


@pytest.mark.parametrize(
    ("size", "low", "medium", "high"),
    [
        ((1024, 1024), 196, 1756, 7024),
        ((1024, 1536), 158, 1372, 5488),
        ((768, 1024), 134, 1204, 4815),
        ((1280, 1024), 173, 1510, 6119),
        ((1536, 864), 120, 1078, 4312),
        ((2048, 1024), 132, 1180, 4720),
        ((2016, 864), 105, 943, 3682),
        ((1792, 1024), 139, 1243, 5063),
        ((2048, 2048), 397, 3568, 14272),
        ((2048, 1360), 211, 1838, 7351),
        ((2560, 2048), 377, 3303, 13385),
        ((2688, 1152), 143, 1285, 5016),
        ((3840, 2160), 371, 3336, 13342),
        ((3840, 1648), 234, 2099, 8196),
    ],
)
def test_output_tokens_are_the_published_ones(
    size: tuple[int, int], low: int, medium: int, high: int
) -> None:
    assert [output_tokens(*size, q) for q in ("low", "medium", "high")] == [low, medium, high]


@pytest.mark.parametrize(("text", "tokens"), [("", 1), ("a", 1), ("abcde", 2), ("灯塔", 2)])
def test_text_is_a_quarter_of_its_bytes_and_at_least_one(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


@pytest.mark.parametrize(
    ("size", "tokens"),
    [((1024, 1024), 1024), ((512, 512), 1024), ((100, 100), 49), ((1024, 256), 192)],
)
def test_pictures_count_in_patches_and_small_ones_are_magnified(
    size: tuple[int, int], tokens: int
) -> None:
    assert picture_tokens(*size) == tokens


def test_a_large_picture_stays_within_the_patch_budget() -> None:
    assert 1400 < picture_tokens(6000, 4000) <= 1536
    assert 1 <= picture_tokens(8192, 16) <= 1536


def test_usage_counts_what_was_bought_not_what_was_cropped() -> None:
    plan = a_plan(bought=(2048, 1152), references=(a_picture(), RemotePicture("https://x.org/a")))
    told = usage(plan, ((1792, 1024), (1792, 1024)))
    assert told.output == 2 * output_tokens(2048, 1152, "low")
    assert told.image == 1024 + 1024
    assert told.total == told.input + told.output
    assert told.input == told.text + told.image


def test_usage_of_a_size_the_vendor_chose_counts_the_actual_pixels() -> None:
    told = usage(a_plan(bought=None), ((1536, 864),))
    assert told.output == output_tokens(1536, 864, "low")


def a_picture() -> Picture:
    return Picture("p", "d", "image/png", 1024, 1024, 10, alpha=False)


def a_plan(
    bought: tuple[int, int] | None, references: tuple[Picture | RemotePicture, ...] = ()
) -> Plan:
    quality: Quality = "low"
    task = TaskSpec("m", "prompt", "16:9", "2k", quality, "png", 2, references=references)
    return Plan("edit", "m", None, (task,), Finish(None, "png"), bought, bought, "url")
