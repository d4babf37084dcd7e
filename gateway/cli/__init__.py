"""The command line: one file per command, each with a click command named ``command``.

Owns: the group and the list of commands. A command's file is imported only when it is called, so
``--help`` is quick. Must not know: what a command does. Exit codes: 0 well, 1 something failed,
2 a wrong call or a configuration that cannot be used.
"""

import importlib

import click

from gateway import __version__

COMMANDS = {
    "demo": "Run gateway and simulated vendor together and make a picture.",
    "serve": "Run the gateway until SIGTERM or SIGINT.",
    "check": "Print the effective configuration, or everything that is wrong with it.",
    "simulate": "Run the simulated vendor alone.",
    "doctor": "Try the vendor, the key and this machine, and say what is wrong.",
}


class Commands(click.Group):
    """A group that finds its commands by name, in files of that name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of ``COMMANDS``."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"gateway.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' first lines without importing the commands."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="image-gateway")
def main() -> None:
    """Serve OpenAI's Images API in front of an asynchronous, paid image vendor."""
