"""What commands share: the ``--config`` option, and ending on what makes going on pointless.

Owns: how such faults are told on a terminal. Must not know: any command.
"""

import sys
from typing import NoReturn

import click

from gateway.cli.findings import Finding
from gateway.config.faults import ConfigFaults
from gateway.config.loader import Loaded, load

EXIT_FAILED = 1
EXIT_FAULTS = 2

config_option = click.option(
    "--config",
    "path",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="The configuration file; without it, GATEWAY__… variables and defaults alone.",
)


def loaded_or_exit(path: str | None) -> Loaded:
    """Load a configuration; with faults, print all of them to standard error and exit with 2."""
    try:
        return load(path)
    except ConfigFaults as faults:
        exit_with(faults)


def exit_with(faults: ConfigFaults) -> NoReturn:
    """Print faults to standard error, one per line, and exit with 2."""
    for fault in faults.faults:
        click.echo(str(fault), err=True)
    count = len(faults.faults)
    click.echo(f"{count} fault{'s' if count > 1 else ''} in the configuration", err=True)
    sys.exit(EXIT_FAULTS)


def exit_unfit(finding: Finding) -> None:
    """Exit with 1, in the doctor's words, if what it found forbids to start."""
    if finding.grade == "fail":
        click.echo(f"{finding.subject}: {finding.message}\n{finding.advice}", err=True)
        sys.exit(EXIT_FAILED)
