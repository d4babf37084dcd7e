"""What every memory must do, whichever backend it has.

A backend's tests derive a class from ``StoreContract`` and give it a fixture ``memory``, a store
that is open and empty. Where it is durable, ``again`` closes it and opens another on the same.
"""

import asyncio
from dataclasses import replace

import pytest

from gateway.events import (
    Collected,
    CreateLost,
    Dropped,
    Found,
    JobClaimed,
    JobDelivered,
    JobEnded,
    JobJoined,
    JobRecovered,
    JobReopened,
    JobSuspended,
    LinkDead,
    NotFound,
    RecreateAllowed,
    Refused,
    State,
    Succeeded,
    TaskFailed,
)
from gateway.state.base import Failure, IdempotencyKeyTaken, JobRow, Store, TaskRow, Unclaimed
from tests.clocks import FakeClock
from tests.state.rows import TODAY, a_job, a_picture, a_plan, counted, created, sent, state_of, tell


async def bought(store: Store, job: str, task: str, upstream_id: str) -> None:
    await tell(store, sent(job, task), created(job, task, upstream_id))


async def failed(store: Store, job: str, task: str, upstream_id: str) -> None:
    await bought(store, job, task, upstream_id)
    await tell(store, TaskFailed(job_id=job, task_id=task, at=3.0, reason="r"))


def create_lost(job: str, task: str) -> CreateLost:
    return CreateLost(job_id=job, task_id=task, at=2.0, reason="r")


async def lost(store: Store, job: str, task: str) -> None:
    not_found = NotFound(job_id=job, task_id=task, at=90.0)
    await tell(store, sent(job, task), create_lost(job, task), not_found)


async def end(store: Store, job: str, at: float = 10.0, failure: Failure | None = None) -> None:
    await store.remark(JobEnded(job_id=job, at=at), failure)


def succeeded(job: str, task: str, images: int = 1) -> Succeeded:
    told = {"images": images, "seconds": 1.0, "completed_at": None, "cost_usd": "0.1"}
    return Succeeded(job_id=job, task_id=task, at=3.0, **told)  # type: ignore[arg-type]


async def add_done(
    store: Store, job: str, task: str, token: str | None = None, dies: float = 4e9
) -> None:
    """A job whose one task made a picture."""
    await store.add_job(a_job(job, task))
    await bought(store, job, task, f"v_{task}")
    await tell(store, succeeded(job, task))
    kept = Collected(job_id=job, task_id=task, at=4.0, images=1, size=2)
    picture = replace(a_picture(token or f"p_{task}", task), expires_at=dies)
    await store.record(kept, State.DONE, [picture])


def ids(jobs: tuple[JobRow, ...]) -> list[str]:
    return [job.job_id for job in jobs]


class StoreContract:
    # A job and its tasks

    async def test_a_job_is_read_as_it_was_written(self, memory: Store) -> None:
        job = replace(
            a_job("j", "t", "u", idempotency_key="k"), seconds=420.0, links={"digest": "url"}
        )
        await memory.add_job(job)
        assert await memory.job("j") == counted(job)
        assert await memory.unfinished() == (counted(job),)

    async def test_what_happens_to_a_task_is_in_its_row(self, memory: Store) -> None:
        await memory.add_job(a_job("j", "t", "u"))
        await bought(memory, "j", "u", "v")
        done = Succeeded(
            job_id="j", task_id="u", at=3.0, images=1, seconds=1.0, completed_at=2.5, cost_usd="0.1"
        )
        await tell(memory, done)
        job = await memory.job("j")
        assert job is not None
        assert job.tasks == (
            TaskRow("t", 0, day=TODAY),
            TaskRow("u", 1, State.COLLECTING, "v", 2.0, "0.1", day=TODAY, charged=100_000),
        )

    async def test_a_task_found_late_is_accepted_then(self, memory: Store) -> None:
        await memory.add_job(a_job("j", "t"))
        await lost(memory, "j", "t")
        await tell(memory, Found(job_id="j", task_id="t", at=100.0, upstream_id="v"))
        job = await memory.job("v")
        assert job is not None
        (task,) = job.tasks
        running = TaskRow("t", 0, State.RUNNING, "v", 100.0, day=TODAY)
        assert task == replace(running, create_lost=True, not_found=True)
        await tell(memory, succeeded("j", "t"))
        (job,) = await memory.unfinished()
        assert (job.tasks[0].state, job.tasks[0].not_found) == (State.COLLECTING, True)

    async def test_that_a_create_s_answer_was_lost_is_never_forgotten(self, memory: Store) -> None:
        await memory.add_job(a_job("j", "t", "u", "v"))
        again = RecreateAllowed(job_id="j", task_id="t", at=3.0)
        await tell(memory, sent("j", "t"), create_lost("j", "t"), again)
        await tell(memory, sent("j", "u"), create_lost("j", "u"))
        (job,) = await memory.unfinished()
        assert [(task.state, task.create_lost) for task in job.tasks] == [
            (State.INTENT, True),
            (State.UNCERTAIN, True),
            (State.INTENT, False),
        ]
        await tell(memory, sent("j", "t"), created("j", "t", "w"))
        assert await memory.job("w") == await memory.job("j")
        (job,) = await memory.unfinished()
        assert [task.create_lost for task in job.tasks] == [True, True, False]

    async def test_what_was_lost_once_is_perhaps_bought_whatever_state_it_ended_in(
        self, memory: Store
    ) -> None:
        again = RecreateAllowed(job_id="j", task_id="t", at=3.0)
        await memory.add_job(a_job("j", "t"))
        await tell(memory, sent("j", "t"), create_lost("j", "t"), again)
        await end(memory, "j")
        await memory.add_job(a_job("k", "u", "v"))
        await tell(memory, sent("k", "v"), Refused(job_id="k", task_id="v", at=2.0, reason="r"))
        await end(memory, "k")
        (job,) = await memory.ended("studio", a_job("j", "t").fingerprint)
        assert job.job_id == "j"
        assert [task.nothing_bought for task in job.tasks] == [False]
        refused = await memory.job("k")
        assert refused is not None
        assert [task.nothing_bought for task in refused.tasks] == [True, True]

    async def test_what_was_to_be_created_again_and_is_given_up_is_lost(
        self, memory: Store
    ) -> None:
        again = RecreateAllowed(job_id="j", task_id="t", at=3.0)
        await memory.add_job(a_job("j", "t"))
        await tell(memory, sent("j", "t"), create_lost("j", "t"), again)
        assert await memory.lost(0.0) == ()
        await tell(memory, NotFound(job_id="j", task_id="t", at=90.0))
        await end(memory, "j")
        (job,) = await memory.lost(0.0)
        (task,) = job.tasks
        assert (task.state, task.create_lost, task.not_found) == (State.LOST, True, True)

    async def test_pictures_are_in_the_order_of_the_plan(self, memory: Store) -> None:
        await memory.add_job(a_job("j", "t", "u"))
        for task, upstream_id in (("u", "v1"), ("t", "v2")):
            await bought(memory, "j", task, upstream_id)
            pictures = (a_picture(f"{task}1", task, 1), a_picture(f"{task}0", task))
            kept = Collected(job_id="j", task_id=task, at=4.0, images=2, size=2)
            await memory.record(kept, State.DONE, pictures)
        job = await memory.job("j")
        assert job is not None
        assert [one.token for one in job.pictures] == ["t0", "t1", "u0", "u1"]
        assert job.pictures[0] == a_picture("t0", "t")

    async def test_a_picture_that_is_told_of_twice_is_one_picture(self, memory: Store) -> None:
        await memory.add_job(a_job("j", "t"))
        kept = Collected(job_id="j", task_id="t", at=4.0, images=1, size=2)
        await memory.record(kept, State.DONE, [a_picture("p", "t")])
        await memory.record(kept, State.DONE, [a_picture("p", "t")])
        job = await memory.job("j")
        assert job is not None
        assert job.pictures == (a_picture("p", "t"),)

    async def test_links_are_added_to_those_that_are_known(self, memory: Store) -> None:
        await memory.add_job(a_job("j"))
        await memory.add_links("j", {"a": "1", "b": "1"})
        await memory.add_links("j", {"b": "2"})
        job = await memory.job("j")
        assert job is not None
        assert job.links == {"a": "1", "b": "2"}

    async def test_nothing_can_be_written_of_an_unknown_job(self, memory: Store) -> None:
        assert await memory.job("j") is None
        with pytest.raises(KeyError):
            await memory.record(sent("j", "t"), State.CREATING)
        with pytest.raises(KeyError):
            await end(memory, "j")
        with pytest.raises(KeyError):
            await memory.add_links("j", {})
        with pytest.raises(KeyError):
            await memory.reopen(a_job("j"))
        await memory.fetched("token", 1.0)
        assert await memory.claimed() == frozenset()

    # Names

    async def test_a_job_is_found_by_each_of_its_names(self, memory: Store) -> None:
        await memory.add_job(a_job("j", "t", "u"))
        await bought(memory, "j", "u", "v")
        job = await memory.job("j")
        assert job is not None
        assert [await memory.job(name) for name in ("t", "u", "v")] == [job] * 3
        assert await memory.job("w") is None

    async def test_an_id_of_the_vendor_that_occurs_twice_leads_to_the_newest(
        self, memory: Store
    ) -> None:
        await memory.add_job(a_job("old"))
        await memory.add_job(a_job("new"))
        await bought(memory, "new", "task_of_new", "v")
        await bought(memory, "old", "task_of_old", "v")
        job = await memory.job("v")
        assert job is not None
        assert job.job_id == "new"

    async def test_our_own_ids_come_before_the_vendors(self, memory: Store) -> None:
        await memory.add_job(a_job("a", "t"))
        await memory.add_job(a_job("b", "u"))
        await bought(memory, "b", "u", "t")
        for name in ("a", "t"):
            job = await memory.job(name)
            assert job is not None
            assert job.job_id == "a"

    # Idempotency keys

    async def test_one_job_holds_an_idempotency_key(self, memory: Store) -> None:
        job = a_job("j", idempotency_key="k")
        await memory.add_job(job)
        with pytest.raises(IdempotencyKeyTaken) as taken:
            await memory.add_job(a_job("other", idempotency_key="k"))
        assert taken.value.job_id == "j"
        assert await memory.job("other") is None
        await memory.add_job(a_job("another", key="somebody", idempotency_key="k"))
        assert await memory.keyed("studio", "k") == counted(job)
        assert await memory.keyed("studio", "l") is None

    async def test_two_that_come_together_get_one_key_between_them(self, memory: Store) -> None:
        added = await asyncio.gather(
            *(memory.add_job(a_job(name, idempotency_key="k")) for name in ("a", "b")),
            return_exceptions=True,
        )
        assert [type(one) for one in added] == [type(None), IdempotencyKeyTaken]
        assert ids(await memory.unfinished()) == ["a"]

    async def test_a_key_is_given_up_to_a_named_successor_only(self, memory: Store) -> None:
        await memory.add_job(a_job("old", idempotency_key="k"))
        with pytest.raises(IdempotencyKeyTaken):
            await memory.add_job(a_job("new", idempotency_key="k"), instead_of="somebody")
        await memory.add_job(a_job("new", idempotency_key="k"), instead_of="old")
        assert await memory.keyed("studio", "k") == counted(a_job("new", idempotency_key="k"))
        assert await memory.job("old") == counted(a_job("old"))

    async def test_a_forgotten_job_leaves_its_key_free(self, memory: Store) -> None:
        await memory.add_job(a_job("old", idempotency_key="k"))
        await end(memory, "old")
        assert await memory.prune(11.0) == 1
        await memory.add_job(a_job("new", idempotency_key="k"))
        assert await memory.keyed("studio", "k") == counted(a_job("new", idempotency_key="k"))

    async def test_the_job_that_a_key_was_given_last_is_found_by_it(self, memory: Store) -> None:
        for name in ("a", "b", "c"):
            await memory.add_job(a_job(name, idempotency_key=name))
        await memory.add_job(a_job("theirs", key="somebody"))
        told = {"how": "orphan", "idempotency_key": "§k"}
        for name in ("b", "a", "theirs"):
            await memory.remark(JobJoined(job_id=name, at=1.0, **told))
        await memory.remark(JobJoined(job_id="c", at=2.0, how="orphan"))
        asked = ("studio", b"\x00print", "§k")
        assert await memory.given(*asked) == await memory.job("a")
        await memory.remark(JobReopened(job_id="b", at=3.0, missing=1, idempotency_key="§k"))
        assert await memory.given(*asked) == await memory.job("b")
        assert await memory.given("studio", b"other", "§k") is None
        for other in ("§l", "a"):
            assert await memory.given("studio", b"\x00print", other) is None

    async def test_with_a_job_is_forgotten_to_whom_it_was_given(self, memory: Store) -> None:
        for name in ("a", "b"):
            await memory.add_job(a_job(name))
            joined = JobJoined(job_id=name, at=1.0, how="orphan", idempotency_key="§k")
            await memory.remark(joined)
        asked = ("studio", b"\x00print", "§k")
        await end(memory, "b")
        assert await memory.given(*asked) == await memory.job("b")
        assert await memory.prune(11.0) == 1
        assert await memory.given(*asked) == await memory.job("a")
        await end(memory, "a")
        assert await memory.prune(11.0) == 1
        assert await memory.given(*asked) is None

    # The end

    async def test_a_job_that_ended_keeps_its_failure_and_is_no_longer_unfinished(
        self, memory: Store
    ) -> None:
        await memory.add_job(a_job("j"))
        failure = Failure("TaskFailed", "The upstream failed.", code="c", param="p")
        await end(memory, "j", 10.0, failure)
        assert await memory.unfinished() == ()
        job = await memory.job("j")
        assert job is not None
        assert (job.ended_at, job.failure) == (10.0, failure)

    async def test_events_that_are_only_told_change_nothing(self, memory: Store) -> None:
        job = a_job("j")
        await memory.add_job(job)
        await memory.remark(JobJoined(job_id="j", at=1.0, how="retry", request_id="req_1"))
        await memory.remark(JobSuspended(job_id="j", at=1.0, states=("running",)))
        await memory.remark(JobRecovered(job_id="j", at=1.0, states=("running",)))
        await memory.remark(JobReopened(job_id="j", at=1.0, missing=1))
        assert await memory.job("j") == counted(job)

    async def test_the_last_delivery_counts_and_a_claim_only_where_there_was_none(
        self, memory: Store
    ) -> None:
        await memory.add_job(a_job("j"))
        delivered = []
        for event in (
            JobClaimed(job_id="j", at=1.0),
            JobClaimed(job_id="j", at=2.0),
            JobDelivered(job_id="j", at=3.0),
            JobDelivered(job_id="j", at=4.0),
            JobClaimed(job_id="j", at=5.0),
        ):
            await memory.remark(event)
            job = await memory.job("j")
            assert job is not None
            delivered.append(job.delivered_at)
        assert delivered == [1.0, 1.0, 3.0, 4.0, 4.0]

    async def test_pictures_are_claimed_by_a_fetch_or_by_delivery(self, memory: Store) -> None:
        for name in ("a", "b"):
            await memory.add_job(a_job(name, f"t{name}"))
            pictures = [a_picture(f"{name}{place}", f"t{name}", place) for place in (0, 1)]
            kept = Collected(job_id=name, task_id=f"t{name}", at=4.0, images=2, size=2)
            await memory.record(kept, State.DONE, pictures)
        assert await memory.claimed() == frozenset()
        await memory.fetched("a1", 5.0)
        assert await memory.claimed() == {"a1"}
        await memory.remark(JobDelivered(job_id="b", at=6.0))
        assert await memory.claimed() == {"a1", "b0", "b1"}

    # Taken up again

    async def test_a_reopened_job_is_as_the_row_says_but_for_what_is_known(
        self, memory: Store
    ) -> None:
        await memory.add_job(a_job("j", "t", "u", idempotency_key="k"))
        await bought(memory, "j", "t", "v1")
        kept = Collected(job_id="j", task_id="t", at=4.0, images=1, size=2)
        await memory.record(kept, State.DONE, [a_picture("p", "t")])
        await failed(memory, "j", "u", "v2")
        dead = LinkDead(job_id="j", task_id="u", at=4.0, reason="r")
        await memory.record(dead, State.FAILED, [a_picture("q", "u")])
        await end(memory, "j", 10.0, Failure("TaskFailed", "m"))
        before = await memory.job("j")
        assert before is not None
        again = replace(
            before,
            created_at=20.0,
            seconds=570.0,
            give_up=3_000.0,
            fingerprint=b"new",
            plan=a_plan(2),
            links={"d": "l"},
            tasks=(before.tasks[0], TaskRow("w", 1)),
        )
        await memory.reopen(again)
        job = await memory.job("j")
        pictures = (a_picture("p", "t"),)
        assert job == replace(again, ended_at=None, failure=None, pictures=pictures)
        assert await memory.unfinished() == (job,)
        assert await memory.keyed("studio", "k") == job
        assert [await memory.job(name) for name in ("t", "u", "w", "v1", "v2")] == [job] * 5

    async def test_a_replaced_task_is_told_of_and_changes_nothing_of_the_job(
        self, memory: Store
    ) -> None:
        await memory.add_job(a_job("j", "t"))
        await lost(memory, "j", "t")
        await end(memory, "j", 100.0)
        await memory.reopen(a_job("j", "u"))
        await end(memory, "j", 105.0)
        job = await memory.job("j")
        assert await memory.lost(0.0) == ()
        late = Found(job_id="j", task_id="t", at=110.0, upstream_id="v")
        await memory.record(late, State.RUNNING, [a_picture("p", "t")])
        await memory.remark(JobDelivered(job_id="j", at=120.0))
        assert job is not None
        assert await memory.job("v") == replace(job, delivered_at=120.0)
        assert await memory.claimed() == frozenset()
        await memory.fetched("p", 121.0)
        assert await memory.claimed() == {"p"}

    async def test_a_reopened_job_is_found_by_its_new_fingerprint_only(self, memory: Store) -> None:
        await memory.add_job(a_job("j", "t"))
        await failed(memory, "j", "t", "v")
        await end(memory, "j")
        await memory.reopen(replace(a_job("j", "t"), fingerprint=b"new"))
        assert await memory.ended("studio", b"new") == ()
        await end(memory, "j", 20.0)
        assert await memory.ended("studio", b"\x00print") == ()
        assert ids(await memory.ended("studio", b"new")) == ["j"]
        assert await memory.prune(21.0) == 1
        assert await memory.ended("studio", b"new") == ()

    # What is looked for

    async def test_ended_are_those_of_the_key_and_fingerprint_that_bought_something(
        self, memory: Store
    ) -> None:
        for name, job in {
            "running": a_job("running"),
            "refused": a_job("refused"),
            "dropped": a_job("dropped"),
            "failed": a_job("failed"),
            "lost": a_job("lost"),
            "others": a_job("others", key="somebody"),
            "else": replace(a_job("else"), fingerprint=b"else"),
        }.items():
            await memory.add_job(job)
            task = f"task_of_{name}"
            if name == "refused":
                refused = Refused(job_id=name, task_id=task, at=2.0, reason="r")
                await tell(memory, sent(name, task), refused)
            elif name == "dropped":
                await tell(memory, Dropped(job_id=name, task_id=task, at=2.0, reason="r"))
            elif name == "lost":
                await lost(memory, name, task)
            else:
                await failed(memory, name, task, f"v_{name}")
            if name != "running":
                await end(memory, name)
        assert ids(await memory.ended("studio", b"\x00print")) == ["failed", "lost"]

    async def test_of_very_many_that_ended_those_nobody_had_are_told_oldest_first(
        self, memory: Store
    ) -> None:
        names = [f"j{number}" for number in range(203)]
        for name in names:
            await memory.add_job(a_job(name))
            await failed(memory, name, f"task_of_{name}", f"v{name}")
        for name in reversed(names):
            await end(memory, name)
        assert ids(await memory.ended("studio", b"\x00print")) == names[3:]
        for name in names[100:125]:
            await memory.remark(JobDelivered(job_id=name, at=9.0))
        assert ids(await memory.ended("studio", b"\x00print")) == [*names[:100], *names[105:]]

    async def test_lost_are_those_that_ended_since_then(self, memory: Store) -> None:
        for name in ("first", "second", "running"):
            await memory.add_job(a_job(name))
            await lost(memory, name, f"task_of_{name}")
        await end(memory, "second", 10.0)
        await end(memory, "first", 20.0)
        assert ids(await memory.lost(0.0)) == ["first", "second"]
        assert ids(await memory.lost(10.0)) == ["first"]
        found = Found(job_id="first", task_id="task_of_first", at=30.0, upstream_id="v")
        await tell(memory, found)
        assert await memory.lost(10.0) == ()
        assert await state_of(memory, "task_of_first") is State.RUNNING

    async def test_old_jobs_are_forgotten_with_all_their_names(self, memory: Store) -> None:
        for number in range(120):
            name, task = f"j{number}", f"task_of_j{number}"
            await memory.add_job(a_job(name))
            await bought(memory, name, task, f"v{number}")
            kept = Collected(job_id=name, task_id=task, at=4.0, images=1, size=2)
            await memory.record(kept, State.DONE, [a_picture(f"p{number}", task)])
            await memory.fetched(f"p{number}", 5.0)
            if number != 7:
                await end(memory, name, float(number))
        assert await memory.prune(110.0) == 109
        assert ids(await memory.unfinished()) == ["j7"]
        for name in ("j3", "task_of_j3", "v3"):
            assert await memory.job(name) is None
        left = {"p7", *(f"p{number}" for number in range(110, 120))}
        assert await memory.claimed() == left
        newest = [f"j{number}" for number in range(110, 120)]
        assert ids(await memory.ended("studio", b"\x00print")) == newest
        assert await memory.prune(110.0) == 0

    # In numbers

    async def test_tasks_are_counted_by_state_replaced_ones_too(self, memory: Store) -> None:
        await memory.add_job(a_job("a", "t1", "t2", "t3", "t4"))
        await failed(memory, "a", "t2", "v2")
        await lost(memory, "a", "t3")
        await tell(memory, Dropped(job_id="a", task_id="t4", at=2.0, reason="r"))
        await add_done(memory, "b", "t5")
        await memory.add_job(a_job("c", "t6"))
        await tell(memory, sent("c", "t6"), Refused(job_id="c", task_id="t6", at=2.0, reason="r"))
        counts = {
            State.INTENT: 1,
            State.FAILED: 1,
            State.LOST: 1,
            State.DROPPED: 1,
            State.DONE: 1,
            State.REFUSED: 1,
        }
        assert (await memory.figures()).tasks == counts
        await end(memory, "c")
        await memory.reopen(a_job("c", "t7"))
        assert (await memory.figures()).tasks == {**counts, State.INTENT: 2}
        await end(memory, "b")
        await end(memory, "a")
        assert await memory.prune(11.0) == 2
        assert (await memory.figures()).tasks == {State.REFUSED: 1, State.INTENT: 1}

    async def test_the_oldest_uncertain_task_is_told_from_when_it_became_that(
        self, memory: Store
    ) -> None:
        now = FakeClock().wall()
        assert (await memory.figures()).oldest_uncertain == 0.0
        for name, ago in (("a", 30.0), ("b", 50.0)):
            await memory.add_job(a_job(name))
            task = f"task_of_{name}"
            unsure = CreateLost(job_id=name, task_id=task, at=now - ago, reason="r")
            await tell(memory, sent(name, task), unsure)
        assert (await memory.figures()).oldest_uncertain == 50.0
        late = Found(job_id="b", task_id="task_of_b", at=now, upstream_id="v")
        await tell(memory, late)
        assert (await memory.figures()).oldest_uncertain == 30.0
        await tell(memory, NotFound(job_id="a", task_id="task_of_a", at=now))
        assert (await memory.figures()).oldest_uncertain == 0.0

    async def test_unclaimed_are_the_done_tasks_of_jobs_whose_pictures_nobody_has(
        self, memory: Store
    ) -> None:
        for name in ("delivered", "fetched", "claimed", "kept", "running"):
            await add_done(memory, name, f"task_of_{name}", f"p_{name}")
            if name != "running":
                await end(memory, name, 10.0)
        assert (await memory.figures()).unclaimed == 4
        await memory.remark(JobDelivered(job_id="delivered", at=11.0))
        await memory.fetched("p_fetched", 11.0)
        await memory.remark(JobClaimed(job_id="claimed", at=11.0))
        assert (await memory.figures()).unclaimed == 1
        assert await memory.unclaimed() == ()  # for they live
        await memory.reopen(a_job("kept", "task_of_kept"))
        assert (await memory.figures()).unclaimed == 0
        await end(memory, "kept", 20.0)
        assert (await memory.figures()).unclaimed == 1
        assert await memory.prune(30.0) == 4
        assert (await memory.figures()).unclaimed == 0

    async def test_pictures_that_died_before_anybody_had_them_are_told_until_they_are_written_off(
        self, memory: Store
    ) -> None:
        now = FakeClock().wall()
        deaths = {"second": now - 5.0, "first": now - 9.0, "living": now + 5.0}
        for name, dies in deaths.items():
            await add_done(memory, name, f"task_of_{name}", f"p_{name}", dies=dies)
            assert await memory.unclaimed() == ()  # not before the job is over
        for name in deaths:
            await end(memory, name, 10.0)
        dead = [Unclaimed(name, "studio", (f"p_{name}",), 100_000) for name in ("first", "second")]
        assert await memory.unclaimed() == tuple(dead)
        assert (await memory.figures()).unclaimed == 1
        await memory.write_off(["first", "nobody"])
        assert await memory.unclaimed() == (dead[1],)
        await memory.write_off(["second"])
        await memory.write_off([])
        assert await memory.unclaimed() == ()

    async def test_what_somebody_had_in_the_end_is_not_told_as_nobodys(self, memory: Store) -> None:
        for name in ("delivered", "claimed", "fetched", "failed"):
            await add_done(memory, name, f"task_of_{name}", f"p_{name}", dies=9.0)
        await memory.remark(JobDelivered(job_id="delivered", at=8.0))
        await memory.fetched("p_fetched", 8.0)
        for name in ("delivered", "claimed", "fetched"):
            await end(memory, name, 10.0)
        await end(memory, "failed", 10.0, Failure("TaskFailed", "m"))
        await memory.remark(JobClaimed(job_id="claimed", at=11.0))
        assert [one.job_id for one in await memory.unclaimed()] == ["failed"]

    async def test_of_pictures_that_were_fetched_in_part_the_others_are_nobodys(
        self, memory: Store
    ) -> None:
        await memory.add_job(a_job("j", "t", "u"))
        for task, number in (("t", 4), ("u", 1)):
            await bought(memory, "j", task, f"v_{task}")
            await tell(memory, succeeded("j", task, images=number))
            pictures = [
                replace(a_picture(f"{task}{place}", task, place), expires_at=9.0)
                for place in range(number)
            ]
            kept = Collected(job_id="j", task_id=task, at=4.0, images=number, size=2)
            await memory.record(kept, State.DONE, pictures)
        await memory.fetched("t1", 5.0)
        await end(memory, "j")
        await memory.fetched("u0", 11.0)
        lost = Unclaimed("j", "studio", ("t0", "t2", "t3"), 75_000)
        assert await memory.unclaimed() == (lost,)
        for token in lost.tokens:
            await memory.fetched(token, 12.0)
        assert await memory.unclaimed() == ()

    @pytest.mark.parametrize(
        ("ends", "found_late", "fetched", "cost"),
        [
            # One of four could not be fetched, which was told then.
            (State.FAILED, False, 0, 75_000),
            (State.FAILED, False, 2, 25_000),
            # It made one less than it was asked for: the three were paid as four.
            (State.DONE, False, 0, 100_000),
            (State.DONE, False, 2, 33_333),
            # 40,000 were set aside for it, and told when it was lost.
            (State.DONE, True, 0, 60_000),
            (State.DONE, True, 2, 0),
            (State.FAILED, True, 0, 60_000),
        ],
    )
    async def test_what_died_unseen_is_told_by_its_share_and_without_what_was_told_before(
        self, memory: Store, ends: State, fetched: int, cost: int, *, found_late: bool
    ) -> None:
        job = a_job("j", "t")
        spec = replace(job.plan.tasks[0], n=4)
        plan, task = replace(job.plan, tasks=(spec,)), replace(job.tasks[0], reserved=40_000)
        await memory.add_job(replace(job, plan=plan, tasks=(task,)))
        if found_late:
            await lost(memory, "j", "t")
            await tell(memory, Found(job_id="j", task_id="t", at=100.0, upstream_id="v"))
        else:
            await bought(memory, "j", "t", "v")
        await tell(memory, succeeded("j", "t", 4))
        pictures = [replace(a_picture(f"p{n}", "t", n), expires_at=9.0) for n in range(3)]
        dead = LinkDead(job_id="j", task_id="t", at=4.0, reason="r")
        kept = Collected(job_id="j", task_id="t", at=4.0, images=3, size=2)
        await memory.record(dead if ends is State.FAILED else kept, ends, pictures)
        for number in range(fetched):
            await memory.fetched(f"p{number}", 5.0)
        await end(memory, "j")
        tokens = tuple(f"p{number}" for number in range(fetched, 3))
        assert await memory.unclaimed() == (Unclaimed("j", "studio", tokens, cost),)

    async def test_nothing_is_nobodys_of_a_job_without_pictures(self, memory: Store) -> None:
        await memory.add_job(a_job("j", "t"))
        await failed(memory, "j", "t", "v")
        await end(memory, "j")
        assert await memory.unclaimed() == ()

    # Itself

    async def test_its_secret_is_32_bytes(self, memory: Store) -> None:
        assert len(memory.secret) == 32
        assert memory.secret == memory.secret

    async def test_it_has_no_trouble(self, memory: Store) -> None:
        assert memory.trouble is None
