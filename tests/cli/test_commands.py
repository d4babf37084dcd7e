import importlib.util
import pathlib
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import gateway
from gateway.cli import COMMANDS, main

ROOT = pathlib.Path(__file__).parents[2]
WRITTEN = [name for name in COMMANDS if importlib.util.find_spec(f"gateway.cli.{name}")]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )


def test_help_lists_every_command_in_order() -> None:
    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    listed = result.output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed if line[2] != " "] == list(COMMANDS)
    assert main.list_commands(click.Context(main)) == list(COMMANDS)


def test_the_version_is_the_packages() -> None:
    result = CliRunner().invoke(main, ["--version"])

    assert result.output == f"image-gateway, version {gateway.__version__}\n"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_commands_help_begins_with_the_line_in_the_list(name: str) -> None:
    command = main.get_command(click.Context(main), name)

    assert isinstance(command, click.Command)
    assert (command.help or "").partition("\n")[0] == COMMANDS[name]


def test_check_and_doctor_are_there() -> None:
    assert {"check", "doctor"} <= set(WRITTEN)


@pytest.mark.parametrize("name", ["chekc", "options", "machine", "../check", ""])
def test_what_is_no_command_is_a_wrong_call_and_imports_nothing(name: str) -> None:
    result = CliRunner().invoke(main, [name])

    assert result.exit_code == 2
    assert "No such command" in result.output


def test_help_imports_no_command_and_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from gateway.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print('LOADED', *sys.modules)"
    )

    result = python("-c", program)

    loaded = set(result.stdout.partition("LOADED ")[2].split())
    assert "gateway.cli" in loaded
    heavy = {"pydantic", "yaml", "httpx", "starlette", "PIL", "asyncio", "gateway.config"}
    assert not loaded & {*heavy, *(f"gateway.cli.{name}" for name in COMMANDS)}


def test_the_package_runs_as_a_module_under_its_own_name() -> None:
    result = python("-m", "gateway", "--help")

    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Usage: image-gateway ")


def test_the_project_names_the_group_as_its_program() -> None:
    text = (ROOT / "pyproject.toml").read_text()

    assert 'image-gateway = "gateway.cli:main"' in text
