"""Blanks before a JSON body: when they begin, and what becomes of a failure after the first."""

import asyncio
import base64
import json
import os
from pathlib import Path

import pytest

from gateway.config.answers import Heartbeats
from gateway.errors import Bought, DeadlineExceeded, TaskFailed
from gateway.jobs.board import Outcome
from gateway.jobs.reception import CallerLeft
from gateway.openai.keepalive import answer_patiently
from gateway.translate.model import note
from tests.openai.answered import JOB, Case, a_plan


async def answered(case: Case) -> None:
    await case.clock.drive(answer_patiently(case.answering, case.wire.send))


async def waiting(case: Case, seconds: float) -> asyncio.Task[None]:
    """It is waited for so long."""
    task = asyncio.ensure_future(answer_patiently(case.answering, case.wire.send))
    await case.clock.advance(seconds)
    return task


async def ended(case: Case, task: asyncio.Task[None]) -> None:
    await case.clock.until(task.done)
    await task


async def test_pictures_that_come_soon_are_answered_as_ever(tmp_path: Path) -> None:
    case = Case(tmp_path)
    task = await waiting(case, 49)
    assert case.wire.status is None
    images = await case.make(1_000)
    await ended(case, task)
    assert case.wire.headers["content-length"] == str(len(case.wire.body))
    assert case.wire.body.startswith(b'{"created":')
    assert case.claimed(images) == [True]
    assert case.delivered == [JOB]


async def test_after_a_while_there_is_a_blank_at_once_and_then_one_every_ten_seconds(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path)
    begun = case.clock.now
    task = await waiting(case, 85)
    assert case.wire.headers == {"content-type": "application/json", "x-accel-buffering": "no"}
    assert case.wire.body == b"    "
    assert [at - begun for at in case.wire.times] == [50, 60, 70, 80]
    assert case.facts.waiting == "download"
    images = await case.make(500_000)
    await ended(case, task)
    item = json.loads(case.wire.body)["data"][0]
    assert len(base64.b64decode(item["b64_json"])) == 500_000
    assert case.wire.complete
    assert case.claimed(images) == [True]
    assert case.delivered == [JOB]
    assert (case.facts.images, case.facts.late_status) == (1, None)


@pytest.mark.parametrize(
    ("declared", "first"),
    [("40", 35.0), ("10", 8.0), ("600", 50.0), ("soon", 50.0)],
)
async def test_who_declares_a_time_out_hears_of_us_before(
    tmp_path: Path, declared: str, first: float
) -> None:
    case = Case(tmp_path, headers={"x-stainless-read-timeout": declared})
    begun = case.clock.now
    task = await waiting(case, 60)
    assert case.wire.times[0] - begun == first
    task.cancel()


async def test_the_silence_counts_from_the_requests_arrival(tmp_path: Path) -> None:
    case = Case(tmp_path, heartbeats=Heartbeats(interval=10, whitespace_after=0))
    case.clock.now += 7  # reading the body took so long
    task = await waiting(case, 0)
    assert case.wire.body == b" "
    task.cancel()


async def test_an_early_failure_is_an_ordinary_one(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.outcome.set_result(Outcome(error=TaskFailed("no picture")))
    with pytest.raises(TaskFailed):
        await answered(case)
    assert case.wire.status is None
    assert case.facts.late_status is None


async def test_who_leaves_early_leaves_as_ever(tmp_path: Path) -> None:
    case = Case(tmp_path)
    task = await waiting(case, 5)
    case.wire.hang_up()
    with pytest.raises(CallerLeft):
        await ended(case, task)


async def test_who_leaves_late_gets_no_more_blanks(tmp_path: Path) -> None:
    case = Case(tmp_path)
    task = await waiting(case, 65)
    case.wire.hang_up()
    await case.clock.advance(0)
    assert task.done()
    await task
    assert case.wire.body == b"  "
    assert (case.facts.late_status, case.delivered) == (499, [])


async def test_a_late_failure_says_nothing_and_never_ends_the_body(tmp_path: Path) -> None:
    case = Case(tmp_path)
    task = await waiting(case, 55)
    bought = Bought(JOB, ("tsk_1",))
    case.outcome.set_result(Outcome(error=TaskFailed("no picture", bought=bought)))
    await ended(case, task)
    assert case.wire.body == b" "
    assert not case.wire.complete
    assert (case.facts.error_code, case.facts.late_status) == ("upstream_task_failed", 502)
    assert case.delivered == []


async def test_so_does_a_deadline_that_passes(tmp_path: Path) -> None:
    case = Case(tmp_path, seconds=75)
    await answered(case)
    assert case.wire.body == b"   "
    assert not case.wire.complete
    assert case.facts.late_status == 504
    assert case.facts.error_code == "upstream_timeout"


async def test_so_does_a_picture_that_is_gone(tmp_path: Path) -> None:
    case = Case(tmp_path)
    task = await waiting(case, 55)
    (image,) = await case.pictures(10)
    os.unlink(image.path)  # noqa: PTH108 - a test may wait for a disk
    case.outcome.set_result(Outcome((image,)))
    await ended(case, task)
    assert case.wire.body == b" "
    assert not case.wire.complete
    assert (case.facts.error_code, case.facts.images) == ("image_not_found", None)


async def test_an_early_deadline_is_an_ordinary_error(tmp_path: Path) -> None:
    case = Case(tmp_path, seconds=20)
    with pytest.raises(DeadlineExceeded):
        await answered(case)
    assert case.wire.status is None


async def test_what_becomes_known_later_is_noted_but_in_no_header(tmp_path: Path) -> None:
    case = Case(tmp_path, plan=a_plan()).joined()
    task = await waiting(case, 55)
    late = note("size-differs")
    await case.make(1, notes=(late,))
    await ended(case, task)
    assert "x-gateway-notes" not in case.wire.headers
    assert case.wire.headers["x-gateway-joined"] == "true"
    assert case.facts.notes == (late,)
