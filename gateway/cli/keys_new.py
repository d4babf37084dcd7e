"""``keys new``: a key, shown once, and the entry that lets it in.

Owns: the command and its words. Must not know: how an entry is spelt (``keys_entries.py``).
"""

import json
import sys

import click

from gateway.cli.keys_entries import Wanted, entry, expiry_word, faults_of, further
from gateway.cli.options import EXIT_FAULTS
from gateway.clock import SystemClock
from gateway.config.credentials import NewKey, new_key

_NUMBER = "0123456789."


def _limits(
    context: click.Context, option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    limits: dict[str, str] = {}
    for one in given:
        name, sign, value = (part.strip() for part in one.partition("="))
        if not sign or not name.replace("_", "").isalpha() or not value or value.strip(_NUMBER):
            raise click.BadParameter("write it as requests_per_minute=60", context, option)
        limits[name] = value
    return limits


@click.command()
@click.argument("name")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=NUMBER",
    callback=_limits,
    help="A limit, such as requests_per_minute=60; repeatable.",
)
@click.option("--expires", metavar="90d|DATE", help="Days from now, or a UTC date; without: never.")
@click.option("--model", "models", multiple=True, help="A model it may ask for; repeatable.")
@click.option("--max-n", type=int, help="Pictures it may ask for at once, at most.")
@click.option(
    "--rotate", is_flag=True, help="A further key for an entry there is: goes under also."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(
    name: str,
    limits: dict[str, str],
    expires: str | None,
    models: tuple[str, ...],
    max_n: int | None,
    *,
    rotate: bool,
    as_json: bool,
) -> None:
    """Make a key, and the entry for the configuration.

    The key is printed once and kept nowhere: the entry holds its id and its SHA-256.
    """
    if rotate and (limits or models or max_n is not None):
        raise click.UsageError("with --rotate, limits and permissions are those of the entry")
    try:
        until = None if expires is None else expiry_word(expires, SystemClock().wall())
    except OverflowError:
        raise click.UsageError("--expires: so many days lead beyond the calendar") from None
    wanted, made = Wanted(name, limits, models, max_n, until), new_key()
    text = further(wanted, made) if rotate else entry(wanted, made)
    faults = faults_of(wanted, text, rotate=rotate)
    if faults:
        click.echo("\n".join(faults), err=True)
        sys.exit(EXIT_FAULTS)
    click.echo(_json(wanted, made, text) if as_json else _told(wanted, made, text, rotate=rotate))


def _json(wanted: Wanted, made: NewKey, text: str) -> str:
    told = {
        "name": wanted.name,
        "id": made.id,
        "key": made.key,
        "expires": wanted.expires,
        "entry": text,
    }
    return json.dumps(told, indent=2)


def _told(wanted: Wanted, made: NewKey, text: str, *, rotate: bool) -> str:
    place = (
        f"the entry {wanted.name} of keys, below its line also: (which stands as deep as id:)"
        if rotate
        else "the configuration, below keys:"
    )
    return (
        f"{made.key}\n\n"
        "This is the key. It is shown this once and kept nowhere; hand it out over a safe way.\n"
        f"Paste this into {place}\n\n{text}\n\n"
        "Saving the file (or SIGHUP) puts it in force, within about two seconds."
    )
