"""The accounts against the slow exact model: nobody gets more or less, no wait is a lie.

``./run prove --only limits_model --full`` draws tens of thousands of cases.
"""

import pytest
from hypothesis import HealthCheck, given, settings

from gateway.config.sections import Limits
from gateway.events import CreateLost, CreateSent, NotFound, State
from gateway.state.accounts import Accounts
from gateway.state.base import LimitReached
from gateway.state.bucket import Bucket
from tests.clocks import FakeClock
from tests.state.limits_cases import Case
from tests.state.limits_deeds import Deed, Hands, Pass, Plain, Wish
from tests.state.limits_drawn import CASES, played
from tests.state.rows import a_job

_MORNING = 1_792_972_800 + 8 * 3_600
_NONE = Limits()


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=CASES)
def test_keys_get_exactly_what_the_slow_model_allows(
    case: tuple[int, tuple[Limits, ...], list[Deed]],
) -> None:
    assert played(case).differences == []


def _patient(limits: Limits) -> Case:
    """Three wishes at once; whoever is refused comes back when it was told to, or just before."""
    wishes: list[Deed] = [Wish(0, ((2, 0),), patience=True) for _ in range(3)]
    return Case(_MORNING, (limits, _NONE, _NONE)).play([Plain(0), *wishes, Pass(1)])


def test_a_case_counts_what_was_decided() -> None:
    case = _patient(Limits(images_per_minute=7, images_burst=2))
    assert case.differences == []
    counted = ("decisions", "admitted", "refused", "waits", "waits stated")
    assert [case.counts[name] for name in counted] == [8, 4, 4, 2, 4]


@pytest.mark.parametrize(
    ("nanoseconds", "found"),
    [(-(10**12), "over-admissions"), (-1_000_000, "early waits"), (10**8, "late waits")],
)
def test_a_bucket_that_is_wrong_about_waits_is_found(
    monkeypatch: pytest.MonkeyPatch, nanoseconds: int, found: str
) -> None:
    right = Bucket.wait

    def wrong(self: Bucket, now: int, count: int, burst: int) -> int:
        wait = right(self, now, count, burst)
        return max(0, wait + nanoseconds) if wait else 0

    monkeypatch.setattr(Bucket, "wait", wrong)
    case = _patient(Limits(images_per_minute=60, images_burst=2))
    assert case.counts[found] == 1
    assert len(case.differences) == 1


def test_a_bucket_that_refuses_what_may_be_had_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bucket, "wait", lambda *_: 1)
    assert _patient(Limits(images_per_minute=60)).counts["under-admissions"] == 1


def _refused(accounts: Accounts, limits: Limits, images: int = 1) -> LimitReached:
    tasks = [f"task_{number}" for number in range(images)]
    with pytest.raises(LimitReached) as reached:
        accounts.take(a_job("job_2", *tasks), limits)
    return reached.value


def test_more_than_a_whole_day_allows_never_frees() -> None:
    accounts = Accounts(FakeClock(epoch=_MORNING))
    assert _refused(accounts, Limits(images_per_day=1), images=2).until is None
    accounts.take(a_job(), Limits())
    assert _refused(accounts, Limits(images_per_day=1)).until == _MORNING + 16 * 3_600


def test_a_rate_is_named_where_it_frees_after_the_day() -> None:
    accounts = Accounts(FakeClock(epoch=_MORNING + 15.9 * 3_600))
    limits = Limits(images_per_minute=1, images_burst=1, images_per_day=20)
    accounts.take(a_job("job_1", *(f"one_{number}" for number in range(20))), limits)
    reached = _refused(accounts, limits)
    assert (reached.name, reached.wait) == ("images_per_minute", 1_200.0)


def test_a_job_whose_purchase_stays_unknown_was_a_request() -> None:
    accounts, limits = Accounts(FakeClock()), Limits(requests_per_minute=1)
    job = accounts.take(a_job(), limits).job
    named = {"job_id": job.job_id, "task_id": job.tasks[0].task_id}
    for event, state in (
        (CreateSent(at=0.0, **named), State.CREATING),
        (CreateLost(at=0.0, reason="x", **named), State.UNCERTAIN),
        (NotFound(at=0.0, **named), State.LOST),
    ):
        accounts.told(event, state)
    accounts.ended(job.job_id)
    assert _refused(accounts, limits).name == "requests_per_minute"


def test_no_nanosecond_of_a_clock_is_cut_off() -> None:
    clock = Hands(_MORNING)
    accounts, limits = Accounts(clock), Limits(requests_per_minute=60, requests_burst=1)
    clock.turn(15_000_000_151)
    accounts.take_request("studio", limits)
    clock.turn(1_000_000_000)  # 16.000000151 s are 16,000,000,150.99 ns as a float
    accounts.take_request("studio", limits)
