"""Debian's Prometheus and its promtool, unpacked into the project's cache.

Owns: getting them, calling promtool, and running a server on the loopback interface alone. Must not
know: what is asked of them.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from tests.faults import debian

PATIENCE = 30.0


def tool(name: str) -> debian.Program:
    """``prometheus`` or ``promtool``. Raises: debian.Missing, which names the package."""
    return debian.program("prometheus", f"usr/bin/{name}")


def promtool(*arguments: str, given: str | None = None) -> str:
    """What it says, on both of its outputs. Raises: AssertionError if it finds fault."""
    promtool = tool("promtool")
    done = subprocess.run(
        [promtool.path, *arguments],
        env={**promtool.environment},
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE * 4,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"promtool {' '.join(arguments)}:\n{said}"
    return said


@dataclass(frozen=True, slots=True)
class Server:
    """A running Prometheus."""

    url: str

    def ask(self, path: str, **parameters: str | float) -> Any:
        """Its API's data. Raises: AssertionError with what it said is wrong."""
        body = urllib.parse.urlencode(parameters).encode()
        with_body = path.startswith("query")
        url = f"{self.url}/api/v1/{path}"
        request = urllib.request.Request(url, data=body if with_body else None)  # noqa: S310 - our own
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - the same
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from None
        assert told["status"] == "success", told
        return told["data"]

    def now(self, query: str, at: float | None = None) -> list[dict[str, Any]]:
        """An instant query's series."""
        when = {} if at is None else {"time": at}
        found: list[dict[str, Any]] = self.ask("query", query=query, **when)["result"]
        return found

    def over(self, query: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """A range query's series."""
        found: list[dict[str, Any]] = self.ask(
            "query_range", query=query, start=start, end=end, step=step
        )["result"]
        return found

    def until(self, query: str, seconds: float = PATIENCE) -> None:
        """Wait until a query has a result. Raises: AssertionError if it never has."""
        clock = SystemClock()
        limit = clock.monotonic() + seconds
        while not self.now(query):
            assert clock.monotonic() < limit, f"never true: {query}"
            _pause()


def _pause() -> None:
    """A moment in which another process gets on."""
    asyncio.run(SystemClock().sleep(0.05))


@contextlib.contextmanager
def running(folder: Path, config: Mapping[str, Any]) -> Iterator[Server]:
    """A server with this configuration; its data lie in ``folder`` and are its alone."""
    program = tool("prometheus")
    folder.mkdir(parents=True)
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = "{}:{}".format(*free.getsockname())
    command = [
        str(program.path),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={place}",  # without it, every interface
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    with (
        (folder / "log").open("w+") as log,
        subprocess.Popen(command, env=program.environment, stdout=log, stderr=log) as child,
    ):
        try:
            _wait(f"http://{place}/-/ready", child, folder / "log")
            yield Server(f"http://{place}")
        finally:
            child.terminate()


def _wait(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    clock = SystemClock()
    limit = clock.monotonic() + PATIENCE
    while child.poll() is None and clock.monotonic() < limit:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=PATIENCE):  # noqa: S310 - our own
            return
        _pause()
    raise AssertionError(f"Prometheus does not start: {log.read_text()[-2000:]}")
