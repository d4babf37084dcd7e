"""``./run clients``: their environments, their lists, the rows they answer, and Node's patience.

Owns: the commands, what is said meanwhile, and exit codes: 1 if something failed. Must not know:
how any of it is done.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import pytest

from tests.clients.environments import Unmade, environments, renew, set_up
from tests.clients.patience import SECONDS, patience
from tests.clients.rows import ROWS
from tests.repo.source import ROOT


def main(arguments: Sequence[str]) -> int:
    """Run a command; gives its exit code."""
    parser = argparse.ArgumentParser(prog="./run clients", description="The clients of the tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("setup", help="make the environments that are missing or out of date")
    lock = commands.add_parser("lock", help="write their lists anew; what follows goes to uv")
    lock.add_argument("upgrade", nargs=argparse.REMAINDER)
    commands.add_parser("rows", help="run their tests, and print the table of rows")
    waiting = commands.add_parser("patience", help="Node's 300 s against a task of 310 s, as it is")
    waiting.add_argument("--seconds", type=float, default=SECONDS, help="that the task takes")
    options = parser.parse_args(arguments)
    try:
        match options.command:
            case "setup":
                return _set_up()
            case "lock":
                renew(*options.upgrade)
                return 0
            case "rows":
                return _set_up() or _rows()
            case _:
                return _set_up() or _patience(options.seconds)
    except Unmade as error:
        _say(f"A client's environment could not be made. {error}")
        return 1


def _set_up() -> int:
    missing = [one for one in environments() if not one.ready()]
    if missing:
        _say(f"Setting up {len(missing)} clients' environments: {_listed(missing)} ...")
        for one, seconds in set_up(missing):
            _say(f"  {one.name}: {seconds:.1f} s")
    return 0


def _listed(sets: Sequence[object]) -> str:
    return ", ".join(str(getattr(one, "name", one)) for one in sets)


def _rows() -> int:
    elsewhere = sorted({test.partition("::")[0] for row in ROWS.values() for test in row.elsewhere})
    plugin = ["-p", "tests.clients.reporting", "-q", "-m", "", "--rootdir", str(ROOT)]
    shared = ["-n", "auto", "--dist=loadfile"]
    return int(pytest.main([*plugin, *shared, "tests/clients", *elsewhere]))


def _patience(seconds: float) -> int:
    _say(f"Three users of Node's SDK wait for a task of {seconds:g} s each ...")
    told = asyncio.run(patience(seconds))
    for one in told:
        verdict = f"WRONG: {'; '.join(one.faults)}" if one.faults else "as it should be"
        _say(f"  one who {one.who}: {one.story}: {verdict}")
    return 1 if any(one.faults for one in told) else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
