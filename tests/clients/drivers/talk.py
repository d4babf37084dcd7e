"""Commands as lines of JSON on standard input, answers as lines on what was standard output.

Owns: the lines, a thread for each command, values that JSON has not (files, bytes, tuples), what is
told of an error, and that a client is of the version that the process was started for. Must not
know: any client. It runs in the clients' own environments, with the standard library alone.
"""

import base64
import importlib
import importlib.metadata
import io
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Call = Callable[[dict[str, Any]], object]

_ATTRIBUTES = ("code", "param", "type", "request_id")


def imported(package: str, module: str = "") -> Any:
    """A package's module; ends the process where it is not the one that the list pins.

    The versions pinned are the process's last argument. A module that lies anywhere but in the
    package's own files is another's, whatever version is installed.
    """
    pinned: str = json.loads(sys.argv[-1])[package]
    installed = importlib.metadata.distribution(package)
    if installed.version != pinned:
        sys.exit(f"{package} is {installed.version} here, but {pinned} in the list")
    loaded = importlib.import_module(module or package)
    place = Path(str(loaded.__file__)).resolve()
    if place not in {Path(str(file.locate())).resolve() for file in installed.files or ()}:
        sys.exit(f"{loaded.__name__} is not from {package} {pinned}, but from {place}")
    return loaded


def serve(calls: Mapping[str, Call]) -> None:
    """Answer until the input ends; what libraries print goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()

    def answer(command: dict[str, Any]) -> None:
        try:
            told = {"value": calls[command.pop("do")](meant(command))}
        except Exception as error:  # noqa: BLE001 - whoever asked is told, whatever it is
            told = {"error": said(error)}
        with lock:
            out.write(json.dumps({**told, "id": command["id"]}, default=str) + "\n")
            out.flush()

    for line in sys.stdin:
        threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()


_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "bytes": lambda value: base64.b64decode(value["data"]),
    "buffer": lambda value: io.BytesIO(base64.b64decode(value["data"])),
    "file": lambda value: Path(value["path"]).open("rb"),  # noqa: SIM115 - the client's to close
    "path": lambda value: Path(value["path"]),
    "tuple": lambda value: tuple(meant(one) for one in value["items"]),
}


def meant(value: Any) -> Any:
    """The value that JSON stands for."""
    if isinstance(value, list):
        return [meant(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "$" in value:
        return _KINDS[value["$"]](value)
    return {name: meant(one) for name, one in value.items()}


def said(error: BaseException) -> dict[str, object]:
    """What a client's user can learn from an error."""
    cause = error.__cause__
    told: dict[str, object] = {name: getattr(error, name, None) for name in _ATTRIBUTES}
    told["class"] = type(error).__name__
    told["kinds"] = [kind.__name__ for kind in type(error).__mro__]
    told["message"] = str(error)
    told["status"] = getattr(error, "status_code", None) or getattr(error, "http_status", None)
    told["cause"] = None if cause is None else type(cause).__name__
    return told
