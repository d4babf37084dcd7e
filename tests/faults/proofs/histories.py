"""Histories of the job machine under a virtual clock: nothing is bought twice, nothing bought lost.

Where the machine has cores to spare several processes share the trials; a breach names its seed,
and ``tests.faults.histories.tell`` tells that history again.
"""

import asyncio
import gc
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.faults.histories import tell
from tests.faults.proving import Assignment, Findings, Proof

_WORKERS = 2
_PIECE = 25
_SEEDS_APART = 1_000_000
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it


def piece(seeds: range, folder: str) -> Findings:
    """Some histories, in this very process."""
    findings = Findings()
    gc.collect()
    gc.freeze()  # so that looking for what nobody retrieved need not look at everything
    quick = str(_MEMORY) if _MEMORY.is_dir() else folder
    with tempfile.TemporaryDirectory(dir=quick) as own:
        for seed in seeds:
            story = tell(seed, Path(own))
            findings.count("histories")
            for name, number in story.counts.items():
                findings.count(name, number)
            if story.breaches:
                findings.breach(str(story))
    return findings


async def run(assignment: Assignment) -> Findings:
    """Tell as many histories as were asked for."""
    first = assignment.seed * _SEEDS_APART + assignment.first
    last = first + assignment.trials
    pieces = [range(at, min(at + _PIECE, last)) for at in range(first, last, _PIECE)]
    findings = Findings()
    loop, spawning = asyncio.get_running_loop(), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_WORKERS, mp_context=spawning) as pool:
        given = [
            loop.run_in_executor(pool, piece, seeds, str(assignment.folder)) for seeds in pieces
        ]
        for number, one in enumerate(given, 1):
            findings.add(await one)
            assignment.tell(f"{number} of {len(given)} parts, {len(findings.breaches)} breaches")
    return findings


PROOFS = (
    Proof(
        promise="R3",
        name="histories",
        sentence="whenever the process dies, nothing is bought twice and nothing bought is lost",
        light=70,
        full=20_000,
        run=run,
        part=1_000,
    ),
)
