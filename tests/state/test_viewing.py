"""Opening a ledger only to look: what is left alone, what is recovered, what is refused."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.state.base import LedgerFault
from gateway.state.reading import Reading
from gateway.state.records import JobRecord
from gateway.state.schema import VERSION
from gateway.state.viewing import faults_told
from tests.repo.source import ROOT
from tests.state.ledgers import BEGIN, Ledger, unprivileged

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.state.ledgers import Ledger
ledger = Ledger(Path(sys.argv[1]))
ledger.job("running", job_id="job_killed")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state.db")
    yield made
    made.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody can reach, but only its owner can write in."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def killed(path: Path) -> None:
    """A ledger as a killed gateway leaves it, all of it still in the log beside the file."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


def found(reading: Reading, name: str) -> JobRecord:
    job = reading.job(name)
    assert job is not None
    return job


def fault(reading: Reading) -> LedgerFault:
    with pytest.raises(LedgerFault) as caught:
        reading.counts(BEGIN)
    return caught.value


def test_nothing_is_changed_by_a_look(ledger: Ledger) -> None:
    ledger.job("running")
    ledger.close()
    before = ledger.path.read_bytes()
    Reading(ledger.path).counts(0)
    assert ledger.path.read_bytes() == before


def test_what_a_killed_gateway_left_is_recovered(tmp_path: Path) -> None:
    killed(tmp_path / "state.db")
    assert found(Reading(tmp_path / "state.db"), "job_killed").word == "running"


def test_without_the_right_to_recover_what_a_killed_gateway_left_this_is_said(
    open_folder: Path,
) -> None:
    path = open_folder / "state.db"
    killed(path)
    (open_folder / "state.db-shm").unlink()
    for file in open_folder.iterdir():
        file.chmod(0o644)
    open_folder.chmod(0o555)
    with unprivileged():
        told = fault(Reading(path))
    assert told.message == (
        f"The gateway that wrote {path} ended without closing it, and what it wrote last can only "
        f"be recovered by who may write in {open_folder}."
    )
    assert told.advice == "Run this as the gateway's user, or start the gateway."


def test_a_ledger_that_was_closed_well_can_be_read_where_nothing_can_be_written(
    open_folder: Path,
) -> None:
    ledger = Ledger(open_folder / "state.db")
    job = ledger.job("done")
    ledger.close()
    ledger.path.chmod(0o444)
    open_folder.chmod(0o555)
    with unprivileged():
        assert found(Reading(ledger.path), job).word == "done"
    assert [path.name for path in open_folder.iterdir()] == ["state.db"]


def test_a_ledger_that_may_not_be_read_is_said_to_be_so(open_folder: Path) -> None:
    ledger = Ledger(open_folder / "state.db")
    ledger.close()
    ledger.path.chmod(0)
    with unprivileged():
        told = fault(Reading(ledger.path))
    assert "this user may not read it" in told.message
    open_folder.chmod(0o700)
    if os.geteuid() == 0:
        with unprivileged():
            assert "this user may not read it" in fault(Reading(ledger.path)).message


def test_a_missing_ledger_is_not_made(tmp_path: Path) -> None:
    told = fault(Reading(tmp_path / "state.db"))
    assert told.message == f"There is no ledger at {tmp_path / 'state.db'}."
    assert "relative path" in told.advice
    assert list(tmp_path.iterdir()) == []


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE jobs (job_id TEXT)")
    other.close()
    assert "no ledger of this gateway" in fault(Reading(path)).message


@pytest.mark.parametrize("content", [b"", b"not a database at all " * 100])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)
    assert "no ledger" in fault(Reading(path)).message
    assert path.read_bytes() == content


def test_a_newer_ledger_is_refused_with_both_versions(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state.db", version=VERSION + 1)
    told = fault(Reading(ledger.path))
    ledger.close()
    assert f"ledger version {VERSION + 1}; this program reads up to {VERSION}" in told.message


def test_a_ledger_that_was_not_made_to_its_end_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state.db", version=0)
    assert "not made to its end" in fault(Reading(ledger.path)).message
    ledger.close()


def test_a_state_that_there_is_not_is_damage(ledger: Ledger) -> None:
    job = ledger.job("melted")
    with pytest.raises(LedgerFault, match="melted"):
        Reading(ledger.path).job(job)


def test_a_damaged_ledger_is_said_to_be_so(ledger: Ledger) -> None:
    for number in range(100):
        ledger.job("done", plan={"filling": "x" * 2000, "number": number})
    ledger.close()
    content = bytearray(ledger.path.read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    ledger.path.write_bytes(content)
    with pytest.raises(LedgerFault, match="cannot be read") as caught:
        Reading(ledger.path).jobs()
    assert "Keep the file" in caught.value.advice


def test_a_ledger_that_another_program_holds_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.viewing._PATIENCE", 0.01)
    ledger = Ledger(tmp_path / "state.db")
    ledger.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    ledger.job("done")
    told = fault(Reading(ledger.path))
    ledger.close()
    assert (told.message, told.advice) == (
        f"{ledger.path} is held by another program.",
        "Try again in a moment.",
    )


def test_a_path_may_hold_any_letter(tmp_path: Path) -> None:
    folder = tmp_path / "a b?c#d%20é"
    folder.mkdir()
    ledger = Ledger(folder / "state.db")
    job = ledger.job("done")
    reading = Reading(ledger.path)
    assert found(reading, job).job_id == job
    assert repr(reading) == f"Reading({ledger.path})"
    ledger.close()


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("SQLITE_FULL", "There is no room to write to {path}.", "Make room on its disk."),
        ("SQLITE_IOERR_READ", "{path} cannot be read: said.", "Keep the file as it is"),
        ("SQLITE_BUSY", "{path} is held by another program.", "Try again"),
        ("SQLITE_LOCKED", "{path} is held by another program.", "Try again"),
    ],
)
def test_what_the_database_says_is_told_with_advice(
    ledger: Ledger, name: str, message: str, advice: str
) -> None:
    error = sqlite3.OperationalError("said")
    error.sqlite_errorname = name
    with pytest.raises(LedgerFault) as caught, faults_told(ledger.path):
        raise error
    assert caught.value.message == message.format(path=ledger.path)
    assert caught.value.advice.startswith(advice)


def test_a_disk_that_fails_is_told(ledger: Ledger) -> None:
    with pytest.raises(LedgerFault, match="Input/output error") as caught, faults_told(ledger.path):
        raise OSError(5, "Input/output error")
    assert caught.value.advice == "See whether its disk is well, and has room."
