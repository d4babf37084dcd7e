"""``keys list``: who may ask, by which credentials, and until when.

Owns: the table, as text and as JSON. Must not know: any key itself.
"""

import json
from collections.abc import Iterator, Mapping

import click

from gateway.access.keys import credential_names
from gateway.cli.options import config_option, loaded_or_exit
from gateway.cli.telling import moment, table
from gateway.clock import SystemClock
from gateway.config.addresses import ledger_path
from gateway.config.credentials import Credential, expiry_of
from gateway.config.sections import Config, Key
from gateway.config.units import USD
from gateway.state.base import LedgerFault
from gateway.state.reading import Reading

Uses = Mapping[tuple[str, str], float]

_HEAD = ("KEY", "CREDENTIAL", "STATE", "EXPIRES", "LAST USED", "MODELS", "LIMITS")


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(path: str | None, *, as_json: bool) -> None:
    """List the configured keys.

    Each credential has a line: its id, or its place where it has none, and whether it is good now,
    and when it was last used, if there is a ledger that knows.
    """
    config, now = loaded_or_exit(path).config, SystemClock().wall()
    uses = _uses(config)
    if as_json:
        click.echo(json.dumps({"keys": [_plain(key, now, uses) for key in config.keys]}, indent=2))
    else:
        click.echo(table(_HEAD, _rows(config, now, uses)))


def state_of(key: Key, credential: Key | Credential, now: float) -> str:
    """Whether a credential is good: ``active``, ``expired`` or ``disabled``."""
    if key.disabled or credential.disabled:
        return "disabled"
    expired = credential.expires is not None and now >= expiry_of(credential.expires)
    return "expired" if expired else "active"


def _uses(config: Config) -> Uses:
    """When credentials were last used. That this cannot be read is no reason to list nothing."""
    place = ledger_path(config.state.url)
    if place is None:
        return {}
    try:
        return Reading(place).uses()
    except LedgerFault:
        return {}


def _rows(config: Config, now: float, uses: Uses) -> Iterator[tuple[str, ...]]:
    for key in config.keys:
        limits = ", ".join(f"{name} {value}" for name, value in _limits(key).items())
        told = (", ".join(key.models) or "all", limits)
        for place, (name, one) in enumerate(credential_names(key)):
            state = state_of(key, one, now)
            rest = told if place == 0 else ("", "")
            used = uses.get((key.name, name))
            shown = "" if used is None else moment(used)
            first = key.name if place == 0 else ""
            yield (first, name, state, one.expires or "never", shown, *rest)


def _limits(key: Key) -> dict[str, str]:
    limits = {name: getattr(key.limits, name) for name in type(key.limits).model_fields}
    return {
        name: f"${USD.spell(value)}" if name.startswith("cost_") else str(value)
        for name, value in limits.items()
        if value is not None
    }


def _plain(key: Key, now: float, uses: Uses) -> dict[str, object]:
    return {
        "name": key.name,
        "models": list(key.models),
        "limits": _limits(key),
        "credentials": [
            {
                "id": name,
                "state": state_of(key, one, now),
                "expires": one.expires,
                "last_used": uses.get((key.name, name)),
            }
            for name, one in credential_names(key)
        ],
    }
