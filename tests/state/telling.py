"""What every memory must do with promises and with those who are to be told of a job's end.

Used as ``contract.py`` is.
"""

from dataclasses import replace

import pytest

from gateway.events import JobEnded, JobPromised, JobReopened
from gateway.state.base import JobRow, Store
from gateway.state.hooks import MOST_OF_A_JOB, DueHooks, HookRow, TooManyHooks
from tests.state.rows import a_job, created, sent, tell

FAR = 1e12


def a_hook(job: str, url: str = "https://a", name: str = "") -> HookRow:
    return HookRow(name or f"hook_{job}_{url}", job, url, "http://here")


async def end(store: Store, job: str, at: float = 10.0) -> None:
    await store.remark(JobEnded(job_id=job, at=at))


async def due(store: Store, now: float = FAR, most: int = 100) -> list[tuple[str, str]]:
    found = await store.due_hooks(now, most)
    return [(hook.job_id, hook.url) for hook in found.hooks]


async def only(store: Store) -> HookRow:
    (hook,) = (await store.due_hooks(FAR, 100)).hooks
    return hook


async def a_row(store: Store, job: str) -> JobRow:
    row = await store.job(job)
    assert row is not None
    return row


class TellingContract:
    # Promises

    async def test_a_job_says_when_it_was_promised(self, memory: Store) -> None:
        await memory.add_job(a_job("j", "t"))
        assert (await a_row(memory, "j")).promised_at is None
        await memory.remark(JobPromised(job_id="j", at=5.0))
        assert (await a_row(memory, "j")).promised_at == 5.0
        assert [row.promised_at for row in await memory.unfinished()] == [5.0]
        await tell(memory, sent("j", "t"), created("j", "t", "v"))
        await end(memory, "j")
        (over,) = await memory.ended("studio", a_job("j").fingerprint)
        assert over.promised_at == 5.0

    async def test_a_promise_ends_with_the_job_unless_that_goes_on_as_it_was(
        self, memory: Store
    ) -> None:
        await memory.add_job(a_job("j", "t"))
        await memory.remark(JobPromised(job_id="j", at=5.0))
        await end(memory, "j")
        row = await a_row(memory, "j")
        await memory.reopen(row)
        assert (await a_row(memory, "j")).promised_at == 5.0
        await end(memory, "j")
        await memory.reopen(replace(row, promised_at=None))
        assert (await a_row(memory, "j")).promised_at is None

    async def test_a_promised_job_is_read_as_it_was_written(self, memory: Store) -> None:
        await memory.add_job(replace(a_job("j"), promised_at=7.0))
        assert (await a_row(memory, "j")).promised_at == 7.0

    # Hooks

    async def test_nobody_is_told_before_a_job_has_ended(self, memory: Store) -> None:
        await memory.add_job(a_job("j"))
        await memory.add_hook(a_hook("j"), 1.0)
        assert await memory.due_hooks(FAR, 10) == DueHooks()
        assert (await memory.figures()).hooks == 0
        await end(memory, "j", at=10.0)
        assert await memory.due_hooks(9.0, 10) == DueHooks((), 10.0)
        hook = replace(a_hook("j"), due_at=10.0, key_name="studio", ended_at=10.0)
        assert await memory.due_hooks(10.0, 10) == DueHooks((hook,), None)
        assert (await memory.figures()).hooks == 1

    async def test_whoever_asks_about_a_job_that_is_over_is_told_at_once(
        self, memory: Store
    ) -> None:
        await memory.add_job(a_job("j"))
        await end(memory, "j", at=10.0)
        await memory.add_hook(a_hook("j"), 20.0)
        assert (await only(memory)).due_at == 20.0

    async def test_nobody_is_told_of_a_job_that_was_never_added(self, memory: Store) -> None:
        with pytest.raises(KeyError):
            await memory.add_hook(a_hook("j"), 1.0)
        assert await due(memory) == []

    async def test_an_address_is_told_once_and_several_each(self, memory: Store) -> None:
        await memory.add_job(a_job("j"))
        await memory.add_hook(a_hook("j", name="hook_1"), 1.0)
        await memory.add_hook(a_hook("j", name="hook_2"), 1.0)
        await memory.add_hook(a_hook("j", "https://b"), 1.0)
        await end(memory, "j")
        assert await due(memory) == [("j", "https://a"), ("j", "https://b")]
        assert (await memory.due_hooks(FAR, 10)).hooks[0].hook_id == "hook_1"

    async def test_so_many_addresses_are_told_of_one_job_and_no_more(self, memory: Store) -> None:
        assert MOST_OF_A_JOB == 8
        for job in ("j", "other"):
            await memory.add_job(a_job(job))
            for number in range(8):
                await memory.add_hook(a_hook(job, f"https://{number}"), 1.0)
        with pytest.raises(TooManyHooks) as told:
            await memory.add_hook(a_hook("j", "https://ninth"), 1.0)
        assert told.value.job_id == "j"
        await memory.add_hook(a_hook("j", "https://3", name="again"), 1.0)  # it is known
        await end(memory, "j")
        assert await due(memory) == [("j", f"https://{number}") for number in range(8)]
        for hook in (await memory.due_hooks(FAR, 10)).hooks:
            await memory.hook_tried(replace(hook, due_at=None, given_up_at=60.0))
        with pytest.raises(TooManyHooks):
            await memory.add_hook(a_hook("j", "https://ninth"), 70.0)
        await memory.add_hook(a_hook("j", "https://3", name="again"), 70.0)
        assert await due(memory) == [("j", "https://3")]

    async def test_those_that_are_named_are_passed_over_and_take_nobody_s_place(
        self, memory: Store
    ) -> None:
        for place in range(5):
            await memory.add_job(a_job(f"j{place}", key="odd" if place == 4 else "studio"))
            await memory.add_hook(a_hook(f"j{place}", name=f"hook_{place}"), 1.0)
            await end(memory, f"j{place}", at=10.0 + place)
        without = {"hook_0", "hook_1", "hook_4"}
        found = await memory.due_hooks(FAR, 1, without)
        assert [hook.hook_id for hook in found.hooks] == ["hook_2"]
        assert await memory.due_hooks(10.0, 9, without) == DueHooks((), 11.0)
        assert (await memory.figures()).hooks == 5

    async def test_when_more_is_to_be_told_is_the_next_of_any_key_s(self, memory: Store) -> None:
        for place, key in enumerate(("b", "a", "c")):
            await memory.add_job(a_job(key, key=key))
            await memory.add_hook(a_hook(key), 1.0)
            await end(memory, key, at=10.0 - place)
        for now, jobs, later in ((7.0, [], 8.0), (8.0, ["c"], 9.0), (9.5, ["c", "a"], 10.0)):
            found = await memory.due_hooks(now, 9)
            assert [hook.job_id for hook in found.hooks] == jobs
            assert found.next_at == later
        assert (await memory.due_hooks(10.0, 9)).next_at is None

    async def test_who_was_told_is_not_told_again(self, memory: Store) -> None:
        await memory.add_job(a_job("j"))
        await memory.add_hook(a_hook("j"), 1.0)
        await end(memory, "j")
        hook = await only(memory)
        await memory.hook_tried(replace(hook, attempts=1, due_at=None, told_at=11.0))
        assert await due(memory) == []
        await memory.add_hook(a_hook("j", name="hook_2"), 12.0)
        assert await due(memory) == []

    async def test_who_was_not_told_is_due_again_when_it_says(self, memory: Store) -> None:
        await memory.add_job(a_job("j"))
        await memory.add_hook(a_hook("j"), 1.0)
        await end(memory, "j")
        hook = await only(memory)
        failed = replace(hook, attempts=1, due_at=50.0, answer="HTTP 500")
        await memory.hook_tried(failed)
        assert await memory.due_hooks(49.0, 10) == DueHooks((), 50.0)
        assert await memory.due_hooks(50.0, 10) == DueHooks((failed,), None)
        await memory.add_hook(a_hook("j", name="hook_2"), 30.0)  # it is known already
        assert await memory.due_hooks(49.0, 10) == DueHooks((), 50.0)

    async def test_who_was_given_up_is_tried_again_for_who_asks_again(self, memory: Store) -> None:
        await memory.add_job(a_job("j"))
        await memory.add_hook(a_hook("j"), 1.0)
        await end(memory, "j")
        hook = await only(memory)
        await memory.hook_tried(replace(hook, attempts=10, due_at=None, given_up_at=60.0))
        assert await due(memory) == []
        await memory.add_hook(a_hook("j", name="hook_2"), 70.0)
        assert await only(memory) == replace(hook, attempts=0, due_at=70.0)

    async def test_what_is_taken_up_again_is_told_anew_at_its_next_end(self, memory: Store) -> None:
        await memory.add_job(a_job("j"))
        await memory.add_hook(a_hook("j"), 1.0)
        await end(memory, "j", at=10.0)
        hook = await only(memory)
        told = replace(hook, attempts=1, due_at=None, told_at=11.0)
        await memory.hook_tried(told)
        await memory.reopen(await a_row(memory, "j"))
        late = JobReopened(job_id="j", at=12.0, missing=0)
        await memory.remark(late)
        assert await due(memory) == []
        await memory.hook_tried(replace(hook, due_at=99.0))  # of an end that is none any more
        assert await due(memory) == []
        await end(memory, "j", at=20.0)
        assert await only(memory) == replace(hook, due_at=20.0, ended_at=20.0)
        await memory.hook_tried(told)  # of the end before
        assert await due(memory) == [("j", "https://a")]

    async def test_of_each_key_only_so_many_are_told_and_those_that_wait_longest(
        self, memory: Store
    ) -> None:
        for place in range(4):
            for key in ("slow", "quick"):
                name = f"{key}{place}"
                await memory.add_job(a_job(name, key=key))
                await memory.add_hook(a_hook(name), 1.0)
                if key == "slow" or place == 3:
                    await end(memory, name, at=20.0 - place)
        found = [job for job, _ in await due(memory, most=2)]
        assert found == ["slow3", "quick3", "slow2"]
        assert [job for job, _ in await due(memory, now=17.5, most=2)] == ["slow3", "quick3"]

    async def test_a_job_that_is_forgotten_is_not_told_of(self, memory: Store) -> None:
        for name in ("a", "b"):
            await memory.add_job(a_job(name))
            await memory.add_hook(a_hook(name), 1.0)
            await end(memory, name, at=10.0 if name == "a" else 30.0)
        hook = (await memory.due_hooks(FAR, 10)).hooks[0]
        assert await memory.prune(20.0) == 1
        assert await due(memory) == [("b", "https://a")]
        await memory.hook_tried(replace(hook, due_at=None))
        assert await due(memory) == [("b", "https://a")]
