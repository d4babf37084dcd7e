"""What the commands that look into the ledger share: finding it, and where it cannot be read, why.

Owns: the way from a configuration to a ledger, and how its faults are told. Must not know: what is
looked for.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import NoReturn

import click

from gateway.cli.options import EXIT_FAILED, loaded_or_exit
from gateway.config.addresses import ledger_path
from gateway.config.sections import Config
from gateway.state.base import LedgerFault
from gateway.state.reading import Reading

_FORGETFUL = (
    "state.url is memory://: this gateway remembers jobs in its own process alone, and there is\n"
    "nothing to look into. With sqlite:///data/state.db it keeps a ledger."
)


@contextlib.contextmanager
def looking(path: str | None) -> Iterator[tuple[Config, Reading]]:
    """The configuration and its ledger; whatever forbids to read it is told, and exits with 1.

    Exits with 2 if the configuration cannot be used.
    """
    config = loaded_or_exit(path).config
    place = ledger_path(config.state.url)
    if place is None:
        exit_told(_FORGETFUL)
    try:
        yield config, Reading(place)
    except LedgerFault as fault:
        exit_told(f"{fault.message}\n{fault.advice}")


def exit_told(text: str) -> NoReturn:
    """Say on standard error why this ends here, and exit with 1."""
    click.echo(text, err=True)
    sys.exit(EXIT_FAILED)
