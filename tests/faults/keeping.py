"""Child processes by way of a keeper, which outlives nobody: the asyncio side of ``keeper.py``.

Owns: one keeper process, the children it was told to start, and waiting for their ends. Must not
know: what the children are. Leaving ``keeping`` ends them all, and so does the death of this
process by whatever cause.
"""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cli.processes import environment as ours

PATIENCE = 30.0
"""Seconds; what takes longer than that is stuck."""


class Stuck(Exception):
    """A process did not do in time what it should."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: ``arguments`` of the gateway's command line, or of any ``program``.

    ``warm`` runs the gateway's in a fork of the keeper, rather than by starting Python anew.
    """

    arguments: Sequence[str]
    folder: Path
    log: Path
    program: str | None = None
    environment: Mapping[str, str] | None = None
    inherited: socket.socket | None = None
    warm: bool = False

    def order(self) -> dict[str, object]:
        """What the keeper is told."""
        start = [self.program] if self.program else [sys.executable, "-P", "-m", "gateway"]
        return {
            "command": [*start, *self.arguments] if not self.warm else ["", *self.arguments],
            "folder": str(self.folder),
            "log": str(self.log),
            "environment": {**clean_environment(), **(self.environment or {})},
            "socket": self.inherited.fileno() if self.inherited is not None else None,
            "warm": self.warm,
        }


def clean_environment() -> dict[str, str]:
    """Ours without what would measure coverage: a killed process writes none, and is slow by it."""
    return {name: value for name, value in ours().items() if not name.startswith("COVERAGE_")}


class Child:
    """One process; ``ended`` has its exit code once it is gone, minus the signal that killed it."""

    def __init__(self, keeper: "Keeper", pid: int, log: Path) -> None:
        self.pid = pid
        self.log = log
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._keeper = keeper

    @property
    def alive(self) -> bool:
        return not self.ended.done()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; to one that is gone, nothing."""
        if self.alive:
            self._keeper.write({"pid": self.pid, "signal": int(number)})

    async def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for its end. Raises: Stuck."""
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self.ended)
        except TimeoutError:
            raise Stuck(f"process {self.pid} has not ended; its log: {self.log}") from None

    def tail(self, lines: int = 15) -> str:
        """What it said last."""
        said = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(said.splitlines()[-lines:])


class Keeper:
    """Starts children, one order at a time."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._children: dict[int, Child] = {}
        self._starting = asyncio.Lock()
        self._pids: asyncio.Queue[int] = asyncio.Queue()
        self._log = Path()
        self._listening = asyncio.create_task(self._listen())

    async def start(self, command: Command) -> Child:
        """Start a process and return at once. Raises: Stuck."""
        async with self._starting:
            self._log = command.log
            self.write(command.order())
            try:
                async with asyncio.timeout(PATIENCE):
                    return self._children[await self._pids.get()]
            except TimeoutError:
                raise Stuck("the keeper of the processes does not answer") from None

    def write(self, order: Mapping[str, object]) -> None:
        """Tell the keeper."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            pid = said["pid"]
            if "ended" in said:
                self._children.pop(pid).ended.set_result(said["ended"])
            else:
                self._children[pid] = Child(self, pid, self._log)
                self._pids.put_nowait(pid)

    async def end(self) -> None:
        """Kill all children, and wait until they are gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening
        for child in self._children.values():
            child.ended.set_result(-signal.SIGKILL)


@contextlib.asynccontextmanager
async def keeping(*sockets: socket.socket, warm: bool = False) -> AsyncIterator[Keeper]:
    """A keeper that may hand these sockets on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "tests.faults.keeper",
        *(["--warm"] if warm else []),
        stdin=PIPE,
        stdout=PIPE,
        env=clean_environment(),
        pass_fds=[sock.fileno() for sock in sockets],
        start_new_session=True,  # a terminal's Ctrl-C is for whoever gave the orders
    )
    keeper = Keeper(process)
    try:
        yield keeper
    finally:
        await keeper.end()
