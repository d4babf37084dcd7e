"""A small process that starts the others, and ends them when whoever ordered them is gone.

Owns: starting what it is told on standard input, handing on an inherited socket as descriptor 3 in
systemd's manner, passing signals on, and saying who ended and how. When its input ends, however
that came about, it kills the whole group of every process it started: none is left behind.
Must not know: what the processes are for. Standard library only, but for one thing: a ``warm``
order runs the gateway's command line in a fork of this process, which has already imported it. The
command is the same and so is its death; it is there a second sooner.

An order is a line of JSON: ``{"command": […], "folder": …, "log": …, "environment": {…},
"socket": 5, "warm": false}`` or ``{"pid": 17, "signal": 9}``. Answers are ``{"pid": 17}`` and, at
some later time, ``{"pid": 17, "ended": -9}``.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import traceback
from typing import Any

_INHERITED = 3  # where systemd's manner wants the first socket
_BROKEN = 70
_WARM = ("gateway.cli.serve", "gateway.cli.simulate")


def main() -> None:
    """Serve orders until the input ends."""
    if "--warm" in sys.argv:
        for name in _WARM:
            importlib.import_module(name)
        gc.freeze()
    bell, rung = os.pipe()
    os.set_blocking(rung, False)
    signal.set_wakeup_fd(rung)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: set[int] = set()
    said = b""
    try:
        while True:
            ready, _, _ = select.select([0, bell], [], [])
            if bell in ready:
                os.read(bell, 4096)
                _reap(children)
            if 0 in ready:
                more = os.read(0, 65536)
                if not more:
                    return
                *lines, said = (said + more).split(b"\n")
                for line in lines:
                    _obey(json.loads(line), children)
    finally:
        for pid in children:
            _kill_group(pid)
        for pid in children:
            os.waitpid(pid, 0)


def _obey(order: dict[str, Any], children: set[int]) -> None:
    if "signal" in order:
        if order["pid"] in children:  # a pid that was reaped may be another's by now
            os.kill(order["pid"], order["signal"])
        return
    pid = os.fork()
    if pid == 0:
        _become(order)
    children.add(pid)
    _say({"pid": pid})


def _reap(children: set[int]) -> None:
    for pid in tuple(children):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            children.discard(pid)
            _say({"pid": pid, "ended": os.waitstatus_to_exitcode(status)})


def _say(line: dict[str, int]) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


def _kill_group(pid: int) -> None:
    # The group may not be there yet, then the process is; it may also be gone.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _become(order: dict[str, Any]) -> None:
    """In the child: turn into what was ordered. Does not return."""
    code = _BROKEN
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _rewire(order)
        os.chdir(order["folder"])
        environment: dict[str, str] = order["environment"]
        if order["socket"] is not None:
            environment["LISTEN_PID"] = str(os.getpid())
        if order["warm"]:
            code = _run_here(order["command"], environment)
        else:
            os.execvpe(order["command"][0], order["command"], environment)  # noqa: S606 - no shell
    except BaseException:  # noqa: BLE001 - a fork must never go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


def _rewire(order: dict[str, Any]) -> None:
    """Input from nowhere, output to the log, the socket as descriptor 3, all else closed."""
    if order["socket"] is not None:
        os.dup2(order["socket"], _INHERITED)
        os.set_inheritable(_INHERITED, True)  # noqa: FBT003 - positional only
    nowhere = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for old, new in ((nowhere, 0), (log, 1), (log, 2)):
        os.dup2(old, new)
    least = _INHERITED + (order["socket"] is not None)
    os.closerange(least, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _run_here(command: list[str], environment: dict[str, str]) -> int:
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command
    try:
        importlib.import_module("gateway.cli").main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    main()
