"""Ledgers with something in them, and how one is refused."""

import os
import threading
from pathlib import Path

import pytest

from gateway.state import lock
from gateway.state.base import LedgerFault
from gateway.state.sqlite import SqliteStore
from tests.state.rows import Ledger, a_job, created, sent, tell


async def filled(ledger: Ledger, jobs: int = 1) -> None:
    """A ledger with a few jobs, closed."""
    store = ledger.store()
    await store.open()
    await fill(store, range(jobs))
    await store.close()
    ledger.told.clear()


async def fill(store: SqliteStore, numbers: range) -> None:
    for number in numbers:
        await store.add_job(a_job(f"j{number}", f"t{number}"))
        bought = created(f"j{number}", f"t{number}", f"v{number}")
        await tell(store, sent(f"j{number}", f"t{number}"), bought)


async def refusal(ledger: Ledger) -> LedgerFault:
    """How the ledger is refused; nothing of it may have changed, and nothing stays locked."""
    before = contents(ledger)
    store = ledger.store()
    with pytest.raises(LedgerFault) as fault:
        await store.open()
    after = contents(ledger)
    assert {name: after.get(name) for name in before} == before
    assert after.keys() - before.keys() <= {ledger.beside("-wal")}
    assert store.trouble == "the ledger is not open"
    assert str(ledger.path) in fault.value.message
    assert fault.value.advice.endswith(".")
    assert ledger.told == []
    os.close(lock.acquire(ledger.beside(".lock"), 0.0, threading.Event()))
    return fault.value


def contents(ledger: Ledger) -> dict[Path, bytes]:
    """All files, but for who held the lock last and SQLite's shared memory."""
    passing = {ledger.beside(end) for end in (".lock", "-shm")}
    return {path: path.read_bytes() for path in ledger.path.parent.iterdir() if path not in passing}
