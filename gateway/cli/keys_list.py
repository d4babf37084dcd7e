"""``keys list``: who may ask, by which credentials, and until when.

Owns: the table, as text and as JSON. Must not know: any key itself.
"""

import json
from collections.abc import Iterator

import click

from gateway.access.keys import credential_names
from gateway.cli.options import config_option, loaded_or_exit
from gateway.cli.telling import table
from gateway.clock import SystemClock
from gateway.config.credentials import Credential, expiry_of
from gateway.config.sections import Config, Key
from gateway.config.units import USD

_HEAD = ("KEY", "CREDENTIAL", "STATE", "EXPIRES", "MODELS", "LIMITS")


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(path: str | None, *, as_json: bool) -> None:
    """List the configured keys.

    Each credential has a line: its id, or its place where it has none, and whether it is good now.
    """
    config, now = loaded_or_exit(path).config, SystemClock().wall()
    if as_json:
        click.echo(json.dumps({"keys": [_plain(key, now) for key in config.keys]}, indent=2))
    else:
        click.echo(table(_HEAD, _rows(config, now)))


def state_of(key: Key, credential: Key | Credential, now: float) -> str:
    """Whether a credential is good: ``active``, ``expired`` or ``disabled``."""
    if key.disabled or credential.disabled:
        return "disabled"
    expired = credential.expires is not None and now >= expiry_of(credential.expires)
    return "expired" if expired else "active"


def _rows(config: Config, now: float) -> Iterator[tuple[str, ...]]:
    for key in config.keys:
        limits = ", ".join(f"{name} {value}" for name, value in _limits(key).items())
        told = (", ".join(key.models) or "all", limits)
        for place, (name, one) in enumerate(credential_names(key)):
            state = state_of(key, one, now)
            rest = told if place == 0 else ("", "")
            yield (key.name if place == 0 else "", name, state, one.expires or "never", *rest)


def _limits(key: Key) -> dict[str, str]:
    limits = {name: getattr(key.limits, name) for name in type(key.limits).model_fields}
    return {
        name: f"${USD.spell(value)}" if name.startswith("cost_") else str(value)
        for name, value in limits.items()
        if value is not None
    }


def _plain(key: Key, now: float) -> dict[str, object]:
    return {
        "name": key.name,
        "models": list(key.models),
        "limits": _limits(key),
        "credentials": [
            {"id": name, "state": state_of(key, one, now), "expires": one.expires}
            for name, one in credential_names(key)
        ],
    }
