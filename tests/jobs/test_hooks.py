"""Telling callers what became of their jobs: what, when, how often, and when no more."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.config.answers import Webhooks as Section
from gateway.errors import UpstreamRefused
from gateway.events import JobEnded, JobReopened
from gateway.jobs.hooks import PAUSES, Hooks, message_id, signed
from gateway.jobs.reception import Glance
from gateway.notices import (
    ChoreFailed,
    LedgerRecovered,
    WebhookDelivered,
    WebhookFailed,
    WebhookGivenUp,
)
from gateway.state.hooks import DueHooks, HookRow
from gateway.state.trouble import unavailable
from gateway.upstream import base
from gateway.web.posts import Interrupted, Reply
from tests.jobs.fakes import House
from tests.jobs.plans import a_plan

URL = "https://example.com/told?token=secret"
SECRETS = [b"a" * 24, b"b" * 32]
LIFETIME = 86_400.0
OK = Reply(200)


@dataclass
class Call:
    url: str
    body: bytes
    headers: Mapping[str, str]
    at: float

    @property
    def told(self) -> dict[str, object]:
        told: dict[str, object] = json.loads(self.body)
        return told


@dataclass
class FakePoster:
    """Answers as scripted, then well; ``slow`` calls last so long."""

    house: House
    replies: list[Reply | Exception] = field(default_factory=list)
    slow: float = 0.0
    calls: list[Call] = field(default_factory=list)
    open: int = 0
    most: int = 0
    otherwise: Reply | Exception = OK

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        self.calls.append(Call(url, body, headers, self.house.clock.wall()))
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self.house.clock.sleep(self.slow)
        finally:
            self.open -= 1
        reply = self.replies.pop(0) if self.replies else self.otherwise
        if isinstance(reply, Exception):
            raise reply
        return reply


class Desk:
    """A house with its hooks, whose secrets can be taken away."""

    def __init__(self, house: House, section: Section, secrets: Sequence[bytes] = SECRETS) -> None:
        self.house = house
        self.poster = FakePoster(house)
        self.secrets = list(secrets)
        self.faults: list[Exception] = []
        self.hooks = Hooks(
            house.memory, self.poster, lambda _: self.secrets, self.render, section, LIFETIME
        )
        house.journal._observers = (*house.journal._observers, self.hooks.observe)
        self.running = asyncio.create_task(self.hooks.run())

    def render(self, glance: Glance, base_url: str) -> tuple[str, bytes]:
        if self.faults:
            raise self.faults.pop()
        failed = glance.outcome is not None and glance.outcome.error is not None
        job = json.dumps({"id": glance.job.job_id, "at": base_url}).encode()
        return "failed" if failed else "completed", job

    async def promised(self, url: str = URL, **changes: Any) -> str:
        """A job whose end is to be told; its id."""
        wish = replace(self.house.wish(a_plan(1)), **changes)
        async with self.house.visit(wish) as visit:
            await self.house.promises.tell(visit, url, "http://here")
            await self.house.promises.keep(visit)
        return visit.job_id

    async def over(self) -> None:
        await self.house.clock.until(lambda: len(self.house.board) == 0)
        await self.house.clock.advance(0.0)

    async def ended(self, url: str = URL, **changes: Any) -> str:
        job_id = await self.promised(url, **changes)
        await self.over()
        return job_id

    def facts(self, kind: type) -> list[object]:
        return [fact for fact in self.house.facts if isinstance(fact, kind)]

    async def pending(self) -> int:
        return (await self.house.store.figures()).hooks


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, durable=True) as house:
        yield house


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    desk = Desk(house, Section())
    yield desk
    desk.running.cancel()
    await desk.hooks.finish()
    await asyncio.gather(desk.running, return_exceptions=True)


# What is told


async def test_a_caller_is_told_of_the_end_once_and_at_once(desk: Desk) -> None:
    job_id = await desk.promised()
    assert desk.poster.calls == []
    await desk.over()
    (call,) = desk.poster.calls
    (ended,) = desk.facts(JobEnded)
    assert isinstance(ended, JobEnded)
    assert call.url == URL
    assert call.told["type"] == "generation.completed"
    assert call.told["data"] == {"id": job_id, "at": "http://here"}
    assert str(call.told["timestamp"]).endswith("Z")
    assert call.at == pytest.approx(ended.at, abs=0.1)
    (told,) = desk.facts(WebhookDelivered)
    assert told == WebhookDelivered(
        job_id=job_id, key_name="studio", host="example.com", attempt=1, seconds=0.0
    )
    await desk.house.clock.advance(LIFETIME)
    assert len(desk.poster.calls) == 1
    assert await desk.pending() == 0


async def test_a_message_is_signed_with_every_secret(desk: Desk) -> None:
    await desk.ended()
    (call,) = desk.poster.calls
    name, at = call.headers["webhook-id"], call.headers["webhook-timestamp"]
    assert (int(at), call.headers["content-type"]) == (int(call.at), "application/json")
    content = f"{name}.{at}.".encode() + call.body
    assert call.headers["webhook-signature"].split(" ") == [
        "v1," + base64.b64encode(hmac.new(one, content, hashlib.sha256).digest()).decode()
        for one in SECRETS
    ]


async def test_a_job_that_failed_is_told_as_such(desk: Desk) -> None:
    desk.house.vendor.creates = [base.CreateRefused("no", UpstreamRefused("no"))]
    await desk.ended()
    (call,) = desk.poster.calls
    assert call.told["type"] == "generation.failed"


async def test_every_address_is_told_and_equal_ones_once(desk: Desk) -> None:
    await desk.promised(idempotency_key="k")
    await desk.promised(idempotency_key="k")
    await desk.promised("https://other.example.com/", idempotency_key="k")
    await desk.over()
    assert [call.url for call in desk.poster.calls] == [URL, "https://other.example.com/"]
    assert len({call.headers["webhook-id"] for call in desk.poster.calls}) == 2


async def test_who_asks_about_what_is_over_already_is_told_at_once(desk: Desk) -> None:
    await desk.ended(idempotency_key="k")
    await desk.promised("https://late.example.com/", idempotency_key="k")
    await desk.house.clock.advance(0.1)
    assert [call.url for call in desk.poster.calls] == [URL, "https://late.example.com/"]


async def test_a_job_that_is_found_after_all_is_told_anew_as_another_message(desk: Desk) -> None:
    house = desk.house
    house.vendor.creates = [base.CreateLost("lost")]
    house.vendor.statuses = [base.TaskUnknown("404")] * 30
    job_id = await desk.ended()
    assert [call.told["type"] for call in desk.poster.calls] == ["generation.failed"]
    house.vendor.statuses.clear()
    await house.clock.advance(120.0)
    assert await house.clock.drive(house.look.look()) == 1
    assert desk.facts(JobReopened)
    await desk.over()
    first, second = desk.poster.calls
    assert second.told["type"] == "generation.completed"
    assert second.told["data"] == {"id": job_id, "at": "http://here"}
    assert first.headers["webhook-id"] != second.headers["webhook-id"]


# Again


async def test_who_does_not_hear_is_told_again_with_growing_pauses_and_then_no_more(
    desk: Desk,
) -> None:
    desk.poster.otherwise = Reply(500)
    job_id = await desk.ended()
    await desk.house.clock.advance(20 * 3_600)
    times = [call.at for call in desk.poster.calls]
    assert len(times) == len(PAUSES) + 1
    for pause, (before, after) in zip(PAUSES, pairwise(times), strict=True):
        gap = after - before
        assert 0.8 * pause <= gap <= 1.2 * pause + 1
    assert len({call.headers["webhook-id"] for call in desk.poster.calls}) == 1
    assert len({call.headers["webhook-timestamp"] for call in desk.poster.calls}) == len(times)
    assert len({call.body for call in desk.poster.calls}) == 1
    assert len(desk.facts(WebhookFailed)) == len(PAUSES)
    (given_up,) = desk.facts(WebhookGivenUp)
    assert given_up == WebhookGivenUp(
        job_id=job_id, key_name="studio", host="example.com", attempts=10, reason="HTTP 500"
    )
    assert await desk.pending() == 0


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(301), "HTTP 301"),
        (Reply(404), "HTTP 404"),
        (Reply(199), "HTTP 199"),
        (Reply(502), "HTTP 502"),
        (Interrupted("timeout"), "timeout"),
        (
            Interrupted("refused: its host is not a public name"),
            "refused: its host is not a public name",
        ),
    ],
)
async def test_whatever_is_not_success_is_tried_again(
    desk: Desk, reply: Reply | Exception, reason: str
) -> None:
    desk.poster.replies = [reply]
    await desk.ended()
    (failed,) = desk.facts(WebhookFailed)
    assert isinstance(failed, WebhookFailed)
    assert (failed.reason, failed.attempt) == (reason, 1)
    assert 4.0 <= failed.again_in <= 6.0
    assert await desk.pending() == 1
    await desk.house.clock.advance(7.0)
    (delivered,) = desk.facts(WebhookDelivered)
    assert isinstance(delivered, WebhookDelivered)
    assert delivered.attempt == 2


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_any_success_will_do(desk: Desk, status: int) -> None:
    desk.poster.replies = [Reply(status)]
    await desk.ended()
    assert len(desk.facts(WebhookDelivered)) == 1


async def test_an_address_that_is_gone_is_not_told_again(desk: Desk) -> None:
    desk.poster.replies = [Reply(410)]
    await desk.ended()
    await desk.house.clock.advance(LIFETIME)
    assert len(desk.poster.calls) == 1
    (given_up,) = desk.facts(WebhookGivenUp)
    assert isinstance(given_up, WebhookGivenUp)
    assert (given_up.attempts, given_up.reason) == (1, "HTTP 410")


@pytest.mark.parametrize(
    ("reply", "least", "most"),
    [
        (Reply(429, 100.0), 100.0, 101.0),
        (Reply(503, 200.0), 200.0, 201.0),
        (Reply(503, 1e6), 3_600.0, 3_601.0),
        (Reply(503, 1.0), 4.0, 6.1),
        (Reply(500, 100.0), 4.0, 6.1),
    ],
)
async def test_a_receiver_that_is_busy_is_left_alone_for_as_long_as_it_asks_within_an_hour(
    desk: Desk, reply: Reply, least: float, most: float
) -> None:
    desk.poster.replies = [reply]
    await desk.ended()
    await desk.house.clock.advance(3_700.0)
    first, second = desk.poster.calls
    assert least <= second.at - first.at <= most


async def test_pauses_are_scaled(house: House) -> None:
    desk = Desk(house, Section(scale=0.1))
    desk.poster.replies = [Reply(500)]
    await desk.ended()
    await house.clock.advance(1.0)
    assert len(desk.poster.calls) == 2
    desk.running.cancel()


async def test_nobody_is_told_of_pictures_whose_lifetime_is_over(desk: Desk) -> None:
    await desk.promised()
    desk.poster.otherwise = Reply(503, 3_600.0)
    desk.hooks._lifetime = 2 * 3_600.0
    await desk.over()
    await desk.house.clock.advance(LIFETIME)
    (ended,) = desk.facts(JobEnded)
    assert isinstance(ended, JobEnded)
    # The second pause would end with the pictures: it is cut short, so that they can be fetched.
    assert [call.at - ended.at for call in desk.poster.calls] == [
        pytest.approx(0.0, abs=0.1),
        pytest.approx(3_600.0, abs=0.1),
        pytest.approx(7_140.0, abs=0.1),
    ]
    (given_up,) = desk.facts(WebhookGivenUp)
    assert isinstance(given_up, WebhookGivenUp)
    assert (given_up.attempts, given_up.reason) == (3, "HTTP 503")


@pytest.mark.parametrize("reply", [Reply(503, 3_600.0), Reply(500)])
async def test_a_pause_beyond_what_is_left_is_cut_short(desk: Desk, reply: Reply) -> None:
    await desk.promised()
    desk.poster.replies = [Reply(500), Reply(500), reply]
    desk.hooks._lifetime = 100.0  # and the third pause is two minutes
    await desk.over()
    await desk.house.clock.advance(LIFETIME)
    (ended,) = desk.facts(JobEnded)
    assert isinstance(ended, JobEnded)
    assert len(desk.poster.calls) == 4
    assert desk.poster.calls[-1].at - ended.at == pytest.approx(90.0, abs=0.1)
    assert len(desk.facts(WebhookDelivered)) == 1


async def test_nobody_is_told_of_pictures_that_are_gone(desk: Desk) -> None:
    desk.poster.replies = [Reply(500)]
    job_id = await desk.ended()
    row = await desk.house.store.job(job_id)
    assert row is not None
    for picture in row.pictures:
        del desk.house.shelf._entries[picture.token]
    await desk.house.clock.advance(10.0)
    (given_up,) = desk.facts(WebhookGivenUp)
    assert isinstance(given_up, WebhookGivenUp)
    assert given_up.reason == "the pictures' lifetime is over"
    assert len(desk.poster.calls) == 1


async def test_without_a_secret_nothing_is_sent_until_there_is_one(desk: Desk) -> None:
    desk.secrets.clear()
    await desk.ended()
    assert desk.poster.calls == []
    (failed,) = desk.facts(WebhookFailed)
    assert isinstance(failed, WebhookFailed)
    assert failed.reason == "no secret is configured for its key"
    desk.secrets.append(SECRETS[0])
    await desk.house.clock.advance(7.0)
    assert len(desk.facts(WebhookDelivered)) == 1


async def test_a_fault_of_ours_is_told_and_not_repeated_at_once(desk: Desk) -> None:
    desk.faults = [ZeroDivisionError()]
    await desk.ended()
    assert len(desk.facts(ChoreFailed)) == 1
    assert len(desk.facts(WebhookFailed)) == 1
    await desk.house.clock.advance(7.0)
    assert len(desk.facts(WebhookDelivered)) == 1


# Many


async def test_one_key_s_slow_receivers_hold_up_no_other_key(house: House) -> None:
    desk = Desk(house, Section(concurrency=8))
    desk.poster.slow = 10.0
    for n in range(5):
        await desk.promised(f"https://slow.example.com/{n}", fingerprint=b"%d" % n)
    await desk.promised("https://quick.example.com/", key_name="press")
    await desk.over()
    await house.clock.advance(1.0)
    told = sorted(call.url.split("/")[2] for call in desk.poster.calls)
    assert told == ["quick.example.com", "slow.example.com", "slow.example.com"]  # a quarter of 8
    await house.clock.advance(30.0)
    assert (len(desk.poster.calls), desk.poster.most) == (6, 3)
    desk.running.cancel()


async def test_silent_receivers_of_as_many_keys_as_there_are_places_hold_up_no_other_key(
    house: House,
) -> None:
    desk = Desk(house, Section(concurrency=8, time=10.0))
    desk.poster.slow = 10.0
    desk.poster.otherwise = Interrupted("timeout")
    for key in range(4):
        for n in range(20):
            url = f"https://silent.example.com/{key}/{n}"
            await desk.promised(url, fingerprint=b"%d %d" % (key, n), key_name=f"silent{key}")
    await desk.over()
    await house.clock.advance(15.0)
    assert desk.poster.open == 8
    ended = await desk.ended("https://quick.example.com/", key_name="quick")
    row = await house.store.job(ended)
    assert row is not None
    assert row.ended_at is not None
    await house.clock.advance(10.1)
    (quick,) = [call for call in desk.poster.calls if "quick" in call.url]
    assert quick.at - row.ended_at <= 10.1
    assert desk.poster.most == 8
    desk.running.cancel()


@pytest.mark.parametrize("concurrency", [1, 2, 3])
async def test_with_few_places_keys_take_turns(house: House, concurrency: int) -> None:
    desk = Desk(house, Section(concurrency=concurrency))
    desk.poster.slow = 10.0
    for n in range(10):
        for key in range(3):
            wish = {"fingerprint": b"%d %d" % (key, n), "key_name": f"first{key}"}
            await desk.promised(f"https://first{key}.example.com/", **wish)
    await desk.over()
    await desk.ended("https://last.example.com/", key_name="last")
    await house.clock.advance(60.0)
    hosts = [call.url.split("/")[2] for call in desk.poster.calls]
    assert "last.example.com" in hosts
    assert desk.poster.most == concurrency
    desk.running.cancel()


async def test_many_ends_at_once_are_few_looks_into_the_ledger(desk: Desk) -> None:
    looks, due_hooks = 0, desk.house.store.due_hooks

    async def counted(*given: Any) -> DueHooks:
        nonlocal looks
        looks += 1
        return await due_hooks(*given)

    desk.house.store.due_hooks = counted  # type: ignore[method-assign, assignment]
    await desk.promised(fingerprint=b"a")
    for _ in range(100):
        desk.house.journal.announce(LedgerRecovered(written=1))
        await desk.house.clock.advance(0.01)
    assert 10 <= looks <= 21  # in a second


async def test_so_many_are_told_at_once_and_no_more(house: House) -> None:
    desk = Desk(house, Section(concurrency=1))
    desk.poster.slow = 5.0
    for n in range(3):
        await desk.promised(f"https://example.com/{n}", fingerprint=b"%d" % n)
    await desk.over()
    await house.clock.advance(30.0)
    assert (desk.poster.most, len(desk.poster.calls)) == (1, 3)
    assert len(desk.facts(WebhookDelivered)) == 3
    desk.running.cancel()


# The ledger


async def test_nothing_is_told_while_that_could_not_be_written_down(desk: Desk) -> None:
    await desk.promised()
    desk.house.store.trouble = "full"
    await desk.over()
    await desk.house.clock.advance(300.0)
    assert desk.poster.calls == []
    desk.house.store.trouble = None
    desk.house.journal.announce(LedgerRecovered(written=1))
    await desk.house.clock.advance(0.1)
    assert len(desk.poster.calls) == 1


async def test_what_was_told_while_the_ledger_was_being_read_is_not_told_again(
    desk: Desk,
) -> None:
    due_hooks, clock = desk.house.store.due_hooks, desk.house.clock

    async def slowly(now: float, most: int, without: Container[str] = frozenset()) -> DueHooks:
        found = await due_hooks(now, most, without)
        await clock.sleep(3.0)
        return found

    desk.poster.slow = 1.0
    desk.house.store.due_hooks = slowly  # type: ignore[method-assign]
    await desk.promised(fingerprint=b"a")
    await desk.promised("https://other.example.com/", fingerprint=b"b")
    desk.house.vendor.seconds = 20.5  # the other ends a moment later
    await desk.over()
    await clock.advance(100.0)
    assert len(desk.poster.calls) == 2
    assert len(desk.facts(WebhookDelivered)) == 2


async def test_a_ledger_that_cannot_be_read_is_asked_again_later(desk: Desk) -> None:
    due, job = desk.house.store.due_hooks, desk.house.store.job

    async def refuse(*_: object) -> None:
        raise unavailable()

    desk.house.store.due_hooks = refuse  # type: ignore[method-assign, assignment]
    await desk.ended()
    desk.house.store.due_hooks = due  # type: ignore[method-assign]
    desk.house.store.job = refuse  # type: ignore[method-assign, assignment]
    await desk.house.clock.advance(61.0)
    desk.house.store.job = job  # type: ignore[method-assign]
    assert desk.poster.calls == []
    await desk.house.clock.advance(61.0)
    assert len(desk.facts(WebhookDelivered)) == 1


@pytest.mark.parametrize("error", [ValueError("not JSON"), unavailable()])
async def test_a_job_that_cannot_be_read_is_not_asked_for_at_once_again(
    desk: Desk, error: Exception
) -> None:
    job, asked = desk.house.store.job, 0

    async def broken(_: str) -> None:
        nonlocal asked
        asked += 1
        raise error

    await desk.promised()
    desk.house.store.job = broken  # type: ignore[method-assign, assignment]
    await desk.over()
    await desk.house.clock.advance(3.0)
    assert asked == 1
    assert len(desk.facts(ChoreFailed)) == isinstance(error, ValueError)
    desk.house.store.job = job  # type: ignore[method-assign]
    await desk.house.clock.advance(4.0)
    assert len(desk.facts(WebhookDelivered)) == 1


async def test_a_job_that_can_never_be_read_is_given_up(desk: Desk) -> None:
    async def broken(_: str) -> None:
        raise ValueError("not JSON")

    await desk.promised()
    desk.house.store.job = broken  # type: ignore[method-assign, assignment]
    await desk.over()
    await desk.house.clock.advance(LIFETIME)
    (given_up,) = desk.facts(WebhookGivenUp)
    assert isinstance(given_up, WebhookGivenUp)
    assert (given_up.attempts, given_up.reason) == (10, "a fault of the gateway's")
    assert await desk.pending() == 0


@pytest.mark.parametrize("error", [ValueError("its own fault"), unavailable()])
async def test_what_was_told_and_cannot_be_written_down_is_not_told_again_at_once(
    desk: Desk, error: Exception
) -> None:
    write = desk.house.store.hook_tried

    async def broken(_: HookRow) -> None:
        raise error

    desk.house.store.hook_tried = broken  # type: ignore[method-assign, assignment]
    await desk.promised()
    await desk.promised("https://other.example.com/", fingerprint=b"other", key_name="other")
    await desk.over()
    await desk.house.clock.advance(1.0)
    assert len(desk.poster.calls) == 2
    await desk.house.clock.advance(600.0)
    ours = [call for call in desk.poster.calls if call.url == URL]
    if isinstance(error, ValueError):  # for ever, perhaps
        gaps = [after.at - before.at for before, after in pairwise(ours)]
        assert gaps == [pytest.approx(pause, abs=0.2) for pause in PAUSES[:3]]
        assert len(desk.facts(ChoreFailed)) == len(desk.poster.calls)
    else:
        assert 100 <= len(ours) <= 122
        assert desk.facts(ChoreFailed) == []
    assert len({call.headers["webhook-id"] for call in ours}) == 1
    desk.house.store.hook_tried = write  # type: ignore[method-assign]
    await desk.house.clock.advance(700.0)
    assert len(desk.facts(WebhookDelivered)) == 2
    assert await desk.pending() == 0


async def test_a_process_that_dies_before_it_told_leaves_it_to_the_next(
    house: House, tmp_path: Path
) -> None:
    desk = Desk(house, Section())
    desk.poster.slow = 1e9  # it was sent, and nobody knows whether it was heard
    await desk.ended()
    (unheard,) = desk.poster.calls
    desk.running.cancel()
    for _, telling in desk.hooks._under_way.values():
        telling.cancel()
    async with House(tmp_path, durable=True, before=house) as after:
        other = Desk(after, Section())
        await after.clock.advance(0.0)
        (call,) = other.poster.calls
        assert call.headers["webhook-id"] == unheard.headers["webhook-id"]
        assert call.body == unheard.body
        assert len(other.facts(WebhookDelivered)) == 1
        other.running.cancel()


# The stop


async def test_at_the_stop_nothing_is_begun_and_what_is_under_way_is_finished(desk: Desk) -> None:
    desk.poster.slow = 2.0
    await desk.ended()
    desk.hooks.close()
    await desk.promised("https://late.example.com/", fingerprint=b"late")
    await desk.house.clock.drive(desk.hooks.finish())
    assert len(desk.facts(WebhookDelivered)) == 1
    await desk.over()
    await desk.house.clock.advance(300.0)
    assert len(desk.poster.calls) == 1
    assert await desk.pending() == 1


async def test_a_receiver_that_takes_too_long_does_not_hold_up_the_stop(desk: Desk) -> None:
    desk.poster.slow = 1e6
    await desk.ended()
    before = desk.house.clock.monotonic()
    await desk.house.clock.drive(desk.hooks.finish())
    assert desk.house.clock.monotonic() - before < 3.1
    assert (desk.poster.open, await desk.pending()) == (0, 1)
    assert repr(desk.hooks) == "Hooks(0 under way)"


async def test_what_is_under_way_has_its_time_from_when_nothing_more_is_begun(desk: Desk) -> None:
    desk.poster.slow = 1e6
    await desk.ended()
    desk.hooks.close()  # with the drain
    await desk.house.clock.advance(2.0)
    desk.hooks.close()
    before = desk.house.clock.monotonic()
    await desk.house.clock.drive(desk.hooks.finish())  # when that is over
    assert desk.house.clock.monotonic() - before == pytest.approx(1.0)
    assert (desk.poster.open, await desk.pending()) == (0, 1)


def test_a_message_has_one_name_for_an_end_and_another_for_another() -> None:
    def named(ended_at: float, hook_id: str = "hook_1") -> str:
        return message_id(HookRow(hook_id, "job_1", URL, "", ended_at=ended_at))

    assert named(1.5) == named(1.5)
    assert len({named(1.5), named(2.5), named(1.5, "hook_2")}) == 3
    assert named(1.5).startswith("msg_")
    assert len(named(1.5)) == 36


def test_the_check_on_the_page_takes_what_is_genuine_and_nothing_else() -> None:
    page = (Path(__file__).parents[2] / "docs/api.md").read_text("utf-8")
    (snippet,) = re.findall(r"```python\n(.*?def is_genuine.*?)```", page, re.DOTALL)
    told: dict[str, Any] = {}
    exec(snippet, told)  # noqa: S102 - our own page
    is_genuine, now = told["is_genuine"], int(SystemClock().wall())
    secret = "whsec_" + base64.b64encode(SECRETS[1]).decode()
    headers = signed("msg_1", now, b"{}", SECRETS)
    assert is_genuine(secret, headers, b"{}")
    assert not is_genuine(secret, headers, b"[]")
    assert not is_genuine(secret, {**headers, "webhook-id": "msg_2"}, b"{}")
    assert not is_genuine(secret, signed("msg_1", now - 400, b"{}", SECRETS), b"{}")
    assert not is_genuine("whsec_" + base64.b64encode(b"c" * 24).decode(), headers, b"{}")
