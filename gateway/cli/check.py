"""``check``: what a configuration comes to, and where each value is from.

Owns: the listing, as text and as JSON. Must not know: how a configuration is read, or which
values are secret; those come masked.
"""

import json
import sys

import click

from gateway.cli.options import EXIT_FAULTS, config_option, exit_with
from gateway.config.faults import ConfigFaults
from gateway.config.listing import Entry, entries
from gateway.config.loader import load

COLUMN = 40


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(path: str | None, *, as_json: bool) -> None:
    """Print the effective configuration, or everything that is wrong with it.

    Each value is followed by where it came from; secrets are masked. Exits with 0, or with 2 if
    the configuration cannot be used.
    """
    try:
        listed = tuple(entries(load(path)))
    except ConfigFaults as faults:
        if not as_json:
            exit_with(faults)
        click.echo(json.dumps(_told(faults), indent=2))
        sys.exit(EXIT_FAULTS)
    click.echo(json.dumps(_plain(listed), indent=2) if as_json else _table(listed))


def _told(faults: ConfigFaults) -> dict[str, object]:
    told = [
        {"file": fault.file, "line": fault.line, "path": fault.path, "message": fault.message}
        for fault in faults.faults
    ]
    return {"ok": False, "faults": told}


def _plain(listed: tuple[Entry, ...]) -> dict[str, object]:
    settings = {entry.path: {"value": entry.value, "source": entry.source} for entry in listed}
    return {"ok": True, "settings": settings}


def _table(listed: tuple[Entry, ...]) -> str:
    paths = max(len(entry.path) for entry in listed)
    return "\n".join(
        f"{entry.path:<{paths}}  {entry.text:<{COLUMN}}  {entry.source}" for entry in listed
    )
