"""What may come between ``serve`` and its first caller, and what is said of it."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import PATIENCE, Process, gateway, running
from tests.cli.served import get, serving

SERVE = ("serve", "--config", "config.yaml")
TOKEN = "0123456789abcdef" * 2
ENDS = (signal.SIGTERM, signal.SIGINT)


def refused(folder: Path, **settings: str) -> dict[str, Any]:
    """The log's last line, where the start fails after its first; standard error says the same."""
    done = gateway(folder, *SERVE, **settings)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    names = [line["event"] for line in lines]
    assert (done.returncode, names[0], names[-1]) == (1, "starting", "start_failed")
    assert "stopped" not in names
    failed: dict[str, Any] = lines[-1]
    assert failed["level"] == "error"
    told = [failed[key] for key in ("reason", "advice") if key in failed]
    assert done.stderr.splitlines() == told
    return failed


def names(process: Process) -> list[str]:
    return [json.loads(line)["event"] for line in process.out]


def is_closed(ledger: Path) -> bool:
    """Whether it was closed as it should be: SQLite then leaves no log, and nobody holds it."""
    with Path(f"{ledger}.lock").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return not Path(f"{ledger}-wal").exists()


@pytest.fixture
def pictures(config: Path) -> Path:
    """What ``images.folder`` names."""
    folder = config.parent / "pictures"
    folder.mkdir()
    return folder


def test_a_folder_with_a_pictures_name_is_told_with_its_path(pictures: Path) -> None:
    path = pictures / f"{TOKEN}.png"
    path.mkdir()
    failed = refused(pictures.parent)
    assert failed["reason"] == f"folder: {path} cannot be used: Is a directory"
    assert "images.folder" in failed["advice"]


def test_a_picture_that_cannot_be_read_is_told_with_its_path(pictures: Path) -> None:
    path = pictures / f"{TOKEN}.webp"
    path.symlink_to(path.name)  # for root may read everything else
    failed = refused(pictures.parent)
    assert failed["reason"].startswith(f"folder: {path} cannot be used: ")


def test_a_ledger_that_cannot_be_read_once_it_is_open_is_told_with_its_path(config: Path) -> None:
    with serving(config) as served:
        assert served.process.end(signal.SIGTERM) == 0
    ledger = config.parent / "data/state.db"
    with contextlib.closing(sqlite3.connect(ledger)) as connection:
        connection.execute("DROP TABLE rates")
    failed = refused(config.parent)
    assert failed["reason"] == f"ledger: The ledger {ledger} is damaged: no such table: rates."
    assert failed["advice"].startswith("Check the disk. Restore a copy")


def test_what_the_system_refuses_without_a_path_is_told_too(config: Path) -> None:
    failed = refused(config.parent, GATEWAY_FAILPOINTS="recovery.begun=enospc")
    assert failed["reason"] == "the system refused something at the start: No space left on device"


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_while_it_waits_for_the_ledger_ends_it_well(
    config: Path, number: signal.Signals
) -> None:
    ledger = config.parent / "data/state.db"
    ledger.parent.mkdir()
    with Path(f"{ledger}.lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with running(config.parent, *SERVE) as process:
            process.until('"starting"')
            code = process.end(number)
    assert (code, process.err) == (0, "")
    assert names(process) == ["starting", "stopping", "start_called_off"]
    assert json.loads(process.out[1])["delay"] == 0
    assert not ledger.exists()


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_while_it_takes_stock_closes_the_ledger_and_ends_it_well(
    pictures: Path, number: signal.Signals
) -> None:
    path = pictures / f"{TOKEN}.png"
    os.mkfifo(path)
    with running(pictures.parent, *SERVE) as process:
        # Opened as soon as the gateway reads it, which then waits for what we do not write.
        pipe = path.open("wb")
        with pipe:
            for _ in range(2):  # who is impatient does it no harm
                process.send(number)
            process.until('"start_called_off"')
        code = process.end()
    assert (code, process.err) == (0, "")
    assert names(process) == ["starting", "ledger_opened", "stopping", "start_called_off"]
    assert is_closed(pictures.parent / "data/state.db")
    with serving(pictures.parent / "config.yaml") as served:
        assert served.process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_before_anything_is_opened_ends_it_well(
    config: Path, number: signal.Signals
) -> None:
    config.unlink()
    os.mkfifo(config)
    with running(config.parent, *SERVE) as process:
        with config.open("w"):  # it reads it now; at the latest when we close it, it hears us
            process.send(number)
        code = process.end()
    assert (code, process.err, process.out) == (0, "", [])


async def test_nobody_is_let_in_by_a_process_whose_operators_port_is_taken(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1/models"
        waiting = asyncio.create_task(asyncio.to_thread(get, url))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = f"{taken.getsockname()[1]}"
            with running(config.parent, *SERVE, sockets=[held], GATEWAY__OPS__PORT=port) as process:
                assert await asyncio.to_thread(process.end) == 1
            assert names(process) == ["starting", "ledger_opened", "start_failed"]
        assert not waiting.done()
        with serving(config, [held]) as served:
            status, _ = await asyncio.wait_for(waiting, PATIENCE)
            assert status == 200
            assert await asyncio.to_thread(served.process.end, signal.SIGTERM) == 0
