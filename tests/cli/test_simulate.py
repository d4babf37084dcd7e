import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.simulate import command

ORDER = {"model": "gpt-image-2-official", "prompt": "fog", "quality": "low"}
START = "from gateway.cli.simulate import command; command()"


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    file = tmp_path / "faults.json"
    file.write_text(json.dumps([{"where": "create", "kind": "throttled"}]))
    return file


@pytest.fixture
def running(faults: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a process of its own, and the address it says it listens on."""
    arguments = ["--port", "0", "--speed", "1000", "--seed", "1", "--faults", str(faults)]
    with subprocess.Popen(
        [sys.executable, "-u", "-c", START, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        try:
            yield process, first.split(" on ")[1].split()[0]
        finally:
            process.kill()


def _create(url: str) -> int:
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{url}/v1/images/generations",
        json.dumps(ORDER).encode(),
        {"authorization": "Bearer simulated", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_it_serves_counts_acts_its_faults_and_ends_on_a_signal(
    running: tuple[subprocess.Popen[str], str],
) -> None:
    process, url = running
    assert process.stdout is not None
    assert "key: simulated" in process.stdout.readline()
    assert f"{url}/control/purchases" in process.stdout.readline()
    assert [_create(url), _create(url)] == [429, 200]
    with urllib.request.urlopen(f"{url}/control/purchases", timeout=10) as answer:  # noqa: S310
        assert json.load(answer)["purchases"] == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


@pytest.mark.parametrize("script", ["{", "{}", '[{"where": "create", "kind": "?"}]'])
def test_a_wrong_script_is_a_wrong_call(tmp_path: Path, script: str) -> None:
    file = tmp_path / "faults.json"
    file.write_text(script)
    result = CliRunner().invoke(command, ["--faults", str(file)])
    assert result.exit_code == 2
    assert str(file) in result.output


def test_a_port_in_use_is_told_in_one_line(
    running: tuple[subprocess.Popen[str], str],
) -> None:
    _, url = running
    result = CliRunner().invoke(command, ["--port", url.rsplit(":", 1)[1]])
    assert result.exit_code == 1
    assert "cannot listen" in result.output
    assert "Traceback" not in result.output


def test_help_names_the_control_endpoint() -> None:
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    assert "/control/purchases" in result.output
