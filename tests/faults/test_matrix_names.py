"""The list of faults is long, says what it holds, and a fault that does not strike is noticed.

That each of them strikes is told by the proof itself, which breaks where one does not; here it is
shown that it would.
"""

import random
from pathlib import Path
from typing import Any

import pytest

from tests.faults.asking import SERVED
from tests.faults.mishaps import Mishap
from tests.faults.proofs import matrix
from tests.faults.proving import Assignment, Findings
from tests.faults.vendor_faults import CASES, LOST, WELL, Case, Faults

LEAST = 40
# What the promise lists, by a word that stands in a fault's name.
PROMISED = (
    "names_unknown",
    "names_failing",
    "names_slow",
    "connection_refused",
    "connection_never_stands",
    "tls_wrong_host",
    "tls_expired",
    "reset_at_byte_n",
    "half_json",
    "html_502",
    "html_524",
    "success_false",
    "wrong_types",
    "endless_body",
    "gzip_bomb",
    "head_drip",
    "body_drip",
    "429_storm",
    "429_storm_retry_after_0",
    "429_storm_retry_after_3600",
    "429_retry_after_date",
    "429_storm_retry_after_garbage",
    "create_401",
    "create_402",
    "create_403",
    "status_404",
    "task_never_ends",
    "status_regress",
    "status_unknown_word",
    "duplicate_business_id",
    "task_makes_fewer",
    "task_makes_none",
)


def made(case: Case) -> Faults:
    return case.make(random.Random(1))  # noqa: S311 - repeatable


def test_there_are_forty_faults_and_more_each_with_a_name_of_its_own() -> None:
    names = {case.name for case in CASES}
    assert len(names) == len(CASES) >= LEAST


def test_no_fault_is_listed_twice_under_two_names() -> None:
    for place, case in enumerate(CASES):
        for other in CASES[place + 1 :]:
            same = (case.n, case.edits, made(case)) == (other.n, other.edits, made(other))
            assert not same, f"{case.name} is {other.name}"


@pytest.mark.parametrize("words", PROMISED)
def test_what_the_promise_lists_is_there(words: str) -> None:
    assert [case.name for case in CASES if words in case.name]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_fault_does_something_and_may_end_somehow(case: Case) -> None:
    faults = made(case)
    assert faults != Faults()
    assert case.may


def test_half_of_the_trials_leave_the_sdk_its_own_repetitions() -> None:
    numbers = range(20 * len(CASES))
    with_retries = [number for number in numbers if matrix.retries_of(number)]
    assert len(with_retries) == len(numbers) // 2
    of_each = {
        sum(number % len(CASES) == place for number in with_retries) for place in range(len(CASES))
    }
    assert of_each == {10}


async def found(
    monkeypatch: pytest.MonkeyPatch, folder: Path, faults: Faults, may: Any = WELL
) -> Findings:
    """One trial of one fault, of which nobody else knows."""
    case = Case("of_the_test", may, lambda _: faults)
    monkeypatch.setattr(matrix, "CASES", (case,))
    return await matrix._run(Assignment(1, 1, folder, lambda _: None))


@pytest.mark.parametrize(
    "faults",
    [
        Faults(),
        Faults(vendor=({"where": "upload", "kind": "bad_gateway", "times": None},)),
        Faults(proxy=(Mishap("reset", "create", at=100_000),)),
    ],
)
async def test_a_fault_that_does_not_strike_breaks_the_proof(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, faults: Faults
) -> None:
    findings = await found(monkeypatch, tmp_path, faults)
    assert len(findings.breaches) == 1
    assert "did not strike" in findings.breaches[0]


async def test_a_double_purchase_breaks_the_proof(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    twice = Faults(proxy=(Mishap("twice", "create"),))
    findings = await found(monkeypatch, tmp_path, twice)
    assert findings.counts["doubles"] == 1
    assert [breach for breach in findings.breaches if "bought 2 times" in breach]


async def test_an_end_that_was_not_meant_breaks_the_proof(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    late = Faults(proxy=(Mishap("late", "create", seconds=0.05),))
    findings = await found(monkeypatch, tmp_path, late, LOST)
    assert findings.counts[f"ended {SERVED}"] == 1
    assert len(findings.breaches) == 1
    assert f"ended as {SERVED}" in findings.breaches[0]
