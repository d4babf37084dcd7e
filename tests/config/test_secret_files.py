from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.config.loader import Loaded
from gateway.config.secret_files import MAX_BYTES

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]

TOKEN = "the-operators-token"
FILES = """\
upstream:
  api_key_file: vendor
ops: {token_file: token}
keys:
  - name: studio
    key_file: studio
"""


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / "vendor").write_text("  sk-vendor\n", encoding="utf-8")
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    (tmp_path / "studio").write_text("sk-studio\r\n\n", encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("secrets")
def test_every_secret_can_lie_in_a_file_and_is_stripped(load_text: Load) -> None:
    loaded = load_text(FILES, needed=False)

    assert loaded.config.upstream.api_key.get_secret_value() == "sk-vendor"
    assert loaded.config.keys[0].key == SecretStr("sk-studio")
    assert loaded.config.ops.token is not None
    assert loaded.config.ops.token.get_secret_value() == TOKEN
    assert loaded.sources["upstream.api_key"] == "config.yaml:2, vendor"
    assert loaded.sources["keys[0].key"] == "config.yaml:6, studio"
    assert loaded.files == ("config.yaml", "vendor", "token", "studio")


@pytest.mark.usefixtures("secrets")
def test_the_path_may_hold_a_variable_and_may_come_from_the_environment(load_text: Load) -> None:
    text = "upstream: {api_key_file: '${WHERE}/vendor'}\nkeys: [{name: a, key: abcdefgh}]\n"

    environ = {"WHERE": ".", "GATEWAY__OPS__TOKEN_FILE": "token"}
    loaded = load_text(text, environ, needed=False)

    assert loaded.config.upstream.api_key.get_secret_value() == "sk-vendor"
    assert loaded.sources["ops.token"] == "GATEWAY__OPS__TOKEN_FILE, token"


def test_a_secret_given_both_ways_is_a_fault(told: Faults) -> None:
    assert told(f"ops: {{token: {TOKEN}, token_file: b}}\n") == [
        "config.yaml:1: ops.token_file: given beside token; keep one of the two"
    ]


def test_a_secret_of_null_beside_its_file_is_not_given(load_text: Load, secrets: Path) -> None:
    loaded = load_text(f"ops: {{token: null, token_file: {secrets / 'token'}}}\n")

    assert loaded.config.ops.token is not None


def test_both_ways_with_one_unset_variable_is_one_more_fault(told: Faults) -> None:
    assert told("ops:\n  token: ${NOPE}\n  token_file: b\n") == [
        "config.yaml:2: ops.token: environment variable NOPE is not set",
        "config.yaml:3: ops.token_file: given beside token; keep one of the two",
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the file is empty"),
        (b" \n\t\n", "the file is empty"),
        (b"\xff\xfe", "the file does not hold text in UTF-8"),
        (b"x" * (MAX_BYTES + 1), "the file is too large"),
    ],
)
def test_a_file_without_a_usable_secret_is_a_fault(
    told: Faults, tmp_path: Path, content: bytes, fault: str
) -> None:
    (tmp_path / "token").write_bytes(content)

    assert told("ops: {token_file: token}\n") == [f"config.yaml:1: ops.token_file: {fault}"]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("nowhere", "the file cannot be read: No such file or directory"),
        (".", "the file cannot be read: Is a directory"),
        ("''", "must be the path of a file"),
        ("~", "must be the path of a file"),
        ("[a]", "must be the path of a file"),
        ("5", "must be the path of a file"),
        ('"a\\0b"', "must be the path of a file"),
        ("${NOPE}", "environment variable NOPE is not set"),
    ],
)
def test_a_file_that_cannot_be_read_is_the_one_fault_told(
    told: Faults, path: str, fault: str
) -> None:
    text = f"upstream: {{api_key_file: {path}}}\nkeys: [{{name: a, key: abcdefgh}}]\n"

    assert told(text, needed=False) == [f"config.yaml:1: upstream.api_key_file: {fault}"]


def test_a_secret_in_a_file_is_judged_like_any_other(told: Faults, tmp_path: Path) -> None:
    (tmp_path / "studio").write_text("hunter2", encoding="utf-8")
    text = "upstream: {api_key: k}\nkeys:\n  - {name: a, key_file: studio}\n"

    assert told(text, needed=False) == [
        "config.yaml:3: keys[0].key: must be 8 characters or longer"
    ]


def test_a_variable_for_the_secret_wins_over_the_files_path(load_text: Load) -> None:
    loaded = load_text("ops: {token_file: nowhere}\n", {"GATEWAY__OPS__TOKEN": TOKEN})

    assert loaded.sources["ops.token"] == "GATEWAY__OPS__TOKEN"


@pytest.mark.usefixtures("secrets")
def test_a_variable_for_the_path_wins_over_the_files_secret(load_text: Load) -> None:
    loaded = load_text("ops: {token: '${NOPE}'}\n", {"GATEWAY__OPS__TOKEN_FILE": "token"})

    assert loaded.config.ops.token is not None
    assert loaded.config.ops.token.get_secret_value() == TOKEN


def test_both_ways_in_the_environment_is_a_fault(told: Faults) -> None:
    environ = {"GATEWAY__OPS__TOKEN": TOKEN, "GATEWAY__OPS__TOKEN_FILE": "b"}

    assert told("", environ) == [
        "GATEWAY__OPS__TOKEN_FILE: ops.token_file: given beside token; keep one of the two"
    ]


def test_a_content_never_reaches_a_fault(told: Faults, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary with spaces", encoding="utf-8")

    faults = told("ops: {token_file: token}\n")

    assert faults
    assert "canary" not in "\n".join(faults)
