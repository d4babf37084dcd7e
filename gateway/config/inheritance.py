"""What the process is given besides its settings, by whoever started it.

Owns: the variables that say so: systemd's protocol for sockets that are open already
(sd_listen_fds(3)), and a proof's script of fail-points. Like settings, they are read here and
nowhere else. Must not know: what is done with what they say.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

FAILPOINTS = "GATEWAY_FAILPOINTS"
FIRST = 3  # after standard input, output and error
_NAMES = ("clients", "operators")


@dataclass(frozen=True, slots=True)
class Sockets:
    """Descriptors of listening sockets that are open already; empty: the listener opens its own."""

    clients: tuple[int, ...] = ()
    operators: tuple[int, ...] = ()


def failpoints(environ: Mapping[str, str] | None = None) -> str:
    """Return the script of fail-points, empty without one; ``environ`` None is the process's."""
    return (os.environ if environ is None else environ).get(FAILPOINTS, "")


def sockets(environ: Mapping[str, str] | None = None, pid: int | None = None) -> Sockets:
    """Return what the process inherits; nothing where ``LISTEN_PID`` means another.

    Named ``clients`` or ``operators`` they may be several; where no name is one of these, the first
    is the clients' and the second the operators'. Raises: ValueError for what nobody would accept
    on, since whoever came in by it would wait for ever.
    """
    environ = os.environ if environ is None else environ
    pid = os.getpid() if pid is None else pid
    if environ.get("LISTEN_PID", "").strip() != str(pid):
        return Sockets()
    descriptors = range(FIRST, FIRST + _count(environ.get("LISTEN_FDS", "")))
    given = environ.get("LISTEN_FDNAMES", "")
    names = given.split(":") if given else [""] * len(descriptors)
    if len(names) != len(descriptors):
        raise ValueError(f"LISTEN_FDNAMES counts {len(names)}, LISTEN_FDS {len(descriptors)}")
    if not set(names) & set(_NAMES):
        names = [*_NAMES, *names[len(_NAMES) :]][: len(names)]
    for number, name in zip(descriptors, names, strict=True):
        if name not in _NAMES:
            raise ValueError(
                f"LISTEN_FDNAMES: nobody would accept on descriptor {number}, "
                f"called {name!r} and not one of {', '.join(_NAMES)}"
            )
    found = list(zip(names, descriptors, strict=True))
    clients, operators = (tuple(one for name, one in found if name == of) for of in _NAMES)
    return Sockets(clients, operators)


def _count(text: str) -> int:
    try:
        return max(0, int(text))
    except ValueError:
        raise ValueError(f"LISTEN_FDS is no number: {text!r}") from None
