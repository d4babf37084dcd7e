"""The units for systemd say what the gateway understands."""

from pathlib import Path

import click
from prometheus_client import ProcessCollector

from gateway.cli import main, serve
from gateway.cli.machine import SPARE_FILES
from gateway.cli.options import EXIT_FAULTS
from gateway.config.inheritance import Sockets, sockets
from gateway.config.loader import load
from gateway.config.sections import Config, Drain, Server
from tests.deploy.systemd import settings

KEYS = "keys: [{name: studio, key: sk-igw-studio}]\n"
CONFIG = "%t/image-gateway/config.yaml"


def configured(credentials: Path) -> Config:
    """What the service's process comes to, with its files in this folder."""
    for line in settings("service")["LoadCredential"]:
        (credentials / line.partition(":")[0]).write_text("sk-vendor")
    (credentials / "config.yaml").write_text(KEYS)
    pairs = [line.partition("=") for line in settings("service")["Environment"]]
    environ = {name: value.replace("%d", str(credentials)) for name, _, value in pairs}
    return load(str(credentials / "config.yaml"), environ).config


def test_the_socket_is_handed_over_under_a_name_that_serve_knows() -> None:
    (name,) = settings("socket")["FileDescriptorName"]
    environ = {"LISTEN_PID": "17", "LISTEN_FDS": "1", "LISTEN_FDNAMES": name}
    assert sockets(environ, 17) == Sockets(clients=(3,))
    assert "Accept" not in settings("socket")
    assert settings("socket")["ListenStream"] == [f"{Server().host}:{Server().port}"]
    assert settings("service")["Requires"] == ["image-gateway.socket"]


def test_the_service_calls_a_command_as_it_wants_to_be_called() -> None:
    (line,) = settings("service")["ExecStart"]
    program, name, *arguments = line.split()
    assert Path(program).name == "image-gateway"
    command = main.get_command(click.Context(main), name)
    assert command is serve.command
    assert command.make_context(name, arguments).params == {"path": CONFIG}


def test_a_reload_brings_the_file_to_where_it_is_read_and_then_says_so() -> None:
    (first,) = settings("service")["ExecStartPre"]
    copied, signalled = settings("service")["ExecReload"]
    assert copied == first
    assert copied.startswith("+")  # the original is root's
    assert copied.split()[-2:] == ["/etc/image-gateway/config.yaml", CONFIG]
    assert signalled == "/bin/kill -HUP $MAINPID"


def test_the_copy_lies_where_nobody_else_can_read_it() -> None:
    (folder,) = settings("service")["RuntimeDirectory"]
    assert str(Path(CONFIG).parent) == f"%t/{folder}"
    assert settings("service")["RuntimeDirectoryMode"] == ["0700"]


def test_its_secrets_come_by_file(tmp_path: Path) -> None:
    assert configured(tmp_path).upstream.api_key.get_secret_value() == "sk-vendor"


def test_systemd_waits_longer_than_the_stop_may_take() -> None:
    (seconds,) = settings("service")["TimeoutStopSec"]
    assert int(seconds) >= Drain().delay + serve.GRACE + 10


def test_the_files_that_may_be_open_are_enough(tmp_path: Path) -> None:
    config = configured(tmp_path)
    needed = config.server.bounds.connections + config.upstream.polling.concurrency + SPARE_FILES
    (limit,) = settings("service")["LimitNOFILE"]
    assert int(limit) >= needed


def test_what_the_process_metrics_are_read_from_is_not_hidden() -> None:
    """``ProtectProc=`` hides others' processes alone; these hide what is ours, or the boot time."""
    said = settings("service")
    assert said.get("ProcSubset", ["all"]) == ["all"]
    places = ("InaccessiblePaths", "TemporaryFileSystem", "RootDirectory", "RootImage")
    assert [name for name in places if name in said] == []


def test_without_the_boot_time_there_would_be_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("/proc/self")

    def told() -> set[str]:
        collector = ProcessCollector(proc=str(tmp_path), registry=None)
        return {family.name for family in collector.collect()}

    assert told() == set()  # as with ProcSubset=pid, which leaves what is in self
    (tmp_path / "stat").symlink_to("/proc/stat")
    assert {"process_start_time_seconds", "process_max_fds", "process_open_fds"} <= told()


def test_a_start_that_cannot_help_is_not_tried() -> None:
    assert settings("service")["RestartPreventExitStatus"] == [str(EXIT_FAULTS)]
