"""Every proof of the catalogue, with its light number and a seed of its own each time."""

import asyncio
import secrets
import sys
from pathlib import Path

import pytest

from tests.faults.catalogue import catalogue
from tests.faults.proving import Assignment, Proof

_PATIENCE = 180  # seconds; a proof that takes longer is stuck


@pytest.mark.parametrize(
    "proof", [proof for proof in catalogue() if proof.light], ids=lambda proof: proof.name
)
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
