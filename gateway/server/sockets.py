"""Listening sockets that are ours, or that somebody else opened and handed over.

Owns: taking over a descriptor, what a socket must be so that callers can come in by it, and saying
in words why one will not do. Must not know: who handed it over, or what is served.
"""

import errno
import socket

_REASONS = {
    errno.EADDRINUSE: "the port is in use by another program",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "ports below 1024 need a privilege this process does not have",
}


class ListenError(OSError):
    """A listener could not be opened; the text says where and why, in words for an operator."""


def cannot_listen(host: str, port: int, error: OSError) -> ListenError:
    """Put into words why an address cannot be listened on."""
    # From Python 3.13 on, asyncio leaves the number out where no address is this machine's.
    number = errno.EADDRNOTAVAIL if error.errno is None else error.errno
    if isinstance(error, socket.gaierror):
        reason = "the host's name is not known"
    else:
        reason = _REASONS.get(number, error.strerror or str(error))
    told = ListenError(f"cannot listen on {host}:{port}: {reason}")
    told.errno = number
    return told


def adopt(descriptor: int) -> socket.socket:
    """Take over a descriptor that was open when the process began; our children will not have it.

    Raises: ListenError where it is not open, or no socket.
    """
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _unfit(descriptor, "is no socket") from error
    sock.set_inheritable(False)
    return sock


def address(sock: socket.socket) -> tuple[str, int]:
    """Return host and port of a socket somebody else opened.

    Raises: ListenError where no caller can come in by it over TCP.
    """
    number = sock.fileno()
    if sock.family == socket.AF_UNIX:
        raise _unfit(number, "is a Unix socket; callers come over TCP, so give it a port")
    if sock.family not in {socket.AF_INET, socket.AF_INET6} or sock.type != socket.SOCK_STREAM:
        raise _unfit(number, "is no TCP socket")
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise _unfit(number, "does not listen; in systemd's unit, Accept= must be no")
    host, port, *_ = sock.getsockname()
    return str(host), int(port)


def _unfit(descriptor: int, why: str) -> ListenError:
    return ListenError(f"cannot listen on the inherited descriptor {descriptor}: it {why}")
