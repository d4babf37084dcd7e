"""``tasks``: what operators do with the ledger.

Owns: the group and the list of its commands, each in a file of its own that is imported when it is
called. Must not know: what a command does.
"""

from typing import ClassVar

import click

from gateway.cli import Commands


class TaskCommands(Commands):
    """The commands below ``tasks``."""

    listed: ClassVar = {
        "list": "List jobs, the newest first, and count what needs a look.",
        "show": "Tell everything about one job, and its story.",
        "claim": "Copy a job's pictures out, and mark the job as claimed.",
        "reconcile": "Compare the ledger with the vendor, and tell every difference.",
    }
    files: ClassVar = "gateway.cli.tasks_{}"


@click.group(cls=TaskCommands)
def command() -> None:
    """Look into the ledger: jobs, what became of them, their pictures.

    The ledger of the configuration (state.url) is opened read-only; a running gateway is not
    disturbed.
    """
