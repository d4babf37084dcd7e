import pytest

from gateway.config import inheritance


def test_without_a_script_there_are_no_fail_points() -> None:
    assert not inheritance.failpoints({})


def test_a_script_is_taken_as_it_is() -> None:
    assert inheritance.failpoints({"GATEWAY_FAILPOINTS": "a=kill"}) == "a=kill"


def test_what_is_not_given_is_the_processes_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_FAILPOINTS", "b=kill")
    assert inheritance.failpoints() == "b=kill"
