"""The command line: one file per command, each with a click command named ``command``.

Owns: the group and the list of commands. A command's file is imported only when it is called, so
``--help`` is quick. Must not know: what a command does. Exit codes: 0 well, 1 something failed,
2 a wrong call or a configuration that cannot be used.
"""

import importlib
from collections.abc import Mapping
from typing import ClassVar

import click

from gateway import __version__

COMMANDS = {
    "demo": "Run gateway and simulated vendor together and make a picture.",
    "serve": "Run the gateway until SIGTERM or SIGINT.",
    "check": "Print the effective configuration, or everything that is wrong with it.",
    "tasks": "Look into the ledger: jobs, what became of them, their pictures.",
    "keys": "Make client keys, and list those there are.",
    "simulate": "Run the simulated vendor alone.",
    "doctor": "Try the vendor, the key and this machine, and say what is wrong.",
}


class Commands(click.Group):
    """A group that finds its commands by name, in files of that name.

    ``listed`` are the commands with the first line of their help, ``files`` the modules' name.
    """

    listed: ClassVar[Mapping[str, str]] = COMMANDS
    files: ClassVar[str] = "gateway.cli.{}"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in their order."""
        del ctx
        return list(self.listed)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        del ctx
        if cmd_name not in self.listed:
            return None
        found: click.Command = importlib.import_module(self.files.format(cmd_name)).command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' first lines without importing the commands."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self.listed.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="image-gateway")
def main() -> None:
    """Serve OpenAI's Images API in front of an asynchronous, paid image vendor."""
