"""What the keys have used outlives the process, and the books stay those of the rows."""

import asyncio
from dataclasses import replace

import pytest

from gateway import failpoints
from gateway.config.sections import Limits
from gateway.errors import LedgerUnavailable
from gateway.events import (
    CreateLost,
    Found,
    JobEnded,
    NotFound,
    RecreateAllowed,
    Refused,
    State,
)
from gateway.state import schema
from gateway.state.base import JobRow, TaskRow
from gateway.state.sqlite import SqliteStore
from tests.state import version_one
from tests.state.accounting import ALL, EACH, bought, charges, dropped, priced, succeeded, used
from tests.state.audits import sums_in_books, sums_of_rows, told
from tests.state.rows import TODAY, Ledger, a_job, a_plan, sent, tell

RATES = "SELECT name, debt / 60000000000 FROM rates WHERE key_name = 'studio' ORDER BY name"


async def again(ledger: Ledger, store: SqliteStore) -> SqliteStore:
    """Another process with the same ledger."""
    await store.close()
    other = ledger.store()
    await other.open()
    return other


async def in_commit() -> None:
    """Wait until the thread is about to commit."""
    while not failpoints._armed["ledger.commit"].seen:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop


def agree(ledger: Ledger) -> bool:
    return sums_in_books(ledger.path) == sums_of_rows(ledger.path)


async def test_counts_money_and_debts_are_what_they_were(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.add_job(priced("j", "t", "u"), limits=ALL)
    await bought(store, "j", "t")
    await tell(store, succeeded("j", "t", "0.07"))
    await store.add_job(priced("k", "v"), limits=ALL)
    await tell(store, dropped("k", "v"))
    await store.take_request("studio", ALL)
    before = await used(store)
    assert before == (3, 2, 2, 2, 70_000 + EACH)
    store = await again(ledger, store)
    assert await used(store) == before
    assert agree(ledger)
    await bought(store, "j", "u")
    await tell(store, succeeded("j", "u", "0.01"))
    assert await used(store) == (3, 2, 2, 2, 80_000)
    await store.remark(JobEnded(job_id="j", at=9.0))
    assert await used(store) == (3, 2, 0, 2, 80_000)
    store = await again(ledger, store)
    assert await used(store) == (3, 2, 0, 2, 80_000)
    await store.close()
    assert agree(ledger)


async def test_a_create_that_may_be_paid_is_given_back_by_no_later_process(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.add_job(priced("j", "t", "u", "v"), limits=ALL)
    for task in ("t", "u"):
        lost = CreateLost(job_id="j", task_id=task, at=2.0, reason="r")
        await tell(store, sent("j", task), lost)
        await tell(store, RecreateAllowed(job_id="j", task_id=task, at=3.0))
    store = await again(ledger, store)
    before = await used(store)
    refused = Refused(job_id="j", task_id="u", at=4.0, reason="r")
    await tell(store, sent("j", "u"), refused, dropped("j", "v"))
    for task in ("t", "u"):
        await tell(store, NotFound(job_id="j", task_id=task, at=5.0))
    await store.remark(JobEnded(job_id="j", at=9.0))
    assert await used(store) == (*before[:2], 0, 2, 2 * EACH)
    assert await charges(store, "j") == [None, None, 0]
    store = await again(ledger, store)
    assert (await used(store))[3:] == (2, 2 * EACH)
    await store.close()
    assert agree(ledger)


async def test_what_was_lost_and_is_found_costs_its_bill_once_whoever_asks(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.add_job(priced("j", "t"), limits=ALL)
    lost = CreateLost(job_id="j", task_id="t", at=2.0, reason="r")
    await tell(store, sent("j", "t"), lost, NotFound(job_id="j", task_id="t", at=3.0))
    await store.remark(JobEnded(job_id="j", at=4.0))
    row = await store.job("j")
    assert row is not None
    await store.reopen(row)
    await tell(store, Found(job_id="j", task_id="t", at=5.0, upstream_id="v"))
    assert (await used(store))[2:] == (1, 1, EACH)
    store = await again(ledger, store)
    assert (await used(store))[2:] == (1, 1, EACH)
    await tell(store, succeeded("j", "t", "0.07"))
    assert (await used(store))[2:] == (1, 1, 70_000)
    store = await again(ledger, store)
    assert (await used(store))[2:] == (1, 1, 70_000)
    await store.close()
    assert agree(ledger)


async def test_the_same_store_opened_anew_counts_nothing_twice(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.add_job(priced("j", "t"), limits=ALL)
    await store.close()
    await store.open()
    assert await used(store) == (1, 1, 1, 1, EACH)
    assert agree(ledger)


async def test_what_was_forgotten_is_in_the_month_s_cost_of_the_next_process(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.add_job(priced("j", "t"), limits=ALL)
    await bought(store, "j", "t")
    await tell(store, succeeded("j", "t", "0.05"))
    await store.remark(JobEnded(job_id="j", at=5.0))
    assert await store.prune(6.0) == 1
    ledger.clock.now += 86_400.0
    store = await again(ledger, store)
    now = await store.standing("studio", ALL)
    assert (now.images_today, now.cost_today, now.cost_this_month) == (0, 0, 50_000)
    await store.close()


@pytest.mark.parametrize(("set_back", "left"), [(0.0, 4), (3_600.0, 5)])
async def test_time_that_passed_pays_back_and_a_clock_that_was_set_back_does_not(
    ledger: Ledger, store: SqliteStore, set_back: float, left: int
) -> None:
    for _ in range(5):
        await store.take_request("studio", ALL)
    await store.close()
    ledger.clock.now += 1.0
    ledger.clock._epoch -= set_back
    store = ledger.store()
    await store.open()
    assert (await used(store))[0] == left
    ledger.clock.now += 2.0
    assert (await used(store))[0] == left - 2
    await store.close()


# While nothing can be written


async def test_a_fact_that_waits_counts_at_once_and_is_in_the_books_later(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.add_job(priced("j", "t"), limits=ALL)
    await bought(store, "j", "t")
    failpoints.arm("ledger.commit=raise")
    await store.record(succeeded("j", "t", "0.09"), State.COLLECTING)
    assert await used(store) == (1, 1, 1, 1, 90_000)
    assert sums_in_books(ledger.path)["studio", TODAY, "cost"] == EACH
    failpoints.arm("")
    ledger.clock.now += 1.0
    await store.add_job(a_job("afterwards"))
    assert sums_in_books(ledger.path)["studio", TODAY, "cost"] == 90_000
    assert agree(ledger)


async def test_a_job_that_cannot_be_written_takes_nothing(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.take_request("studio", ALL)
    failpoints.arm("ledger.commit=raise")
    with pytest.raises(LedgerUnavailable):
        await store.add_job(priced("j", "t"), limits=ALL)
    assert await used(store) == (1, 0, 0, 0, 0)
    failpoints.arm("")
    await store.close()
    assert told(ledger.path, RATES) == [("images_per_minute", 0), ("requests_per_minute", 1)]
    assert sums_in_books(ledger.path) == {}


async def test_a_debt_is_written_down_even_if_the_job_it_went_with_was_not(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.take_request("studio", ALL)
    failpoints.arm("ledger.commit=raise")
    with pytest.raises(LedgerUnavailable):
        await store.add_job(priced("j", "t"))  # takes from no rate, but would have told of them
    failpoints.arm("")
    await store.keep_accounts()
    assert told(ledger.path, RATES) == [("requests_per_minute", 1)]


async def test_accounts_that_were_refused_are_kept_for_the_next_round(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.take_request("studio", ALL)
    await store.used("studio", "first")
    failpoints.arm("ledger.commit=raise")
    with pytest.raises(LedgerUnavailable):
        await store.keep_accounts()
    ledger.clock.now += 5.0
    await store.used("studio", "second")
    failpoints.arm("")
    await store.keep_accounts()
    noted = told(ledger.path, "SELECT credential, used_at FROM uses ORDER BY credential")
    assert noted == [("first", ledger.clock.wall() - 5.0), ("second", ledger.clock.wall())]
    assert told(ledger.path, "SELECT name FROM rates") == [("requests_per_minute",)]


async def test_what_was_counted_is_written_down_at_the_end(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.take_request("studio", ALL)
    await store.close()
    assert told(ledger.path, RATES) == [("requests_per_minute", 1)]


async def test_a_step_that_is_refused_has_changed_nothing(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.add_job(priced("j", "t"), limits=ALL)
    before = await used(store)
    failpoints.arm("ledger.commit=raise")
    with pytest.raises(LedgerUnavailable):
        await tell(store, sent("j", "t"))
    assert await used(store) == before
    failpoints.arm("")
    ledger.clock.now += 1.0
    lost = CreateLost(job_id="j", task_id="t", at=2.0, reason="r")
    await tell(store, sent("j", "t"), lost)
    before = await used(store)
    failpoints.arm("ledger.commit=raise")
    with pytest.raises(LedgerUnavailable):
        await tell(store, RecreateAllowed(job_id="j", task_id="t", at=2.0))
    assert await used(store) == before
    assert agree(ledger)


# Whoever asked has gone


async def test_a_job_nobody_waits_for_counts_in_the_file_until_it_is_dropped(
    ledger: Ledger, store: SqliteStore
) -> None:
    failpoints.arm("ledger.commit=sleep:0.05")
    adding = asyncio.create_task(store.add_job(priced("j", "t"), limits=ALL))
    await in_commit()
    adding.cancel()
    await asyncio.wait([adding])
    assert await used(store) == (0, 0, 0, 0, 0)
    failpoints.arm("")
    await store.keep_accounts()
    assert sums_in_books(ledger.path)["studio", TODAY, "images"] == 1
    assert agree(ledger)
    store = await again(ledger, store)
    assert [job.job_id for job in await store.unfinished()] == ["j"]
    assert await used(store) == (0, 0, 1, 1, EACH)
    await tell(store, dropped("j", "t"))
    await store.remark(JobEnded(job_id="j", at=3.0))
    assert await used(store) == (0, 0, 0, 0, 0)
    assert sums_in_books(ledger.path) == {}
    assert agree(ledger)
    await store.close()


async def test_a_job_nobody_waits_for_any_more_is_not_begun(
    ledger: Ledger, store: SqliteStore
) -> None:
    failpoints.arm("ledger.commit=sleep:0.05")
    await store.take_request("studio", ALL)
    keeping = asyncio.create_task(store.keep_accounts())
    await in_commit()
    adding = asyncio.create_task(store.add_job(priced("j", "t"), limits=ALL))
    await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
    adding.cancel()
    await asyncio.wait([adding, keeping])
    assert await used(store) == (1, 0, 0, 0, 0)
    assert await store.job("j") is None
    await store.close()
    assert sums_in_books(ledger.path) == {}
    assert told(ledger.path, RATES) == [("images_per_minute", 0), ("requests_per_minute", 1)]


# A ledger that knew no accounts


def old(name: str, created_at: float, *tasks: TaskRow, key: str = "studio") -> JobRow:
    row = a_job(name, *(task.task_id for task in tasks), key=key)
    return replace(row, created_at=created_at, tasks=tasks)


async def test_a_ledger_of_version_1_is_counted_when_it_is_taken_up(ledger: Ledger) -> None:
    today = ledger.clock.wall()
    yesterday = today - 86_400.0
    done = TaskRow("t1", 0, State.DONE, "v1", 2.0, "0.0405")
    version_one.made(
        ledger.path,
        replace(
            old("a", yesterday, done, TaskRow("t2", 1, State.REFUSED)),
            ended_at=yesterday,
        ),
        old("b", today, TaskRow("t3", 0, State.RUNNING, "v3", 3.0)),
        old("c", today, TaskRow("t4", 0, State.FAILED, "v4", 3.0, "much"), key="press"),
        old("d", today, TaskRow("t5", 0, State.DROPPED), key="press"),
    )
    store = ledger.store()
    await store.open()
    assert sums_in_books(ledger.path) == {
        ("studio", TODAY - 1, "images"): 1,
        ("studio", TODAY - 1, "cost"): 40_500,
        ("studio", TODAY, "images"): 1,
        ("press", TODAY, "images"): 1,
    }
    assert agree(ledger)
    now = await store.standing("studio", Limits())
    assert (now.under_way, now.images_today, now.cost_today) == (1, 1, 0)
    assert now.cost_this_month == 40_500
    job = await store.job("a")
    assert job is not None
    assert job.tasks == (
        replace(done, day=TODAY - 1, charged=40_500),
        TaskRow("t2", 1, State.REFUSED),
    )
    await tell(store, succeeded("b", "t3", "0.02"))
    assert (await store.standing("studio", Limits())).cost_today == 20_000
    assert agree(ledger)
    assert told(ledger.path, "PRAGMA user_version") == [(schema.VERSION,)]
    store = await again(ledger, store)
    assert (await store.standing("studio", Limits())).cost_this_month == 60_500
    await store.close()


async def test_a_migrated_ledger_has_the_columns_of_a_new_one(
    ledger: Ledger, store: SqliteStore
) -> None:
    columns = "SELECT m.name, i.* FROM sqlite_schema m, pragma_table_info(m.name) i ORDER BY 1, 2"
    new = told(ledger.path, columns)
    other = Ledger(ledger.path.parent / "other" / "state.db")
    version_one.made(other.path, old("a", 1.0, TaskRow("t", 0, State.LOST)))
    migrated = other.store()
    await migrated.open()
    await migrated.close()
    assert told(other.path, columns) == new
    indices = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql NOT NULL ORDER BY 1"
    assert told(other.path, indices) == told(ledger.path, indices)


async def test_a_plan_that_cannot_be_read_keeps_no_ledger_from_being_taken_up(
    ledger: Ledger,
) -> None:
    lost = replace(old("a", 1.0, TaskRow("t", 0, State.LOST)), ended_at=2.0, plan=a_plan())
    version_one.made(ledger.path, lost)
    version_one.spoil(ledger.path)
    store = ledger.store()
    await store.open()
    await store.close()
    assert sums_in_books(ledger.path) == {("studio", 0, "images"): 1}
