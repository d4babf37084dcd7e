"""The command line as a process of its own, talked to as a terminal or a supervisor would."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from signal import Signals

from tests.outputs import OUTPUTS
from tests.repo.source import ROOT

PATIENCE = 30  # seconds; a test that waits longer has failed

# What systemd does between fork and exec; the process keeps its number.
HAND_OVER = """
import fcntl, os, sys
given = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[1].split(",")]
for number, descriptor in enumerate(given, start=3):
    os.dup2(descriptor, number)
    os.close(descriptor)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)))
os.execv(sys.executable, [sys.executable, "-m", "gateway", *sys.argv[2:]])
"""


def environment(**more: str) -> Mapping[str, str]:
    """Ours, from which the project is found, without proxies or settings of this machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(("GATEWAY_", "LISTEN_"))
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **more}


def gateway(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in ``folder``."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=folder,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
    )
    OUTPUTS.keep("programs", done.stdout + done.stderr)
    return done


class Process:
    """A command that goes on; ``out`` and ``err`` are what it said so far."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.out: list[str] = []
        self.err = ""
        self._child = child
        self._errors = threading.Thread(target=self._listen, daemon=True)
        self._errors.start()

    def _listen(self) -> None:
        assert self._child.stderr is not None
        self.err = self._child.stderr.read()

    def until(self, words: str) -> str:
        """Read lines until one holds ``words``, and return it."""
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self.out.append(line)
            if words in line:
                return line
        self._errors.join()
        raise AssertionError(f"it ended without saying {words!r}: {self.out} {self.err}")

    def send(self, number: Signals) -> None:
        self._child.send_signal(number)

    def end(self, number: Signals | None = None) -> int:
        """Send a signal, read what is still said, and return the exit code."""
        if number is not None:
            self.send(number)
        assert self._child.stdout is not None
        self.out += self._child.stdout.readlines()
        code = self._child.wait(PATIENCE)
        self._errors.join()
        self.keep()
        return code

    def keep(self) -> None:
        """What it said is searched for canaries at the end of the run."""
        OUTPUTS.keep("programs", "".join(self.out) + self.err)


@contextlib.contextmanager
def running(
    folder: Path, *arguments: str, sockets: Sequence[socket.socket] = (), **more: str
) -> Iterator[Process]:
    """Start a command in ``folder``; it is killed at the end if it still runs.

    ``sockets`` are handed over as systemd does it; we go on holding them.
    """
    numbers = [sock.fileno() for sock in sockets]
    how = ["-c", HAND_OVER, ",".join(map(str, numbers))] if numbers else ["-m", "gateway"]
    with subprocess.Popen(
        [sys.executable, *how, *arguments],
        cwd=folder,
        pass_fds=numbers,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as child:
        watchdog = threading.Timer(PATIENCE * 2, child.kill)
        watchdog.start()
        process = Process(child)
        try:
            yield process
        finally:
            watchdog.cancel()
            child.kill()
            process.keep()
