"""Rules that span settings.

Owns: what must hold between sections, and what a key must look like. Works on plain values, as
they stand before the models are built, so that its faults are told together with all others;
values of a wrong type are passed over here. Must not know: where values come from. No message
holds a secret.
"""

import difflib
import math
from collections.abc import Iterator

from gateway.config.addresses import is_loopback
from gateway.config.draft import Tree, find
from gateway.config.sections import Config
from gateway.config.units import SECONDS
from gateway.config.yaml12 import Path

LEAST_KEY = 8

Finding = tuple[Path, str]


def findings(values: Tree) -> Iterator[Finding]:
    """List what is wrong between settings: a path and a sentence each."""
    yield from _keys(values)
    yield from _single_secrets(values)
    yield from _models(values)
    yield from _listeners(values)
    yield from _memories(values)


def _keys(values: Tree) -> Iterator[Finding]:
    names: dict[str, int] = {}
    secrets: dict[str, int] = {}
    keys = values.get("keys")
    for index in range(len(keys) if isinstance(keys, list) else 0):
        name, secret = _text(values, "keys", index, "name"), _text(values, "keys", index, "key")
        if name is not None and names.setdefault(name, index) != index:
            yield ("keys", index, "name"), f"is the name of keys[{names[name]}] too"
        if secret is None:
            continue
        fault = _unfit(secret, LEAST_KEY)
        if fault:
            yield ("keys", index, "key"), fault
        elif secrets.setdefault(secret, index) != index:
            yield ("keys", index, "key"), f"is the key of keys[{secrets[secret]}] too"


def _single_secrets(values: Tree) -> Iterator[Finding]:
    for section, name in (("upstream", "api_key"), ("ops", "token")):
        secret = _text(values, section, name)
        fault = _unfit(secret, 1) if secret is not None else ""
        if fault:
            yield (section, name), fault


def _unfit(secret: str, least: int) -> str:
    """Say why a secret cannot travel in a header; empty if it can."""
    if not secret.strip():
        return "must not be empty"
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        return "must be ASCII without spaces and control characters"
    return f"must be {least} characters or longer" if len(secret) < least else ""


def _models(values: Tree) -> Iterator[Finding]:
    models = values.get("models")
    if models is None:
        known = Config.model_fields["models"].default
        models = {name: {"aliases": list(model.aliases)} for name, model in known.items()}
    if not isinstance(models, dict):
        return
    owners: dict[str, str] = {}
    for name, model in models.items():
        aliases = find(model, ("aliases",))
        for index, alias in enumerate(aliases if isinstance(aliases, list) else ()):
            path: Path = ("models", name, "aliases", index)
            if not isinstance(alias, str):
                continue
            if alias in models and alias != name:
                yield path, "is the name of another model"
            elif alias in owners:
                yield path, f"is an alias of {owners[alias]} already"
            owners.setdefault(alias, name)
    yield from _default_model(values, [*models, *owners])


def _default_model(values: Tree, known: list[str]) -> Iterator[Finding]:
    given = find(values, ("requests", "default_model"))
    name = Config.model_fields["requests"].default.default_model if given is None else given
    if isinstance(name, str) and name and known and name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        subject = f"is {name} by default, which" if given is None else "it"
        yield ("requests", "default_model"), f"{subject} is neither a model nor an alias; {hint}"


def _listeners(values: Tree) -> Iterator[Finding]:
    host = _text(values, "ops", "host") or "127.0.0.1"
    if not is_loopback(host) and find(values, ("ops", "token")) is None:
        yield ("ops", "token"), "is required where ops.host is not loopback"
    port, ops_port = (
        _port(values, "server", Config.model_fields["server"].default.port),
        _port(values, "ops", Config.model_fields["ops"].default.port),
    )
    if port and port == ops_port and host == (_text(values, "server", "host") or "127.0.0.1"):
        yield ("ops", "port"), "is the port of server too"


def _port(values: Tree, section: str, default: int) -> object:
    port = find(values, (section, "port"))
    return default if port is None else port


def _text(values: Tree, *path: str | int) -> str | None:
    value = find(values, path)
    return value if isinstance(value, str) else None


def _memories(values: Tree) -> Iterator[Finding]:
    """A job has to be remembered for as long as its pictures lie here."""
    try:
        keep = SECONDS.read(find(values, ("state", "keep")))
        lifetime = SECONDS.read(find(values, ("images", "lifetime")))
    except ValueError:
        return  # told by the section itself
    keep = Config.model_fields["state"].default.keep if keep is None else keep
    lifetime = Config.model_fields["images"].default.lifetime if lifetime is None else lifetime
    if not isinstance(keep, int | float) or not isinstance(lifetime, int | float):
        return
    if keep < lifetime < math.inf:
        yield ("state", "keep"), "must not be shorter than images.lifetime"
