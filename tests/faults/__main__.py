"""``./run prove``: try the promises by injected faults, and report what was counted.

Owns: the options, the order of the parts, progress, going on after an interruption, the exit code:
0 if every promise held, 1 if not or if a proof could not be run, 2 for a wrong call, 130 if it was
interrupted. Must not know: what a proof does.
"""

import argparse
import asyncio
import secrets
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.clock import SystemClock
from tests.faults import reports
from tests.faults.catalogue import catalogue, chosen
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.records import Asked, Part, Records
from tests.repo.source import ROOT

FOLDER = ROOT / "data" / "prove"
_BROKEN, _WRONG_CALL, _INTERRUPTED = 1, 2, 130


def main(
    arguments: Sequence[str], proofs: Sequence[Proof] | None = None, folder: Path = FOLDER
) -> int:
    """Run the tool; gives its exit code."""
    options = _parser().parse_args(arguments)
    proofs = catalogue() if proofs is None else proofs
    records = Records(folder)
    try:
        asked = _asked(options, records)
        wanted = _run(asked, chosen(proofs, asked.only))
    except ValueError as error:
        _say(f"./run prove: {error}")
        return _WRONG_CALL
    if not options.resume:
        records.begin(asked)
        reports.forget(folder)
    _say(f"seed {asked.seed}, {'full' if asked.full else 'light'} numbers, {len(wanted)} proofs")
    try:
        asyncio.run(_all(asked, wanted, records, folder))
    except (KeyboardInterrupt, asyncio.CancelledError):
        _say("Interrupted. It goes on with: ./run prove --resume")
        return _INTERRUPTED
    return _conclude(asked, wanted, records, folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./run prove",
        description="Try the gateway's promises by injected faults. Reports to data/prove.",
    )
    parser.add_argument(
        "--only", default="", metavar="R3,R6", help="promises, or names of proofs; else all"
    )
    parser.add_argument("--seed", type=int, help="makes all chance repeatable; else a new one")
    parser.add_argument("--full", action="store_true", help="the numbers of a release: an hour")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was cut off")
    return parser


def _asked(options: argparse.Namespace, records: Records) -> Asked:
    """As the options say, or as the run said that is resumed. Raises: ValueError."""
    only = tuple(word.strip() for word in options.only.split(",") if word.strip())
    if not options.resume:
        seed = secrets.randbits(32) if options.seed is None else options.seed
        return Asked(seed, options.full, only)
    before = records.asked()
    if before is None:
        raise ValueError("there is nothing to resume")
    if options.seed not in {None, before.seed}:
        raise ValueError(f"the run to be resumed has seed {before.seed}")
    if (options.full and not before.full) or (only and only != before.only):
        raise ValueError("a run is resumed as it was begun: leave --full and --only out")
    return before


def _run(asked: Asked, proofs: Sequence[Proof]) -> tuple[Proof, ...]:
    """Those of which there are trials. Raises: ValueError if there are none at all."""
    found = tuple(proof for proof in proofs if asked.full or proof.light)
    if not found:
        raise ValueError(f"{proofs[0].name} is run with --full alone")
    return found


def _parts(asked: Asked, proof: Proof) -> Iterator[tuple[int, int]]:
    """First trial and number of trials of each part."""
    trials = proof.full if asked.full else proof.light
    for first in range(0, trials, proof.part):
        yield first, min(proof.part, trials - first)


async def _all(asked: Asked, proofs: Sequence[Proof], records: Records, folder: Path) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    done = records.parts()
    for proof in proofs:
        for first, trials in _parts(asked, proof):
            before = done.get((proof.name, first))
            if before is not None and before.error is None:
                continue
            part = await _part(proof, first, trials, asked.seed, folder)
            records.add(part)
            _say(f"{proof.name}: trials {first} to {first + trials - 1}: {_summary(part)}")


async def _part(proof: Proof, first: int, trials: int, seed: int, folder: Path) -> Part:
    """One part in a folder of its own, which is kept where something went wrong."""
    place = folder / "work" / f"{proof.name}-{first}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    clock = SystemClock()
    begun = clock.monotonic()

    def tell(line: str) -> None:
        _say(f"  {proof.name}: {line} ({clock.monotonic() - begun:.0f} s)")

    findings, error = Findings(), None
    try:
        findings = await proof.run(Assignment(trials, seed, place, tell, first))
    except Exception as raised:  # noqa: BLE001 - whatever it is, the other proofs are run
        (place / "error.txt").write_text(traceback.format_exc(), "utf-8")
        error = _told(raised)
    if error is None and not findings.breaches:
        shutil.rmtree(place, ignore_errors=True)
    return Part(proof.name, first, trials, clock.monotonic() - begun, findings, error)


def _told(raised: BaseException) -> str:
    while isinstance(raised, BaseExceptionGroup):
        raised = raised.exceptions[0]
    return f"{type(raised).__name__}: {raised}"


def _summary(part: Part) -> str:
    if part.error is not None:
        return f"could not be run: {part.error}"
    breaches = part.findings.breaches
    return f"BROKEN {len(breaches)} times: {breaches[0]}" if breaches else "held"


def _conclude(asked: Asked, proofs: Sequence[Proof], records: Records, folder: Path) -> int:
    done = records.parts()
    results = []
    for proof in proofs:
        parts = list(_parts(asked, proof))
        mine = [done[proof.name, first] for first, _ in parts if (proof.name, first) in done]
        results.append(reports.result(proof, sum(trials for _, trials in parts), mine))
    text = reports.write(folder, asked, results)
    _say(reports.for_people(asked, results))
    _say(f"Report: {text} and report.json beside it.")
    return 0 if all(one.held for one in results) else _BROKEN


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
