"""The mark of a claim, written where no gateway runs."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.events import JobClaimed
from gateway.ops.plain import shape
from gateway.state.base import LedgerFault
from gateway.state.marking import LedgerHeld, held, mark_claimed
from gateway.state.reading import Reading
from gateway.state.schema import VERSION
from tests.state.ledgers import BEGIN, NOBODY, Ledger

AT = BEGIN + 500


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state.db")
    yield made
    made.close()


@contextlib.contextmanager
def gateway_on(path: Path) -> Iterator[None]:
    """The lock that a gateway holds for as long as it runs."""
    with Path(f"{path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_claim_is_written_into_the_row_and_the_story(ledger: Ledger) -> None:
    other, job = ledger.job("done"), ledger.job("done")
    assert mark_claimed(ledger.path, job, AT)
    reading = Reading(ledger.path)
    read = reading.job(job)
    assert read is not None
    assert read.delivered_at == AT
    (event,) = reading.story(job)
    assert (event.at, event.name, event.task_id, event.detail) == (AT, "job_claimed", None, {})
    assert event.name == shape(JobClaimed)[0]
    assert reading.story(other) == ()
    assert ledger.value("SELECT value FROM meta WHERE name = 'commits'") == "42"


def test_a_job_that_was_delivered_before_stays_delivered_then(ledger: Ledger) -> None:
    job = ledger.job("done", delivered_at=BEGIN + 80)
    assert mark_claimed(ledger.path, job, AT)
    assert ledger.value("SELECT delivered_at FROM jobs") == BEGIN + 80
    assert ledger.value("SELECT name FROM story") == "job_claimed"


def test_a_job_that_there_is_not_is_not_marked(ledger: Ledger) -> None:
    ledger.job("done")
    assert not mark_claimed(ledger.path, "job_other", AT)
    assert ledger.value("SELECT count(*) FROM story") == 0


def test_while_a_gateway_runs_nothing_is_written(ledger: Ledger) -> None:
    job = ledger.job("done")
    with gateway_on(ledger.path):
        assert held(ledger.path)
        with pytest.raises(LedgerHeld):
            mark_claimed(ledger.path, job, AT)
    assert ledger.value("SELECT count(*) FROM story") == 0
    assert not held(ledger.path)
    assert mark_claimed(ledger.path, job, AT)


def test_the_lock_is_given_back_also_after_a_fault(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state.db", version=VERSION + 1)
    with pytest.raises(LedgerFault, match="newer gateway"):
        mark_claimed(ledger.path, "job_a", AT)
    ledger.close()
    assert not held(ledger.path)


def test_a_half_written_mark_is_none(ledger: Ledger) -> None:
    job = ledger.job("done")
    ledger.connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON story BEGIN SELECT RAISE(ABORT, 'no room'); END"
    )
    with pytest.raises(LedgerFault, match="no room"):
        mark_claimed(ledger.path, job, AT)
    assert ledger.value("SELECT delivered_at FROM jobs") is None


def test_where_nothing_ever_ran_nothing_is_held_and_nothing_made(tmp_path: Path) -> None:
    assert not held(tmp_path / "state.db")
    with pytest.raises(LedgerFault, match="There is no ledger"):
        mark_claimed(tmp_path / "state.db", "job_a", AT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take what is another's")
def test_a_lock_that_root_makes_is_the_owners_of_the_ledger(ledger: Ledger) -> None:
    for path in ledger.path.parent.iterdir():
        os.chown(path, NOBODY, NOBODY)
    assert mark_claimed(ledger.path, ledger.job("done"), AT)
    made = Path(f"{ledger.path}.lock").stat()
    assert (made.st_uid, made.st_mode & 0o777) == (NOBODY, 0o600)
