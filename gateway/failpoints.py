"""Named places where a proof may stop the process, or make it stumble.

Owns: the names, what happens at a place that was armed, and reading a script of them. Unless armed
every place is a no-op: one look at an empty dict. Must not know: what goes on around a place.
The idea is that of etcd's gofail and TiKV's fail-rs. Only ``serve`` arms, from the variable
``GATEWAY_FAILPOINTS``; a script is ``name=action[:number]`` separated by ``;``:

    create.accepted=kill:3        SIGKILL to this very process when it comes there the third time
    ledger.commit=enospc          an OSError "no space left", every time
    poll.asked=sleep:0.5          stop the thread for half a second, every time
"""

import errno
import math
import os
import signal
import time
from dataclasses import dataclass
from typing import Literal, cast, get_args

Action = Literal["kill", "raise", "enospc", "sleep"]

# In the order a request comes by them.
NAMES = (
    "request.read",  # the body was read, nothing is decided yet
    "intent.unwritten",  # about to write the intent
    "intent.written",
    "uploads.done",
    "create.unmarked",  # about to write that the create is being sent
    "create.marked",  # written, nothing sent
    "create.sent",  # the last byte of the create left
    "create.answering",  # the first bytes of its answer came
    "create.answered",  # the answer was read; the purchase is not written yet
    "create.accepted",  # the vendor's id was written
    "promise.unwritten",  # a 202 left, which is not written yet
    "promise.written",
    "poll.asking",
    "poll.asked",
    "done.unwritten",  # the vendor is done, which is not written yet
    "done.written",
    "collect.fetched",  # a picture came, unchecked
    "collect.kept",  # it lies on the shelf, which is not written yet
    "collect.written",
    "job.ended",  # the job's end was written, nobody has been told
    "answer.begun",  # the head of the answer left
    "answer.amid",  # a piece of its body left
    "answer.sent",  # its last byte left, which is not written yet
    "ledger.commit",  # a transaction is about to be committed
    "ledger.committed",  # it was, and nobody has been told
    "recovery.begun",
    "recovery.done",
)


class Stumble(Exception):
    """What the action ``raise`` raises."""


@dataclass(slots=True)
class _Armed:
    action: Action
    number: float
    seen: int = 0


_armed: dict[str, _Armed] = {}


def failpoint(name: str) -> None:
    """Come by a place. Raises: what was armed there, if anything."""
    if _armed:
        _come_by(name)


def armed() -> bool:
    """Whether any place is armed, for those who must go out of their way to come by one."""
    return bool(_armed)


def arm(script: str) -> None:
    """Arm places, and disarm all others. Raises: ValueError for what is no script."""
    armed: dict[str, _Armed] = {}
    for line in filter(None, map(str.strip, script.split(";"))):
        name, what = _read(line)
        if name in armed:
            raise ValueError(f"{name} comes twice")
        armed[name] = what
    _armed.clear()
    _armed.update(armed)


def _read(line: str) -> tuple[str, _Armed]:
    name, _, rest = line.partition("=")
    word, colon, number = rest.partition(":")
    if name not in NAMES:
        raise ValueError(f"{line!r}: there is no such place; there are {', '.join(NAMES)}")
    if word not in get_args(Action):
        raise ValueError(f"{line!r}: after = comes one of {', '.join(get_args(Action))}")
    action = cast("Action", word)
    return name, _Armed(action, _number(line, action, number) if colon else 1.0)


def _number(line: str, action: Action, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    # A number that could never come true would prove nothing, and look as if it had.
    if action == "kill" and not (number >= 1 and number.is_integer()):
        raise ValueError(f"{line!r}: kill at which time? 1, 2, 3, …")
    if action == "sleep" and not 0 < number < math.inf:
        raise ValueError(f"{line!r}: sleep for how many seconds?")
    if action in {"raise", "enospc"}:
        raise ValueError(f"{line!r}: {action} takes no number, it is every time")
    return number


def _come_by(name: str) -> None:
    armed = _armed.get(name)
    if armed is None:
        return
    armed.seen += 1
    match armed.action:
        case "kill":
            if armed.seen == int(armed.number):
                os.kill(os.getpid(), signal.SIGKILL)
        case "raise":
            raise Stumble(name)
        case "enospc":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case "sleep":
            time.sleep(armed.number)  # noqa: TID251 - a stopped thread is the point
