"""``keys``: making client keys, and looking at those there are.

Owns: the group and the list of its commands, each in a file of its own that is imported when it is
called. Must not know: what a command does.
"""

from typing import ClassVar

import click

from gateway.cli import Commands


class KeyCommands(Commands):
    """The commands below ``keys``."""

    listed: ClassVar = {
        "new": "Make a key, and the entry for the configuration.",
        "hash": "Read a key of your own, and print what the configuration keeps of it.",
        "list": "List the configured keys.",
    }
    files: ClassVar = "gateway.cli.keys_{}"


@click.group(cls=KeyCommands)
def command() -> None:
    """Make client keys, and list those there are.

    No key is kept anywhere by these commands: the configuration holds an id and a SHA-256.
    """
