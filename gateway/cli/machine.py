"""``doctor``'s checks of this machine: folders, disk, file descriptors, ports.

Owns: those checks. Every one leaves the machine as it was. Must not know: the vendor, how
findings are printed.
"""

import errno
import os
import pathlib
import resource
import shutil
import socket
import tempfile
from collections.abc import Iterator

from gateway.cli.findings import Finding
from gateway.config.addresses import ledger_path
from gateway.config.sections import Images, Ops, Server, State, Upstream
from gateway.config.units import BYTES

SPARE_FILES = 128  # listeners, spooled bodies, the log, the interpreter's own
FEW_BYTES = 10**8


def folder(images: Images) -> Finding:
    """Say whether finished pictures can be written, or their folder made."""
    path = pathlib.Path(images.folder)
    refusal = _refusal(path)
    if refusal is not None:
        return _unwritable("folder", refusal, "images.folder")
    if _standing(path) == path:
        return Finding("ok", "folder", f"{path} is writable")
    return Finding("ok", "folder", f"{path} does not exist yet and can be made")


def ledger(state: State) -> Finding:
    """Say whether the ledger's file can be written, with the files beside it that it needs."""
    place = ledger_path(state.url)
    if place is None:
        return Finding(
            "warn",
            "ledger",
            "memory:// forgets what is paid for when the process ends",
            "Set state.url to a file, such as sqlite:///data/state.db.",
        )
    path = pathlib.Path(place)
    refusal = _refusal(path.parent) or _refusal_of_file(path)
    if refusal is not None:
        return _unwritable("ledger", refusal, "state.url")
    if path.exists():
        return Finding("ok", "ledger", f"{path} is writable")
    return Finding("ok", "ledger", f"{path} does not exist yet and can be made")


def disk(images: Images) -> Finding:
    """Compare what is free, and what the shelf holds already, with what it may come to hold."""
    path = pathlib.Path(images.folder)
    free = shutil.disk_usage(_standing(path)).free
    room = free + sum(_size(entry) for entry in path.glob("*"))
    words = f"{_rounded(free)} free, the shelf may hold {BYTES.spell(images.shelf)}"
    if free < FEW_BYTES:
        return Finding("fail", "disk", words, "Make room: no picture could be kept.")
    if room < images.shelf:
        return Finding("warn", "disk", words, "Make room, or lower images.shelf.")
    return Finding("ok", "disk", words)


def files(server: Server, upstream: Upstream) -> Finding:
    """Compare the limit of open files with the connections that may be open."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = server.bounds.connections + upstream.polling.concurrency + SPARE_FILES
    if limit in {resource.RLIM_INFINITY, -1} or limit >= needed:
        return Finding("ok", "open files", f"{needed} may be needed, the limit allows them")
    return Finding(
        "warn",
        "open files",
        f"{needed} may be needed, the limit is {limit}",
        f"Raise it (ulimit -n {needed}, or LimitNOFILE= in systemd), "
        "or lower server.bounds.connections.",
    )


def ports(server: Server, ops: Ops) -> Iterator[Finding]:
    """Say of both listeners whether their addresses can be listened on."""
    yield _port("server", server.host, server.port)
    yield _port("ops", ops.host, ops.port)


def _port(name: str, host: str, port: int) -> Finding:
    place = f"{host} port {port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as fault:
        return _taken(name, place, fault)
    return Finding("ok", name, f"{place} is free")


def _taken(name: str, place: str, fault: OSError) -> Finding:
    if fault.errno == errno.EADDRINUSE:
        return Finding(
            "warn",
            name,
            f"{place} is in use",
            f"Well if this gateway is running already; else change {name}.port.",
        )
    advice = {
        errno.EACCES: "Ports below 1024 need a privilege; take a higher one.",
        errno.EADDRNOTAVAIL: f"This machine has no such address; change {name}.host.",
    }
    return Finding(
        "fail",
        name,
        f"{place} cannot be listened on: {fault.strerror}",
        advice.get(fault.errno or 0, f"Change {name}.host or {name}.port."),
    )


def _unwritable(subject: str, refusal: str, setting: str) -> Finding:
    advice = f"Give the gateway's user the right to write there, or change {setting}."
    return Finding("fail", subject, f"nothing can be written to {refusal}", advice)


def _refusal(path: pathlib.Path) -> str | None:
    """Say where and why no file can be made in a folder, or in the one it would be made in."""
    standing = _standing(path)
    try:
        with tempfile.TemporaryFile(dir=standing):
            return None
    except OSError as fault:
        return f"{standing}: {fault.strerror}"


def _refusal_of_file(path: pathlib.Path) -> str | None:
    if not path.exists():
        return None
    if not path.is_file():
        return f"{path}: it is not a file"
    try:
        with path.open("r+b"):  # which changes nothing, not even its date
            return None
    except OSError as fault:
        return f"{path}: {fault.strerror}"


def _standing(path: pathlib.Path) -> pathlib.Path:
    """Return the folder itself, or the nearest above it that exists."""
    places = (path, *path.parents, pathlib.Path("/"))
    # os.path's, for pathlib's raises where a folder above may not be looked into
    return next(place for place in places if os.path.exists(place))  # noqa: PTH110


def _size(path: pathlib.Path) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0  # gone since it was listed


def _rounded(size: int) -> str:
    return f"{size / 10**9:.1f}GB"
