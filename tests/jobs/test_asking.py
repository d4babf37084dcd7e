"""Every question about a task is told, with what came of it and how long that took."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import pytest

from gateway.errors import ResultUnusable, TaskFailed
from gateway.jobs.asking import answer_in
from gateway.notices import Answer, Asked
from gateway.upstream import base
from gateway.upstream.base import Silence, StatusUnavailable, TaskStatus, TaskUnknown
from gateway.upstream.download import LinkDead
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan
from tests.jobs.test_recovery import dies, killed, never_fetched, over

TOOK = 0.05  # until the fake vendor answers


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, durable=True) as house:
        yield house


def asked(house: House) -> list[Asked]:
    return [fact for fact in house.facts if isinstance(fact, Asked)]


def answers(house: House) -> list[str]:
    return [fact.answer for fact in asked(house)]


async def test_each_poll_says_what_came_of_it(house: House) -> None:
    house.vendor.statuses = [
        TaskStatus("v", "queued", "queued"),
        *(StatusUnavailable("x", kind=kind) for kind in get_args(Silence)),
        TaskUnknown("404"),
        TaskStatus("v", "failed", "completed", failure=ResultUnusable("no picture yet")),
    ]
    job = await house.start(a_plan())
    await house.finished(job)
    assert answers(house)[:8] == ["pending", *get_args(Silence), "unknown", "done"]
    assert set(answers(house)[8:-1]) <= {"pending"}
    assert answers(house)[-1] == "done"
    assert {fact.task_id for fact in asked(house)} == {job.tasks[0].entry.task_id}
    assert {fact.job_id for fact in asked(house)} == {job.job_id}
    assert {round(fact.seconds, 6) for fact in asked(house)} == {TOOK}
    assert house.vendor.asked == len(asked(house))


async def test_the_wait_for_the_allowance_is_not_the_vendors(house: House) -> None:
    job = await house.start(a_plan())
    await house.clock.until(lambda: bool(house.vendor.purchases))
    house.governor.queries.pause(30.0)
    await house.finished(job)
    assert house.clock.monotonic() > 1_030
    assert {round(fact.seconds, 6) for fact in asked(house)} == {TOOK}


async def test_a_task_that_the_vendor_gives_up_is_told_as_failed(house: House) -> None:
    house.vendor.failure = TaskFailed("no")
    await house.finished(await house.start(a_plan()))
    assert answers(house)[-1] == "failed"


async def test_looking_for_a_create_whose_answer_was_lost_is_asking_too(house: House) -> None:
    house.vendor.creates = [base.CreateLost("reset")]
    house.vendor.statuses = [StatusUnavailable("x", kind="timeout"), TaskUnknown("404")]
    await house.finished(await house.start(a_plan()))
    assert answers(house)[:3] == ["timeout", "unknown", "pending"]


async def test_the_second_look_at_a_lost_task_is_asking_too(house: House) -> None:
    house.vendor.creates = [base.CreateLost("reset")]
    house.vendor.bought_though_lost = False
    job = await house.start(a_plan())
    await house.finished(job)
    before = len(asked(house))
    assert set(answers(house)) == {"unknown"}
    (row,) = await house.store.lost(0.0)
    assert not await house.clock.drive(house.look.look_at(row))
    (late,) = asked(house)[before:]
    assert late == Asked(
        job_id=job.job_id,
        task_id=job.tasks[0].entry.task_id,
        answer="unknown",
        seconds=pytest.approx(TOOK),  # type: ignore[arg-type]
    )


async def test_looking_for_a_fresh_link_is_asking_too(house: House) -> None:
    house.fetcher.crashes = [LinkDead("HTTP 403", fleeting=False)]
    await house.finished(await house.start(a_plan()))
    assert answers(house)[-2:] == ["done", "done"]


async def test_looking_for_the_links_of_another_processs_task_is_asking_too(
    house: House, tmp_path: Path
) -> None:
    house.fetcher.fetch = never_fetched  # type: ignore[method-assign, assignment]
    await killed(house, 30.0)
    dies(house)
    async with House(tmp_path, before=house) as heir:
        heir.vendor.statuses = [StatusUnavailable("x", kind="http_5xx"), TaskUnknown("404")]
        await heir.recovery.recover()
        await over(heir)
        assert answers(heir) == ["http_5xx", "unknown", "done"]


def test_an_answer_is_one_of_those_that_are_known() -> None:
    for phase in get_args(base.Phase):
        assert answer_in(TaskStatus("v", phase, "word")) in get_args(Answer)
    assert set(get_args(Silence)) < set(get_args(Answer))


async def test_how_far_the_vendor_is_stands_with_the_task(house: House) -> None:
    house.vendor.statuses = [
        TaskStatus("v", "running", "running", progress=progress) for progress in (10, None, 70)
    ]
    job = await house.start(a_plan())
    (task,) = job.tasks
    seen = [task.progress]
    for number in (1, 2, 3):
        await house.clock.until(lambda number=number: len(asked(house)) == number)  # type: ignore[misc]
        await house.clock.advance(0)
        seen.append(task.progress)
    await house.finished(job)
    assert [*seen, task.progress] == [None, 10, 10, 70, 100]
