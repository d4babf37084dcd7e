import pytest

from gateway.config import inheritance
from gateway.config.inheritance import Sockets, sockets


def test_without_a_script_there_are_no_fail_points() -> None:
    assert not inheritance.failpoints({})


def test_a_script_is_taken_as_it_is() -> None:
    assert inheritance.failpoints({"GATEWAY_FAILPOINTS": "a=kill"}) == "a=kill"


def test_what_is_not_given_is_the_processes_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_FAILPOINTS", "b=kill")
    monkeypatch.setenv("LISTEN_PID", "17")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert inheritance.failpoints() == "b=kill"
    assert sockets(pid=17) == Sockets(clients=(3,))
    assert sockets() == Sockets()  # for this process has another number


@pytest.mark.parametrize(
    ("count", "names", "found"),
    [
        ("1", None, Sockets((3,))),
        ("2", None, Sockets((3,), (4,))),
        ("2", "", Sockets((3,), (4,))),
        ("1", "image-gateway.socket", Sockets((3,))),  # what systemd calls one without a name
        ("2", "unknown:unknown", Sockets((3,), (4,))),
        ("1", "clients", Sockets((3,))),
        ("1", "operators", Sockets((), (3,))),
        ("2", "operators:clients", Sockets((4,), (3,))),
        ("3", "clients:operators:clients", Sockets((3, 5), (4,))),
        ("0", None, Sockets()),
        ("-1", None, Sockets()),
    ],
)
def test_sockets_go_by_their_names_or_else_by_their_order(
    count: str, names: str | None, found: Sockets
) -> None:
    environ = {"LISTEN_PID": "17", "LISTEN_FDS": count}
    if names is not None:
        environ["LISTEN_FDNAMES"] = names
    assert sockets(environ, 17) == found


@pytest.mark.parametrize("pid", [None, "", "18", "170", "self"])
def test_sockets_of_another_process_are_left_alone(pid: str | None) -> None:
    environ = {"LISTEN_FDS": "nonsense", **({} if pid is None else {"LISTEN_PID": pid})}
    assert sockets(environ, 17) == Sockets()


@pytest.mark.parametrize(
    ("count", "names", "why"),
    [
        ("", None, "LISTEN_FDS is no number: ''"),
        ("one", None, "LISTEN_FDS is no number: 'one'"),
        ("1", "clients:operators", "LISTEN_FDNAMES counts 2, LISTEN_FDS 1"),
        ("2", "clients", "LISTEN_FDNAMES counts 1, LISTEN_FDS 2"),
        ("3", None, "nobody would accept on descriptor 5, called ''"),
        ("2", "clients:stored", "nobody would accept on descriptor 4, called 'stored'"),
    ],
)
def test_what_nobody_would_accept_on_is_refused(count: str, names: str | None, why: str) -> None:
    environ = {"LISTEN_PID": "17", "LISTEN_FDS": count, "LISTEN_FDNAMES": names or ""}
    with pytest.raises(ValueError, match=why):
        sockets(environ, 17)
