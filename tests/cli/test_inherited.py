"""What serve takes over of the operators' socket; the rest is in test_exchange.py."""

import socket
from collections.abc import Iterator

import pytest

from gateway.cli import inherited
from gateway.cli.inherited import _guarded
from gateway.config.sections import Ops

WITH_TOKEN = Ops.model_validate({"token": "sk-operators"})


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def test_an_operators_socket_on_this_machine_needs_no_token(sock: socket.socket) -> None:
    assert _guarded(sock, Ops()) is sock


def test_one_that_others_reach_needs_a_token(
    sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inherited, "address", lambda _: ("192.0.2.7", 9464))
    assert _guarded(sock, WITH_TOKEN) is sock
    with pytest.raises(ValueError, match=r"ops\.token: is required where"):
        _guarded(sock, Ops())
