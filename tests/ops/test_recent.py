"""Failures as operators see them: what counts as one, and how many of a kind are one line."""

import dataclasses

import pytest

from gateway.events import (
    About,
    CollectingHindered,
    CreateLost,
    Found,
    JobCrashed,
    JobJoined,
    LinkDead,
    NotFound,
    Polled,
    State,
    Stepped,
    TaskEvent,
    TaskFailed,
    Vanished,
)
from gateway.facts import Crashed, RequestEnded
from gateway.notices import (
    BreakerClosed,
    BreakerOpened,
    ConfigRefused,
    ConfigReloaded,
    LedgerHindered,
    LedgerRecovered,
)
from gateway.ops.recent import Failure, Recent
from tests.clocks import FakeClock

SECRET = "what the vendor said of a lighthouse"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def recent(clock: FakeClock) -> Recent:
    return Recent(clock, most=10)


def ended(
    status: int | None, code: str | None = None, job: str | None = None, n: int = 1
) -> RequestEnded:
    return RequestEnded(
        f"req_{n}", "POST", status, 1.0, 10, key_name="studio", job_id=job, error_code=code
    )


def stepped(event: TaskEvent, key: str = "studio") -> Stepped:
    about = About(key_name=key, model="gpt-image-2", tier="1k", quality="high", images=1)
    return Stepped(event=event, state=State.FAILED, about=about, seconds=1.0, charged=0)


def lost(job: str = "job_1") -> Stepped:
    return stepped(CreateLost(job_id=job, task_id="t", at=0, reason=SECRET))


def failed(job: str, key: str = "studio") -> Stepped:
    return stepped(TaskFailed(job_id=job, task_id="t", at=0, reason=SECRET), key)


def only(recent: Recent) -> Failure:
    (failure,) = recent.failures()
    return failure


def test_a_failed_request_is_told_with_whose_it_was(recent: Recent, clock: FakeClock) -> None:
    recent(ended(503, "upstream_unavailable", "job_1"))
    failure = only(recent)
    assert (failure.code, failure.status) == ("upstream_unavailable", 503)
    told = (failure.key_name, failure.job_id, failure.request_id)
    assert told == ("studio", "job_1", "req_1")
    assert failure.at == failure.first_at == clock.wall()
    assert "doctor" in failure.advice.do


@pytest.mark.parametrize(
    ("fact", "counts"),
    [
        (ended(200), False),
        (ended(400, "invalid_value"), False),  # the caller's own
        (ended(429, "rate_limit_exceeded"), False),  # the key's own limit
        (ended(429, "insufficient_quota", "job_1"), True),  # the account's
        (ended(400, "moderation_blocked", "job_1"), True),
        (ended(499, None, "job_1"), False),
        (ended(None), False),
        (ended(500, None), True),
        (stepped(Polled(job_id="j", task_id="t", at=0, word="x", progress=1)), False),
    ],
)
def test_what_is_our_fault_or_the_vendors_is_a_failure(
    recent: Recent, fact: object, counts: bool
) -> None:
    recent(fact)
    assert bool(recent.failures()) is counts


def test_many_of_a_kind_are_one_line_with_a_count(recent: Recent, clock: FakeClock) -> None:
    first = clock.wall()
    for n in range(3):
        recent(ended(503, "upstream_unavailable", f"job_{n}", n))
        clock.now += 10
    failure = only(recent)
    assert (failure.count, failure.job_id, failure.request_id) == (3, "job_2", "req_2")
    assert (failure.first_at, failure.at) == (first, first + 20)


def test_each_key_has_lines_of_its_own(recent: Recent) -> None:
    recent(failed("job_1", "studio"))
    recent(failed("job_2", "lab"))
    assert [failure.key_name for failure in recent.failures()] == ["lab", "studio"]


def test_what_is_perhaps_bought_is_told_job_by_job(recent: Recent) -> None:
    recent(lost("job_1"))
    recent(lost("job_2"))
    assert [failure.job_id for failure in recent.failures()] == ["job_2", "job_1"]


def test_a_tasks_failure_and_its_requests_are_one(recent: Recent) -> None:
    recent(failed("job_1"))
    recent(failed("job_2"))
    recent(ended(502, "upstream_task_failed", "job_1", 1))
    recent(ended(502, "upstream_task_failed", "job_2", 2))
    failure = only(recent)
    assert (failure.count, failure.code) == (2, "task_failed")
    assert (failure.job_id, failure.request_id, failure.status) == ("job_2", "req_2", 502)


def test_a_late_request_does_not_hide_what_became_of_its_job(recent: Recent) -> None:
    recent(lost())
    recent(ended(504, "upstream_timeout", "job_1"))
    failure = only(recent)
    assert (failure.code, failure.status) == ("create_lost", 504)
    recent(stepped(NotFound(job_id="job_1", task_id="t", at=0)))
    assert (only(recent).code, only(recent).request_id) == ("not_found", "req_1")


def test_what_was_given_up_as_lost_and_is_found_is_over(recent: Recent) -> None:
    recent(lost())
    recent(stepped(NotFound(job_id="job_1", task_id="t", at=0)))
    recent(stepped(Found(job_id="job_2", task_id="t", at=0, upstream_id="u")))
    assert not only(recent).over
    recent(stepped(Found(job_id="job_1", task_id="t", at=0, upstream_id="u")))
    assert only(recent).over


def test_a_job_is_over_when_all_of_its_lost_tasks_are_found(recent: Recent) -> None:
    recent(lost())
    for task in ("t", "u"):
        recent(stepped(NotFound(job_id="job_1", task_id=task, at=0)))
    for task, over in (("t", False), ("u", True)):
        recent(stepped(Found(job_id="job_1", task_id=task, at=0, upstream_id="u")))
        assert only(recent).over is over


def test_worse_that_befalls_a_job_has_its_own_line(recent: Recent) -> None:
    recent(failed("job_1"))
    recent(stepped(LinkDead(job_id="job_1", task_id="u", at=0, reason=SECRET)))
    assert [failure.code for failure in recent.failures()] == ["link_dead", "task_failed"]


@pytest.mark.parametrize(
    ("trouble", "end"),
    [
        (lost(), stepped(Found(job_id="job_1", task_id="t", at=0, upstream_id="u"))),
        (BreakerOpened(failures=5, of=10, seconds=15), BreakerClosed()),
        (LedgerHindered(reason=SECRET, waiting=1), LedgerRecovered(written=1)),
        (
            ConfigRefused(cause="file", faults=(SECRET,)),
            ConfigReloaded(
                cause="file",
                changed=(),
                keys_added=(),
                keys_removed=(),
                keys_changed=(),
                pending=(),
            ),
        ),
    ],
)
def test_what_was_mended_says_so(recent: Recent, trouble: object, end: object) -> None:
    recent(trouble)
    assert not only(recent).over
    recent(end)
    assert only(recent).over
    recent(trouble)
    assert not only(recent).over


def test_another_jobs_being_found_mends_nothing(recent: Recent) -> None:
    recent(lost())
    recent(stepped(Found(job_id="job_2", task_id="t", at=0, upstream_id="u")))
    assert not only(recent).over


@pytest.mark.parametrize(
    "fact",
    [
        JobCrashed(job_id="job_1", error=RuntimeError(SECRET)),
        CollectingHindered(job_id="job_1", task_id="t", reason=SECRET),
        stepped(Vanished(job_id="job_1", task_id="t", at=0, reason=SECRET)),
        Crashed("req_1", "RuntimeError", SECRET, job_id="job_1"),
        ConfigRefused(cause="file", faults=(SECRET,)),
        lost(),
    ],
)
def test_nothing_that_was_said_is_kept(recent: Recent, fact: object) -> None:
    recent(fact)
    assert only(recent).advice.do
    assert SECRET not in str(dataclasses.asdict(only(recent)))


def test_whose_a_failure_was_may_be_known_later(recent: Recent) -> None:
    recent(JobCrashed(job_id="job_1", error=RuntimeError()))
    assert only(recent).key_name is None
    recent(ended(500, "server_error", "job_1"))
    assert only(recent).key_name == "studio"


def test_a_crash_is_told_with_its_request(recent: Recent) -> None:
    recent(Crashed("req_7", "RuntimeError", "", job_id=None))
    recent(ended(500, "server_error", None, 7))
    assert only(recent).request_id == "req_7"


def test_the_oldest_are_forgotten(recent: Recent) -> None:
    for n in range(25):
        recent(lost(f"job_{n}"))
    assert [failure.job_id for failure in recent.failures()] == [
        f"job_{n}" for n in range(24, 14, -1)
    ]
    assert repr(recent) == "<Recent failures=10 saved=0>"


def test_a_job_whose_line_is_forgotten_gets_a_new_one(recent: Recent) -> None:
    recent(lost("job_0"))
    for n in range(1, 12):
        recent(lost(f"job_{n}"))
    recent(ended(502, "upstream_outcome_unknown", "job_0"))
    assert recent.failures()[0].code == "upstream_outcome_unknown"


def test_which_entry_a_job_went_into_is_remembered_within_bounds(recent: Recent) -> None:
    for n in range(1_500):
        recent(failed(f"job_{n}"))
    assert only(recent).count == 1_500
    assert len(recent._jobs) == 1_000


def test_saved_purchases_are_counted_by_how(recent: Recent) -> None:
    for how in ("orphan", "sdk_retry", "orphan"):
        recent(JobJoined(job_id="job_1", at=0, how=how))
    assert recent.saved() == {"orphan": 2, "sdk_retry": 1}
    assert recent.failures() == ()


def test_a_failure_after_an_answer_began_is_one_and_a_caller_who_left_then_is_none(
    recent: Recent,
) -> None:
    recent(dataclasses.replace(ended(200, "upstream_timeout", "job_1"), late_status=504))
    recent(dataclasses.replace(ended(200, None, "job_2", 2), late_status=499))
    failure = only(recent)
    assert (failure.status, failure.code, failure.job_id) == (504, "upstream_timeout", "job_1")
