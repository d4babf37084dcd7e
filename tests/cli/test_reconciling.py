"""The order of the comparison: two looks, and patience with a gateway that runs."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.comparing import Difference
from gateway.cli.enquiring import Enquiry
from gateway.cli.reconciling import Reconciliation
from gateway.state.reading import Reading
from gateway.upstream.base import StatusUnavailable, TaskStatus
from gateway.upstream.governor import Allowance
from tests.clocks import FakeClock
from tests.state.ledgers import Ledger

PATIENCE = 15.0


class DoneVendor:
    """Has made everything, and counts who is asked about at the same time."""

    def __init__(self, clock: FakeClock, silent_from: int = 10_000) -> None:
        self.clock = clock
        self.silent_from = silent_from
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0

    async def status(self, task_id: str) -> TaskStatus:
        self.asked.append(task_id)
        if len(self.asked) >= self.silent_from:
            raise StatusUnavailable("502", kind="http_5xx")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.clock.sleep(0.5)
        self.at_once -= 1
        return TaskStatus(f"tsk_img_{task_id[-8:]}", "done", "completed")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: FakeClock) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state.db", clock.wall())
    yield made
    made.close()


def comparison(ledger: Ledger, clock: FakeClock, vendor: DoneVendor) -> Reconciliation:
    enquiry = Enquiry(vendor, Allowance(100, clock))
    return Reconciliation(Reading(ledger.path), enquiry, clock, PATIENCE)


async def collected(whole: Reconciliation) -> list[Difference]:
    return [difference async for difference in whole.differences(0.0)]


async def told(whole: Reconciliation, clock: FakeClock) -> list[Difference]:
    return await clock.drive(collected(whole))


async def test_a_running_gateway_is_given_time_to_notice(ledger: Ledger, clock: FakeClock) -> None:
    (task,) = ledger.tasks(ledger.job("running"))
    vendor = DoneVendor(clock)
    begun = clock.now
    (difference,) = await told(comparison(ledger, clock, vendor), clock)
    assert (difference.kind, difference.task_id) == ("unnoticed", task)
    assert vendor.asked == [task, task]
    assert clock.now - begun == pytest.approx(PATIENCE + 1)


async def test_what_is_over_is_not_waited_for(ledger: Ledger, clock: FakeClock) -> None:
    ledger.job("lost")
    begun = clock.now
    assert len(await told(comparison(ledger, clock, DoneVendor(clock)), clock)) == 1
    assert clock.now - begun == pytest.approx(1)


async def test_what_the_ledger_has_by_the_second_look_is_no_difference(
    ledger: Ledger, clock: FakeClock
) -> None:
    stays, goes = ledger.tasks(ledger.job("running", "running"))
    vendor = DoneVendor(clock)
    whole = comparison(ledger, clock, vendor)

    async def first_look_is_over() -> None:
        await clock.sleep(PATIENCE / 2)
        change = "UPDATE tasks SET state = 'done' WHERE task_id = ?"
        ledger.connection.execute(change, (goes,))

    found, _ = await clock.drive(asyncio.gather(collected(whole), first_look_is_over()))
    assert [difference.task_id for difference in found] == [stays]
    assert (whole.tally.compared, whole.tally.moved_on) == (2, 1)


async def test_what_agrees_is_asked_about_once(ledger: Ledger, clock: FakeClock) -> None:
    tasks = ledger.tasks(ledger.job("done", "done"))
    vendor = DoneVendor(clock)
    whole = comparison(ledger, clock, vendor)
    assert await told(whole, clock) == []
    assert sorted(vendor.asked) == sorted(tasks)
    assert (whole.tally.compared, whole.tally.moved_on, whole.tally.unasked) == (2, 0, [])


async def test_many_tasks_are_asked_about_few_at_once(ledger: Ledger, clock: FakeClock) -> None:
    for _ in range(110):
        ledger.job("done", "done", "lost")
    vendor = DoneVendor(clock)
    whole = comparison(ledger, clock, vendor)
    assert len(await told(whole, clock)) == 110
    assert whole.tally.compared == 330
    assert vendor.most_at_once == 4


async def test_a_difference_that_cannot_be_looked_at_again_is_left_open(
    ledger: Ledger, clock: FakeClock
) -> None:
    (task,) = ledger.tasks(ledger.job("lost"))
    whole = comparison(ledger, clock, DoneVendor(clock, silent_from=2))
    assert await told(whole, clock) == []
    assert whole.tally.unasked == [(task, "502")]
