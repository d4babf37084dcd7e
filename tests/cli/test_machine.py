import errno
import os
import pathlib
import resource
import shutil
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.cli import machine
from gateway.config.sections import Images, Ops, Server, ServerBounds, State, Upstream

UPSTREAM = Upstream.model_validate({"api_key": "k"})


def images(folder: pathlib.Path, **changes: int) -> Images:
    return Images.model_validate({"folder": str(folder), **changes})


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_folder_that_stands_is_tried_and_left_as_it_was(tmp_path: pathlib.Path) -> None:
    found = machine.folder(images(tmp_path))

    assert str(found) == f"ok    folder: {tmp_path} is writable"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_stand_is_not_made(tmp_path: pathlib.Path) -> None:
    found = machine.folder(images(tmp_path / "a" / "b"))

    assert (found.grade, found.message) == (
        "ok",
        f"{tmp_path / 'a' / 'b'} does not exist yet and can be made",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_fails_with_advice(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("x")

    found = machine.folder(images(tmp_path / "file" / "images"))

    assert found.grade == "fail"
    assert "Not a directory" in found.message
    assert "images.folder" in found.advice


def test_a_folder_without_the_right_to_write_fails(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)

    found = machine.folder(images(tmp_path))

    assert found.grade == "fail"
    assert found.message == f"nothing can be written to {tmp_path}: Permission denied"


def test_a_ledger_that_stands_is_tried_and_left_as_it_was(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"what is paid for")
    os.utime(path, (1, 1))

    found = machine.ledger(State(url=f"sqlite:///{path}"))

    assert str(found) == f"ok    ledger: {path} is writable"
    assert path.read_bytes() == b"what is paid for"
    assert path.stat().st_mtime == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_ledger_that_does_not_stand_is_not_made(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a" / "state.db"

    found = machine.ledger(State(url=f"sqlite:///{path}"))

    assert (found.grade, found.message) == ("ok", f"{path} does not exist yet and can be made")
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_is_looked_for_from_where_the_gateway_is_started(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("not a folder")

    found = machine.ledger(State())

    assert (found.grade, found.message) == (
        "fail",
        "nothing can be written to data: Not a directory",
    )
    assert "state.url" in found.advice


def test_a_ledger_that_is_no_file_fails(tmp_path: pathlib.Path) -> None:
    found = machine.ledger(State(url=f"sqlite:///{tmp_path}"))

    assert found.grade == "fail"
    assert found.message == f"nothing can be written to {tmp_path}: it is not a file"


def test_a_ledger_that_may_only_be_read_fails(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:  # root may write anything
        raise PermissionError(errno.EACCES, "Permission denied")

    path = tmp_path / "state.db"
    path.touch()
    monkeypatch.setattr(pathlib.Path, "open", refuse)

    found = machine.ledger(State(url=f"sqlite:///{path}"))

    assert (found.grade, found.message) == (
        "fail",
        f"nothing can be written to {path}: Permission denied",
    )


def test_a_ledger_in_memory_is_a_warning() -> None:
    found = machine.ledger(State(url="memory://"))

    assert found.grade == "warn"
    assert "forgets what is paid for" in found.message


@pytest.mark.parametrize(
    ("free", "kept", "shelf", "grade"),
    [
        (20 * 10**9, 0, 10**10, "ok"),
        (10**9, 0, 10**10, "warn"),
        (10**10 - 500, 500, 10**10, "ok"),
        (10**10 - 500, 499, 10**10, "warn"),
        (10**8 - 1, 0, 10**6, "fail"),
    ],
)
def test_the_disk_is_measured_against_what_the_shelf_may_hold(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    kept: int,
    shelf: int,
    grade: str,
) -> None:
    (tmp_path / "picture").write_bytes(b"x" * kept)
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    assert machine.disk(images(tmp_path, shelf=shelf)).grade == grade


def test_a_picture_that_goes_while_the_shelf_is_measured_counts_nothing(
    tmp_path: pathlib.Path,
) -> None:
    assert machine._size(tmp_path / "gone") == 0


def test_the_disk_of_a_folder_that_does_not_stand_is_that_above(tmp_path: pathlib.Path) -> None:
    assert "free" in machine.disk(images(tmp_path / "a" / "b", shelf=1)).message


@pytest.mark.parametrize(
    ("limit", "grade"),
    [(1024, "warn"), (10_159, "warn"), (10_160, "ok"), (resource.RLIM_INFINITY, "ok")],
)
def test_open_files_are_measured_against_connections(
    monkeypatch: pytest.MonkeyPatch, limit: int, grade: str
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))

    found = machine.files(Server(), UPSTREAM)

    assert found.grade == grade
    assert "10160" in found.message
    assert ("ulimit -n 10160" in found.advice) == (grade == "warn")


def test_fewer_connections_need_fewer_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))

    assert machine.files(Server(bounds=ServerBounds(connections=500)), UPSTREAM).grade == "ok"


def test_free_ports_are_fine_and_stay_free() -> None:
    first, second = machine.ports(Server(port=0), Ops(port=0))

    assert (first.grade, first.subject) == ("ok", "server")
    assert (second.grade, second.subject) == ("ok", "ops")


def test_a_port_in_use_is_a_warning_for_it_may_be_the_gateways_own(taken: int) -> None:
    found, _ = machine.ports(Server(port=taken), Ops(port=0))

    assert found.grade == "warn"
    assert found.message == f"127.0.0.1 port {taken} is in use"
    assert "server.port" in found.advice


def test_an_address_of_another_machine_fails() -> None:
    found, _ = machine.ports(Server(host="192.0.2.1", port=0), Ops(port=0))

    assert found.grade == "fail"
    assert "server.host" in found.advice


def test_a_host_that_does_not_resolve_fails() -> None:
    _, found = machine.ports(Server(port=0), Ops(host="nowhere.invalid", port=0))

    assert found.grade == "fail"
    assert found.advice == "Change ops.host or ops.port."


def test_a_port_that_needs_a_privilege_fails() -> None:
    found = machine._taken(
        "server", "0.0.0.0 port 80", PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    )

    assert str(found) == (
        "fail  server: 0.0.0.0 port 80 cannot be listened on: Permission denied\n"
        "      Ports below 1024 need a privilege; take a higher one."
    )


def test_an_ipv6_listener_is_tried_too() -> None:
    found, _ = machine.ports(Server(host="::1", port=0), Ops(port=0))

    assert found.subject == "server"
    assert "::1 port 0" in found.message


def test_a_folder_below_one_that_may_not_be_looked_into_is_a_finding(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    real = os.stat

    def stat(path: Any, **how: Any) -> os.stat_result:
        if str(path).startswith(f"{closed}/"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, **how)

    closed.mkdir()
    monkeypatch.setattr(os, "stat", stat)
    finding = machine.folder(images(closed / "pictures"))
    assert finding.grade == "ok"
    assert "does not exist yet" in finding.message
