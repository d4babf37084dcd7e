"""What was acknowledged outlives a kill, wherever it comes."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

import pytest

from gateway.events import State
from gateway.state.base import JobRow, LedgerFault
from tests.state.rows import Ledger, state_of

ORDER = [State.INTENT.value, State.CREATING.value, State.RUNNING.value, "ended"]


class Victim:
    """A process that writes into a ledger, again and again, until it is killed."""

    def __init__(self, orders: IO[str], said: IO[str]) -> None:
        self._orders = orders
        self._said = said
        self.acknowledged: dict[str, str] = {}

    def run(self, script: str, after: int | None = None) -> None:
        """One life: it ends at a fail-point, or by a signal after so many acknowledgements."""
        print(script, file=self._orders, flush=True)
        told, pid = 0, 0
        for line in self._said:
            name, _, word = line.strip().partition(" ")
            if name == "over":
                break
            if name == "pid":
                pid = int(word)
            else:
                self.acknowledged[name] = word
                told += 1
            if pid and told == after:
                os.kill(pid, signal.SIGKILL)
        assert pid, "it died before it began"

    async def check(self, ledger: Ledger) -> None:
        """Whether all that it was told is there, and the ledger is taken for whole."""
        store = ledger.store(patience=10.0)
        await store.open()
        for name, word in self.acknowledged.items():
            job = await store.job(name)
            assert job is not None, name
            assert ORDER.index(reached(job)) >= ORDER.index(word), name
            assert await store.keyed("studio", name) == job
        await store.close()


def reached(job: JobRow) -> str:
    return job.tasks[0].state.value if job.ended_at is None else "ended"


@pytest.fixture
def victim(ledger: Ledger) -> Iterator[Victim]:
    command = [sys.executable, "-m", "tests.state.writing", str(ledger.path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Victim(process.stdin, process.stdout)
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


async def test_what_was_acknowledged_outlives_kills_at_any_moment(
    ledger: Ledger, victim: Victim
) -> None:
    chance = random.Random(15)  # noqa: S311 - chance that can be repeated
    for _ in range(8):
        victim.run("", after=chance.randrange(120))
    await victim.check(ledger)
    assert len(victim.acknowledged) > 10
    for _ in range(2):
        victim.run("", after=chance.randrange(120))
        await victim.check(ledger)


@pytest.mark.parametrize("place", ["ledger.commit", "ledger.committed"])
async def test_what_was_acknowledged_outlives_kills_around_a_commit(
    ledger: Ledger, victim: Victim, place: str
) -> None:
    for times in (1, 2, 7, 20):
        victim.run(f"{place}=kill:{times}")
        await victim.check(ledger)


async def test_a_log_that_was_cut_after_a_kill_is_noticed(ledger: Ledger, victim: Victim) -> None:
    victim.run("", after=100)
    os.truncate(ledger.beside("-wal"), ledger.beside("-wal").stat().st_size // 2)
    with pytest.raises(LedgerFault, match="is older than it was"):
        await ledger.store(patience=10.0).open()


async def test_a_step_whose_sync_failed_is_not_written_though_its_pages_were(
    ledger: Ledger,
) -> None:
    command = [sys.executable, "-m", "tests.state.no_sync", str(ledger.path)]
    ran = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    assert ran.stdout == "disk I/O error\n", ran.stderr
    assert ran.returncode == -signal.SIGKILL
    store = ledger.store()
    await store.open()
    assert await state_of(store, "t") is State.INTENT
    await store.close()
