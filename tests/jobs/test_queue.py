"""Turns: who is next, how many at once, and who waits no longer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.config.sections import Queue as Section
from gateway.errors import Bought, Overloaded
from gateway.images.shelf import Reservation
from gateway.jobs.board import Job, LiveTask
from gateway.jobs.journal import Entry
from gateway.jobs.queue import Queue, Turn
from gateway.jobs.rows import about
from gateway.notices import TaskQueued, TaskUnqueued, TurnTaken
from gateway.upstream.governor import Allowance
from tests.clocks import FakeClock
from tests.jobs.plans import a_plan


class Stand:
    """A queue of an account with so many submits a second, and what it tells."""

    def __init__(self, submits: float = 1.0, most: int = 100, **section: Any) -> None:
        self.clock = FakeClock()
        self.facts: list[object] = []
        self.allowance = Allowance(submits, self.clock)
        self.queue = Queue(self.allowance, Section(**section), most, self.clock, self.facts.append)
        self.order: list[str] = []
        self.waits: list[asyncio.Task[Turn]] = []
        self.jobs = 0

    def job(self, key_name: str = "a", weight: int = 1, **fields: Any) -> Job:
        self.jobs += 1
        name = f"{key_name}{self.jobs}"
        now = self.clock.monotonic()

        async def release() -> None: ...

        told: dict[str, Any] = {"deadline": now + 300, "weight": weight, "due": now, **fields}
        plan = a_plan()
        whose = about(key_name, plan, plan.tasks[0])
        return Job(
            job_id=f"job_{name}",
            key_name=key_name,
            plan=plan,
            created_at=0.0,
            started=now,
            give_up=now + 900,
            tasks=(LiveTask(Entry(f"job_{name}", name, whose, now), plan.tasks[0]),),
            outcome=asyncio.get_running_loop().create_future(),
            reservation=Reservation(0, lambda _: None),
            release=release,
            **told,
        )

    async def wait(self, job: Job, *, moot: bool = False) -> "asyncio.Task[Turn]":
        """A job's task waits from now on."""
        if job.job_id not in self.queue._entered:
            self.queue.enter(job, 1)

        async def stay() -> Turn:
            turn = await self.queue.turn(job, job.tasks[0], lambda: moot)
            if turn is Turn.CAME:
                self.order.append(job.tasks[0].entry.task_id)
            return turn

        waiting = asyncio.create_task(stay())
        self.waits.append(waiting)
        await self.clock.sleep(0)
        return waiting


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    stand = Stand()
    yield stand
    await closed(stand)


async def closed(stand: Stand) -> None:
    for waiting in stand.waits:
        waiting.cancel()
    await asyncio.gather(*stand.waits, return_exceptions=True)
    await stand.queue.close()


def taken(key_name: str, number: int, seconds: float) -> TurnTaken:
    name = f"{key_name}{number}"
    return TurnTaken(job_id=f"job_{name}", task_id=name, key_name=key_name, seconds=seconds)


async def test_a_turn_that_is_there_comes_at_once(stand: Stand) -> None:
    waiting = await stand.wait(stand.job())
    assert waiting.done()
    assert waiting.result() is Turn.CAME
    assert stand.facts == [taken("a", 1, 0.0)]
    assert (len(stand.queue), stand.queue.at_vendor) == (0, 1)


async def test_turns_come_at_the_accounts_pace_and_in_order(stand: Stand) -> None:
    for _ in range(4):
        await stand.wait(stand.job())
    assert stand.order == ["a1"]
    await stand.clock.advance(2.5)
    assert stand.order == ["a1", "a2", "a3"]
    turns = [fact for fact in stand.facts if isinstance(fact, TurnTaken)]
    assert turns == [taken("a", 1, 0.0), taken("a", 2, 1.0), taken("a", 3, 2.0)]
    assert repr(stand.queue) == "Queue(1 requests, 1 tasks waiting, 3 of 100 at the vendor)"


async def test_keys_take_turns_however_many_one_of_them_asks_for(stand: Stand) -> None:
    for _ in range(6):
        await stand.wait(stand.job("a"))
    for _ in range(2):
        await stand.wait(stand.job("b"))
    await stand.clock.advance(4.5)
    assert stand.order == ["a1", "b7", "a2", "b8", "a3"]


async def test_a_key_of_twice_the_weight_has_two_turns_for_one(stand: Stand) -> None:
    await stand.wait(stand.job("c"))
    for _ in range(6):
        await stand.wait(stand.job("a", 2))
        await stand.wait(stand.job("b", 1))
    await stand.clock.advance(6.5)
    kept = "".join(name[0] for name in stand.order[1:])
    assert (kept.count("a"), kept.count("b")) == (4, 2)


async def test_a_key_that_did_not_ask_has_saved_nothing_up(stand: Stand) -> None:
    for _ in range(5):
        await stand.wait(stand.job("a"))
    await stand.clock.advance(3.5)
    for _ in range(3):
        await stand.wait(stand.job("b"))
        await stand.wait(stand.job("a"))
    await stand.clock.advance(4)
    assert "".join(name[0] for name in stand.order[4:]) in {"abab", "baba"}


async def test_no_more_are_at_the_vendor_than_may_be() -> None:
    stand = Stand(submits=100, most=2)
    jobs = [stand.job() for _ in range(4)]
    for job in jobs:
        await stand.wait(job)
    await stand.clock.advance(5)
    assert stand.order == ["a1", "a2"]
    jobs[0].tasks[0].accepted_at = 0.0
    stand.queue.vacate(jobs[0].tasks[0])
    stand.queue.vacate(jobs[0].tasks[0])  # there is but one to give
    await stand.clock.advance(1)
    assert stand.order == ["a1", "a2", "a3"]
    await closed(stand)


async def test_what_another_process_had_sent_holds_its_slot() -> None:
    stand = Stand(submits=100, most=1)
    before = stand.job()
    stand.queue.occupy(before.tasks[0])
    waiting = await stand.wait(stand.job())
    await stand.clock.advance(1)
    assert not waiting.done()
    stand.queue.vacate(before.tasks[0])
    assert (await waiting) is Turn.CAME
    await closed(stand)


async def test_who_has_a_slot_waits_for_a_submit_alone() -> None:
    stand = Stand(submits=1, most=1)
    job = stand.job()
    await stand.wait(job)
    again = await stand.wait(job)
    assert not again.done()
    await stand.clock.advance(1.01)
    assert (await again) is Turn.CAME
    late = stand.job(deadline=stand.clock.monotonic())
    stand.queue.occupy(late.tasks[0])
    assert (await stand.queue.turn(late, late.tasks[0], lambda: False)) is Turn.NEVER
    await closed(stand)


async def test_nobody_waits_longer_than_the_queue_lets_anybody() -> None:
    stand = Stand(most=1, time=10)
    stand.queue.occupy(stand.job().tasks[0])
    job = stand.job("b")
    stand.queue._stays.append(1.0)
    waiting = await stand.wait(job)
    assert str(job.place) == "Place(position=1, of=1, expected=1.0, since=1000.0)"
    await stand.clock.advance(9.9)
    assert not waiting.done()
    await stand.clock.advance(0.2)
    assert waiting.result() is Turn.OVERDUE
    assert job.place is None
    queued, unqueued = stand.facts
    assert isinstance(queued, TaskQueued)
    assert isinstance(unqueued, TaskUnqueued)
    assert (queued.position, queued.waiting, queued.expected) == (1, 1, 1.0)
    assert (unqueued.how, unqueued.seconds) == ("overdue", 10.0)
    await closed(stand)


async def test_who_has_a_slot_and_waits_for_a_submit_alone_takes_a_turn_too(stand: Stand) -> None:
    job = stand.job()
    await stand.wait(job)
    again = asyncio.ensure_future(stand.queue.turn(job, job.tasks[0], lambda: False))
    await stand.clock.advance(1.0)
    assert await again is Turn.CAME
    assert stand.facts == [taken("a", 1, 0.0), taken("a", 1, 1.0)]
    job.deadline = stand.clock.monotonic()
    assert await stand.queue.turn(job, job.tasks[0], lambda: False) is Turn.NEVER
    assert len(stand.facts) == 2


async def test_a_turn_that_nobody_takes_is_not_told(stand: Stand) -> None:
    await stand.wait(stand.job(), moot=True)
    stand.allowance.take()
    waiting = await stand.wait(stand.job(), moot=True)
    await stand.clock.advance(2.0)
    assert waiting.result() is Turn.MOOT
    assert [fact for fact in stand.facts if isinstance(fact, TurnTaken)] == []


async def test_a_place_outlives_its_callers_own_time_out() -> None:
    stand = Stand(most=1, time=20)
    stand.queue.occupy(stand.job().tasks[0])
    stand.queue._stays.append(1.0)
    now = stand.clock.monotonic()
    waiting = await stand.wait(stand.job("b", deadline=now + 2, due=now + 300))
    await stand.clock.advance(19)
    assert not waiting.done()
    await stand.clock.advance(1.1)
    assert waiting.result() is Turn.OVERDUE
    await closed(stand)


async def test_a_deadline_that_is_moved_while_waiting_holds() -> None:
    stand = Stand(most=1, time=100)
    stand.queue.occupy(stand.job().tasks[0])
    stand.queue._stays.append(1.0)
    job = stand.job("b", deadline=stand.clock.monotonic() + 5)
    waiting = await stand.wait(job)
    await stand.clock.advance(4)
    job.deadline += 5
    await stand.clock.advance(4)
    assert not waiting.done()
    await stand.clock.advance(2.1)
    assert waiting.result() is Turn.OVERDUE
    await closed(stand)


async def test_the_rest_of_what_is_bought_waits_until_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand = Stand(most=1, time=10)
    stand.queue.occupy(stand.job().tasks[0])
    stand.queue._stays.append(1.0)
    monkeypatch.setattr(Job, "bought", lambda job: Bought(job.job_id, ("v",)))
    waiting = await stand.wait(stand.job("b", deadline=stand.clock.monotonic() + 50))
    await stand.clock.advance(49)
    assert not waiting.done()
    await stand.clock.advance(1.1)
    assert waiting.result() is Turn.OVERDUE
    await closed(stand)


async def test_a_turn_for_nobody_is_not_taken(stand: Stand) -> None:
    await stand.wait(stand.job())
    left = await stand.wait(stand.job(), moot=True)
    stayed = await stand.wait(stand.job())
    await stand.clock.advance(1.01)
    assert left.result() is Turn.MOOT
    assert stayed.result() is Turn.CAME
    assert stand.queue.at_vendor == 2


async def test_a_full_queue_refuses_and_says_when_what_waits_is_worked_off() -> None:
    stand = Stand(requests=3)
    for _ in range(4):
        await stand.wait(stand.job())
    with pytest.raises(Overloaded) as refused:
        stand.queue.check("a", 1)
    assert refused.value.retry_after == pytest.approx(4.0)
    assert refused.value.bought is None
    await stand.clock.advance(4)
    stand.queue.check("a", 1)
    await closed(stand)


async def test_a_full_queue_makes_room_for_a_key_that_has_less_of_it() -> None:
    stand = Stand(requests=3)
    waits = [await stand.wait(stand.job("a")) for _ in range(4)]
    newcomer = await stand.wait(stand.job("b"))
    stand.queue.settle()
    await stand.clock.advance(0)
    assert waits[3].result() is Turn.PUT_OFF  # the newest of them
    assert not newcomer.done()
    with pytest.raises(Overloaded):  # two of a's are left, and it would have as many
        stand.queue.check("b", 1)
    assert len(stand.queue) == 3
    await closed(stand)


async def test_whose_caller_has_left_gives_way_first() -> None:
    stand = Stand(requests=2)
    await stand.wait(stand.job())
    gone = stand.job()
    left = await stand.wait(gone)
    stayed = await stand.wait(stand.job())
    gone.deserted = True
    await stand.wait(stand.job())
    stand.queue.settle()
    await stand.clock.advance(0)
    assert left.result() is Turn.PUT_OFF
    assert not stayed.done()
    await closed(stand)


async def test_a_wait_longer_than_anybody_may_have_is_refused_at_once() -> None:
    stand = Stand(time=5)
    for _ in range(6):
        await stand.wait(stand.job())
    with pytest.raises(Overloaded) as refused:
        stand.queue.enter(stand.job(), 1)
    assert refused.value.retry_after == pytest.approx(6.0)
    stand.queue.check("b", 1)  # whose turn comes sooner
    await closed(stand)


async def test_what_a_place_is_worth_follows_how_long_tasks_stay_at_the_vendor() -> None:
    stand = Stand(submits=100, most=2)
    jobs = [stand.job() for _ in range(2)]
    for job in jobs:
        await stand.wait(job)
    assert stand.queue.expected("b", 1) == 0.0  # as long as nothing is known
    await stand.clock.advance(8)
    jobs[0].tasks[0].accepted_at = 0.0
    stand.queue.vacate(jobs[0].tasks[0])
    stand.queue.occupy(stand.job().tasks[0])
    assert stand.queue.expected("b", 1) == pytest.approx(4.0)
    await closed(stand)


async def test_every_waiting_job_is_told_its_place_as_it_moves_up(stand: Stand) -> None:
    jobs = [stand.job("a") for _ in range(3)] + [stand.job("b")]
    for job in jobs:
        await stand.wait(job)
    await stand.clock.advance(1.01)
    assert [job.place and job.place.position for job in jobs] == [None, 1, 2, None]
    places = [job.place for job in jobs if job.place is not None]
    assert [round(place.expected) for place in places] == [1, 2]


async def test_who_is_cancelled_is_no_longer_in_line(stand: Stand) -> None:
    await stand.wait(stand.job())
    leaving = await stand.wait(stand.job())
    staying = await stand.wait(stand.job())
    leaving.cancel()
    await stand.clock.advance(1.01)
    assert staying.done()
    assert stand.queue.at_vendor == 2


async def test_who_is_refused_elsewhere_has_put_nobody_off() -> None:
    stand = Stand(requests=3)
    waits = [await stand.wait(stand.job("a")) for _ in range(4)]
    newcomer = stand.job("b")
    stand.queue.enter(newcomer, 1)
    stand.queue.leave(newcomer.job_id)
    stand.queue.settle()
    await stand.clock.advance(0)
    assert not any(waiting.done() for waiting in waits[1:])
    await closed(stand)


async def test_what_is_given_up_waits_no_longer(stand: Stand) -> None:
    await stand.wait(stand.job())
    given_up, other = stand.job(), stand.job()
    waits = [await stand.wait(given_up), await stand.wait(other)]
    stand.queue.give_up(given_up)
    stand.queue.give_up(stand.job("b"))
    await stand.clock.advance(0)
    assert waits[0].result() is Turn.MOOT
    assert not waits[1].done()
