"""What ``deploy/image-gateway.service`` and a container's flags promise, done without either.

Owns: a mount namespace whose every disk is read-only but for one folder, a user without privileges
who can get none, and the kernel's filter of system calls that systemd would make of the unit. Must
not know: what is started in it. It works as root, and as anybody where the kernel lets users make
namespaces. ``LOADER`` runs inside, before the program, and has the standard library alone.
"""

import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.deploy.container import NOBODY, Builder
from tests.deploy.systemd import analyze, filter_library, settings

_MOUNTS = """
mount --make-rprivate /
mount --bind "$0" "$0"
while read -r _ _ _ _ place _; do
    case $place in
        "$0" | /proc | /proc/* | /sys | /sys/* | /dev | /dev/*) ;;
        *) mount -o remount,bind,ro "$(printf %b "$place")" ;;
    esac
done </proc/self/mountinfo
cd "$1"
shift
exec "$@"
"""

LOADER = """
import ctypes, errno, json, os, socket, sys

library, allowed, families = json.loads(sys.argv[1])
seccomp = ctypes.CDLL(library)
seccomp.seccomp_init.restype = ctypes.c_void_p
ALLOW, REFUSE, MASKED = 0x7FFF0000, 0x00050000, 7


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int),
                ("mask", ctypes.c_uint64), ("value", ctypes.c_uint64)]


def filtered(default, rules):
    made = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(default)))
    for name, action, comparisons in rules:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # others this machine's kernel does not have
            array = (Comparison * max(1, len(comparisons)))(*comparisons)
            done = seccomp.seccomp_rule_add_array(
                made, ctypes.c_uint32(action), number, len(comparisons), array)
            if done:
                sys.exit(f"{name}: {os.strerror(-done)}")
    if done := seccomp.seccomp_load(made):
        sys.exit(f"no filter: {os.strerror(-done)}")


def refused(name, code, *comparisons):
    return name, REFUSE | code, [Comparison(*one) for one in comparisons]


WRITE, EXECUTE, NAMESPACES, EQUAL = 2, 4, 0x7E020080, 4
filtered(ALLOW, [
    refused("mmap", errno.EPERM, (2, MASKED, WRITE | EXECUTE, WRITE | EXECUTE)),
    refused("mprotect", errno.EPERM, (2, MASKED, EXECUTE, EXECUTE)),
    refused("pkey_mprotect", errno.EPERM, (2, MASKED, EXECUTE, EXECUTE)),
    refused("clone3", errno.ENOSYS),
    refused("unshare", errno.EPERM),
    refused("setns", errno.EPERM),
    *(refused("clone", errno.EPERM, (0, MASKED, 1 << bit, 1 << bit))
      for bit in range(32) if NAMESPACES & 1 << bit),
    *(refused("socket", errno.EAFNOSUPPORT, (0, EQUAL, family, 0))
      for family in range(64) if family not in [getattr(socket, name) for name in families]),
])
filtered(REFUSE | errno.EPERM, [(name, ALLOW, []) for name in allowed])
os.execvp(sys.argv[2], sys.argv[2:])
"""


@functools.cache
def allowed() -> tuple[str, ...]:
    """The system calls that the unit's ``SystemCallFilter=`` lets through."""
    found: set[str] = set()
    for line in settings("service")["SystemCallFilter"]:
        names = {one for word in line.lstrip("~").split() for one in _calls(word)}
        found = found - names if line.startswith("~") else found | names
    return tuple(sorted(found))


@functools.cache
def _calls(name: str) -> frozenset[str]:
    """What a set of calls stands for; others may be in it."""
    if not name.startswith("@"):
        return frozenset({name})
    lines = analyze("syscall-filter", name).stdout.splitlines()[1:]
    words = [line.strip() for line in lines]
    return frozenset(call for word in words if word and word[0] != "#" for call in _calls(word))


def sandboxed(
    container: Builder, words: Sequence[str], **environment: str
) -> subprocess.Popen[str]:
    """Start a program of the container where only its ``/data`` can be written to."""
    families = settings("service")["RestrictAddressFamilies"][0].split()
    filters = json.dumps([filter_library(), allowed(), families])
    python = str(container.root / "opt/gateway/bin/python")
    data = str(container.root / "data")
    return subprocess.Popen(
        [
            *_alone(),
            *("sh", "-euc", _MOUNTS, data, str(container.directory)),
            *_unprivileged(),
            *(python, "-I", "-S", "-c", LOADER, filters, *words),
        ],
        env={**container.environment, "HOME": data, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _alone() -> Sequence[str]:
    return ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-Urm")


def _unprivileged() -> Sequence[str]:
    """Nobody, if there is a choice; within a namespace of their own users are themselves."""
    user = ("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    return (
        "setpriv",
        *(user if os.geteuid() == 0 else ()),
        *("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"),
    )


def status(pid: int) -> Mapping[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    pairs = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _, value in pairs}
