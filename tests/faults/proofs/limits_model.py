"""R17: what keys are allowed, decided by the accounts and by a slow exact model, is the same.

Among the deeds of a case the wall clock is set wrong by an hour or a day. Two processes share the
cases; Hypothesis draws them from the seed.
"""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from gateway.config.sections import Limits
from tests.faults.proving import Assignment, Findings, Proof
from tests.state.limits_cases import FAULTS
from tests.state.limits_deeds import Deed
from tests.state.limits_drawn import CASES, played

_WORKERS = 2
_PIECE = 150
_SEEDS_APART = 1_000_000


def piece(first: int, number: int) -> Findings:
    """Some cases, in this very process."""
    findings = Findings()

    @hypothesis.seed(first)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=CASES)
    def one(case: tuple[int, tuple[Limits, ...], list[Deed]]) -> None:
        told = played(case)
        findings.count("cases")
        findings.count("deeds", len(case[2]))
        for name, times in told.counts.items():
            findings.count(name, times)
        for difference in told.differences:
            findings.breach(f"cases from {first} on: {difference}; {case}")

    one()
    if findings.counts.get("cases", 0) < number:
        findings.breach(f"cases from {first} on: only {findings.counts.get('cases', 0)} were drawn")
    return findings


async def run(assignment: Assignment) -> Findings:
    """Play as many cases as were asked for."""
    first = assignment.seed * _SEEDS_APART + assignment.first
    last = first + assignment.trials
    findings = Findings()
    loop, spawning = asyncio.get_running_loop(), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_WORKERS, mp_context=spawning) as pool:
        given_out = [
            loop.run_in_executor(pool, piece, at, min(_PIECE, last - at))
            for at in range(first, last, _PIECE)
        ]
        for number, one in enumerate(given_out, 1):
            findings.add(await one)
            assignment.tell(
                f"{number} of {len(given_out)} parts, {len(findings.breaches)} breaches"
            )
    return findings


PROOFS = (
    Proof(
        promise="R17",
        name="limits_model",
        sentence="keys get exactly what their limits allow, whatever the wall clock does",
        light=300,
        full=60_000,
        run=run,
        part=10_000,
        goals=dict.fromkeys(FAULTS, "0"),
    ),
)
