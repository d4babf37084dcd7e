"""The sandbox that the unit and the container's page claim is one the gateway can live in."""

import json
import signal
import subprocess
from pathlib import Path

from tests.cli.processes import Process, running
from tests.deploy.asking import ask
from tests.deploy.container import NOBODY, Builder
from tests.deploy.sandbox import allowed, sandboxed, status
from tests.repo.source import ROOT

# What a program that was taken over would try, and the error it should get.
ATTEMPTS = """
import ctypes, errno, json, mmap, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)

def called(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)

def attempt(deed):
    try:
        deed()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

def written(path):
    open(path, "w").close()
    os.unlink(path)

def executable():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()

deeds = {
    "writes outside": lambda: written(f"/tmp/{os.getpid()}"),
    "writes its own code": lambda: written(sys.prefix + "/written"),
    "writes inside": lambda: written(sys.argv[1] + "/written"),
    "makes code": executable,
    "listens to the network": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "configures the network": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "makes a namespace": lambda: called("unshare", 0x10000000),
    "mounts": lambda: called("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "reads another's memory": lambda: called("ptrace", 16, os.getppid(), 0, 0),
    "gets up earlier": lambda: os.setpriority(os.PRIO_PROCESS, 0, 1),
    "connects": lambda: socket.socket(socket.AF_INET).close(),
}
print(json.dumps({name: attempt(deed) for name, deed in deeds.items()}))
"""
REFUSED = {
    "writes outside": "EROFS",
    "writes its own code": "EROFS",
    "writes inside": "done",
    "makes code": "EPERM",
    "listens to the network": "EAFNOSUPPORT",
    "configures the network": "EAFNOSUPPORT",
    "makes a namespace": "EPERM",
    "mounts": "EPERM",
    "reads another's memory": "EPERM",
    "gets up earlier": "EPERM",
    "connects": "done",
}


def attempts(child: "subprocess.Popen[str]") -> dict[str, str]:
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    told: dict[str, str] = json.loads(out)
    return told


def test_within_it_what_an_intruder_would_try_is_refused(container: Builder) -> None:
    words = ["python", "-c", ATTEMPTS, str(container.root / "data")]
    assert attempts(sandboxed(container, words)) == REFUSED


def test_without_it_most_of_that_is_possible(container: Builder, tmp_path: Path) -> None:
    python = str(container.root / "opt/gateway/bin/python")
    bare = subprocess.Popen(
        [python, "-c", ATTEMPTS, str(tmp_path)], stdout=-1, stderr=-1, text=True
    )
    possible = attempts(bare)
    assert {"writes outside", "makes code", "gets up earlier", "configures the network"} <= {
        name for name, told in possible.items() if told == "done"
    }


def test_the_calls_let_through_are_those_of_a_service_and_no_others() -> None:
    assert {"read", "socket", "execve", "futex", "fdatasync"} <= set(allowed())
    assert not {"mount", "ptrace", "bpf", "setpriority", "reboot", "swapon"} & set(allowed())


def test_the_installed_gateway_makes_a_picture_in_it(container: Builder, tmp_path: Path) -> None:
    place = Path(container.here("/etc/image-gateway/config.yaml"))
    container.mount(place, ROOT / "config.example.yaml")
    with running(tmp_path, "simulate", "--port", "0", "--speed", "1000") as vendor:
        child = sandboxed(
            container,
            ["image-gateway", "serve", "--config", str(place)],
            TOAPIS_API_KEY="simulated",
            STUDIO_KEY="sk-studio-key",
            GATEWAY__UPSTREAM__BASE_URL=vendor.until("http").split()[3],
            GATEWAY__UPSTREAM__POLLING__SCALE="0.02",
            GATEWAY__SERVER__PORT="0",
            GATEWAY__OPS__PORT="0",
        )
        with child:
            process = Process(child)
            try:
                url = json.loads(process.until('"clients"'))["url"]
                process.until('"operators"')
                answer = ask(url, "sk-studio-key")
                told = status(child.pid)
                assert process.end(signal.SIGTERM) == 0
                assert process.err == ""
            finally:
                child.kill()
    link = answer["data"][0]["url"]
    assert (container.root / "data/images" / link.rpartition("/")[2]).is_file()
    assert {told[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2")
    assert "0" not in told["Uid"].split()
    if container.drops_root:
        assert set(told["Uid"].split()) == {str(NOBODY)}


def test_what_it_cannot_start_is_told(container: Builder) -> None:
    child = sandboxed(container, ["no-such-program"])
    _, err = child.communicate(timeout=60)
    assert child.returncode != 0
    assert "No such file" in err
