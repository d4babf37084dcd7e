"""Every proof of the catalogue, with its light number and a seed of its own each time."""

import asyncio
import secrets
import sys
from pathlib import Path

import pytest

from tests.faults.catalogue import catalogue
from tests.faults.proving import Assignment, Proof

# These need programs that this machine may lack (./run test --clients).
OUTSIDE: frozenset[str] = frozenset()
_PATIENCE = 180  # seconds; a proof that takes longer is stuck


def _case(proof: Proof) -> object:
    marks = [pytest.mark.clients] if proof.name in OUTSIDE else []
    return pytest.param(proof, id=proof.name, marks=marks)


@pytest.mark.parametrize("proof", [_case(proof) for proof in catalogue()])
async def test_the_promise_holds(
    proof: Proof, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = secrets.randbits(32)
    again = f"./run prove --only {proof.name} --seed {seed}"
    with capsys.disabled():
        sys.stdout.write(f"\n{proof.promise} {proof.name}, again by: {again}\n")
    async with asyncio.timeout(_PATIENCE):
        findings = await proof.run(Assignment(proof.light, seed, tmp_path, lambda _line: None))
    assert findings.breaches == [], f"again by: {again}; counted {findings.counts}"
    assert findings.counts
