"""Writes into a ledger until it is killed, and tells what was acknowledged to it.

Reads fail-point scripts from standard input, one a line; for each a child writes until it dies.
A line of standard output is the child's process id, what a call that returned had written, or
``over`` when the child is dead.
"""

import asyncio
import os
import sys

from gateway import failpoints
from gateway.clock import SystemClock
from gateway.config.sections import State as Section
from gateway.events import JobEnded, State
from gateway.state.sqlite import SqliteStore
from tests.state.rows import a_job, created, sent

CALLERS = 8


def tell(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def caller(store: SqliteStore, name: str) -> None:
    number = 0
    while True:
        job, task = f"job_{name}_{number}", f"task_{name}_{number}"
        await store.add_job(a_job(job, task, idempotency_key=job))
        tell(job, State.INTENT)
        await store.record(sent(job, task), State.CREATING)
        tell(job, State.CREATING)
        await store.record(created(job, task, f"v_{task}"), State.RUNNING)
        tell(job, State.RUNNING)
        if number % 2:
            await store.remark(JobEnded(job_id=job, at=3.0))
            tell(job, "ended")
        number += 1


async def write(path: str, round_: int) -> None:
    store = SqliteStore(path, Section(), SystemClock(), lambda _: None)
    await store.open()
    tell("pid", os.getpid())
    await asyncio.gather(*(caller(store, f"{round_}_{number}") for number in range(CALLERS)))


def main() -> None:
    for round_, script in enumerate(sys.stdin):
        child = os.fork()
        if child == 0:
            try:
                failpoints.arm(script.strip())
                asyncio.run(write(sys.argv[1], round_))
            finally:
                os._exit(1)  # it should have been killed
        os.waitpid(child, 0)
        tell("over")


if __name__ == "__main__":
    main()
