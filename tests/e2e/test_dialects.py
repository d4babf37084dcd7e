"""The vendor contradicts itself; whichever way it speaks, callers get their pictures.

Every row is drawn from the simulator's own lists, so that no way of speaking can be forgotten.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import openai
import pytest

from gateway.events import Polled, Succeeded
from gateway.simulator.settings import CREATIONS, FAILURES, RESULTS, VOCABULARIES, Settings
from tests.e2e.pictures import SMALL, pictures_of
from tests.e2e.stand import Stand

SINGLE = {"url", "result_url", "result_object"}
"""Result shapes with room for one picture."""

STATUSES = (200, 201, 202, 203)
PROGRESS: tuple[str, ...] = next(
    item.metadata["words"] for item in fields(Settings) if item.name == "progress"
)
SLOW = {"where": "create", "kind": "slow", "seconds": 0.2}


async def generated(stand: Stand, n: int = 1, **options: Any) -> Any:
    options = {"prompt": "a lighthouse", "size": SMALL, "quality": "low", "n": n, **options}
    async with stand.client() as client:
        return await client.images.generate(model="gpt-image-2", **options)


async def served(stand: Stand, n: int = 1, **options: Any) -> None:
    """One wish, one purchase, ``n`` whole pictures that differ."""
    pictures = pictures_of(await generated(stand, n, **options))
    assert [picture.size for picture in pictures] == [(1024, 768)] * n
    assert len({picture.tobytes() for picture in pictures}) == n
    assert (stand.purchases, stand.images_bought) == (1, n)
    (succeeded,) = stand.events(Succeeded)
    assert succeeded.images == n


async def refused(stand: Stand, n: int = 1) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        await generated(stand, n)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert stand.purchases == 1
    return caught.value


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
async def test_every_vocabulary_is_waited_through(stand: Stand, vocabulary: str) -> None:
    stand.vendor_is(vocabulary=vocabulary)
    stand.vendor_fails(SLOW)
    await served(stand)
    words = [polled.word for polled in stand.events(Polled)]
    waiting, working, _, _ = VOCABULARIES[vocabulary]
    assert set(words) == {waiting, working}


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
async def test_every_word_for_failure_is_understood(stand: Stand, vocabulary: str) -> None:
    stand.vendor_is(vocabulary=vocabulary)
    stand.vendor_fails({"where": "create", "kind": "failed"})
    error = await refused(stand)
    assert (error.status_code, error.code) == (502, "upstream_task_failed")
    assert "Generation failed." in error.message


@pytest.mark.parametrize("progress", PROGRESS)
async def test_every_form_of_progress_is_read(stand: Stand, progress: str) -> None:
    stand.vendor_is(progress=progress)
    stand.vendor_fails(SLOW)
    await served(stand)
    told = [polled.progress for polled in stand.events(Polled)]
    assert all(isinstance(value, int) for value in told)
    assert told == sorted(told)  # type: ignore[type-var]
    assert 0 < (told[-1] or 0) < 100


@pytest.mark.parametrize("result", RESULTS)
async def test_pictures_are_found_in_every_place(stand: Stand, result: str) -> None:
    stand.vendor_is(result=result)
    await served(stand, n=1 if result in SINGLE else 2)


@pytest.mark.parametrize("result", ["data_base64", "top_data_base64", "data_urls"])
async def test_inline_pictures_are_held_to_the_format_asked_for(stand: Stand, result: str) -> None:
    stand.vendor_is(result=result)
    answer = await generated(stand, output_format="jpeg", output_compression=50)
    assert [picture.format for picture in pictures_of(answer)] == ["JPEG"]
    assert stand.purchases == 1


@pytest.mark.parametrize("result", sorted(SINGLE))
async def test_one_of_two_is_a_failure_that_says_where_the_one_is(
    stand: Stand, result: str
) -> None:
    stand.vendor_is(result=result)
    error = await refused(stand, n=2)
    assert (error.status_code, error.code) == (502, "upstream_fewer_images")
    (kept,) = stand.shelved()
    assert f"{stand.url}/images/{kept.name}" in error.message


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("creation", CREATIONS)
async def test_every_announcement_is_an_acceptance(
    stand: Stand, creation: str, status: int
) -> None:
    stand.vendor_is(creation=creation, creation_status=status)
    await served(stand)


@pytest.mark.parametrize("result", RESULTS)
async def test_a_task_may_be_over_when_it_is_announced(stand: Stand, result: str) -> None:
    stand.vendor_is(creation="terminal", result=result)
    await served(stand, n=1 if result in SINGLE else 2)
    assert stand.calls("status") == 0


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
async def test_an_end_at_the_announcement_is_told_in_every_vocabulary(
    stand: Stand, vocabulary: str
) -> None:
    stand.vendor_is(creation="terminal", vocabulary=vocabulary)
    await served(stand)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("moderated", (400, "moderation_blocked")),
        ("bad_parameter", (400, "upstream_refused")),
        ("failed", (502, "upstream_task_failed")),
    ],
)
@pytest.mark.parametrize("failure", FAILURES)
async def test_every_form_of_failure_is_read_for_its_reason(
    stand: Stand, failure: str, kind: str, told: tuple[int, str]
) -> None:
    stand.vendor_is(failure=failure)
    stand.vendor_fails({"where": "create", "kind": kind})
    error = await refused(stand)
    # Without a reason there is nothing to go by.
    expected = (502, "upstream_task_failed") if failure == "bare" else told
    assert (error.status_code, error.code) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"billing": False},
        {"repeated_business_id": "same"},
        {"repeated_business_id": "refuse"},
        {"vocabulary": "strange", "result": "output_results", "creation": "video"},
        {"vocabulary": "upper", "result": "result_images", "creation": "task_id"},
        {"vocabulary": "blank", "result": "top_data_base64", "progress": "percent"},
    ],
)
async def test_ways_of_speaking_may_be_mixed(stand: Stand, changes: Mapping[str, object]) -> None:
    stand.vendor_is(**changes)
    await served(stand, n=2)


async def test_ten_pictures_are_three_purchases_in_any_dialect(stand: Stand) -> None:
    stand.vendor_is(vocabulary="live", result="outputs", creation="both", progress="percent")
    pictures = pictures_of(await generated(stand, 10))
    assert len({picture.tobytes() for picture in pictures}) == 10
    assert (stand.purchases, stand.images_bought) == (3, 10)
