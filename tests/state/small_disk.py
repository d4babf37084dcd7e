"""Fills a small disk under a ledger and makes room again; tells what it saw, as JSON.

The folder it is given is the disk: 2 MB, mounted for this process alone.
"""

import asyncio
import contextlib
import json
import sqlite3
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.config.sections import State as Section
from gateway.errors import LedgerUnavailable
from gateway.events import JobDelivered, JobJoined, State
from gateway.notices import LedgerCommitted, LedgerFailed
from gateway.state.sqlite import SqliteStore
from tests.state.rows import a_job, created, sent, state_of, tell


def fill(folder: Path) -> None:
    """Leave not a byte."""
    with contextlib.suppress(OSError), (folder / "filler").open("ab", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


async def refused(store: SqliteStore, name: str) -> str | None:
    try:
        await store.add_job(a_job(name))
    except LedgerUnavailable as error:
        return error.code
    return None


async def joined(store: SqliteStore, number: int) -> None:
    """A fact of some size."""
    request = f"req_{number}_" + "x" * 8_000
    await store.remark(JobJoined(job_id="bought", at=float(number), how="key", request_id=request))


async def main(folder: Path) -> None:
    told: list[object] = []
    saw: dict[str, object] = {}
    path = folder / "state.db"
    ballast = folder / "state.db.ballast"
    store = SqliteStore(str(path), Section(), SystemClock(), told.append)
    await store.open()
    await store.add_job(a_job("bought", "task"))
    await tell(store, sent("bought", "task"))
    told.clear()

    fill(folder)
    await store.record(created("bought", "task", "v"), State.RUNNING)
    number = 0
    while ballast.exists():  # what room the log still had is used first
        number += 1
        await joined(store, number)
    saw["refused"] = await refused(store, "new")
    saw["facts_written_in_the_ballast_s_room"] = await state_of(store, "task") is State.RUNNING
    saw["ballast_while_full"] = ballast.exists()

    for _ in range(200):  # in the log they would take twice what the ballast left
        await store.remark(JobDelivered(job_id="bought", at=1.0))
    saw["its_room_is_used_again"] = "wait" not in str(store.trouble)

    for _ in range(20):
        fill(folder)
        number += 1
        await joined(store, number)
    saw["facts_waiting_once_that_is_used_up"] = "wait" in str(store.trouble)
    saw["refused_then"] = await refused(store, "newer")
    with contextlib.closing(sqlite3.connect(path)) as stranger:
        (saw["integrity"],) = stranger.execute("PRAGMA integrity_check").fetchone()

    (folder / "filler").unlink()
    for _ in range(200):
        if store.trouble is None:
            break
        await asyncio.sleep(0.05)  # noqa: TID251 - the writer's pauses are the machine's
    saw["recovered_without_restart"] = await refused(store, "afterwards") is None
    await store.close()
    with contextlib.closing(sqlite3.connect(path)) as stranger:
        query = "SELECT count(*) FROM story WHERE name = 'job_joined'"
        saw["facts_missing"] = number - stranger.execute(query).fetchone()[0]
        query = "SELECT count(*) FROM jobs WHERE job_id IN ('new', 'newer')"
        (saw["refused_and_yet_there"],) = stranger.execute(query).fetchone()
    saw["ballast_afterwards"] = ballast.exists()
    measured = (LedgerCommitted, LedgerFailed)
    saw["told"] = [type(one).__name__ for one in told if not isinstance(one, measured)]
    saw["failures"] = sorted({one.reason for one in told if isinstance(one, LedgerFailed)})
    json.dump(saw, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
