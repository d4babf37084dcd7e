"""A stream: what is sent when, what becomes of failures, and of callers who leave."""

import asyncio
import base64
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import Bought, Draining, GatewayError, TaskFailed
from gateway.jobs.board import Outcome
from gateway.openai.delivery import SegmentsBody
from gateway.openai.streaming import answer_stream
from gateway.translate.model import note
from tests.openai.answered import JOB, Case, a_plan
from tests.openai.test_frames import events


def without_comments(body: bytes) -> str:
    lines = body.decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(":"))


def comments(body: bytes) -> list[str]:
    return [line[2:] for line in body.decode().splitlines() if line.startswith(": ")]


async def streamed(case: Case) -> None:
    await case.clock.drive(answer_stream(case.answering, case.wire.send))


async def test_the_first_byte_comes_at_once_and_a_comment_every_ten_seconds(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path)
    begun, wire = case.clock.now, case.wire
    task = asyncio.ensure_future(answer_stream(case.answering, wire.send))
    await case.clock.advance(0)
    assert wire.status == 200
    assert wire.headers == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }
    assert wire.body == f": job {JOB}\n".encode()
    await case.clock.advance(35)
    assert [at - begun for at in wire.times] == [0, 10, 20, 30]
    assert wire.body.endswith(b": ping\n: ping\n: ping\n")
    assert case.facts.waiting == "download"  # what its job waits for, and not its reader
    await case.make(100)
    await case.clock.until(task.done)
    await task
    assert wire.complete


async def test_pictures_are_told_one_after_the_other_and_then_it_ends(tmp_path: Path) -> None:
    sizes = (10, 500_000, 3)
    case = Case(tmp_path, plan=a_plan(3))
    images = await case.make(*sizes)
    await streamed(case)
    told = [data for _, data in events(without_comments(case.wire.body))]
    for size, data in zip(sizes, told, strict=True):
        picture = base64.b64decode(data["b64_json"], validate=True)
        assert picture == bytes(place % 251 for place in range(size))
    assert case.wire.complete
    assert "content-length" not in case.wire.headers
    assert case.claimed(images) == [True, True, True]
    assert case.delivered == [JOB]
    assert (case.facts.images, case.facts.delivery) == (3, "b64_json")
    assert case.facts.waiting == "write"


async def test_no_more_than_a_piece_of_a_picture_is_ever_in_memory(tmp_path: Path) -> None:
    case = Case(tmp_path)
    await case.make(3_000_000)
    await streamed(case)
    assert max(len(piece) for _, piece in case.wire.pieces) == 256 * 1024


async def test_a_reader_that_takes_nothing_is_sent_nothing_more(tmp_path: Path) -> None:
    case = Case(tmp_path)
    task = asyncio.ensure_future(answer_stream(case.answering, case.wire.send))
    await case.clock.advance(5)
    case.wire.takes.clear()
    await case.clock.advance(100)
    assert case.wire.body == f": job {JOB}\n".encode()
    case.wire.takes.set()
    await case.clock.advance(1)
    assert comments(case.wire.body) == [f"job {JOB}", "ping"]
    await case.make(1)
    await case.clock.until(task.done)
    await task


async def test_what_is_known_at_the_start_is_in_the_head_and_the_rest_in_a_comment(
    tmp_path: Path,
) -> None:
    early, late = note("size-cropped", share=0.1), note("size-differs")
    case = Case(tmp_path, plan=replace(a_plan(), notes=(early,))).joined()
    await case.make(1, notes=(late,))
    await streamed(case)
    assert case.wire.headers["x-gateway-notes"] == "size-cropped;share=0.1"
    assert case.wire.headers["x-gateway-joined"] == "true"
    assert "x-gateway-notes: size-differs" in comments(case.wire.body)
    assert case.facts.notes == (early, late)
    first_event = case.wire.body.index(b"event:")
    assert case.wire.body.index(b"x-gateway-notes") < first_event


def failing(error: GatewayError) -> Outcome:
    return Outcome(error=error)


async def ending(case: Case, outcome: Outcome) -> None:
    """A stream that has begun when its job ends so."""
    task = asyncio.ensure_future(answer_stream(case.answering, case.wire.send))
    await case.clock.advance(5)
    case.outcome.set_result(outcome)
    await case.clock.drive(task)


async def test_a_failure_is_an_event_and_the_end_and_is_noted(tmp_path: Path) -> None:
    case = Case(tmp_path)
    bought = Bought(JOB, ("tsk_1",))
    await ending(case, failing(TaskFailed("no picture", bought=bought)))
    ((name, data),) = events(without_comments(case.wire.body))
    assert name == "error"
    assert f"http://gateway/v1/images/generations/{JOB}" in data["error"]["message"]
    assert data["error"]["code"] == "upstream_task_failed"
    assert case.wire.complete
    assert (case.facts.error_code, case.facts.late_status) == ("upstream_task_failed", 502)
    assert (case.facts.rejection, case.facts.images) == (None, None)
    assert case.delivered == []


async def test_what_is_known_to_have_failed_has_its_own_status(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.outcome.set_result(failing(TaskFailed("no picture", bought=Bought(JOB, ("tsk_1",)))))
    with pytest.raises(TaskFailed):
        await streamed(case)
    assert case.wire.status is None


async def test_a_short_patience_that_is_declared_is_given_signs_in_time(tmp_path: Path) -> None:
    case = Case(tmp_path, headers={"x-stainless-read-timeout": "5"})
    begun = case.clock.now
    task = asyncio.ensure_future(answer_stream(case.answering, case.wire.send))
    await case.clock.advance(6)
    assert [at - begun for at in case.wire.times] == [0, 2, 4, 6]
    task.cancel()


async def test_a_process_that_stops_says_so_and_that_coming_back_helps(tmp_path: Path) -> None:
    case = Case(tmp_path)
    await ending(case, failing(Draining("stopping", retry_after=1, come_back=True)))
    ((_, data),) = events(without_comments(case.wire.body))
    assert data["error"]["message"] == "stopping Asking again gets what was paid for."
    assert data["error"]["code"] == "server_is_draining"
    assert case.facts.rejection == "draining"


async def test_a_deadline_that_passes_is_told_as_well(tmp_path: Path) -> None:
    case = Case(tmp_path, seconds=25)
    await streamed(case)
    assert comments(case.wire.body) == [f"job {JOB}", "ping", "ping"]
    ((_, data),) = events(without_comments(case.wire.body))
    assert data["error"]["code"] == "upstream_timeout"
    assert case.facts.late_status == 504


async def test_a_picture_that_is_gone_is_told_before_any_other_is_sent(tmp_path: Path) -> None:
    case = Case(tmp_path, plan=a_plan(2))
    images = await case.make(10, 10)
    os.unlink(images[1].path)  # noqa: PTH108 - a test may wait for a disk
    await streamed(case)
    ((name, data),) = events(without_comments(case.wire.body))
    assert (name, data["error"]["code"]) == ("error", "image_not_found")
    assert case.claimed(images) == [False, False]
    assert (case.delivered, case.facts.images) == ([], None)


async def test_for_who_leaves_the_comments_stop_and_nothing_is_delivered(tmp_path: Path) -> None:
    case = Case(tmp_path)
    task = asyncio.ensure_future(answer_stream(case.answering, case.wire.send))
    await case.clock.advance(15)
    case.wire.hang_up()
    await case.clock.advance(0)
    assert task.done()
    await task
    assert comments(case.wire.body) == [f"job {JOB}", "ping"]
    assert not case.wire.complete
    assert (case.facts.late_status, case.delivered) == (499, [])
    assert not case.outcome.done()  # the job goes on


async def test_who_leaves_amid_a_picture_has_not_got_it(tmp_path: Path) -> None:
    case = Case(tmp_path)
    images = await case.make(2_000_000)
    sent = case.wire.send

    async def leaving(message: dict[str, object]) -> None:
        await sent(message)
        if len(case.wire.body) > 500_000 and not case.wire.gone.done():
            case.wire.hang_up()

    await case.clock.drive(answer_stream(case.answering, leaving))  # type: ignore[arg-type]
    assert len(case.wire.body) < 1_500_000
    assert case.claimed(images) == [False]
    assert case.delivered == []


async def test_a_fault_of_ours_amid_a_stream_is_left_to_the_last_resort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(SegmentsBody, "_send_base64", broken)
    case = Case(tmp_path)
    await case.make(10)
    with pytest.raises(OSError, match="the disk is gone"):
        await streamed(case)
    assert not case.wire.complete
    assert case.delivered == []


async def test_links_need_no_file(tmp_path: Path) -> None:
    case = Case(tmp_path, plan=a_plan(1, "url"))
    images = await case.make(10)
    await streamed(case)
    ((_, data),) = events(without_comments(case.wire.body))
    assert data["url"] == f"http://gateway/images/{images[0].filename}"
    assert "b64_json" not in data
    assert case.facts.delivery == "url"
    assert case.claimed(images) == [False]  # until somebody fetches it
    assert case.delivered == [JOB]
