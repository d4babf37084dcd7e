"""What is told of calls that are made again, and of the pictures that come of them, or do not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import pytest

from gateway.images.finish import Finished, Reason, UnusableResult
from gateway.jobs.collector import _FLAWS
from gateway.notices import CallRepeated, Flaw, PictureFetched, PictureRejected
from gateway.translate.model import Finish
from gateway.upstream import base
from gateway.upstream.base import StatusUnavailable
from gateway.upstream.download import LinkDead
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan

AWAY = LinkDead("ConnectError", fleeting=True, away=True)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as house:
        yield house


async def made(house: House) -> str:
    """A job from its begin to its end; its task."""
    job = await house.start(a_plan())
    await house.finished(job)
    return job.tasks[0].entry.task_id


def repeated(house: House) -> list[tuple[str, str]]:
    return [(fact.op, fact.reason) for fact in house.facts if isinstance(fact, CallRepeated)]


def rejected(house: House) -> list[str]:
    return [fact.reason for fact in house.facts if isinstance(fact, PictureRejected)]


def fetched(house: House) -> list[PictureFetched]:
    return [fact for fact in house.facts if isinstance(fact, PictureFetched)]


# Creates


async def test_a_create_that_is_sent_again_says_what_became_of_the_one_before(
    house: House,
) -> None:
    house.vendor.creates = [
        base.CreateNotSent("refused"),
        base.CreateThrottled("429", None),
        base.CreateNotSent("refused"),
    ]
    await made(house)
    assert repeated(house) == [
        ("create", "not_sent"),
        ("create", "throttled"),
        ("create", "not_sent"),
    ]
    order = [type(fact).__name__ for fact in house.facts if not hasattr(fact, "event")]
    assert order.count("CallRepeated") == house.names().count("CreateSent") - 1


async def test_a_create_that_is_given_up_was_not_repeated(house: House) -> None:
    house.vendor.creates = [base.CreateThrottled("429", 3600.0)]
    await made(house)
    house.vendor.creates = [base.CreateNotSent("refused")] * 9
    await made(house)
    assert repeated(house) == [("create", "not_sent")] * 4  # of five that were sent


async def test_what_was_perhaps_bought_is_not_repeated_but_bought_again(tmp_path: Path) -> None:
    async with House(tmp_path, on_unknown="recreate") as house:
        house.vendor.creates = [base.CreateThrottled("429", None), base.CreateLost("reset")]
        house.vendor.bought_though_lost = False
        await made(house)
        assert house.names().count("CreateSent") == 3
        assert repeated(house) == [("create", "throttled")]


# Pictures


async def test_a_picture_that_was_fetched_says_how_large_it_is_and_how_long_it_took(
    house: House,
) -> None:
    fetching = house.fetcher.fetch

    async def slowly(url: str, path: str) -> int:
        await house.clock.sleep(2.5)
        return await fetching(url, path)

    house.fetcher.fetch = slowly  # type: ignore[method-assign]
    task_id = await made(house)
    (told,) = fetched(house)
    assert told.task_id == task_id
    assert told.seconds == pytest.approx(2.5)
    assert told.size == len(house.fetcher.fetched[0])
    assert (rejected(house), repeated(house)) == ([], [])


@pytest.mark.parametrize("flaw", [one for one in get_args(Flaw) if one != "no_image"])
async def test_a_link_that_gives_nothing_is_told_and_a_fresh_one_tried(
    house: House, flaw: Flaw
) -> None:
    house.fetcher.crashes = [LinkDead("why", fleeting=False, flaw=flaw)]
    await made(house)
    assert rejected(house) == [flaw]
    reason = "broken" if flaw == "broken" else "unavailable"
    assert repeated(house) == [("download", reason)]
    assert len(fetched(house)) == 1


async def test_a_picture_that_cannot_be_had_is_told_once_for_each_link(house: House) -> None:
    house.finisher.unusable = 5
    await made(house)
    assert house.names()[-1] == "LinkDead"
    assert rejected(house) == ["no_image"] * 2
    assert repeated(house) == [("download", "broken")]
    assert len(fetched(house)) == 2


@pytest.mark.parametrize("reason", get_args(Reason))
async def test_what_is_no_picture_is_told_in_which_way(house: House, reason: Reason) -> None:
    async def refuses(source: str, target: str, wanted: Finish) -> Finished:
        raise UnusableResult(reason)

    house.finisher.finish = refuses  # type: ignore[method-assign]
    await made(house)
    assert rejected(house) == [_FLAWS[reason]] * 2


def test_each_way_of_being_no_picture_has_its_word() -> None:
    assert set(_FLAWS) == set(get_args(Reason))
    assert set(_FLAWS.values()) <= set(get_args(Flaw))


async def test_a_way_that_is_closed_for_a_while_rejects_nothing(house: House) -> None:
    house.fetcher.crashes = [AWAY] * 3
    await made(house)
    assert rejected(house) == []
    assert repeated(house) == [("download", "unavailable")] * 3


async def test_a_way_that_stays_closed_is_given_up_once(tmp_path: Path) -> None:
    async with House(tmp_path, follow=60.0) as house:
        house.fetcher.crashes = [AWAY] * 1_000
        await made(house)
        assert rejected(house) == ["dead_link"]
        assert len(repeated(house)) == len(house.fetcher.fetched) - 1


async def test_a_link_whose_successor_cannot_be_asked_for_is_told_once(house: House) -> None:
    house.fetcher.crashes = [LinkDead("HTTP 403", fleeting=False)]
    asked = house.vendor.status
    silent = [StatusUnavailable("x", kind="timeout")] * 2

    async def status(task_id: str) -> base.TaskStatus:
        if house.fetcher.fetched and silent:
            raise silent.pop()
        return await asked(task_id)

    house.vendor.status = status  # type: ignore[method-assign]
    await made(house)
    assert house.names()[-1] == "Collected"
    assert rejected(house) == ["dead_link"]
    assert repeated(house) == [("download", "unavailable")]


async def test_a_full_disk_is_not_the_vendors_fault(house: House) -> None:
    house.fetcher.crashes = [OSError(28, "No space left on device")] * 2
    await made(house)
    assert (rejected(house), repeated(house), len(fetched(house))) == ([], [], 1)
