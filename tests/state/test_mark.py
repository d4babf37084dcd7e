"""A ledger that has lost commits is known by its mark."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.state.refusing import fill, filled, refusal
from tests.state.rows import Ledger


async def cut_off(ledger: Ledger, path: Path, jobs: int = 8) -> Ledger:
    """A ledger as a kill leaves it: its last commits in the log alone."""
    store = ledger.store()
    await store.open()
    await fill(store, range(jobs))
    copied = Ledger(path / "killed" / "state.db")
    shutil.copytree(ledger.path.parent, copied.path.parent)
    await store.close()
    return copied


async def test_a_kill_alone_is_no_reason_to_refuse(ledger: Ledger, tmp_path: Path) -> None:
    killed = await cut_off(ledger, tmp_path)
    store = killed.store()
    await store.open()
    assert len(await store.unfinished()) == 8
    await store.close()


def gone(log: Path) -> None:
    log.unlink()


def emptied_log(log: Path) -> None:
    os.truncate(log, 0)


def halved(log: Path) -> None:
    os.truncate(log, log.stat().st_size // 2)


def less_its_end(log: Path) -> None:
    os.truncate(log, log.stat().st_size - 1)


def garbled(log: Path) -> None:
    with log.open("r+b") as file:
        file.seek(log.stat().st_size // 2)
        file.write(os.urandom(64))


@pytest.mark.parametrize("harm", [gone, emptied_log, halved, less_its_end, garbled])
async def test_a_ledger_that_is_older_than_it_was_is_refused(
    ledger: Ledger, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    killed = await cut_off(ledger, tmp_path)
    harm(killed.beside("-wal"))
    fault = await refusal(killed)
    assert "is older than it was" in fault.message
    assert "may be bought again" in fault.advice
    assert "state.db.mark accepts" in fault.advice


async def test_an_old_copy_that_was_put_back_is_refused_until_its_mark_is_deleted(
    ledger: Ledger, tmp_path: Path
) -> None:
    await filled(ledger, 2)
    shutil.copy(ledger.path, tmp_path / "copy.db")
    store = ledger.store()
    await store.open()
    await fill(store, range(2, 4))
    await store.close()
    ledger.told.clear()
    shutil.copy(tmp_path / "copy.db", ledger.path)
    fault = await refusal(ledger)
    assert "4 of 8 synced commits are not in it" in fault.message
    ledger.beside(".mark").unlink()
    await store.open()
    assert len(await store.unfinished()) == 2
    await store.close()


async def test_a_mark_that_lost_its_content_says_nothing(ledger: Ledger) -> None:
    await filled(ledger)
    ledger.beside(".mark").write_bytes(b"\0" * 21)
    await filled(ledger, 0)
    assert ledger.beside(".mark").read_text() == f"{2:020}\n"
