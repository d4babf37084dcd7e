"""``keys hash``: what the configuration keeps of a key that somebody made up.

Owns: the command; the key is read from standard input, so it is in no list of processes. Must not
know: configurations.
"""

import sys

import click

from gateway.config.credentials import digest_of, id_of, new_id
from gateway.config.key_checks import LEAST_KEY, unfit


@click.command()
def command() -> None:
    """Read a key of your own, and print what the configuration keeps of it.

    It is read from standard input; on a terminal it is asked for and not shown.
    """
    if sys.stdin.isatty():
        key = str(click.prompt("Key", hide_input=True))
    else:
        key = sys.stdin.readline().rstrip("\r\n")
    fault = unfit(key, LEAST_KEY)
    if fault:
        raise click.UsageError(f"the key {fault}")
    click.echo(f'id: "{id_of(key) or new_id()}"\nsha256: "{digest_of(key)}"')
