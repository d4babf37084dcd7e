"""Sockets that somebody else opened: which will do, and what is said of those that will not."""

import socket
from pathlib import Path

import pytest

from gateway.server.sockets import ListenError, adopt
from tests.server.loopback import GET, calling, echo, listener_for


def handed_over(sock: socket.socket) -> int:
    """A descriptor such as a supervisor leaves open: its own, and kept by programs we start."""
    copy = sock.dup()
    copy.set_inheritable(True)
    return copy.detach()


@pytest.mark.parametrize(
    ("family", "host", "url"),
    [
        (socket.AF_INET, "127.0.0.1", "http://127.0.0.1:"),
        (socket.AF_INET6, "::1", "http://[::1]:"),
    ],
)
async def test_its_own_address_is_told_and_it_is_served(
    family: socket.AddressFamily, host: str, url: str
) -> None:
    with socket.create_server((host, 0), family=family) as opened:
        adopted = adopt(handed_over(opened))
        assert not adopted.get_inheritable()
        listener = listener_for(echo, sockets=[adopted], host="unused.invalid", port=1)
        await listener.start()
        assert listener.inherited
        assert (listener.host, listener.port) == (host, opened.getsockname()[1])
        assert listener.url == f"{url}{listener.port}"
        if family == socket.AF_INET:
            async with calling(listener) as caller:
                assert (await caller.ask(GET)).status == 200
        await listener.stop(0)


async def test_several_are_served_by_one_listener() -> None:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [sock.getsockname()[1] for sock in opened]
    listener = listener_for(echo, sockets=opened)
    await listener.start()
    for port in ports:
        listener._port = port
        async with calling(listener) as caller:
            assert (await caller.ask(GET)).status == 200
    await listener.stop(0)


def test_a_listener_that_opened_its_socket_has_inherited_none() -> None:
    assert not listener_for(echo).inherited


def test_what_is_no_socket_is_refused(tmp_path: Path) -> None:
    with (
        (tmp_path / "file").open("wb") as file,
        pytest.raises(ListenError, match=f"descriptor {file.fileno()}: it is no socket"),
    ):
        adopt(file.fileno())


def test_what_is_not_open_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        number = file.fileno()
    with pytest.raises(ListenError, match=f"descriptor {number}: it is no socket"):
        adopt(number)


async def refusal(sock: socket.socket) -> str:
    """What is said of a socket that will not do; nothing else may come of it."""
    with sock:
        listener = listener_for(echo, sockets=[sock])
        with pytest.raises(ListenError) as caught:
            await listener.start()
        assert repr(listener).startswith("<Listener stopped")
        await listener.stop(0)
        text = str(caught.value)
        assert f"the inherited descriptor {sock.fileno()}: " in text
        return text.rpartition(": ")[2]


async def test_a_unix_socket_is_refused(tmp_path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "socket"))
    sock.listen()
    assert await refusal(sock) == "it is a Unix socket; callers come over TCP, so give it a port"


async def test_a_socket_for_datagrams_is_refused() -> None:
    assert await refusal(socket.socket(type=socket.SOCK_DGRAM)) == "it is no TCP socket"


async def test_a_connection_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = await refusal(socket.create_connection(server.getsockname()))
    assert said == "it does not listen; in systemd's unit, Accept= must be no"
