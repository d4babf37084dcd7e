"""What every memory must count and give back, whichever backend it has.

A backend's tests derive a class from ``AccountingContract`` and give it a fixture ``memory``, a
store that is open and empty, by a clock that stands still.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.config.sections import Limits
from gateway.events import (
    Collected,
    CreateLost,
    Dropped,
    Found,
    JobEnded,
    NotFound,
    NotSent,
    RecreateAllowed,
    Refused,
    Succeeded,
    TaskFailed,
)
from gateway.state.base import IdempotencyKeyTaken, JobRow, LimitReached, Store, TaskRow
from tests.state.rows import TODAY, a_job, a_plan, created, sent, tell

EACH = 40_000  # micro-dollars
ALL = Limits(
    requests_per_minute=60,
    requests_burst=5,
    images_per_minute=60,
    images_burst=6,
    concurrent=6,
    images_per_day=8,
).model_copy(update={"cost_per_day": 8 * EACH, "cost_per_month": 8 * EACH})

Used = tuple[int, int, int, int, int]


def priced(name: str, *tasks: str, cost: int = EACH, key: str = "studio") -> JobRow:
    """A job of these tasks, one picture each."""
    job = a_job(name, *tasks, key=key)
    return replace(job, tasks=tuple(replace(task, reserved=cost) for task in job.tasks))


async def used(store: Store, key: str = "studio") -> Used:
    """Requests and pictures of the rates; pictures under way and of the day; its cost."""
    now = await store.standing(key, ALL)
    assert now.requests is not None
    assert now.images is not None
    assert now.cost_today == now.cost_this_month
    left = (now.requests.burst - now.requests.left, now.images.burst - now.images.left)
    return (*left, now.under_way, now.images_today, now.cost_today)


async def refusal(store: Store, job: JobRow, limits: Limits) -> LimitReached:
    with pytest.raises(LimitReached) as reached:
        await store.add_job(job, limits=limits)
    return reached.value


async def bought(store: Store, job: str, *tasks: str) -> None:
    for task in tasks:
        await tell(store, sent(job, task), created(job, task, f"v_{task}"))


def succeeded(job: str, task: str, cost_usd: str | None) -> Succeeded:
    return Succeeded(
        job_id=job,
        task_id=task,
        at=3.0,
        images=1,
        seconds=1.0,
        completed_at=None,
        cost_usd=cost_usd,
    )


def dropped(job: str, task: str) -> Dropped:
    return Dropped(job_id=job, task_id=task, at=2.0, reason="r")


async def charges(store: Store, job: str) -> Sequence[int | None]:
    row = await store.job(job)
    assert row is not None
    return [task.charged for task in row.tasks]


class AccountingContract:
    # Taking

    async def test_all_that_a_job_needs_is_taken(self, memory: Store) -> None:
        await memory.add_job(priced("j", "t", "u"), limits=ALL)
        assert await used(memory) == (1, 2, 2, 2, 2 * EACH)
        assert await used(memory, "somebody") == (0, 0, 0, 0, 0)
        row = await memory.job("j")
        assert row is not None
        assert row.tasks == (
            TaskRow("t", 0, day=TODAY, reserved=EACH),
            TaskRow("u", 1, day=TODAY, reserved=EACH),
        )

    @pytest.mark.parametrize(
        ("name", "setting", "limit"),
        [
            ("requests_per_minute", "requests_burst", 1),
            ("images_per_minute", "images_burst", 3),
            ("concurrent", "concurrent", 3),
            ("images_per_day", "images_per_day", 3),
            ("cost_per_day", "cost_per_day", 4 * EACH - 1),
            ("cost_per_month", "cost_per_month", 4 * EACH - 1),
        ],
    )
    async def test_one_limit_that_refuses_leaves_all_and_no_row(
        self, memory: Store, name: str, setting: str, limit: int
    ) -> None:
        await memory.add_job(priced("j", "t", "u"), limits=ALL)
        before = await used(memory)
        tight = ALL.model_copy(update={setting: limit})
        reached = await refusal(memory, priced("k", "v", "w"), tight)
        assert reached.name == name
        assert await used(memory) == before
        assert await memory.job("k") is None
        await memory.add_job(priced("k", "v", "w"), limits=ALL)

    async def test_what_another_job_s_key_refuses_is_given_back(self, memory: Store) -> None:
        await memory.add_job(replace(priced("j", "t"), idempotency_key="k"), limits=ALL)
        before = await used(memory)
        with pytest.raises(IdempotencyKeyTaken):
            await memory.add_job(replace(priced("l", "u"), idempotency_key="k"), limits=ALL)
        assert await used(memory) == before

    async def test_a_request_that_buys_nothing_counts_as_one(self, memory: Store) -> None:
        for _ in range(5):
            await memory.look("studio", ALL)
            await memory.take_request("studio", ALL)
        assert await used(memory) == (5, 0, 0, 0, 0)
        with pytest.raises(LimitReached):
            await memory.look("studio", ALL)
        with pytest.raises(LimitReached):
            await memory.take_request("studio", ALL)

    # What becomes of it

    async def test_what_was_dropped_has_cost_nothing_at_all(self, memory: Store) -> None:
        await memory.add_job(priced("j", "t", "u"), limits=ALL)
        await tell(memory, dropped("j", "t"))
        assert await used(memory) == (1, 1, 1, 1, EACH)
        await tell(memory, dropped("j", "u"))
        assert await used(memory) == (1, 0, 0, 0, 0)
        await memory.remark(JobEnded(job_id="j", at=3.0))
        assert await used(memory) == (0, 0, 0, 0, 0)
        assert await charges(memory, "j") == [0, 0]

    async def test_a_job_that_bought_something_keeps_its_request(self, memory: Store) -> None:
        await memory.add_job(priced("j", "t", "u"), limits=ALL)
        await tell(memory, dropped("j", "t"))
        await bought(memory, "j", "u")
        await memory.remark(JobEnded(job_id="j", at=3.0))
        assert await used(memory) == (1, 1, 0, 1, EACH)

    async def test_what_the_vendor_refused_has_cost_the_request(self, memory: Store) -> None:
        await memory.add_job(priced("j", "t"), limits=ALL)
        refused = Refused(job_id="j", task_id="t", at=2.0, reason="r")
        await tell(memory, sent("j", "t"), refused)
        await memory.remark(JobEnded(job_id="j", at=3.0))
        assert await used(memory) == (1, 0, 0, 0, 0)
        assert await charges(memory, "j") == [0]

    @pytest.mark.parametrize(
        ("told", "charged"), [("0.01", 10_000), ("0.09", 90_000), (None, EACH), ("a lot", EACH)]
    )
    async def test_the_vendor_s_bill_settles_the_cost(
        self, memory: Store, told: str | None, charged: int
    ) -> None:
        await memory.add_job(priced("j", "t"), limits=ALL)
        await bought(memory, "j", "t")
        assert await charges(memory, "j") == [None]
        await tell(memory, succeeded("j", "t", told))
        assert await used(memory) == (1, 1, 1, 1, charged)
        assert await charges(memory, "j") == [charged]

    async def test_a_failure_that_was_not_charged_gives_the_cost_back(self, memory: Store) -> None:
        await memory.add_job(priced("j", "t"), limits=ALL)
        await bought(memory, "j", "t")
        failed = TaskFailed(job_id="j", task_id="t", at=3.0, reason="r", cost_usd="0")
        await tell(memory, failed)
        assert await used(memory) == (1, 1, 0, 1, 0)
        row = await memory.job("j")
        assert row is not None
        assert (row.tasks[0].cost_usd, row.tasks[0].charged) == ("0", 0)

    async def test_a_failure_of_which_no_cost_is_told_keeps_it(self, memory: Store) -> None:
        await memory.add_job(priced("j", "t"), limits=ALL)
        await bought(memory, "j", "t")
        await tell(memory, TaskFailed(job_id="j", task_id="t", at=3.0, reason="r"))
        assert await used(memory) == (1, 1, 0, 1, EACH)

    async def test_a_picture_is_under_way_until_nothing_more_happens_to_its_task(
        self, memory: Store
    ) -> None:
        await memory.add_job(priced("j", "t"), limits=ALL)
        under_way = []
        for event in (
            sent("j", "t"),
            NotSent(job_id="j", task_id="t", at=2.0, reason="r"),
            sent("j", "t"),
            CreateLost(job_id="j", task_id="t", at=2.0, reason="r"),
            RecreateAllowed(job_id="j", task_id="t", at=2.0),
            sent("j", "t"),
            CreateLost(job_id="j", task_id="t", at=2.0, reason="r"),
            NotFound(job_id="j", task_id="t", at=2.0),
            Found(job_id="j", task_id="t", at=2.0, upstream_id="v"),
            succeeded("j", "t", "0.04"),
            Collected(job_id="j", task_id="t", at=4.0, images=1, size=2),
        ):
            await tell(memory, event)
            under_way.append((await used(memory))[2])
        assert under_way == [1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0]
        assert (await used(memory))[3:] == (1, EACH)

    # Taken up again

    async def test_a_reopened_job_takes_only_what_is_new(self, memory: Store) -> None:
        await memory.add_job(priced("j", "t", "u"), limits=ALL)
        await bought(memory, "j", "t", "u")
        await tell(memory, succeeded("j", "t", "0.04"))
        await tell(memory, Collected(job_id="j", task_id="t", at=4.0, images=1, size=2))
        await tell(memory, TaskFailed(job_id="j", task_id="u", at=3.0, reason="r", cost_usd="0"))
        await memory.remark(JobEnded(job_id="j", at=5.0))
        assert await used(memory) == (1, 2, 0, 2, EACH)
        row = await memory.job("j")
        assert row is not None
        again = replace(row, tasks=(row.tasks[0], TaskRow("w", 1, reserved=EACH)), plan=a_plan(2))
        with pytest.raises(LimitReached):
            await memory.reopen(again, limits=Limits(images_per_day=2))
        assert await used(memory) == (1, 2, 0, 2, EACH)
        assert await memory.job("j") == row
        await memory.reopen(again, limits=ALL)
        assert await used(memory) == (2, 3, 1, 3, 2 * EACH)
        after = await memory.job("j")
        assert after is not None
        assert after.tasks == (row.tasks[0], TaskRow("w", 1, day=TODAY, reserved=EACH))
        await tell(memory, dropped("j", "w"))
        await memory.remark(JobEnded(job_id="j", at=6.0))
        assert await used(memory) == (1, 2, 0, 2, EACH)

    async def test_a_lost_task_that_is_found_takes_nothing_more(self, memory: Store) -> None:
        await memory.add_job(priced("j", "t"), limits=ALL)
        lost = CreateLost(job_id="j", task_id="t", at=2.0, reason="r")
        await tell(memory, sent("j", "t"), lost, NotFound(job_id="j", task_id="t", at=2.0))
        await memory.remark(JobEnded(job_id="j", at=5.0))
        assert await used(memory) == (1, 1, 0, 1, EACH)
        row = await memory.job("j")
        assert row is not None
        await memory.reopen(row)
        assert await used(memory) == (1, 1, 0, 1, EACH)
        await tell(memory, Found(job_id="j", task_id="t", at=6.0, upstream_id="v"))
        assert await used(memory) == (1, 1, 1, 1, EACH)
        await tell(memory, succeeded("j", "t", "0.01"))
        assert await used(memory) == (1, 1, 1, 1, 10_000)

    # Forgetting

    async def test_what_is_forgotten_was_spent_all_the_same(self, memory: Store) -> None:
        await memory.add_job(priced("j", "t"), limits=ALL)
        await bought(memory, "j", "t")
        await tell(memory, succeeded("j", "t", "0.05"))
        await memory.remark(JobEnded(job_id="j", at=5.0))
        assert await memory.prune(6.0) == 1
        assert await used(memory) == (1, 1, 0, 1, 50_000)

    async def test_use_and_accounts_are_noted_without_a_job(self, memory: Store) -> None:
        await memory.used("studio", "studio")
        await memory.take_request("studio", ALL)
        await memory.keep_accounts()
        await memory.keep_accounts()
        assert await used(memory) == (1, 0, 0, 0, 0)
