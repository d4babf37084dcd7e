"""Fail-points: nothing unless armed, and then exactly what the script says."""

import errno
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from gateway.failpoints import NAMES, Stumble, _armed, arm, failpoint
from tests.repo.source import ROOT

PASSING = """
import sys
from gateway.failpoints import arm, failpoint

arm(sys.argv[1])
for number in range(1, 6):
    failpoint("create.sent")
    print(number, flush=True)
"""


@pytest.fixture(autouse=True)
def _nothing_stays_armed() -> Iterator[None]:
    yield
    arm("")


def passing(script: str) -> subprocess.CompletedProcess[str]:
    """Come by a place five times, in a process that may be killed."""
    return subprocess.run(
        [sys.executable, "-c", PASSING, script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_nothing_happens_anywhere_unless_armed() -> None:
    for name in NAMES:
        failpoint(name)
    assert _armed == {}


@pytest.mark.parametrize(
    ("script", "passed"),
    [("create.sent=kill:3", 2), ("create.sent=kill", 0), ("create.marked=kill; ", 5)],
)
def test_it_kills_at_the_passing_that_was_said(script: str, passed: int) -> None:
    done = passing(script)
    assert done.stdout.split() == [str(number) for number in range(1, passed + 1)]
    assert done.returncode == (0 if passed == 5 else -signal.SIGKILL)
    assert not done.stderr


def test_it_raises_every_time_what_nobody_expects() -> None:
    arm("poll.asked=raise")
    for _ in range(2):
        with pytest.raises(Stumble, match=r"poll\.asked"):
            failpoint("poll.asked")
    failpoint("poll.asking")


def test_it_says_every_time_that_the_disk_is_full() -> None:
    arm("ledger.commit=enospc")
    for _ in range(2):
        with pytest.raises(OSError, match="No space left") as caught:
            failpoint("ledger.commit")
        assert caught.value.errno == errno.ENOSPC


def test_it_stops_the_thread_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    arm("poll.asked=sleep:0.25; poll.asking=sleep")
    failpoint("poll.asked")
    failpoint("poll.asking")
    assert slept == [0.25, 1.0]


def test_a_new_script_takes_the_place_of_the_old() -> None:
    arm("poll.asked=raise")
    arm("poll.asking=raise")
    failpoint("poll.asked")
    with pytest.raises(Stumble):
        failpoint("poll.asking")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("create.sent", "after = comes one of kill"),
        ("create.sent=", "after = comes one of kill"),
        ("create.sent=burn", "after = comes one of kill"),
        ("create.sent =kill", "no such place; there are request.read,"),
        ("create=kill", "no such place"),
        ("=kill", "no such place"),
        ("create.sent=kill:", "kill at which time"),
        ("create.sent=kill:0", "kill at which time"),
        ("create.sent=kill:1.5", "kill at which time"),
        ("create.sent=kill:-1", "kill at which time"),
        ("create.sent=kill:nan", "kill at which time"),
        ("create.sent=kill:inf", "kill at which time"),
        ("create.sent=kill:third", "kill at which time"),
        ("create.sent=sleep:0", "sleep for how many seconds"),
        ("create.sent=sleep:-1", "sleep for how many seconds"),
        ("create.sent=sleep:inf", "sleep for how many seconds"),
        ("create.sent=sleep:long", "sleep for how many seconds"),
        ("create.sent=raise:2", "takes no number"),
        ("create.sent=enospc:1", "takes no number"),
        ("create.sent=kill; create.sent=raise", "create.sent comes twice"),
    ],
)
def test_what_is_no_script_is_refused_and_changes_nothing(script: str, why: str) -> None:
    arm("poll.asked=raise")
    with pytest.raises(ValueError, match=why):
        arm(script)
    with pytest.raises(Stumble):
        failpoint("poll.asked")
    failpoint("create.sent")
