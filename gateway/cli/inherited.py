"""What ``serve`` takes over from whoever started it: open sockets, and a proof's fail-points.

Owns: taking it over, and saying why that cannot be. Must not know: which variables say so, who
listens with what.
"""

import socket
import sys
from dataclasses import dataclass

import click

from gateway import failpoints
from gateway.cli.options import EXIT_FAULTS
from gateway.config import inheritance
from gateway.config.addresses import is_loopback
from gateway.config.sections import Ops
from gateway.server.sockets import address, adopt


@dataclass(frozen=True, slots=True)
class Inherited:
    """Listening sockets, none where a listener opens its own."""

    clients: tuple[socket.socket, ...]
    operators: tuple[socket.socket, ...]


def armed_or_exit() -> str:
    """Arm the fail-points of a proof; or say on standard error what is wrong, and exit with 2."""
    script = inheritance.failpoints()
    try:
        failpoints.arm(script)
    except ValueError as fault:
        click.echo(f"{inheritance.FAILPOINTS}: {fault}", err=True)
        sys.exit(EXIT_FAULTS)
    return script


def taken_over(ops: Ops) -> Inherited:
    """Take the sockets over. Raises: ValueError, ListenError, in words for an operator."""
    given = inheritance.sockets()
    clients = tuple(adopt(number) for number in given.clients)
    operators = tuple(_guarded(adopt(number), ops) for number in given.operators)
    return Inherited(clients, operators)


def _guarded(sock: socket.socket, ops: Ops) -> socket.socket:
    """Hold an inherited socket to the rule that the configuration has for ``ops.host``."""
    if ops.token is None and not is_loopback(address(sock)[0]):
        raise ValueError("ops.token: is required where the operators' socket is not loopback")
    return sock
