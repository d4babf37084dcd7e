"""``serve`` in a process of its own, and what it says to callers, operators and its log."""

import contextlib
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openai

from tests.cli.conftest import KEY
from tests.cli.processes import PATIENCE, Process, running
from tests.outputs import OUTPUTS


def get(url: str, key: str = KEY) -> tuple[int, str]:
    """Ask as a client does that never heard of retries."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"})  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - the same
            return answer.status, _kept(answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _kept(error.headers, error.read())


def _kept(headers: object, body: bytes) -> str:
    """Searched for canaries at the end of the run."""
    OUTPUTS.keep("answers", f"{headers}".encode() + body)
    return body.decode()


class Served:
    """``serve`` in a process of its own, and what its log says."""

    def __init__(self, process: Process) -> None:
        self.process = process
        clients = json.loads(process.until('"clients"'))
        operators = json.loads(process.until('"operators"'))
        self.url: str = clients["url"]
        self.operators: str = operators["url"]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.process.out]

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]

    def client(self, retries: int = 0) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=KEY, max_retries=retries)

    def probe(self, path: str) -> tuple[int, str]:
        return get(f"{self.operators}{path}")


@contextlib.contextmanager
def serving(config: Path, sockets: Sequence[socket.socket] = (), **more: str) -> Iterator[Served]:
    command = ("serve", "--config", config.name)
    with running(config.parent, *command, sockets=sockets, **more) as process:
        yield Served(process)
