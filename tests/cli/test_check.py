import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from tests.canaries import CLIENT_KEY, VENDOR_KEY

GOOD = f"""\
server:
  port: 8081
upstream: {{api_key: "${{VENDOR_KEY}}"}}
keys:
  - {{name: studio, key: {CLIENT_KEY}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VENDOR_KEY", VENDOR_KEY)
    return tmp_path


def check(folder: Path, text: str, *arguments: str) -> Result:
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return CliRunner().invoke(main, ["check", "--config", "config.yaml", *arguments])


def test_a_good_file_is_listed_with_sources_and_without_secrets(folder: Path) -> None:
    result = check(folder, GOOD)

    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["server.port", "8081", "config.yaml:2"] in rows
    assert ["server.host", "127.0.0.1", "default"] in rows
    assert ["upstream.api_key", "***", "config.yaml:3"] in rows
    assert ["keys[0].key", "***", "config.yaml:5"] in rows
    assert ["images.lifetime", "24h", "default"] in rows
    assert "canary" not in result.output


def test_a_variable_is_named_as_the_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY__LOG__LEVEL", "debug")

    result = check(folder, GOOD)

    assert ["log.level", "debug", "GATEWAY__LOG__LEVEL"] in [
        line.split() for line in result.stdout.splitlines()
    ]


def test_json_holds_plain_values_and_sources(folder: Path) -> None:
    result = check(folder, GOOD, "--json")

    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert told["ok"] is True
    assert told["settings"]["server.port"] == {"value": 8081, "source": "config.yaml:2"}
    assert told["settings"]["images.lifetime"] == {"value": 86400, "source": "default"}
    assert told["settings"]["server.trusted_proxies"]["value"] == []
    assert told["settings"]["upstream.api_key"]["value"] == "***"
    assert "canary" not in result.output


def test_a_bad_file_ends_with_2_and_every_fault_on_standard_error(folder: Path) -> None:
    result = check(folder, f"{GOOD}log: {{level: loud}}\nserve: {{}}\n")

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "config.yaml:6: log.level: must be 'debug', 'info', 'warning' or 'error'",
        "config.yaml:7: serve: unknown name; did you mean server?",
        "2 faults in the configuration",
    ]
    assert "canary" not in result.output


def test_one_fault_is_counted_as_one(folder: Path) -> None:
    assert check(folder, "a: [").stderr.endswith("\n1 fault in the configuration\n")


def test_json_of_a_bad_file_holds_the_faults(folder: Path) -> None:
    result = check(folder, f"{GOOD}log: {{level: loud}}\n", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "ok": False,
        "faults": [
            {
                "file": "config.yaml",
                "line": 6,
                "path": "log.level",
                "message": "must be 'debug', 'info', 'warning' or 'error'",
            }
        ],
    }


def test_a_missing_file_is_a_fault_of_the_configuration() -> None:
    result = CliRunner().invoke(main, ["check", "--config", "/nowhere/config.yaml"])

    assert result.exit_code == 2
    assert "/nowhere/config.yaml: cannot be read: No such file" in result.stderr


def test_a_folder_is_a_wrong_call(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--config", str(tmp_path)])

    assert result.exit_code == 2
    assert "is a directory" in result.stderr


def test_without_a_file_the_environment_alone_is_checked() -> None:
    environ = {
        "GATEWAY__UPSTREAM__API_KEY": "canary-vendor",
        "GATEWAY__KEYS": "[{name: studio, key: canary-studio}]",
    }

    result = CliRunner(env=environ).invoke(main, ["check"])

    assert result.exit_code == 0
    assert "GATEWAY__KEYS" in result.output
    assert "canary" not in result.output
