"""Asking the vendor about tasks: by which id, how patiently, and when it is given up."""

from collections.abc import Mapping

import pytest

from gateway.cli.comparing import Seen
from gateway.cli.enquiring import Enquiry, NotAnswered
from gateway.events import State
from gateway.state.records import TaskRecord
from gateway.upstream.base import StatusUnavailable, TaskStatus, TaskUnknown
from gateway.upstream.governor import Allowance
from tests.clocks import FakeClock

Answer = TaskStatus | StatusUnavailable
FOUND = TaskStatus("tsk_1", "done", "completed")
OTHER = TaskStatus("tsk_2", "done", "completed")
DOWN = StatusUnavailable("502", kind="http_5xx")
LATER = StatusUnavailable("429", kind="http_429")


class FakeVendor:
    """Knows some ids; of several answers about one, each is given once, and the last for ever."""

    def __init__(self, answers: Mapping[str, list[Answer]]) -> None:
        self.answers = {name: list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def status(self, task_id: str) -> TaskStatus:
        self.asked.append(task_id)
        given = self.answers.get(task_id)
        if given is None:
            raise TaskUnknown("404")
        answer = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(answer, StatusUnavailable):
            raise answer
        return answer


def enquiry(answers: Mapping[str, list[Answer]], clock: FakeClock) -> tuple[Enquiry, FakeVendor]:
    vendor = FakeVendor(answers)
    return Enquiry(vendor, Allowance(10, clock)), vendor


def task(upstream_id: str | None = "tsk_1", name: str = "task_1") -> TaskRecord:
    return TaskRecord(name, "job_1", 0, State.DONE, 0.0, upstream_id=upstream_id)


@pytest.mark.parametrize(
    ("upstream_id", "answers", "seen", "asked"),
    [
        ("tsk_1", {"task_1": [FOUND]}, Seen(FOUND, FOUND), ["task_1"]),
        ("tsk_1", {"tsk_1": [FOUND]}, Seen(FOUND, None), ["task_1", "tsk_1"]),
        ("tsk_1", {"task_1": [OTHER], "tsk_1": [FOUND]}, Seen(FOUND, OTHER), ["task_1", "tsk_1"]),
        ("tsk_1", {"task_1": [OTHER]}, Seen(None, OTHER), ["task_1", "tsk_1"]),
        ("tsk_1", {}, Seen(), ["task_1", "tsk_1"]),
        (None, {"task_1": [FOUND]}, Seen(None, FOUND), ["task_1"]),
        (None, {}, Seen(), ["task_1"]),
    ],
)
async def test_our_id_is_asked_first_and_the_vendors_where_that_is_not_enough(
    upstream_id: str | None, answers: Mapping[str, list[Answer]], seen: Seen, asked: list[str]
) -> None:
    clock = FakeClock()
    asking, vendor = enquiry(answers, clock)
    assert await clock.drive(asking.ask(task(upstream_id))) == seen
    assert vendor.asked == asked


async def test_a_vendor_that_does_not_look_tasks_up_by_our_ids_is_noticed() -> None:
    clock = FakeClock()
    asking, _ = enquiry({"tsk_1": [FOUND], "tsk_2": [OTHER], "task_2": [OTHER]}, clock)
    for record in (task(), task("tsk_2", "task_2"), task("tsk_3", "task_3")):
        await clock.drive(asking.ask(record))
    assert asking.blind == 1


async def test_a_stumble_is_forgiven_once() -> None:
    clock = FakeClock()
    asking, vendor = enquiry({"task_1": [DOWN, FOUND], "task_2": [DOWN]}, clock)
    assert await clock.drive(asking.ask(task())) == Seen(FOUND, FOUND)
    with pytest.raises(NotAnswered, match="502"):
        await clock.drive(asking.ask(task(name="task_2")))
    assert vendor.asked == ["task_1"] * 2 + ["task_2"] * 2


async def test_a_vendor_that_puts_off_is_left_alone_for_as_long_as_it_says() -> None:
    clock = FakeClock()
    begun = clock.now
    patience: list[Answer] = [StatusUnavailable("429", 30.0, kind="http_429"), LATER, FOUND]
    asking, _ = enquiry({"task_1": patience}, clock)
    await clock.drive(asking.ask(task()))
    assert clock.now - begun == pytest.approx(31)


async def test_a_vendor_that_asks_for_an_hour_is_asked_after_a_minute() -> None:
    clock = FakeClock()
    begun = clock.now
    asking, _ = enquiry(
        {"task_1": [StatusUnavailable("503", 3600.0, kind="http_5xx"), FOUND]}, clock
    )
    await clock.drive(asking.ask(task()))
    assert clock.now - begun == pytest.approx(60)


async def test_a_vendor_that_only_puts_off_is_not_asked_for_ever() -> None:
    clock = FakeClock()
    asking, vendor = enquiry({"task_1": [LATER]}, clock)
    with pytest.raises(NotAnswered, match="429"):
        await clock.drive(asking.ask(task()))
    assert len(vendor.asked) == 10


async def test_a_vendor_that_answers_nothing_is_given_up_and_one_that_answers_once_is_not() -> None:
    clock = FakeClock()
    asking, vendor = enquiry({"task_1": [DOWN], "task_2": [FOUND]}, clock)
    for round_ in range(2):
        for _ in range(9):
            with pytest.raises(NotAnswered, match="502"):
                await clock.drive(asking.ask(task()))
        if round_ == 0:
            await clock.drive(asking.ask(task(name="task_2")))
    with pytest.raises(NotAnswered, match="502"):
        await clock.drive(asking.ask(task()))
    asked = len(vendor.asked)
    with pytest.raises(NotAnswered, match="answered nothing before"):
        await clock.drive(asking.ask(task(name="task_2")))
    assert len(vendor.asked) == asked


async def test_questions_keep_to_the_allowance() -> None:
    clock = FakeClock()
    begun = clock.now
    asking, vendor = enquiry({"task_1": [FOUND]}, clock)
    for _ in range(110):
        await clock.drive(asking.ask(task()))
    assert len(vendor.asked) == 110
    assert clock.now - begun == pytest.approx(10, abs=0.2)
